/* The last seconds of a leap year and the first of the next one, printed as they come: the calendar is read when the
 * sub-seconds have started over, and DR last, because reading TR holds DR until then. */
#include "rtc.h"

static char *append_bcd(char *to, uint32_t bcd)
{
    *to++ = (char)('0' + (bcd >> 4));
    *to++ = (char)('0' + (bcd & 0xFu));
    return to;
}

static char *append_three(char *to, uint32_t first, uint32_t second, uint32_t third, const char *separator)
{
    to = append_text(append_bcd(to, first), separator);
    to = append_text(append_bcd(to, second), separator);
    return append_bcd(to, third);
}

static void print_calendar(uint32_t time, uint32_t date)
{
    static const char *const days[] = {"", "Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "};
    char line[40];
    char *end = append_text(line, days[date >> RTC_DR_WDU_Pos & 7u]);

    end = append_three(end, date >> RTC_DR_YU_Pos & 0xFFu, date >> RTC_DR_MU_Pos & 0x1Fu, date & 0x3Fu, "-");
    end = append_three(append_text(end, " "), time >> RTC_TR_HU_Pos & 0x3Fu, time >> RTC_TR_MNU_Pos & 0x7Fu,
                       time & 0x7Fu, ":");
    append_text(end, "\r\n");
    print(line);
}

int main(void)
{
    uint32_t shown = 0;

    console_start(RESET_HZ);
    rtc_start_clock();
    rtc_unlock();
    rtc_set(rtc_time(0x23, 0x59, 0x58), rtc_date(0x24, 0x12, 0x31, 2));
    rtc_lock();
    for (;;) {
        uint32_t time = RTC_TR;
        uint32_t date = RTC_DR;

        if (time != shown) {
            shown = time;
            print_calendar(time, date);
        }
        pause(10000);
    }
}

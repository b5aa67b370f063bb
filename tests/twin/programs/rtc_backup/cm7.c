/* A backup register counts the starts. The first two end in a system reset; the third prints the count, the seconds
 * that the calendar has counted through the resets, and whether the tamper inputs have seen anything. */
#include "rtc.h"

#define VECTKEY 0x05FAu
#define TAMPER_FLAGS (RTC_ISR_TAMP1F_Msk | RTC_ISR_TAMP2F_Msk | RTC_ISR_TAMP3F_Msk)
#define STARTS RTC_BKP0R

static void reset_system(void)
{
    dsb();
    SCS_AIRCR = VECTKEY << SCS_AIRCR_VECTKEY_Pos | SCS_AIRCR_SYSRESETREQ_Msk;
    for (;;) {
    }
}

int main(void)
{
    PWR_CR1 |= PWR_CR1_DBP_Msk;
    if (!(RTC_ISR & RTC_ISR_INITS_Msk)) {
        rtc_start_clock();
        rtc_unlock();
        rtc_set(rtc_time(0x12, 0x00, 0x00), rtc_date(0x25, 0x03, 0x14, 5));
    }
    STARTS = STARTS + 1;
    pause(8000000); /* less than a second */
    if (STARTS < 3) {
        reset_system();
    }
    wait_until_set(&RTC_ISR, RTC_ISR_RSF_Msk);
    console_start(RESET_HZ);
    print_value("starts", STARTS);
    print_value("seconds", RTC_TR & 0x7Fu);
    print_value("tampered", (RTC_ISR & TAMPER_FLAGS) != 0);
    for (;;) {
        wfi();
    }
}

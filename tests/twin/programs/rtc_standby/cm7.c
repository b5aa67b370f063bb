/* The whole chip goes to Standby, out of which the wake-up timer starts it after PERIOD seconds, from reset. The calendar
 * and the backup registers live on; the console shows how often it came out of Standby, and the calendar's seconds. */
#include "rtc.h"

#define WUCKSEL_SECONDS 4u
#define PERIOD 10u
#define ALLOW_STANDBY (PWR_CPUCR_PDDS_D1_Msk | PWR_CPUCR_PDDS_D2_Msk | PWR_CPUCR_PDDS_D3_Msk)
#define WAKE_UPS RTC_BKP1R

static void start_rtc(void)
{
    rtc_start_clock();
    rtc_unlock();
    rtc_set(rtc_time(0x12, 0x00, 0x00), rtc_date(0x25, 0x03, 0x14, 5));
    RTC_CR &= ~RTC_CR_WUTE_Msk;
    wait_until_set(&RTC_ISR, RTC_ISR_WUTWF_Msk);
    RTC_WUTR = PERIOD - 1u;
    SET_FIELD(RTC_CR, WUCKSEL, WUCKSEL_SECONDS);
    RTC_CR |= RTC_CR_WUTE_Msk | RTC_CR_WUTIE_Msk;
}

static void report(void)
{
    wait_until_set(&RTC_ISR, RTC_ISR_RSF_Msk);
    print_value("wake-up", WAKE_UPS);
    print_value("second", (RTC_TR >> RTC_TR_ST_Pos & 7u) * 10u + (RTC_TR & 0xFu));
}

int main(void)
{
    PWR_CR1 |= PWR_CR1_DBP_Msk;
    if (PWR_CPUCR & PWR_CPUCR_SBF_Msk) {
        console_start(RESET_HZ);
        WAKE_UPS = WAKE_UPS + 1;
        report();
        RCC_APB1LENR = 0; /* USART3 would keep D2 awake */
        rtc_clear(RTC_ISR_WUTF_Msk);
    } else {
        start_rtc();
    }
    PWR_CPUCR = ALLOW_STANDBY | PWR_CPUCR_CSSF_Msk;
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    for (;;) {
        dsb();
        wfi();
    }
}

/* Both cores stop, and so does the system. The wake-up timer starts CM7 every second; alarm B starts CM4 (cm4.c) once
 * a minute. CM4 counts the minutes, CM7 the seconds. */
#include "rtc.h"

#define WUCKSEL_SECONDS 4u
#define EVERY_MINUTE (RTC_ALRMBR_MSK4_Msk | RTC_ALRMBR_MSK3_Msk | RTC_ALRMBR_MSK2_Msk)

volatile uint32_t seconds;
volatile uint32_t stops; /* wake-ups that the system came out of Stop with */

void RTC_WKUP_IRQHandler(void)
{
    rtc_clear(RTC_ISR_WUTF_Msk);
    EXTI_C1PR1 = EXTI_C1PR1_PR19_Msk;
    seconds = seconds + 1;
}

static void start_wake_up_timer(void)
{
    RTC_CR &= ~RTC_CR_WUTE_Msk;
    wait_until_set(&RTC_ISR, RTC_ISR_WUTWF_Msk);
    RTC_WUTR = 0; /* each edge of the calendar's clock */
    SET_FIELD(RTC_CR, WUCKSEL, WUCKSEL_SECONDS);
    RTC_CR |= RTC_CR_WUTE_Msk | RTC_CR_WUTIE_Msk;
    EXTI_RTSR1 |= EXTI_RTSR1_TR19_Msk;
    EXTI_C1IMR1 |= EXTI_C1IMR1_MR19_Msk;
    enable_interrupt(RTC_WKUP_IRQn, 1);
}

static void start_alarm(void)
{
    RTC_CR &= ~RTC_CR_ALRBE_Msk;
    wait_until_set(&RTC_ISR, RTC_ISR_ALRBWF_Msk);
    RTC_ALRMBR = EVERY_MINUTE; /* at its second 0 */
    RTC_CR |= RTC_CR_ALRBE_Msk | RTC_CR_ALRBIE_Msk;
    EXTI_RTSR1 |= EXTI_RTSR1_TR17_Msk;
}

int main(void)
{
    rtc_start_clock();
    rtc_unlock();
    rtc_set(rtc_time(0x12, 0x00, 0x00), rtc_date(0x25, 0x03, 0x14, 5));
    start_wake_up_timer();
    start_alarm();

    PWR_CPUCR = PWR_CPUCR_CSSF_Msk; /* Stop, not Standby */
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    for (;;) {
        dsb();
        wfi();
        if (PWR_CPUCR & PWR_CPUCR_STOPF_Msk) {
            PWR_CPUCR = PWR_CPUCR_CSSF_Msk;
            stops = stops + 1;
        }
    }
}

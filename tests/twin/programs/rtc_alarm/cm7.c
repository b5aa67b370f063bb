/* Alarm A at second 30 of every minute, by interrupt: LD1 (PB0) changes its level. CM7 sleeps in between. */
#include "rtc.h"

#define SECOND 0x30u

volatile uint32_t alarms;

void RTC_Alarm_IRQHandler(void)
{
    if (RTC_ISR & RTC_ISR_ALRAF_Msk) {
        rtc_clear(RTC_ISR_ALRAF_Msk);
        alarms = alarms + 1;
        write_pin('B', 0, alarms & 1u);
    }
    EXTI_C1PR1 = EXTI_C1PR1_PR17_Msk;
}

int main(void)
{
    configure_pin('B', 0, PIN_OUTPUT, 0);
    rtc_start_clock();
    rtc_unlock();
    rtc_set(rtc_time(0x08, 0x00, 0x28), rtc_date(0x25, 0x03, 0x14, 5));

    RTC_CR &= ~RTC_CR_ALRAE_Msk;
    wait_until_set(&RTC_ISR, RTC_ISR_ALRAWF_Msk);
    RTC_ALRMAR = RTC_ALRMAR_MSK4_Msk | RTC_ALRMAR_MSK3_Msk | RTC_ALRMAR_MSK2_Msk | SECOND;
    RTC_ALRMASSR = 0;
    RTC_CR |= RTC_CR_ALRAE_Msk | RTC_CR_ALRAIE_Msk;

    EXTI_RTSR1 |= EXTI_RTSR1_TR17_Msk;
    EXTI_C1IMR1 |= EXTI_C1IMR1_MR17_Msk;
    enable_interrupt(RTC_Alarm_IRQn, 1);
    for (;;) {
        wfi();
    }
}

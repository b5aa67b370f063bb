/* Stops at once, and counts the alarms that wake it up: see cm7.c. It needs the flash of D1 when it wakes up. */
#include "rtc.h"

volatile uint32_t minutes;

void RTC_Alarm_IRQHandler(void)
{
    rtc_clear(RTC_ISR_ALRBF_Msk);
    EXTI_C2PR1 = EXTI_C2PR1_PR17_Msk;
    minutes = minutes + 1;
}

int main(void)
{
    enable_clock(&RCC_AHB3ENR, RCC_AHB3ENR_FLASHEN_Msk);
    EXTI_C2IMR1 |= EXTI_C2IMR1_MR17_Msk;
    enable_interrupt(RTC_Alarm_IRQn, 1);
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    for (;;) {
        dsb();
        wfi();
    }
}

/* Button B1 is at PC13, which is the time-stamp input, too: the RTC keeps the second of a press, and interrupts. */
#include "rtc.h"

volatile uint32_t presses;

void TAMP_STAMP_IRQHandler(void)
{
    print_value("second", RTC_TSTR & 0x7Fu);
    rtc_clear(RTC_ISR_TSF_Msk | RTC_ISR_TSOVF_Msk);
    EXTI_C1PR1 = EXTI_C1PR1_PR18_Msk;
    presses = presses + 1;
}

int main(void)
{
    console_start(RESET_HZ);
    rtc_start_clock();
    rtc_unlock();
    rtc_set(rtc_time(0x12, 0x00, 0x00), rtc_date(0x25, 0x03, 0x14, 5));
    RTC_CR |= RTC_CR_TSE_Msk | RTC_CR_TSIE_Msk;
    EXTI_RTSR1 |= EXTI_RTSR1_TR18_Msk;
    EXTI_C1IMR1 |= EXTI_C1IMR1_MR18_Msk;
    enable_interrupt(TAMP_STAMP_IRQn, 1);
    print("ready\r\n");
    for (;;) {
        wfi();
    }
}

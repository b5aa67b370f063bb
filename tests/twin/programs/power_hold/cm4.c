/* CM4 writes on the console what the system clock is when the button wakes it: see cm7.c. */
#include "power.h"

volatile uint32_t clock;

void EXTI15_10_IRQHandler(void)
{
    button_clear();
}

int main(void)
{
    button_start();
    enable_clock(&RCC_AHB3ENR, RCC_AHB3ENR_FLASHEN_Msk); /* it runs from D1's flash */
    select_stop(true);
    for (;;) {
        wfi();
        clock = (RCC_CFGR & RCC_CFGR_SWS_Msk) >> RCC_CFGR_SWS_Pos;
        console_start(FAST_PERIPHERALS_HZ);
        print_value("clock", clock);
    }
}

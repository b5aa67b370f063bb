/* Both cores are in CStop until the button is pressed. Out of system Stop CM7 comes with the system clock that STOPWUCK
 * selects, and the PLL off; it starts the PLL again before it talks (RM0399 9.5.7, table 60). */
#include "power.h"

#ifndef STOPWUCK
#define STOPWUCK CLOCK_HSI
#endif

volatile uint32_t presses;

void EXTI15_10_IRQHandler(void)
{
    button_clear();
    presses = presses + 1;
}

int main(void)
{
    clocks_start();
    console_start(FAST_PERIPHERALS_HZ);
    SET_FIELD(RCC_CFGR, STOPWUCK, STOPWUCK);
    button_start();
    for (;;) {
        uint32_t status, clock, pll;

        print("stop\r\n");
        PWR_CPUCR |= PWR_CPUCR_CSSF_Msk;
        select_stop(true);
        wfi();
        select_stop(false);
        status = PWR_CPUCR;
        clock = RCC_CFGR & RCC_CFGR_SWS_Msk;
        pll = RCC_CR & RCC_CR_PLL1ON_Msk;
        clocks_start();
        print_value("presses", presses);
        print_value("was in Stop", !!(status & PWR_CPUCR_STOPF_Msk));
        print_value("clock", clock >> RCC_CFGR_SWS_Pos);
        print_value("PLL", !!pll);
    }
}

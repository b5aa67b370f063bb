/* COMP1 compares PB0 with the inner reference (about 1.2 V); each crossing interrupts CM4 through EXTI line 20, and a
 * LED (PB14) shows which side it is on. */
#include "example.h"

#define VREFINT 3u
#define LINE 20u

volatile uint32_t crossings;

void COMP_IRQHandler(void)
{
    EXTI_C2PR1 = 1u << LINE;
    crossings = crossings + 1;
    write_pin('B', 14, COMP12_SR & COMP12_SR_C1VAL_Msk);
}

int main(void)
{
    configure_pin('B', 14, PIN_OUTPUT, 0);
    configure_pin('B', 0, PIN_ANALOG, 0);
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_COMP12EN_Msk);
    COMP12_CFGR1 = VREFINT << COMP12_CFGR1_INMSEL_Pos | COMP12_CFGR1_BRGEN_Msk | COMP12_CFGR1_SCALEN_Msk;
    COMP12_CFGR1 |= COMP12_CFGR1_EN_Msk;
    EXTI_RTSR1 |= 1u << LINE;
    EXTI_FTSR1 |= 1u << LINE;
    EXTI_C2IMR1 |= 1u << LINE;
    enable_interrupt(COMP_IRQn, 5);
    for (;;) {
        wfi();
    }
}

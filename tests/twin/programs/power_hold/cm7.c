/* The button wakes CM4 only. After system Stop CM7 holds CM4 back until the PLL runs again: the hold interrupt starts
 * CM7 in its place (RM0399 7.7.8). */
#include "power.h"

#ifndef HOLD
#define HOLD 1u
#endif

volatile uint32_t held;

void HOLD_CORE_IRQHandler(void)
{
    held = held + 1;
    clocks_start();
    PWR_CPUCR = (PWR_CPUCR & ~PWR_CPUCR_HOLD2_Msk) | PWR_CPUCR_CSSF_Msk; /* releases CM4 */
    PWR_CPUCR |= HOLD << PWR_CPUCR_HOLD2_Pos;                            /* for the next time */
}

int main(void)
{
    clocks_start();
    PWR_CPUCR |= HOLD << PWR_CPUCR_HOLD2_Pos;
    enable_interrupt(HOLD_CORE_IRQn, 1);
    select_stop(true);
    for (;;) {
        wfi();
    }
}

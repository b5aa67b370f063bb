/* CM4 takes random numbers from RNG, on HSI48: the first four by polling, more in interrupts. */
#include "example.h"

#define COUNT 64u

volatile uint32_t taken, numbers[COUNT], faults;

void HASH_RNG_IRQHandler(void)
{
    if (RNG_SR & (RNG_SR_SEIS_Msk | RNG_SR_CEIS_Msk)) {
        faults = faults + 1;
        RNG_CR &= ~RNG_CR_IE_Msk;
    }
    while (taken < COUNT && RNG_SR & RNG_SR_DRDY_Msk) {
        numbers[taken] = RNG_DR;
        taken = taken + 1;
    }
    if (taken == COUNT) {
        RNG_CR = 0;
    }
}

int main(void)
{
    RCC_CR |= RCC_CR_HSI48ON_Msk;
    wait_until_set(&RCC_CR, RCC_CR_HSI48RDY_Msk);
    enable_clock(&RCC_AHB2ENR, RCC_AHB2ENR_RNGEN_Msk);
    RNG_CR = RNG_CR_RNGEN_Msk;
    while (taken < 4u) {
        wait_until_set(&RNG_SR, RNG_SR_DRDY_Msk);
        numbers[taken] = RNG_DR;
        taken = taken + 1;
    }
    enable_interrupt(HASH_RNG_IRQn, 7);
    RNG_CR |= RNG_CR_IE_Msk;
    for (;;) {
        wfi();
    }
}

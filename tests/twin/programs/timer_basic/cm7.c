/* The basic timers: TIM6 interrupts CM7 every 2 ms, TIM7 interrupts CM4 every 5 ms. */
#include "example.h"

volatile uint32_t interrupts;

void TIM6_DAC_IRQHandler(void)
{
    TIM6_SR = 0;
    interrupts = interrupts + 1;
}

int main(void)
{
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM6EN_Msk);
    TIM6_PSC = 6400 - 1; /* 10 kHz */
    TIM6_ARR = 20 - 1;
    TIM6_CR1 = TIM6_CR1_URS_Msk; /* no interrupt for the update that loads the prescaler */
    TIM6_EGR = TIM6_EGR_UG_Msk;
    TIM6_DIER = TIM6_DIER_UIE_Msk;
    enable_interrupt(TIM6_DAC_IRQn, 1);
    TIM6_CR1 |= TIM6_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

#include "example.h"

volatile uint32_t interrupts;

void TIM7_IRQHandler(void)
{
    TIM7_SR = 0;
    interrupts = interrupts + 1;
}

int main(void)
{
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM7EN_Msk);
    TIM7_PSC = 6400 - 1;
    TIM7_ARR = 50 - 1;
    TIM7_CR1 = TIM7_CR1_URS_Msk;
    TIM7_EGR = TIM7_EGR_UG_Msk;
    TIM7_DIER = TIM7_DIER_UIE_Msk;
    enable_interrupt(TIM7_IRQn, 1);
    TIM7_CR1 |= TIM7_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

/* TIM2 interrupts 1000 times a second and counts; the console shows the first ten. */
#include "example.h"

volatile uint32_t interrupts;

void TIM2_IRQHandler(void)
{
    TIM2_SR = ~TIM2_SR_UIF_Msk;
    interrupts = interrupts + 1;
}

int main(void)
{
    uint32_t shown = 0;

    console_start(RESET_HZ);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM2EN_Msk);
    TIM2_PSC = 64 - 1; /* 1 MHz */
    TIM2_ARR = 1000 - 1;
    TIM2_EGR = TIM2_EGR_UG_Msk;
    TIM2_SR = 0;
    TIM2_DIER = TIM2_DIER_UIE_Msk;
    enable_interrupt(TIM2_IRQn, 1);
    TIM2_CR1 = TIM2_CR1_CEN_Msk;
    while (shown < 10) {
        wfi();
        if (interrupts > shown) {
            ++shown;
            print_value("update", shown);
        }
    }
    for (;;) {
        wfi();
    }
}

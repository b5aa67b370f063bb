/* TIM1 repeats a pulse at PE9 five times for each update interrupt. Each interrupt sets another width, which is
 * preloaded and begins with the next update event (RM0399 40.3.3). */
#include "example.h"

volatile uint32_t updates;

void TIM1_UP_IRQHandler(void)
{
    TIM1_SR = ~TIM1_SR_UIF_Msk;
    updates = updates + 1;
    TIM1_CCR1 = 20 + 20 * (updates % 3);
}

int main(void)
{
    configure_pin('E', 9, PIN_ALTERNATE, 1);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_TIM1EN_Msk);
    TIM1_PSC = 64 - 1; /* 1 MHz */
    TIM1_ARR = 100 - 1;
    TIM1_RCR = 5 - 1;
    TIM1_CCR1 = 20;
    SET_FIELD(TIM1_CCMR1_Output, OC1M, 6);
    TIM1_CCMR1_Output |= TIM1_CCMR1_Output_OC1PE_Msk;
    TIM1_CCER = TIM1_CCER_CC1E_Msk;
    TIM1_BDTR = TIM1_BDTR_MOE_Msk;
    TIM1_EGR = TIM1_EGR_UG_Msk;
    TIM1_SR = 0;
    TIM1_DIER = TIM1_DIER_UIE_Msk;
    enable_interrupt(TIM1_UP_IRQn, 1);
    TIM1_CR1 = TIM1_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

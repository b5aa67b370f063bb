/* Two square waves out of one counter: TIM2 toggles PA5 (channel 1) and PB10 (channel 3), each interrupt sets the
 * next time. */
#include "example.h"

#define HALF_PERIOD_1 200u /* microseconds */
#define HALF_PERIOD_3 350u

volatile uint32_t interrupts;

void TIM2_IRQHandler(void)
{
    const uint32_t status = TIM2_SR;

    TIM2_SR = ~status;
    if (status & TIM2_SR_CC1IF_Msk) {
        TIM2_CCR1 += HALF_PERIOD_1;
    }
    if (status & TIM2_SR_CC3IF_Msk) {
        TIM2_CCR3 += HALF_PERIOD_3;
    }
    interrupts = interrupts + 1;
}

int main(void)
{
    configure_pin('A', 5, PIN_ALTERNATE, 1);
    configure_pin('B', 10, PIN_ALTERNATE, 1);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM2EN_Msk);
    TIM2_PSC = 64 - 1; /* 1 MHz */
    TIM2_EGR = TIM2_EGR_UG_Msk;
    TIM2_SR = 0;
    TIM2_CCR1 = HALF_PERIOD_1;
    TIM2_CCR3 = HALF_PERIOD_3;
    SET_FIELD(TIM2_CCMR1_Output, OC1M, 3); /* toggle */
    SET_FIELD(TIM2_CCMR2_Output, OC3M, 3);
    TIM2_CCER = TIM2_CCER_CC1E_Msk | TIM2_CCER_CC3E_Msk;
    TIM2_DIER = TIM2_DIER_CC1IE_Msk | TIM2_DIER_CC3IE_Msk;
    enable_interrupt(TIM2_IRQn, 1);
    TIM2_CR1 = TIM2_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

#include "example.h"

int main(void)
{
    configure_pin('D', 12, PIN_ALTERNATE, 2);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM4EN_Msk);
    TIM4_PSC = 64 - 1;
    TIM4_ARR = 400 - 1;
    TIM4_CCR1 = 150;
    SET_FIELD(TIM4_CCMR1_Output, OC1M, 6);
    TIM4_CCER = TIM4_CCER_CC1E_Msk;
    TIM4_EGR = TIM4_EGR_UG_Msk;
    TIM4_CR1 = TIM4_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

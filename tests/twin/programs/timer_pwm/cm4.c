#include "example.h"

int main(void)
{
    configure_pin('B', 14, PIN_ALTERNATE, 2);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM12EN_Msk);
    TIM12_PSC = 64 - 1;
    TIM12_ARR = 2000 - 1;
    TIM12_CCR1 = 500;
    SET_FIELD(TIM12_CCMR1_Output, OC1M, 7); /* PWM mode 2 */
    TIM12_CCER = TIM12_CCER_CC1E_Msk;
    TIM12_EGR = TIM12_EGR_UG_Msk;
    TIM12_CR1 = TIM12_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

/* Each rising edge at PE11 (TIM1 channel 2) makes one pulse at PE9 (channel 1): 100 us later, 50 us long
 * (RM0399 40.3.19). */
#include "example.h"

int main(void)
{
    configure_pin('E', 9, PIN_ALTERNATE, 1);
    configure_pin('E', 11, PIN_ALTERNATE, 1);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_TIM1EN_Msk);
    TIM1_PSC = 64 - 1; /* 1 MHz */
    TIM1_ARR = 150 - 1;
    TIM1_CCR1 = 100;
    TIM1_EGR = TIM1_EGR_UG_Msk;
    SET_FIELD(TIM1_CCMR1_Output, OC1M, 7); /* PWM mode 2: active from CCR1 to ARR */
    SET_FIELD(TIM1_CCMR1_Input, CC2S, 1);
    TIM1_SMCR = 6u << TIM1_SMCR_TS_Pos | 6u << TIM1_SMCR_SMS_Pos; /* input 2 starts the counter */
    TIM1_CCER = TIM1_CCER_CC1E_Msk;
    TIM1_BDTR = TIM1_BDTR_MOE_Msk;
    TIM1_CR1 = TIM1_CR1_OPM_Msk;
    for (;;) {
        wfi();
    }
}

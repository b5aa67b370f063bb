/* CM7 measures what CM4 sends through a wire from PD12 to PA5: period and width of a pulse, in microseconds.
 * TIM2 captures both edges of its input 1, and restarts with each rising one (RM0399 40.3.7). */
#include "example.h"

int main(void)
{
    console_start(RESET_HZ);
    configure_pin('A', 5, PIN_ALTERNATE, 1);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM2EN_Msk);
    TIM2_PSC = 64 - 1; /* 1 MHz */
    TIM2_EGR = TIM2_EGR_UG_Msk;
    SET_FIELD(TIM2_CCMR1_Input, CC1S, 1); /* rising edges of input 1: the period */
    SET_FIELD(TIM2_CCMR1_Input, CC2S, 2); /* falling edges of input 1: the width */
    TIM2_CCER = TIM2_CCER_CC2P_Msk | TIM2_CCER_CC2E_Msk | TIM2_CCER_CC1E_Msk;
    TIM2_SMCR = 5u << TIM2_SMCR_TS_Pos | 4u << TIM2_SMCR_SMS_Pos; /* input 1 resets the counter */
    TIM2_CR1 = TIM2_CR1_CEN_Msk;

    for (uint32_t last = 0;;) {
        uint32_t period;

        TIM2_SR = 0;
        wait_until_set(&TIM2_SR, TIM2_SR_CC1IF_Msk);
        TIM2_SR = 0; /* this one ended what began before */
        wait_until_set(&TIM2_SR, TIM2_SR_CC1IF_Msk);
        period = TIM2_CCR1;
        if (period != last) {
            last = period;
            print_value("width", TIM2_CCR2);
            print_value("period", period);
        }
    }
}

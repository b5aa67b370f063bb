/* Two LEDs of different brightness: LD1 (PB0, TIM3 channel 3) by CM7, LD3 (PB14, TIM12 channel 1) by CM4. */
#include "example.h"

int main(void)
{
    configure_pin('B', 0, PIN_ALTERNATE, 2);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM3EN_Msk);
    TIM3_PSC = 64 - 1; /* 1 MHz */
    TIM3_ARR = 1000 - 1;
    TIM3_CCR3 = 250;
    SET_FIELD(TIM3_CCMR2_Output, OC3M, 6); /* PWM mode 1 */
    TIM3_CCMR2_Output |= TIM3_CCMR2_Output_OC3PE_Msk;
    TIM3_CCER = TIM3_CCER_CC3E_Msk;
    TIM3_EGR = TIM3_EGR_UG_Msk;
    TIM3_CR1 = TIM3_CR1_ARPE_Msk | TIM3_CR1_CEN_Msk;

    /* Brighter after ten periods: the new width begins with a period. */
    for (uint32_t periods = 0; periods < 10; ++periods) {
        TIM3_SR = ~TIM3_SR_UIF_Msk;
        wait_until_set(&TIM3_SR, TIM3_SR_UIF_Msk);
    }
    TIM3_CCR3 = 750;
    for (;;) {
        wfi();
    }
}

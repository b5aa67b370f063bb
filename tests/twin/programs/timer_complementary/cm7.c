/* A half bridge: TIM1 drives PE9 and its complement PE8, centre-aligned, 20 kHz, with 2 us of dead time. A low
 * level at PE15 (break) switches both off, and CM7 counts it (RM0399 40.3.14 to 40.3.16). */
#include "example.h"

volatile uint32_t breaks;

void TIM1_BRK_IRQHandler(void)
{
    TIM1_DIER &= ~TIM1_DIER_BIE_Msk;
    breaks = breaks + 1;
}

int main(void)
{
    configure_pin('E', 8, PIN_ALTERNATE, 1);
    configure_pin('E', 9, PIN_ALTERNATE, 1);
    configure_pin('E', 15, PIN_ALTERNATE, 1);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_TIM1EN_Msk);
    TIM1_ARR = 1600; /* 64 MHz / 3200 */
    TIM1_CCR1 = 800;
    SET_FIELD(TIM1_CCMR1_Output, OC1M, 6);
    TIM1_CCER = TIM1_CCER_CC1E_Msk | TIM1_CCER_CC1NE_Msk;
    TIM1_CR1 = 1u << TIM1_CR1_CMS_Pos;
    TIM1_EGR = TIM1_EGR_UG_Msk;
    TIM1_BDTR = TIM1_BDTR_MOE_Msk | TIM1_BDTR_BKE_Msk | 0x80u; /* dead time 64 times 2 periods */
    TIM1_SR = 0;
    TIM1_DIER = TIM1_DIER_BIE_Msk;
    enable_interrupt(TIM1_BRK_IRQn, 1);
    TIM1_CR1 |= TIM1_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

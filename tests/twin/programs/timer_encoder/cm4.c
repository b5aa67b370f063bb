/* A rotary encoder at PC6 and PC7 (TIM8 channels 1 and 2), counted by the timer alone (RM0399 40.3.22). */
#include "example.h"

volatile uint32_t position;
volatile uint32_t backwards;

int main(void)
{
    configure_pin('C', 6, PIN_ALTERNATE, 3);
    configure_pin('C', 7, PIN_ALTERNATE, 3);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_TIM8EN_Msk);
    SET_FIELD(TIM8_CCMR1_Input, CC1S, 1);
    SET_FIELD(TIM8_CCMR1_Input, CC2S, 1);
    TIM8_SMCR = 3u << TIM8_SMCR_SMS_Pos; /* count the edges of both inputs */
    TIM8_ARR = 1000 - 1;
    TIM8_CR1 = TIM8_CR1_CEN_Msk;
    for (;;) {
        position = TIM8_CNT;
        backwards = TIM8_CR1 >> TIM8_CR1_DIR_Pos & 1u;
    }
}

/* A master prescales, another opens the gate: TIM5 counts the updates of TIM8, TIM4 counts only while the output
 * of TIM3 is active (RM0399 41.3.19, tables 353 and 358). */
#include "example.h"

int main(void)
{
    console_start(RESET_HZ);
    enable_clock(&RCC_APB1LENR,
                 RCC_APB1LENR_TIM3EN_Msk | RCC_APB1LENR_TIM4EN_Msk | RCC_APB1LENR_TIM5EN_Msk);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_TIM8EN_Msk);

    TIM5_SMCR = 1u << TIM5_SMCR_TS_Pos | 7u << TIM5_SMCR_SMS_Pos; /* clocked by ITR1: TIM8 */
    TIM5_CR1 = TIM5_CR1_CEN_Msk;
    TIM8_CR2 = 2u << TIM8_CR2_MMS_Pos; /* update */
    TIM8_ARR = 640 - 1;                /* 100 kHz */

    TIM3_PSC = 64 - 1;
    TIM3_ARR = 1000 - 1;
    TIM3_CCR1 = 300;
    SET_FIELD(TIM3_CCMR1_Output, OC1M, 6);
    TIM3_CR2 = 4u << TIM3_CR2_MMS_Pos; /* OC1REF */
    TIM3_EGR = TIM3_EGR_UG_Msk;
    TIM4_PSC = 64 - 1;
    TIM4_EGR = TIM4_EGR_UG_Msk;
    TIM4_SMCR = 2u << TIM4_SMCR_TS_Pos | 5u << TIM4_SMCR_SMS_Pos; /* gated by ITR2: TIM3 */
    TIM4_CR1 = TIM4_CR1_CEN_Msk;

    TIM8_CR1 = TIM8_CR1_CEN_Msk;
    TIM3_SR = 0;
    TIM3_CR1 = TIM3_CR1_CEN_Msk;
    for (uint32_t periods = 0; periods < 10; ++periods) {
        TIM3_SR = 0;
        wait_until_set(&TIM3_SR, TIM3_SR_UIF_Msk);
    }
    TIM8_CR1 = 0;
    TIM3_CR1 = 0;
    print_value("gated", TIM4_CNT);
    print_value("prescaled", TIM5_CNT);
    for (;;) {
        wfi();
    }
}

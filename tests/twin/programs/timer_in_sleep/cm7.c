/* What a timer does while its core sleeps is up to its low-power clock enable bit: TIM2 counts on, TIM3 stands still
 * (RM0399 9.5.10). TIM7 ends the sleep after 10 ms. */
#include "example.h"

void TIM7_IRQHandler(void)
{
    TIM7_SR = 0;
}

int main(void)
{
    uint32_t before2, before3, after2, after3;

    console_start(RESET_HZ);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM2EN_Msk | RCC_APB1LENR_TIM3EN_Msk | RCC_APB1LENR_TIM7EN_Msk);
    RCC_APB1LLPENR &= ~RCC_APB1LLPENR_TIM3LPEN_Msk;
    TIM2_PSC = TIM3_PSC = TIM7_PSC = 6400 - 1; /* 10 kHz */
    TIM2_EGR = TIM2_EGR_UG_Msk;
    TIM3_EGR = TIM3_EGR_UG_Msk;
    TIM7_EGR = TIM7_EGR_UG_Msk;
    TIM7_ARR = 100 - 1;
    TIM7_SR = 0;
    TIM7_DIER = TIM7_DIER_UIE_Msk;
    enable_interrupt(TIM7_IRQn, 1);
    TIM2_CR1 = TIM2_CR1_CEN_Msk;
    TIM3_CR1 = TIM3_CR1_CEN_Msk;
    TIM7_CR1 = TIM7_CR1_OPM_Msk | TIM7_CR1_CEN_Msk;

    before2 = TIM2_CNT;
    before3 = TIM3_CNT;
    wfi();
    after2 = TIM2_CNT;
    after3 = TIM3_CNT;
    print_value("TIM2", after2 - before2);
    print_value("TIM3", after3 - before3);
    for (;;) {
        wfi();
    }
}

/* LPTIM1 counts pulses at PD12 while CM4 sleeps, and wakes it at the tenth (RM0399 45.4.12). */
#include "example.h"

volatile uint32_t tens;
volatile uint32_t left_over;

void LPTIM1_IRQHandler(void)
{
    LPTIM1_ICR = LPTIM1_ICR_ARRMCF_Msk;
    tens = tens + 1;
}

int main(void)
{
    configure_pin('D', 12, PIN_ALTERNATE, 1);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_LPTIM1EN_Msk);
    LPTIM1_IER = LPTIM1_IER_ARRMIE_Msk;
    LPTIM1_CFGR = LPTIM1_CFGR_COUNTMODE_Msk;
    LPTIM1_CR = LPTIM1_CR_ENABLE_Msk;
    LPTIM1_ARR = 10;
    wait_until_set(&LPTIM1_ISR, LPTIM1_ISR_ARROK_Msk);
    enable_interrupt(LPTIM1_IRQn, 1);
    LPTIM1_CR |= LPTIM1_CR_CNTSTRT_Msk;
    for (;;) {
        wfi();
        left_over = LPTIM1_CNT;
    }
}

/* Both cores are in Stop; LPTIM1 on LSI wakes CM7 every 100 ms, which toggles LD1 and stops again. */
#include "example.h"

#define LSI_HZ 32000u
#define KERNEL_LSI 4u

volatile uint32_t wake_ups;

void LPTIM1_IRQHandler(void)
{
    LPTIM1_ICR = LPTIM1_ICR_ARRMCF_Msk;
}

int main(void)
{
    bool lit = false;

    configure_pin('B', 0, PIN_OUTPUT, 0);
    RCC_CSR |= RCC_CSR_LSION_Msk;
    wait_until_set(&RCC_CSR, RCC_CSR_LSIRDY_Msk);
    SET_FIELD(RCC_D2CCIP2R, LPTIM1SEL, KERNEL_LSI);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_LPTIM1EN_Msk);
    LPTIM1_IER = LPTIM1_IER_ARRMIE_Msk;
    LPTIM1_CFGR = 0;
    LPTIM1_CR = LPTIM1_CR_ENABLE_Msk;
    LPTIM1_ARR = LSI_HZ / 10u - 1u;
    wait_until_set(&LPTIM1_ISR, LPTIM1_ISR_ARROK_Msk);
    enable_interrupt(LPTIM1_IRQn, 1);
    LPTIM1_CR |= LPTIM1_CR_CNTSTRT_Msk;

    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    for (;;) {
        dsb();
        wfi();
        wake_ups = wake_ups + 1;
        lit = !lit;
        write_pin('B', 0, lit);
    }
}

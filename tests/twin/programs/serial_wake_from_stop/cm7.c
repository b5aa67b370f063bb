/* LPUART1 (PA9, PA10) listens on HSI while the whole chip is in Stop mode; a character wakes the CM7, which counts
 * and answers it. CM4 stays in CStop. */
#include "example.h"

#define BAUD 9600u
#define LPUART1_FUNCTION 3u
#define HSI 3u
#define NOT_EMPTY 3u
#define DIVIDED_BY_8 4u
#define LPUART1_RX_LINE 34u

volatile uint32_t wake_ups, last;

void LPUART1_IRQHandler(void)
{
    if (LPUART1_ISR & LPUART1_ISR_WUF_Msk) {
        LPUART1_ICR = LPUART1_ICR_WUCF_Msk;
        wake_ups = wake_ups + 1;
    }
    if (LPUART1_ISR & LPUART1_ISR_RXNE_RXFNE_Msk) {
        last = LPUART1_RDR;
        LPUART1_TDR = last + 1u;
        wait_until_set(&LPUART1_ISR, LPUART1_ISR_TC_Msk);
    }
}

int main(void)
{
    RCC_CR |= RCC_CR_HSIKERON_Msk;
    configure_pin('A', 9, PIN_ALTERNATE, LPUART1_FUNCTION);
    configure_pin('A', 10, PIN_ALTERNATE, LPUART1_FUNCTION);
    SET_FIELD(RCC_D3CCIPR, LPUART1SEL, HSI);
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_LPUART1EN_Msk);
    LPUART1_PRESC = DIVIDED_BY_8; /* BRR has 20 bits */
    LPUART1_BRR = (uint32_t)(256ull * RESET_HZ / 8u / BAUD);
    LPUART1_CR3 = NOT_EMPTY << LPUART1_CR3_WUS_Pos | LPUART1_CR3_WUFIE_Msk;
    LPUART1_CR1 = LPUART1_CR1_UE_Msk | LPUART1_CR1_RE_Msk | LPUART1_CR1_TE_Msk | LPUART1_CR1_RXNEIE_RXFNEIE_Msk;
    wait_until_set(&LPUART1_ISR, LPUART1_ISR_REACK_Msk);
    LPUART1_CR1 |= LPUART1_CR1_UESM_Msk;
    enable_interrupt(LPUART1_IRQn, 1);
    EXTI_C1IMR2 |= 1u << (LPUART1_RX_LINE - 32u);
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    for (;;) {
        wfi();
    }
}

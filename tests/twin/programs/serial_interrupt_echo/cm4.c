/* CM4 has UART4 (PA0, PA1), at 9600 baud with even parity, and sends back what it receives in interrupts alone. */
#include "example.h"

#define BAUD 9600u
#define UART4_FUNCTION 8u

volatile uint32_t parity_errors;

static char queue[64];
static volatile uint32_t written, sent;

void UART4_IRQHandler(void)
{
    const uint32_t status = UART4_ISR;

    if (status & UART4_ISR_PE_Msk) {
        UART4_ICR = UART4_ICR_PECF_Msk;
        parity_errors = parity_errors + 1;
    }
    if (status & UART4_ISR_RXNE_RXFNE_Msk) {
        queue[written % sizeof queue] = (char)UART4_RDR;
        written = written + 1;
        UART4_CR1 |= UART4_CR1_TXEIE_TXFNFIE_Msk;
    }
    if (status & UART4_ISR_TXE_TXFNF_Msk && UART4_CR1 & UART4_CR1_TXEIE_TXFNFIE_Msk) {
        if (sent == written) {
            UART4_CR1 &= ~UART4_CR1_TXEIE_TXFNFIE_Msk;
        } else {
            UART4_TDR = (uint8_t)queue[sent % sizeof queue];
            sent = sent + 1;
        }
    }
}

int main(void)
{
    configure_pin('A', 0, PIN_ALTERNATE, UART4_FUNCTION);
    configure_pin('A', 1, PIN_ALTERNATE, UART4_FUNCTION);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_UART4EN_Msk);
    UART4_BRR = (RESET_HZ + BAUD / 2u) / BAUD;
    UART4_CR1 = UART4_CR1_M0_Msk | UART4_CR1_PCE_Msk | UART4_CR1_RXNEIE_RXFNEIE_Msk | UART4_CR1_PEIE_Msk;
    enable_interrupt(UART4_IRQn, 4);
    UART4_CR1 |= UART4_CR1_UE_Msk | UART4_CR1_TE_Msk | UART4_CR1_RE_Msk;
    for (;;) {
        wfi();
    }
}

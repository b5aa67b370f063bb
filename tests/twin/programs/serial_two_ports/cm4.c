/* Adds up what comes, and sends the sum back from the interrupt. */
#include "example.h"

#define BAUD 1000000u
#define UART8_FUNCTION 8u

volatile uint32_t sum;

void UART8_IRQHandler(void)
{
    if (UART8_ISR & UART8_ISR_RXNE_RXFNE_Msk) {
        sum = sum + UART8_RDR;
        UART8_TDR = sum;
    }
}

int main(void)
{
    configure_pin('E', 0, PIN_ALTERNATE, UART8_FUNCTION);
    configure_pin('E', 1, PIN_ALTERNATE, UART8_FUNCTION);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_UART8EN_Msk);
    UART8_BRR = RESET_HZ / BAUD;
    UART8_CR1 = UART8_CR1_UE_Msk | UART8_CR1_TE_Msk | UART8_CR1_RE_Msk | UART8_CR1_RXNEIE_RXFNEIE_Msk;
    enable_interrupt(UART8_IRQn, 6);
    for (;;) {
        wfi();
    }
}

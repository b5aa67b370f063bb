/* USART3 with its FIFOs: the receive interrupt comes for twelve characters, and a pause of the sender fetches the
 * rest; the answer is put into the transmit FIFO at once. */
#include "example.h"

#define THREE_QUARTERS 3u /* 12 of 16 characters */

volatile uint32_t threshold_interrupts, time_outs, received;

void USART3_IRQHandler(void)
{
    const uint32_t status = USART3_ISR;

    if (status & USART3_ISR_RXFT_Msk) {
        threshold_interrupts = threshold_interrupts + 1;
    }
    if (status & USART3_ISR_RTOF_Msk) {
        USART3_ICR = USART3_ICR_RTOCF_Msk;
        time_outs = time_outs + 1;
    }
    while (USART3_ISR & USART3_ISR_RXNE_RXFNE_Msk) {
        (void)USART3_RDR;
        received = received + 1;
    }
}

int main(void)
{
    const char *answer = "sixteen letters\n";

    console_start(RESET_HZ);
    USART3_CR1 = 0;
    SET_FIELD(USART3_CR3, RXFTCFG, THREE_QUARTERS);
    USART3_CR3 |= USART3_CR3_RXFTIE_Msk;
    USART3_RTOR = 100; /* bits */
    USART3_CR2 |= USART3_CR2_RTOEN_Msk;
    USART3_CR1 = USART3_CR1_FIFOEN_Msk | USART3_CR1_RTOIE_Msk;
    USART3_CR1 |= USART3_CR1_UE_Msk | USART3_CR1_TE_Msk | USART3_CR1_RE_Msk;
    wait_until_set(&USART3_ISR, USART3_ISR_TEACK_Msk);
    while (*answer) {
        USART3_TDR = (uint8_t)*answer++;
    }
    enable_interrupt(USART3_IRQn, 3);
    for (;;) {
        wfi();
    }
}

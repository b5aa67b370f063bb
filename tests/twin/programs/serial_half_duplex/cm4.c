/* The other end of the wire: the answer to a number is its tenfold. */
#include "example.h"

#define BAUD 115200u

int main(void)
{
    configure_pin('E', 8, PIN_ALTERNATE, 7);
    GPIOE_OTYPER |= 1u << 8;
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_UART7EN_Msk);
    UART7_BRR = RESET_HZ / BAUD;
    UART7_CR3 = UART7_CR3_HDSEL_Msk;
    UART7_CR1 = UART7_CR1_UE_Msk | UART7_CR1_RE_Msk;
    for (;;) {
        uint32_t question;

        wait_until_set(&UART7_ISR, UART7_ISR_RXNE_RXFNE_Msk);
        question = UART7_RDR;
        UART7_CR1 = UART7_CR1_UE_Msk | UART7_CR1_TE_Msk; /* while it sends, it does not listen */
        UART7_TDR = 10u * question;
        wait_until_set(&UART7_ISR, UART7_ISR_TC_Msk);
        UART7_CR1 = UART7_CR1_UE_Msk | UART7_CR1_RE_Msk;
    }
}

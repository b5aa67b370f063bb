/* The cores talk over two wires: CM7 sends on USART1 (PA9) to UART8 of CM4 (PE0), which sends the sum so far back
 * (PE1 to PA10). */
#include "example.h"

#define BAUD 1000000u

int main(void)
{
    console_start(RESET_HZ);
    configure_pin('A', 9, PIN_ALTERNATE, 7);
    configure_pin('A', 10, PIN_ALTERNATE, 7);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_USART1EN_Msk);
    USART1_BRR = RESET_HZ / BAUD;
    USART1_CR1 = USART1_CR1_UE_Msk | USART1_CR1_TE_Msk | USART1_CR1_RE_Msk;
    pause(10000); /* until CM4 listens */
    for (uint32_t number = 1; number <= 10; ++number) {
        USART1_TDR = number;
        wait_until_set(&USART1_ISR, USART1_ISR_RXNE_RXFNE_Msk);
        print_value("sum", USART1_RDR);
    }
    for (;;) {
        wfi();
    }
}

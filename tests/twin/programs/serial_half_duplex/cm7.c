/* One wire for both directions: CM7 asks on USART1 (PA9), CM4 answers on UART7 (PE8). Nobody sends before the other
 * has finished, and each hears itself, too. */
#include "example.h"

#define BAUD 115200u

volatile uint32_t echo, answer;

static uint32_t receive(void)
{
    wait_until_set(&USART1_ISR, USART1_ISR_RXNE_RXFNE_Msk);
    return USART1_RDR;
}

int main(void)
{
    console_start(RESET_HZ);
    configure_pin('A', 9, PIN_ALTERNATE, 7);
    GPIOA_OTYPER |= 1u << 9;
    SET_FIELD(GPIOA_PUPDR, PUPD9, 1);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_USART1EN_Msk);
    USART1_BRR = RESET_HZ / BAUD;
    USART1_CR3 = USART1_CR3_HDSEL_Msk;
    USART1_CR1 = USART1_CR1_UE_Msk | USART1_CR1_TE_Msk | USART1_CR1_RE_Msk;
    pause(10000); /* until CM4 listens */
    for (uint32_t question = 1; question <= 3; ++question) {
        USART1_TDR = question;
        echo = receive();
        answer = receive();
        print_value("answer", answer);
    }
    for (;;) {
        wfi();
    }
}

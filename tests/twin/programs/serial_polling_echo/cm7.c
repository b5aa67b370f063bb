/* USART3, the console, sends back what it receives, in capitals; no interrupts. */
#include "example.h"

int main(void)
{
    console_start(RESET_HZ);
    print("ready\r\n");
    for (;;) {
        char character;

        wait_until_set(&USART3_ISR, USART3_ISR_RXNE_RXFNE_Msk);
        character = (char)USART3_RDR;
        if (character >= 'a' && character <= 'z') {
            character = (char)(character - 'a' + 'A');
        }
        wait_until_set(&USART3_ISR, USART3_ISR_TXE_TXFNF_Msk);
        USART3_TDR = (uint8_t)character;
    }
}

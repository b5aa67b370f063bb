/* Prints when CM7 has set up the port: see cm7.c. */
#include "lines.h"

int main(void)
{
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_USART3EN_Msk);
    wait_until_set(&USART3_ISR, USART3_ISR_TEACK_Msk);
    print_lines("and this is CM4\r\n");
    for (;;) {
        wfi();
    }
}

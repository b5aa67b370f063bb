/* CM4 has USART2 (PD5, PD6). DMA takes what comes, and the core is woken once for each line: at its '\n'. */
#include "example.h"

#define BAUD 460800u
#define USART2_FUNCTION 7u
#define USART2_RX_REQUEST 43u

static volatile char *const line = (volatile char *)0x30020000u; /* SRAM2 */
volatile uint32_t lines, longest;

void USART2_IRQHandler(void)
{
    uint32_t length;

    USART2_ICR = USART2_ICR_CMCF_Msk;
    while (USART2_ISR & USART2_ISR_RXNE_RXFNE_Msk) {
    }
    length = 100u - DMA1_S0NDTR;
    lines = lines + 1;
    if (length > longest) {
        longest = length;
    }
    DMA1_S0CR &= ~DMA1_S0CR_EN_Msk;
    wait_until_clear(&DMA1_S0CR, DMA1_S0CR_EN_Msk);
    DMA1_LIFCR = 0x3Du;
    DMA1_S0NDTR = 100;
    DMA1_S0CR |= DMA1_S0CR_EN_Msk;
}

int main(void)
{
    configure_pin('D', 5, PIN_ALTERNATE, USART2_FUNCTION);
    configure_pin('D', 6, PIN_ALTERNATE, USART2_FUNCTION);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_USART2EN_Msk);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk);
    enable_clock(&RCC_AHB2ENR, RCC_AHB2ENR_SRAM2EN_Msk);
    DMAMUX1_C0CR = USART2_RX_REQUEST;
    DMA1_S0PAR = (uint32_t)&USART2_RDR;
    DMA1_S0M0AR = (uint32_t)line;
    DMA1_S0NDTR = 100;
    DMA1_S0CR = DMA1_S0CR_MINC_Msk;
    DMA1_S0CR |= DMA1_S0CR_EN_Msk;
    USART2_BRR = RESET_HZ / BAUD;
    USART2_CR2 = (uint32_t)'\n' << USART2_CR2_ADD_Pos;
    USART2_CR3 = USART2_CR3_DMAR_Msk;
    USART2_CR1 = USART2_CR1_UE_Msk | USART2_CR1_RE_Msk | USART2_CR1_TE_Msk | USART2_CR1_CMIE_Msk;
    enable_interrupt(USART2_IRQn, 2);
    for (;;) {
        wfi();
    }
}

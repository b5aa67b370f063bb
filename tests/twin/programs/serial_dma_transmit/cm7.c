/* DMA1 sends a text on USART3 while the core sleeps; its interrupt says when all of it has been handed over. */
#include "example.h"

#define USART3_TX_REQUEST 46u
#define TO_PERIPHERAL 1u

static const char text[] = "This text is sent without the help of the core.\r\n";

volatile uint32_t completed, woken;

void DMA1_Stream3_IRQHandler(void)
{
    if (DMA1_LISR & DMA1_LISR_TCIF3_Msk) {
        DMA1_LIFCR = DMA1_LIFCR_CTCIF3_Msk | DMA1_LIFCR_CHTIF3_Msk;
        completed = completed + 1;
    }
}

int main(void)
{
    console_start(RESET_HZ);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk);
    DMAMUX1_C3CR = USART3_TX_REQUEST;
    DMA1_S3PAR = (uint32_t)&USART3_TDR;
    DMA1_S3M0AR = (uint32_t)text;
    DMA1_S3NDTR = sizeof text - 1u;
    DMA1_S3CR = TO_PERIPHERAL << DMA1_S3CR_DIR_Pos | DMA1_S3CR_MINC_Msk | DMA1_S3CR_TCIE_Msk;
    DMA1_S3CR |= DMA1_S3CR_EN_Msk;
    USART3_CR3 |= USART3_CR3_DMAT_Msk;
    enable_interrupt(DMA1_Stream3_IRQn, 5);
    while (!completed) {
        wfi();
        woken = woken + 1;
    }
    wait_until_clear(&DMA1_S3CR, DMA1_S3CR_EN_Msk);
    wait_until_set(&USART3_ISR, USART3_ISR_TC_Msk);
    print("done\r\n");
    for (;;) {
        wfi();
    }
}

/* DMA1 receives from USART3 into a ring; the idle line says that a message is complete, however long it is. */
#include "example.h"

#define USART3_RX_REQUEST 45u
#define RING_SIZE 16u

static volatile char *const ring = (volatile char *)0x24001000u; /* AXI SRAM: DMA1 does not reach DTCM */
static volatile uint32_t messages;
volatile uint32_t half, complete;

void USART3_IRQHandler(void)
{
    if (USART3_ISR & USART3_ISR_IDLE_Msk) {
        USART3_ICR = USART3_ICR_IDLECF_Msk;
        messages = messages + 1;
    }
}

void DMA1_Stream1_IRQHandler(void)
{
    const uint32_t flags = DMA1_LISR;

    DMA1_LIFCR = flags & (DMA1_LISR_HTIF1_Msk | DMA1_LISR_TCIF1_Msk);
    half += flags & DMA1_LISR_HTIF1_Msk ? 1u : 0u;
    complete += flags & DMA1_LISR_TCIF1_Msk ? 1u : 0u;
}

int main(void)
{
    uint32_t seen = 0, place = 0;

    console_start(RESET_HZ);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk);
    DMAMUX1_C1CR = USART3_RX_REQUEST;
    DMA1_S1PAR = (uint32_t)&USART3_RDR;
    DMA1_S1M0AR = (uint32_t)ring;
    DMA1_S1NDTR = RING_SIZE;
    DMA1_S1CR = DMA1_S1CR_CIRC_Msk | DMA1_S1CR_MINC_Msk | DMA1_S1CR_HTIE_Msk | DMA1_S1CR_TCIE_Msk;
    DMA1_S1CR |= DMA1_S1CR_EN_Msk;
    USART3_CR3 |= USART3_CR3_DMAR_Msk;
    USART3_CR1 |= USART3_CR1_IDLEIE_Msk;
    enable_interrupt(USART3_IRQn, 4);
    enable_interrupt(DMA1_Stream1_IRQn, 4);
    print("ready\r\n");
    for (;;) {
        while (messages == seen) {
            wfi();
        }
        seen = messages;
        print("[");
        while (place != RING_SIZE - DMA1_S1NDTR) {
            const char character[] = {ring[place], '\0'};

            print(character);
            place = (place + 1u) % RING_SIZE;
        }
        print("]");
    }
}

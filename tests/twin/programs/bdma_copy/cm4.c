/* CM4 lets BDMA widen bytes in SRAM4 to half-words; AXI SRAM is out of its reach. */
#include "example.h"

#define HALF_WORD 1u
#define COUNT 32u

static volatile uint8_t *const bytes = (volatile uint8_t *)0x38008000u;
static volatile uint16_t *const half_words = (volatile uint16_t *)0x38008100u;
volatile uint32_t half, complete, errors, sum;

void BDMA_Channel2_IRQHandler(void)
{
    const uint32_t flags = BDMA_ISR;

    BDMA_IFCR = flags & 0xF00u;
    half += flags & BDMA_ISR_HTIF2_Msk ? 1u : 0u;
    complete += flags & BDMA_ISR_TCIF2_Msk ? 1u : 0u;
    errors += flags & BDMA_ISR_TEIF2_Msk ? 1u : 0u;
}

static void copy(uint32_t from)
{
    BDMA_CCR2 = 0;
    BDMA_CNDTR2 = COUNT;
    BDMA_CPAR2 = from;
    BDMA_CM0AR2 = (uint32_t)half_words;
    BDMA_CCR2 = BDMA_CCR2_MEM2MEM_Msk | BDMA_CCR2_PINC_Msk | BDMA_CCR2_MINC_Msk | HALF_WORD << BDMA_CCR2_MSIZE_Pos |
                BDMA_CCR2_HTIE_Msk | BDMA_CCR2_TCIE_Msk | BDMA_CCR2_TEIE_Msk;
    BDMA_CCR2 |= BDMA_CCR2_EN_Msk;
}

int main(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_BDMAEN_Msk);
    enable_interrupt(BDMA_Channel2_IRQn, 5);
    for (uint32_t i = 0; i < COUNT; ++i) {
        bytes[i] = (uint8_t)(i + 1u);
    }
    copy((uint32_t)bytes);
    while (!complete) {
        wfi();
    }
    for (uint32_t i = 0; i < COUNT; ++i) {
        sum += half_words[i];
    }
    copy(0x24000000u);
    for (;;) {
        wfi();
    }
}

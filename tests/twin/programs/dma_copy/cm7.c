/* DMA1 copies from flash to AXI SRAM while the core counts; then it is told to copy to DTCM, which it cannot. */
#include "example.h"

#define BETWEEN_MEMORIES 2u
#define WORD 2u
#define WORDS 256u

static const uint32_t *const source = (const uint32_t *)0x08000000u;
static volatile uint32_t *const destination = (volatile uint32_t *)0x24002000u;
volatile uint32_t half, complete, errors, turns, equal;

void DMA1_Stream0_IRQHandler(void)
{
    const uint32_t flags = DMA1_LISR;

    DMA1_LIFCR = flags;
    half += flags & DMA1_LISR_HTIF0_Msk ? 1u : 0u;
    complete += flags & DMA1_LISR_TCIF0_Msk ? 1u : 0u;
    errors += flags & DMA1_LISR_TEIF0_Msk ? 1u : 0u;
}

static void copy(uint32_t to)
{
    DMA1_S0PAR = (uint32_t)source;
    DMA1_S0M0AR = to;
    DMA1_S0NDTR = WORDS;
    DMA1_S0FCR = DMA1_S0FCR_DMDIS_Msk | 3u << DMA1_S0FCR_FTH_Pos;
    DMA1_S0CR = BETWEEN_MEMORIES << DMA1_S0CR_DIR_Pos | DMA1_S0CR_PINC_Msk | DMA1_S0CR_MINC_Msk |
                WORD << DMA1_S0CR_PSIZE_Pos | WORD << DMA1_S0CR_MSIZE_Pos | DMA1_S0CR_HTIE_Msk |
                DMA1_S0CR_TCIE_Msk | DMA1_S0CR_TEIE_Msk;
    DMA1_S0CR |= DMA1_S0CR_EN_Msk;
}

int main(void)
{
    console_start(RESET_HZ);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk);
    enable_interrupt(DMA1_Stream0_IRQn, 5);
    copy((uint32_t)destination);
    while (!complete) {
        turns = turns + 1;
    }
    for (uint32_t i = 0; i < WORDS; ++i) {
        equal += source[i] == destination[i] ? 1u : 0u;
    }
    print_value("equal", equal);
    copy(0x20001000u);
    while (!errors) {
    }
    print_value("enabled", DMA1_S0CR & DMA1_S0CR_EN_Msk);
    for (;;) {
        wfi();
    }
}

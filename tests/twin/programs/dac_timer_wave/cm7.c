/* DMA1 feeds the DAC with a table of eight voltages, one for each update of TIM6, 1000 a second; no core takes part. */
#include "example.h"

#define DAC_CHANNEL_1_REQUEST 67u
#define TIM6_TRGO 5u
#define HALF_WORD 1u

static volatile uint16_t *const table = (volatile uint16_t *)0x24001000u;

int main(void)
{
    for (uint32_t i = 0; i < 8u; ++i) {
        table[i] = (uint16_t)(512u * i);
    }
    configure_pin('A', 4, PIN_ANALOG, 0);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_DAC12EN_Msk | RCC_APB1LENR_TIM6EN_Msk);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk);
    DMAMUX1_C0CR = DAC_CHANNEL_1_REQUEST;
    DMA1_S0PAR = (uint32_t)&DAC1_DHR12R1;
    DMA1_S0M0AR = (uint32_t)table;
    DMA1_S0NDTR = 8;
    DMA1_S0CR = DMA1_S0CR_CIRC_Msk | DMA1_S0CR_MINC_Msk | 1u << DMA1_S0CR_DIR_Pos |
                HALF_WORD << DMA1_S0CR_PSIZE_Pos | HALF_WORD << DMA1_S0CR_MSIZE_Pos;
    DMA1_S0CR |= DMA1_S0CR_EN_Msk;
    DAC1_CR = TIM6_TRGO << DAC1_CR_TSEL1_Pos | DAC1_CR_TEN1_Msk | DAC1_CR_DMAEN1_Msk;
    DAC1_CR |= DAC1_CR_EN1_Msk;
    TIM6_PSC = 64 - 1;
    TIM6_ARR = 1000 - 1;
    SET_FIELD(TIM6_CR2, MMS, 2);
    TIM6_CR1 = TIM6_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

/* ADC1 scans three channels without end, and DMA1 keeps the last results in a ring in AXI SRAM. CM7 prints the sum of
 * each channel when both halves of the ring have been filled. */
#include "example.h"

#define ADC1_REQUEST 9u
#define HCLK_BY_4 3u
#define CIRCULAR 3u
#define HALF_WORD 1u
#define LENGTH 24u

static volatile uint16_t *const ring = (volatile uint16_t *)0x24001000u;

int main(void)
{
    uint32_t sums[3] = {0, 0, 0};

    console_start(RESET_HZ);
    configure_pin('A', 3, PIN_ANALOG, 0);
    configure_pin('C', 0, PIN_ANALOG, 0);
    configure_pin('A', 6, PIN_ANALOG, 0);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_ADC12EN_Msk | RCC_AHB1ENR_DMA1EN_Msk);
    DMAMUX1_C0CR = ADC1_REQUEST;
    DMA1_S0PAR = (uint32_t)&ADC1_DR;
    DMA1_S0M0AR = (uint32_t)ring;
    DMA1_S0NDTR = LENGTH;
    DMA1_S0CR = DMA1_S0CR_CIRC_Msk | DMA1_S0CR_MINC_Msk | HALF_WORD << DMA1_S0CR_PSIZE_Pos |
                HALF_WORD << DMA1_S0CR_MSIZE_Pos;
    DMA1_S0CR |= DMA1_S0CR_EN_Msk;

    SET_FIELD(ADC12_COMMON_CCR, CKMODE, HCLK_BY_4);
    ADC1_CR = 0;
    ADC1_CR = ADC1_CR_ADVREGEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_LDORDY_Msk);
    ADC1_CR |= ADC1_CR_ADEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_ADRDY_Msk);
    ADC1_PCSEL = 1u << 15 | 1u << 10 | 1u << 3;
    ADC1_SQR1 = 15u << ADC1_SQR1_SQ1_Pos | 10u << ADC1_SQR1_SQ2_Pos | 3u << ADC1_SQR1_SQ3_Pos | 2u;
    ADC1_SMPR1 = 5u << ADC1_SMPR1_SMP3_Pos;
    ADC1_SMPR2 = 5u << ADC1_SMPR2_SMP15_Pos | 5u << ADC1_SMPR2_SMP10_Pos;
    ADC1_CFGR |= ADC1_CFGR_CONT_Msk | CIRCULAR << ADC1_CFGR_DMNGT_Pos;
    ADC1_CR |= ADC1_CR_ADSTART_Msk;
    wait_until_set(&DMA1_LISR, DMA1_LISR_HTIF0_Msk | DMA1_LISR_TCIF0_Msk);
    ADC1_CR |= ADC1_CR_ADSTP_Msk;
    wait_until_clear(&ADC1_CR, ADC1_CR_ADSTART_Msk);
    for (uint32_t i = 0; i < LENGTH; ++i) {
        sums[i % 3u] += ring[i];
    }
    for (uint32_t i = 0; i < 3u; ++i) {
        print_value("sum", sums[i]);
    }
    print_value("overrun", ADC1_ISR & ADC1_ISR_OVR_Msk ? 1u : 0u);
    for (;;) {
        wfi();
    }
}

/* CM4 lets ADC1 convert PC0 and PA3 without end, 12 bits, and counts and keeps the results in the interrupt of each
 * conversion. An overrun would stop it. */
#include "example.h"

#define PC0_CHANNEL 10u
#define PA3_CHANNEL 15u
#define HCLK_BY_4 3u
#define BITS_12 6u

volatile uint32_t results[2];
volatile uint32_t conversions, sequences, overruns;

void ADC_IRQHandler(void)
{
    const uint32_t flags = ADC1_ISR;

    if (flags & ADC1_ISR_OVR_Msk) {
        ADC1_ISR = ADC1_ISR_OVR_Msk;
        overruns = overruns + 1;
    }
    if (flags & ADC1_ISR_EOC_Msk) {
        results[conversions % 2u] = ADC1_DR;
        conversions = conversions + 1;
    }
    if (flags & ADC1_ISR_EOS_Msk) {
        ADC1_ISR = ADC1_ISR_EOS_Msk;
        sequences = sequences + 1;
    }
}

int main(void)
{
    configure_pin('C', 0, PIN_ANALOG, 0);
    configure_pin('A', 3, PIN_ANALOG, 0);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_ADC12EN_Msk);
    SET_FIELD(ADC12_COMMON_CCR, CKMODE, HCLK_BY_4);
    ADC1_CR = 0;
    ADC1_CR = ADC1_CR_ADVREGEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_LDORDY_Msk);
    ADC1_CR |= ADC1_CR_ADEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_ADRDY_Msk);
    ADC1_PCSEL = 1u << PC0_CHANNEL | 1u << PA3_CHANNEL;
    ADC1_SQR1 = PC0_CHANNEL << ADC1_SQR1_SQ1_Pos | PA3_CHANNEL << ADC1_SQR1_SQ2_Pos | 1u;
    SET_FIELD(ADC1_SMPR2, SMP10, 7); /* 810.5 cycles of 8 MHz: a conversion takes about 102 us */
    SET_FIELD(ADC1_SMPR2, SMP15, 7);
    SET_FIELD(ADC1_CFGR, RES, BITS_12);
    ADC1_CFGR |= ADC1_CFGR_CONT_Msk;
    ADC1_IER = ADC1_IER_EOCIE_Msk | ADC1_IER_OVRIE_Msk;
    enable_interrupt(ADC_IRQn, 5);
    ADC1_CR |= ADC1_CR_ADSTART_Msk;
    for (;;) {
        wfi();
    }
}

/* CM4 measures PC0 with ADC2, 12 bits, whenever PD1 asks for it, and answers on PD0: wires lead there and back. */
#include "example.h"

#define PC0_CHANNEL 10u
#define HCLK_BY_4 3u
#define BITS_12 6u

static volatile uint32_t *const measured = (volatile uint32_t *)0x38000000u;

int main(void)
{
    configure_pin('D', 0, PIN_OUTPUT, 0);
    configure_pin('D', 1, PIN_INPUT, 0);
    configure_pin('C', 0, PIN_ANALOG, 0);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_ADC12EN_Msk);
    SET_FIELD(ADC12_COMMON_CCR, CKMODE, HCLK_BY_4);
    ADC2_CR = 0;
    ADC2_CR = ADC2_CR_ADVREGEN_Msk;
    wait_until_set(&ADC2_ISR, ADC2_ISR_LDORDY_Msk);
    ADC2_CR |= ADC2_CR_ADEN_Msk;
    wait_until_set(&ADC2_ISR, ADC2_ISR_ADRDY_Msk);
    ADC2_PCSEL = 1u << PC0_CHANNEL;
    ADC2_SQR1 = PC0_CHANNEL << ADC2_SQR1_SQ1_Pos;
    SET_FIELD(ADC2_CFGR, RES, BITS_12);
    for (;;) {
        while (!read_pin('D', 1)) {
        }
        ADC2_CR |= ADC2_CR_ADSTART_Msk;
        wait_until_set(&ADC2_ISR, ADC2_ISR_EOC_Msk);
        *measured = ADC2_DR;
        write_pin('D', 0, true);
        while (read_pin('D', 1)) {
        }
        write_pin('D', 0, false);
    }
}

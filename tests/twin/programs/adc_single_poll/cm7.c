/* ADC1 converts PA3 once, in the steps of ST's driver: out of deep power-down, regulator, calibration, enable, start,
 * EOC. The result is printed in millivolts of a 3.3 V reference. */
#include "example.h"

#define PA3_CHANNEL 15u
#define HCLK_BY_4 3u

int main(void)
{
    console_start(RESET_HZ);
    configure_pin('A', 3, PIN_ANALOG, 0);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_ADC12EN_Msk);
    SET_FIELD(ADC12_COMMON_CCR, CKMODE, HCLK_BY_4);

    ADC1_CR = 0;
    ADC1_CR = ADC1_CR_ADVREGEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_LDORDY_Msk);
    ADC1_CR |= ADC1_CR_ADCAL_Msk;
    wait_until_clear(&ADC1_CR, ADC1_CR_ADCAL_Msk);
    ADC1_ISR = ADC1_ISR_ADRDY_Msk;
    ADC1_CR |= ADC1_CR_ADEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_ADRDY_Msk);

    ADC1_PCSEL = 1u << PA3_CHANNEL;
    ADC1_SQR1 = PA3_CHANNEL << ADC1_SQR1_SQ1_Pos;
    SET_FIELD(ADC1_SMPR2, SMP15, 4);
    ADC1_CR |= ADC1_CR_ADSTART_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_EOC_Msk);
    print_value("millivolts", (ADC1_DR * 3300u + 0x7FFFu) / 0xFFFFu);
    print_value("again", ADC1_CR & ADC1_CR_ADSTART_Msk ? 1u : 0u);
    for (;;) {
        wfi();
    }
}

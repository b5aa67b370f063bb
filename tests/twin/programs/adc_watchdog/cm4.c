/* An analog watchdog wakes CM4 when the voltage on PA3 leaves 1 V to 2 V; nobody reads the results meanwhile. */
#include "example.h"

#define PA3_CHANNEL 15u
#define HCLK_BY_4 3u
#define CODE(millivolts) ((millivolts)*0xFFFFu / 3300u)

volatile uint32_t alarms;

void ADC_IRQHandler(void)
{
    ADC1_IER = 0;
    ADC1_ISR = ADC1_ISR_AWD1_Msk;
    alarms = alarms + 1;
}

int main(void)
{
    configure_pin('A', 3, PIN_ANALOG, 0);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_ADC12EN_Msk);
    SET_FIELD(ADC12_COMMON_CCR, CKMODE, HCLK_BY_4);
    ADC1_CR = 0;
    ADC1_CR = ADC1_CR_ADVREGEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_LDORDY_Msk);
    ADC1_CR |= ADC1_CR_ADEN_Msk;
    wait_until_set(&ADC1_ISR, ADC1_ISR_ADRDY_Msk);
    ADC1_PCSEL = 1u << PA3_CHANNEL;
    ADC1_SQR1 = PA3_CHANNEL << ADC1_SQR1_SQ1_Pos;
    SET_FIELD(ADC1_SMPR2, SMP15, 7);
    ADC1_LTR1 = CODE(1000u);
    ADC1_HTR1 = CODE(2000u);
    ADC1_CFGR |= ADC1_CFGR_CONT_Msk | ADC1_CFGR_OVRMOD_Msk | ADC1_CFGR_AWD1EN_Msk | ADC1_CFGR_AWD1SGL_Msk |
                 PA3_CHANNEL << ADC1_CFGR_AWD1CH_Pos;
    ADC1_IER = ADC1_IER_AWD1IE_Msk;
    enable_interrupt(ADC_IRQn, 5);
    ADC1_CR |= ADC1_CR_ADSTART_Msk;
    for (;;) {
        wfi();
    }
}

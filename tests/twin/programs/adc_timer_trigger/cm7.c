/* TIM6 starts a conversion of ADC3 every millisecond; CM7 sleeps in between. ADC3 is on PF3, its channel 5. */
#include "example.h"

#define PF3_CHANNEL 5u
#define HCLK_BY_4 3u
#define TIM6_TRGO 13u
#define RISING 1u

volatile uint32_t samples, last;

void ADC3_IRQHandler(void)
{
    last = ADC3_DR;
    samples = samples + 1;
}

int main(void)
{
    configure_pin('F', 3, PIN_ANALOG, 0);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_ADC3EN_Msk);
    SET_FIELD(ADC3_COMMON_CCR, CKMODE, HCLK_BY_4);
    ADC3_CR = 0;
    ADC3_CR = ADC3_CR_ADVREGEN_Msk;
    wait_until_set(&ADC3_ISR, ADC3_ISR_LDORDY_Msk);
    ADC3_CR |= ADC3_CR_ADEN_Msk;
    wait_until_set(&ADC3_ISR, ADC3_ISR_ADRDY_Msk);
    ADC3_PCSEL = 1u << PF3_CHANNEL;
    ADC3_SQR1 = PF3_CHANNEL << ADC3_SQR1_SQ1_Pos;
    SET_FIELD(ADC3_CFGR, EXTSEL, TIM6_TRGO);
    SET_FIELD(ADC3_CFGR, EXTEN, RISING);
    ADC3_IER = ADC3_IER_EOCIE_Msk;
    enable_interrupt(ADC3_IRQn, 5);
    ADC3_CR |= ADC3_CR_ADSTART_Msk;

    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM6EN_Msk);
    TIM6_PSC = 64 - 1;
    TIM6_ARR = 1000 - 1;
    TIM6_EGR = TIM6_EGR_UG_Msk;
    SET_FIELD(TIM6_CR2, MMS, 2); /* update is the trigger output */
    TIM6_CR1 = TIM6_CR1_CEN_Msk;
    for (;;) {
        wfi();
    }
}

/* ADC3 measures the inner reference and the temperature sensor; with the factory's calibration values they give the
 * supply in millivolts and the temperature in degrees, by the formulas of RM0399 chapter 26. */
#include "example.h"

#define SENSOR_CHANNEL 18u
#define REFERENCE_CHANNEL 19u
#define HCLK_BY_4 3u
#define CALIBRATION_MV 3300u
#define TS_CAL1 (*(const volatile uint16_t *)0x1FF1E820u) /* at 30 degrees */
#define TS_CAL2 (*(const volatile uint16_t *)0x1FF1E840u) /* at 110 degrees */
#define VREFINT_CAL (*(const volatile uint16_t *)0x1FF1E860u)

static uint32_t convert(uint32_t channel)
{
    ADC3_PCSEL |= 1u << channel;
    ADC3_SQR1 = channel << ADC3_SQR1_SQ1_Pos;
    ADC3_CR |= ADC3_CR_ADSTART_Msk;
    wait_until_set(&ADC3_ISR, ADC3_ISR_EOS_Msk);
    ADC3_ISR = ADC3_ISR_EOS_Msk;
    return ADC3_DR;
}

int main(void)
{
    uint32_t supply, sensor;

    console_start(RESET_HZ);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_ADC3EN_Msk);
    SET_FIELD(ADC3_COMMON_CCR, CKMODE, HCLK_BY_4);
    ADC3_COMMON_CCR |= ADC3_COMMON_CCR_VREFEN_Msk | ADC3_COMMON_CCR_TSEN_Msk;
    ADC3_CR = 0;
    ADC3_CR = ADC3_CR_ADVREGEN_Msk;
    wait_until_set(&ADC3_ISR, ADC3_ISR_LDORDY_Msk);
    ADC3_CR |= ADC3_CR_ADCAL_Msk | ADC3_CR_ADCALLIN_Msk;
    wait_until_clear(&ADC3_CR, ADC3_CR_ADCAL_Msk);
    ADC3_CR |= ADC3_CR_ADEN_Msk;
    wait_until_set(&ADC3_ISR, ADC3_ISR_ADRDY_Msk);
    SET_FIELD(ADC3_SMPR2, SMP18, 7);
    SET_FIELD(ADC3_SMPR2, SMP19, 7);

    supply = CALIBRATION_MV * VREFINT_CAL / convert(REFERENCE_CHANNEL);
    sensor = convert(SENSOR_CHANNEL) * supply / CALIBRATION_MV;
    print_value("millivolts", supply);
    print_value("degrees", 30u + (sensor - TS_CAL1) * 80u / (uint32_t)(TS_CAL2 - TS_CAL1));
    for (;;) {
        wfi();
    }
}

/* CM7 looks for devices on I2C1 (PB8, PB9), address by address, as ST's HAL_I2C_IsDeviceReady does: START with no bytes
 * and AUTOEND, then STOPF with or without NACKF. A bus that is busy to begin with is reported. */
#include "example.h"

#define I2C1_FUNCTION 4u
#define HSI_CLOCK 2u
#define TIMING 0xF0420F13u /* 100 kHz of 64 MHz: PRESC 15, SCLDEL 4, SDADEL 2, SCLH 15, SCLL 19 */

volatile uint32_t found[4];

static void i2c_start(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOBEN_Msk);
    GPIOB_OTYPER |= 3u << 8;
    configure_pin('B', 8, PIN_ALTERNATE, I2C1_FUNCTION);
    configure_pin('B', 9, PIN_ALTERNATE, I2C1_FUNCTION);
    SET_FIELD(RCC_D2CCIP2R, I2C123SEL, HSI_CLOCK);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_I2C1EN_Msk);
    I2C1_TIMINGR = TIMING;
    I2C1_CR1 = I2C1_CR1_PE_Msk;
}

static bool i2c_answers(uint32_t address)
{
    bool answered;

    I2C1_CR2 = address << 1 | I2C1_CR2_AUTOEND_Msk | I2C1_CR2_START_Msk;
    wait_until_set(&I2C1_ISR, I2C1_ISR_STOPF_Msk);
    answered = !(I2C1_ISR & I2C1_ISR_NACKF_Msk);
    I2C1_ICR = I2C1_ICR_STOPCF_Msk | I2C1_ICR_NACKCF_Msk;
    return answered;
}

int main(void)
{
    uint32_t count = 0;

    console_start(RESET_HZ);
    i2c_start();
    if (I2C1_ISR & I2C1_ISR_BUSY_Msk) {
        print("busy\r\n");
    } else {
        for (uint32_t address = 8; address < 0x78; ++address) {
            if (i2c_answers(address) && count < 4) {
                found[count++] = address;
            }
        }
        print_value("devices", count);
    }
    for (;;) {
        wfi();
    }
}

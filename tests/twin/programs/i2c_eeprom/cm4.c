/* CM4 writes a text into an EEPROM on I2C1 (PB8, PB9), page by page, polls until each page is programmed, and reads
 * everything back in one go of 300 bytes, which takes RELOAD. */
#include "example.h"

#define I2C1_FUNCTION 4u
#define HSI_CLOCK 2u
#define TIMING 0x10C0ECFFu /* about 100 kHz of 64 MHz */
#define EEPROM 0x50u
#define PAGE 16u
#define LENGTH 300u

volatile uint32_t equal, polls, finished;

static uint8_t pattern(uint32_t place)
{
    return (uint8_t)(place * 5u + 3u);
}

static void write_page(uint32_t place)
{
    I2C1_CR2 = EEPROM << 1 | (2u + PAGE) << I2C1_CR2_NBYTES_Pos | I2C1_CR2_AUTOEND_Msk | I2C1_CR2_START_Msk;
    wait_until_set(&I2C1_ISR, I2C1_ISR_TXIS_Msk);
    I2C1_TXDR = place >> 8;
    wait_until_set(&I2C1_ISR, I2C1_ISR_TXIS_Msk);
    I2C1_TXDR = place & 0xFFu;
    for (uint32_t i = 0; i < PAGE; ++i) {
        wait_until_set(&I2C1_ISR, I2C1_ISR_TXIS_Msk);
        I2C1_TXDR = pattern(place + i);
    }
    wait_until_set(&I2C1_ISR, I2C1_ISR_STOPF_Msk);
    I2C1_ICR = I2C1_ICR_STOPCF_Msk;
}

static bool is_ready(void)
{
    bool ready;

    I2C1_CR2 = EEPROM << 1 | I2C1_CR2_AUTOEND_Msk | I2C1_CR2_START_Msk;
    wait_until_set(&I2C1_ISR, I2C1_ISR_STOPF_Msk);
    ready = !(I2C1_ISR & I2C1_ISR_NACKF_Msk);
    I2C1_ICR = I2C1_ICR_STOPCF_Msk | I2C1_ICR_NACKCF_Msk;
    return ready;
}

static void read_all(void)
{
    uint32_t left = LENGTH, part = 255;

    I2C1_CR2 = EEPROM << 1 | 2u << I2C1_CR2_NBYTES_Pos | I2C1_CR2_START_Msk;
    wait_until_set(&I2C1_ISR, I2C1_ISR_TXIS_Msk);
    I2C1_TXDR = 0;
    wait_until_set(&I2C1_ISR, I2C1_ISR_TXIS_Msk);
    I2C1_TXDR = 0;
    wait_until_set(&I2C1_ISR, I2C1_ISR_TC_Msk);
    I2C1_CR2 = EEPROM << 1 | part << I2C1_CR2_NBYTES_Pos | I2C1_CR2_RD_WRN_Msk | I2C1_CR2_RELOAD_Msk |
               I2C1_CR2_START_Msk;
    while (left) {
        wait_until_set(&I2C1_ISR, I2C1_ISR_RXNE_Msk);
        equal += I2C1_RXDR == pattern(LENGTH - left) ? 1u : 0u;
        --left;
        if (--part == 0 && left) {
            wait_until_set(&I2C1_ISR, I2C1_ISR_TCR_Msk);
            part = left;
            I2C1_CR2 = EEPROM << 1 | part << I2C1_CR2_NBYTES_Pos | I2C1_CR2_RD_WRN_Msk | I2C1_CR2_AUTOEND_Msk;
        }
    }
    wait_until_set(&I2C1_ISR, I2C1_ISR_STOPF_Msk);
    I2C1_ICR = I2C1_ICR_STOPCF_Msk;
}

int main(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOBEN_Msk);
    GPIOB_OTYPER |= 3u << 8;
    configure_pin('B', 8, PIN_ALTERNATE, I2C1_FUNCTION);
    configure_pin('B', 9, PIN_ALTERNATE, I2C1_FUNCTION);
    SET_FIELD(RCC_D2CCIP2R, I2C123SEL, HSI_CLOCK);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_I2C1EN_Msk);
    I2C1_TIMINGR = TIMING;
    I2C1_CR1 = I2C1_CR1_PE_Msk;
    for (uint32_t place = 0; place < LENGTH; place += PAGE) {
        write_page(place);
        while (!is_ready()) {
            polls = polls + 1;
        }
    }
    read_all();
    finished = 1;
    for (;;) {
        wfi();
    }
}

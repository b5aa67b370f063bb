/* CM7 is the master on I2C1 (PB8, PB9), CM4 the slave on I2C2 (PF1, PF0), joined by wires. CM7 writes four bytes and
 * reads their complements after a repeated START. CM4 sets PG9 when it listens. */
#include "example.h"

#define I2C1_FUNCTION 4u
#define HSI_CLOCK 2u
#define TIMING 0xF0420F13u
#define SLAVE 0x3Au
#define LENGTH 4u

int main(void)
{
    uint32_t good = 0;

    console_start(RESET_HZ);
    configure_pin('G', 12, PIN_INPUT, 0);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOBEN_Msk);
    GPIOB_OTYPER |= 3u << 8;
    GPIOB_PUPDR |= 1u << 16 | 1u << 18; /* the resistors of the bus */
    configure_pin('B', 8, PIN_ALTERNATE, I2C1_FUNCTION);
    configure_pin('B', 9, PIN_ALTERNATE, I2C1_FUNCTION);
    SET_FIELD(RCC_D2CCIP2R, I2C123SEL, HSI_CLOCK);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_I2C1EN_Msk);
    I2C1_TIMINGR = TIMING;
    I2C1_CR1 = I2C1_CR1_PE_Msk;
    while (!read_pin('G', 12)) {
    }

    I2C1_CR2 = SLAVE << 1 | LENGTH << I2C1_CR2_NBYTES_Pos | I2C1_CR2_START_Msk;
    for (uint32_t i = 0; i < LENGTH; ++i) {
        wait_until_set(&I2C1_ISR, I2C1_ISR_TXIS_Msk);
        I2C1_TXDR = 0x11u * (i + 1u);
    }
    wait_until_set(&I2C1_ISR, I2C1_ISR_TC_Msk);
    I2C1_CR2 = SLAVE << 1 | LENGTH << I2C1_CR2_NBYTES_Pos | I2C1_CR2_RD_WRN_Msk | I2C1_CR2_AUTOEND_Msk |
               I2C1_CR2_START_Msk;
    for (uint32_t i = 0; i < LENGTH; ++i) {
        wait_until_set(&I2C1_ISR, I2C1_ISR_RXNE_Msk);
        good += I2C1_RXDR == (~(0x11u * (i + 1u)) & 0xFFu) ? 1u : 0u;
    }
    wait_until_set(&I2C1_ISR, I2C1_ISR_STOPF_Msk);
    I2C1_ICR = I2C1_ICR_STOPCF_Msk;
    print_value("good", good);
    for (;;) {
        wfi();
    }
}

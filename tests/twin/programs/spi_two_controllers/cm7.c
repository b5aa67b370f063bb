/* CM7 is the master on SPI1 (PA5, PA6, PB5), CM4 the slave on SPI4 (PE12, PE13, PE14): the two are wired together as
 * in ST's example for two boards. CM4 tells by a pin (PG9) that it is ready. Frames of 16 bits. */
#include "example.h"

#define SPI1_FUNCTION 5u
#define PER_CLOCK 4u
#define FRAMES 8u

int main(void)
{
    uint32_t sum = 0;

    console_start(RESET_HZ);
    configure_pin('G', 12, PIN_INPUT, 0);
    configure_pin('A', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('A', 6, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('B', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    SET_FIELD(RCC_D2CCIP1R, SPI123SEL, PER_CLOCK);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_SPI1EN_Msk);
    SPI1_CR1 = SPI1_CR1_SSI_Msk;
    SPI1_CFG1 = 4u << SPI1_CFG1_MBR_Pos | 7u << SPI1_CFG1_CRCSIZE_Pos | 15u; /* 2 MHz, 16 bits */
    SPI1_CFG2 = SPI1_CFG2_MASTER_Msk | SPI1_CFG2_SSM_Msk;
    SPI1_CR2 = FRAMES;
    SPI1_CR1 |= SPI1_CR1_SPE_Msk;
    while (!read_pin('G', 12)) {
    }
    SPI1_CR1 |= SPI1_CR1_CSTART_Msk;
    for (uint32_t i = 0; i < FRAMES; ++i) {
        wait_until_set(&SPI1_SR, SPI1_SR_TXP_Msk);
        *(volatile uint16_t *)&SPI1_TXDR = (uint16_t)(0x1000u * i + 1u);
        wait_until_set(&SPI1_SR, SPI1_SR_RXP_Msk);
        sum += *(volatile uint16_t *)&SPI1_RXDR;
    }
    wait_until_set(&SPI1_SR, SPI1_SR_EOT_Msk);
    print_value("sum", sum);
    for (;;) {
        wfi();
    }
}

/* CM7 asks a serial flash for its identification, selected by PD14 and read over PA6, which is pulled up. If none is
 * there, all bits are ones. */
#include "example.h"

#define SPI1_FUNCTION 5u
#define PER_CLOCK 4u
#define READ_IDENTIFICATION 0x9Fu

static uint8_t spi_byte(uint8_t byte)
{
    wait_until_set(&SPI1_SR, SPI1_SR_TXP_Msk);
    *(volatile uint8_t *)&SPI1_TXDR = byte;
    wait_until_set(&SPI1_SR, SPI1_SR_RXP_Msk);
    return *(volatile uint8_t *)&SPI1_RXDR;
}

int main(void)
{
    uint32_t identification = 0;

    console_start(RESET_HZ);
    configure_pin('D', 14, PIN_OUTPUT, 0);
    write_pin('D', 14, true);
    configure_pin('A', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('A', 6, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('B', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    SET_FIELD(GPIOA_PUPDR, PUPD6, 1);
    SET_FIELD(RCC_D2CCIP1R, SPI123SEL, PER_CLOCK);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_SPI1EN_Msk);
    SPI1_CR1 = SPI1_CR1_SSI_Msk;
    SPI1_CFG1 = 3u << SPI1_CFG1_MBR_Pos | 7u << SPI1_CFG1_CRCSIZE_Pos | 7u;
    SPI1_CFG2 = SPI1_CFG2_MASTER_Msk | SPI1_CFG2_SSM_Msk;
    SPI1_CR2 = 0; /* no end known: frames go as they are written */
    SPI1_CR1 |= SPI1_CR1_SPE_Msk;
    SPI1_CR1 |= SPI1_CR1_CSTART_Msk;

    write_pin('D', 14, false);
    spi_byte(READ_IDENTIFICATION);
    for (uint32_t i = 0; i < 3; ++i) {
        identification = identification << 8 | spi_byte(0);
    }
    write_pin('D', 14, true);
    print_value("identification", identification);
    for (;;) {
        wfi();
    }
}

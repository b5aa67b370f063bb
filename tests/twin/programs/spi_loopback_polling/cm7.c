/* SPI1 sends to itself over a wire from MOSI (PB5) to MISO (PA6) and compares, in the way of ST's polling driver:
 * TSIZE, SPE, CSTART, then TXP and RXP until EOT (RM0399 53.4.11). Without the wire it reports how much came back. */
#include "example.h"

#define SPI1_FUNCTION 5u
#define PER_CLOCK 4u /* SPI123SEL: per_ck, which is HSI after reset */
#define LENGTH 37u

static uint8_t sent[LENGTH], received[LENGTH];

static void spi_start(void)
{
    configure_pin('A', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('A', 6, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('B', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    SET_FIELD(RCC_D2CCIP1R, SPI123SEL, PER_CLOCK);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_SPI1EN_Msk);
    SPI1_CR1 = SPI1_CR1_SSI_Msk; /* first, lest the master finds its select input active */
    SPI1_CFG1 = 3u << SPI1_CFG1_MBR_Pos | 7u << SPI1_CFG1_CRCSIZE_Pos | 7u; /* 4 MHz, 8 bits */
    SPI1_CFG2 = SPI1_CFG2_MASTER_Msk | SPI1_CFG2_SSM_Msk;
}

static void spi_exchange(void)
{
    uint32_t out = 0, in = 0;

    SPI1_CR2 = LENGTH;
    SPI1_CR1 |= SPI1_CR1_SPE_Msk;
    SPI1_CR1 |= SPI1_CR1_CSTART_Msk;
    while (in < LENGTH) {
        if (out < LENGTH && SPI1_SR & SPI1_SR_TXP_Msk) {
            *(volatile uint8_t *)&SPI1_TXDR = sent[out++];
        }
        if (SPI1_SR & SPI1_SR_RXP_Msk) {
            received[in++] = *(volatile uint8_t *)&SPI1_RXDR;
        }
    }
    wait_until_set(&SPI1_SR, SPI1_SR_EOT_Msk);
    SPI1_IFCR = SPI1_IFCR_EOTC_Msk | SPI1_IFCR_TXTFC_Msk;
    SPI1_CR1 &= ~SPI1_CR1_SPE_Msk;
}

int main(void)
{
    uint32_t equal = 0;

    console_start(RESET_HZ);
    spi_start();
    for (uint32_t i = 0; i < LENGTH; ++i) {
        sent[i] = (uint8_t)(i * 7u + 1u);
    }
    spi_exchange();
    for (uint32_t i = 0; i < LENGTH; ++i) {
        equal += sent[i] == received[i] ? 1u : 0u;
    }
    print_value("equal", equal);
    print_value("first", received[0]);
    for (;;) {
        wfi();
    }
}

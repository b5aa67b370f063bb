/* The slave: it sends 100, 101, ... and keeps what comes. */
#include "example.h"

#define SPI4_FUNCTION 5u
#define FRAMES 8u

volatile uint32_t received[FRAMES];
volatile uint32_t finished;

int main(void)
{
    uint32_t out = 0, in = 0;

    configure_pin('G', 9, PIN_OUTPUT, 0);
    configure_pin('E', 12, PIN_ALTERNATE, SPI4_FUNCTION);
    configure_pin('E', 13, PIN_ALTERNATE, SPI4_FUNCTION);
    configure_pin('E', 14, PIN_ALTERNATE, SPI4_FUNCTION);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_SPI4EN_Msk);
    SPI4_CFG1 = 7u << SPI4_CFG1_CRCSIZE_Pos | 15u;
    SPI4_CFG2 = SPI4_CFG2_SSM_Msk; /* SSI is 0: always selected */
    SPI4_CR2 = FRAMES;
    SPI4_CR1 = SPI4_CR1_SPE_Msk;
    while (SPI4_SR & SPI4_SR_TXP_Msk) {
        *(volatile uint16_t *)&SPI4_TXDR = (uint16_t)(100u + out++);
    }
    write_pin('G', 9, true);
    while (in < FRAMES) {
        if (out < FRAMES && SPI4_SR & SPI4_SR_TXP_Msk) {
            *(volatile uint16_t *)&SPI4_TXDR = (uint16_t)(100u + out++);
        }
        if (SPI4_SR & SPI4_SR_RXP_Msk) {
            received[in++] = *(volatile uint16_t *)&SPI4_RXDR;
        }
    }
    finished = SPI4_SR & SPI4_SR_EOT_Msk ? 1u : 2u;
    for (;;) {
        wfi();
    }
}

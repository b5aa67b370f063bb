/* CM4 sends a block through SPI4 by interrupts, and receives it over a wire from MOSI (PE14) to MISO (PE13): TXP fills
 * the FIFO, RXP empties it, EOT ends the transfer; TXTF switches TXP off by itself (RM0399 53.4.11). */
#include "example.h"

#define SPI4_FUNCTION 5u
#define HSI_CLOCK 3u
#define LENGTH 64u

static const char text[LENGTH] = "interrupts carry this text, sixty-three letters, out and back.";
volatile char received[LENGTH];
volatile uint32_t sent, taken, ends, interrupts;

void SPI4_IRQHandler(void)
{
    const uint32_t status = SPI4_SR & SPI4_IER;

    interrupts = interrupts + 1;
    while (status & SPI4_SR_TXP_Msk && sent < LENGTH && SPI4_SR & SPI4_SR_TXP_Msk) {
        *(volatile uint8_t *)&SPI4_TXDR = (uint8_t)text[sent];
        sent = sent + 1;
    }
    while (SPI4_SR & SPI4_SR_RXP_Msk) {
        received[taken] = *(volatile char *)&SPI4_RXDR;
        taken = taken + 1;
    }
    if (SPI4_SR & SPI4_SR_EOT_Msk) {
        SPI4_IFCR = SPI4_IFCR_EOTC_Msk | SPI4_IFCR_TXTFC_Msk;
        SPI4_IER = 0;
        SPI4_CR1 &= ~SPI4_CR1_SPE_Msk;
        ends = ends + 1;
    }
}

int main(void)
{
    configure_pin('E', 12, PIN_ALTERNATE, SPI4_FUNCTION);
    configure_pin('E', 13, PIN_ALTERNATE, SPI4_FUNCTION);
    configure_pin('E', 14, PIN_ALTERNATE, SPI4_FUNCTION);
    SET_FIELD(RCC_D2CCIP1R, SPI45SEL, HSI_CLOCK);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_SPI4EN_Msk);
    SPI4_CR1 = SPI4_CR1_SSI_Msk;
    SPI4_CFG1 = 5u << SPI4_CFG1_MBR_Pos | 7u << SPI4_CFG1_CRCSIZE_Pos | 7u; /* 1 MHz, 8 bits */
    SPI4_CFG2 = SPI4_CFG2_MASTER_Msk | SPI4_CFG2_SSM_Msk;
    SPI4_CR2 = LENGTH;
    enable_interrupt(SPI4_IRQn, 3);
    SPI4_CR1 |= SPI4_CR1_SPE_Msk;
    SPI4_IER = SPI4_IER_TXPIE_Msk | SPI4_IER_RXPIE_Msk | SPI4_IER_EOTIE_Msk;
    SPI4_CR1 |= SPI4_CR1_CSTART_Msk;
    for (;;) {
        wfi();
    }
}

/* DMA1 sends a block through SPI1 and takes what comes back, while CM7 sleeps; MOSI (PB5) is wired to MISO (PA6). */
#include "example.h"

#define SPI1_FUNCTION 5u
#define PER_CLOCK 4u
#define SPI1_RX_REQUEST 37u
#define SPI1_TX_REQUEST 38u
#define LENGTH 100u

static volatile uint8_t *const sent = (volatile uint8_t *)0x24001000u; /* AXI SRAM: DMA1 does not reach DTCM */
static volatile uint8_t *const received = (volatile uint8_t *)0x24001100u;
static volatile uint32_t ended;

void SPI1_IRQHandler(void)
{
    if (SPI1_SR & SPI1_SR_EOT_Msk) {
        SPI1_IFCR = SPI1_IFCR_EOTC_Msk | SPI1_IFCR_TXTFC_Msk;
        ended = 1;
    }
}

int main(void)
{
    uint32_t equal = 0;

    console_start(RESET_HZ);
    for (uint32_t i = 0; i < LENGTH; ++i) {
        sent[i] = (uint8_t)(255u - i);
    }
    configure_pin('A', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('A', 6, PIN_ALTERNATE, SPI1_FUNCTION);
    configure_pin('B', 5, PIN_ALTERNATE, SPI1_FUNCTION);
    SET_FIELD(RCC_D2CCIP1R, SPI123SEL, PER_CLOCK);
    enable_clock(&RCC_APB2ENR, RCC_APB2ENR_SPI1EN_Msk);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk);
    DMAMUX1_C0CR = SPI1_RX_REQUEST;
    DMA1_S0PAR = (uint32_t)&SPI1_RXDR;
    DMA1_S0M0AR = (uint32_t)received;
    DMA1_S0NDTR = LENGTH;
    DMA1_S0CR = DMA1_S0CR_MINC_Msk;
    DMAMUX1_C1CR = SPI1_TX_REQUEST;
    DMA1_S1PAR = (uint32_t)&SPI1_TXDR;
    DMA1_S1M0AR = (uint32_t)sent;
    DMA1_S1NDTR = LENGTH;
    DMA1_S1CR = DMA1_S1CR_MINC_Msk | 1u << DMA1_S1CR_DIR_Pos;

    SPI1_CR1 = SPI1_CR1_SSI_Msk;
    SPI1_CFG1 = 4u << SPI1_CFG1_MBR_Pos | 7u << SPI1_CFG1_CRCSIZE_Pos | 7u | SPI1_CFG1_RXDMAEN_Msk;
    SPI1_CFG2 = SPI1_CFG2_MASTER_Msk | SPI1_CFG2_SSM_Msk;
    SPI1_CR2 = LENGTH;
    DMA1_S0CR |= DMA1_S0CR_EN_Msk; /* the order of RM0399 53.4.14: receive stream, transmit stream, TXDMAEN, SPE */
    DMA1_S1CR |= DMA1_S1CR_EN_Msk;
    SPI1_CFG1 |= SPI1_CFG1_TXDMAEN_Msk;
    SPI1_IER = SPI1_IER_EOTIE_Msk;
    enable_interrupt(SPI1_IRQn, 4);
    SPI1_CR1 |= SPI1_CR1_SPE_Msk;
    SPI1_CR1 |= SPI1_CR1_CSTART_Msk;
    while (!ended) {
        wfi();
    }
    wait_until_set(&DMA1_LISR, DMA1_LISR_TCIF0_Msk | DMA1_LISR_TCIF1_Msk);
    for (uint32_t i = 0; i < LENGTH; ++i) {
        equal += sent[i] == received[i] ? 1u : 0u;
    }
    print_value("equal", equal);
    for (;;) {
        wfi();
    }
}

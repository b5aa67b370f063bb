/* The slave, all in the interrupt handler: it keeps what is written, and sends the complements when it is read. */
#include "example.h"

#define I2C2_FUNCTION 4u
#define HSI_CLOCK 2u
#define TIMING 0xF0420F13u
#define SLAVE 0x3Au
#define LENGTH 4u

volatile uint32_t kept[LENGTH];
volatile uint32_t received, sent, stops, refusals, code;

void I2C2_EV_IRQHandler(void)
{
    const uint32_t status = I2C2_ISR;

    if (status & I2C2_ISR_RXNE_Msk) {
        kept[received % LENGTH] = I2C2_RXDR;
        received = received + 1;
    }
    if (status & I2C2_ISR_ADDR_Msk) {
        code = (status & I2C2_ISR_ADDCODE_Msk) >> I2C2_ISR_ADDCODE_Pos;
        if (status & I2C2_ISR_DIR_Msk) {
            I2C2_ISR |= I2C2_ISR_TXE_Msk;
        }
        I2C2_ICR = I2C2_ICR_ADDRCF_Msk;
    }
    if (status & I2C2_ISR_TXIS_Msk) {
        I2C2_TXDR = ~kept[sent % LENGTH] & 0xFFu;
        sent = sent + 1;
    }
    if (status & I2C2_ISR_NACKF_Msk) {
        I2C2_ICR = I2C2_ICR_NACKCF_Msk;
        refusals = refusals + 1;
    }
    if (status & I2C2_ISR_STOPF_Msk) {
        I2C2_ICR = I2C2_ICR_STOPCF_Msk;
        stops = stops + 1;
    }
}

int main(void)
{
    configure_pin('G', 9, PIN_OUTPUT, 0);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOFEN_Msk);
    GPIOF_OTYPER |= 3u;
    configure_pin('F', 0, PIN_ALTERNATE, I2C2_FUNCTION);
    configure_pin('F', 1, PIN_ALTERNATE, I2C2_FUNCTION);
    SET_FIELD(RCC_D2CCIP2R, I2C123SEL, HSI_CLOCK);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_I2C2EN_Msk);
    I2C2_TIMINGR = TIMING;
    I2C2_OAR1 = I2C2_OAR1_OA1EN_Msk | SLAVE << 1;
    I2C2_CR1 = I2C2_CR1_PE_Msk | I2C2_CR1_ADDRIE_Msk | I2C2_CR1_RXIE_Msk | I2C2_CR1_TXIE_Msk |
               I2C2_CR1_STOPIE_Msk | I2C2_CR1_NACKIE_Msk;
    enable_interrupt(I2C2_EV_IRQn, 2);
    write_pin('G', 9, true);
    for (;;) {
        wfi();
    }
}

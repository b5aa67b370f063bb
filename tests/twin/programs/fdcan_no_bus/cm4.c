/* CM4 starts FDCAN1 (PD0, PD1) at 500 kbit/s and sends a message to nobody. With a transceiver alone the node ends
 * error passive and goes on trying; the interrupt handler keeps what it saw. */
#include "example.h"

#define FDCAN_FUNCTION 9u
#define MESSAGE_RAM ((volatile uint32_t *)0x4000AC00u)

volatile uint32_t started, warnings, passive, counter, pending;

void FDCAN1_IT0_IRQHandler(void)
{
    const uint32_t flags = FDCAN1_IR & FDCAN1_IE;

    FDCAN1_IR = flags;
    warnings += flags & FDCAN1_IR_EW_Msk ? 1u : 0u;
    if (flags & FDCAN1_IR_EP_Msk) {
        passive = passive + 1;
        counter = FDCAN1_ECR & FDCAN1_ECR_TEC_Msk;
        pending = FDCAN1_TXBRP;
    }
}

int main(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIODEN_Msk);
    SET_FIELD(GPIOD_PUPDR, PUPD0, 1);
    configure_pin('D', 0, PIN_ALTERNATE, FDCAN_FUNCTION);
    configure_pin('D', 1, PIN_ALTERNATE, FDCAN_FUNCTION);
    RCC_CR |= RCC_CR_HSEBYP_Msk;
    RCC_CR |= RCC_CR_HSEON_Msk;
    wait_until_set(&RCC_CR, RCC_CR_HSERDY_Msk);
    enable_clock(&RCC_APB1HENR, RCC_APB1HENR_FDCANEN_Msk); /* FDCANSEL is 0: HSE, 8 MHz */

    FDCAN1_CCCR &= ~FDCAN1_CCCR_CSR_Msk;
    wait_until_clear(&FDCAN1_CCCR, FDCAN1_CCCR_CSA_Msk);
    FDCAN1_CCCR |= FDCAN1_CCCR_INIT_Msk;
    wait_until_set(&FDCAN1_CCCR, FDCAN1_CCCR_INIT_Msk);
    FDCAN1_CCCR |= FDCAN1_CCCR_CCE_Msk;
    FDCAN1_NBTP = 12u << FDCAN1_NBTP_NTSEG1_Pos | 1u << FDCAN1_NBTP_NTSEG2_Pos; /* 16 quanta of 125 ns */
    FDCAN1_TXBC = 4u << FDCAN1_TXBC_TFQS_Pos;
    FDCAN1_IE = FDCAN1_IE_EWE_Msk | FDCAN1_IE_EPE_Msk;
    FDCAN1_ILE = FDCAN1_ILE_EINT0_Msk;
    enable_interrupt(FDCAN1_IT0_IRQn, 5);
    for (uint32_t i = 0; i < 4u * 4u; ++i) {
        MESSAGE_RAM[i] = 0;
    }
    FDCAN1_CCCR &= ~FDCAN1_CCCR_INIT_Msk;
    started = 1;

    if (!(FDCAN1_TXFQS & FDCAN1_TXFQS_TFQF_Msk)) {
        const uint32_t place = (FDCAN1_TXFQS & FDCAN1_TXFQS_TFQPI_Msk) >> FDCAN1_TXFQS_TFQPI_Pos;

        MESSAGE_RAM[4u * place] = 0x123u << 18;
        MESSAGE_RAM[4u * place + 1u] = 8u << 16;
        FDCAN1_TXBAR = 1u << place;
    }
    for (;;) {
        wfi();
    }
}

/* CM7 asks a memory on QUADSPI bank 1 for its identification; none is there, and IO1 (PF9) is pulled up. */
#include "example.h"

#define READ_IDENTIFICATION 0x9Fu
#define ONE_LINE 1u
#define INDIRECT_READ 1u

int main(void)
{
    uint32_t identification = 0;

    console_start(RESET_HZ);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOFEN_Msk);
    SET_FIELD(GPIOF_PUPDR, PUPD9, 1);
    configure_pin('F', 8, PIN_ALTERNATE, 10);
    configure_pin('F', 9, PIN_ALTERNATE, 10);
    configure_pin('F', 10, PIN_ALTERNATE, 9);
    configure_pin('G', 6, PIN_ALTERNATE, 10);
    enable_clock(&RCC_AHB3ENR, RCC_AHB3ENR_QSPIEN_Msk);
    wait_until_clear(&QUADSPI_SR, QUADSPI_SR_BUSY_Msk);
    QUADSPI_CR = 7u << QUADSPI_CR_PRESCALER_Pos | QUADSPI_CR_EN_Msk;
    QUADSPI_DCR = 22u << QUADSPI_DCR_FSIZE_Pos;

    wait_until_clear(&QUADSPI_SR, QUADSPI_SR_BUSY_Msk);
    QUADSPI_DLR = 2;
    QUADSPI_CCR = READ_IDENTIFICATION | ONE_LINE << QUADSPI_CCR_IMODE_Pos | ONE_LINE << QUADSPI_CCR_DMODE_Pos |
                  INDIRECT_READ << QUADSPI_CCR_FMODE_Pos;
    for (uint32_t i = 0; i < 3u; ++i) {
        while (!(QUADSPI_SR & (QUADSPI_SR_FTF_Msk | QUADSPI_SR_TCF_Msk))) {
        }
        identification = identification << 8 | *(volatile uint8_t *)&QUADSPI_DR;
    }
    wait_until_set(&QUADSPI_SR, QUADSPI_SR_TCF_Msk);
    QUADSPI_FCR = QUADSPI_FCR_CTCF_Msk;
    print_value("identification", identification);
    print_value("busy", QUADSPI_SR & QUADSPI_SR_BUSY_Msk ? 1u : 0u);
    for (;;) {
        wfi();
    }
}

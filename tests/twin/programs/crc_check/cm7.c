/* The CRC unit against sums made by the core: of its own program, with the polynomial of Ethernet in both orders of
 * bits, and of a short text with a polynomial of 16 bits. */
#include "example.h"

#define BITS_16 1u
#define BY_BYTE 1u
#define LENGTH 512u

static uint32_t by_hand(const uint8_t *data, uint32_t length)
{
    uint32_t sum = 0xFFFFFFFFu;

    while (length--) {
        sum ^= *data++;
        for (uint32_t bit = 0; bit < 8; ++bit) {
            sum = sum & 1u ? sum >> 1 ^ 0xEDB88320u : sum >> 1;
        }
    }
    return ~sum;
}

static void feed(const uint8_t *data, uint32_t length)
{
    while (length--) {
        *(volatile uint8_t *)&CRC_DR = *data++;
    }
}

int main(void)
{
    const uint32_t *const program = (const uint32_t *)0x08000000u;

    console_start(RESET_HZ);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_CRCEN_Msk);
    CRC_CR = BY_BYTE << CRC_CR_REV_IN_Pos | CRC_CR_REV_OUT_Msk | CRC_CR_RESET_Msk;
    feed((const uint8_t *)program, LENGTH);
    print_value("same", ~CRC_DR == by_hand((const uint8_t *)program, LENGTH));

    CRC_CR = CRC_CR_RESET_Msk;
    for (uint32_t i = 0; i < LENGTH / 4u; ++i) {
        CRC_DR = program[i];
    }
    print_value("differs", ~CRC_DR != by_hand((const uint8_t *)program, LENGTH));

    CRC_POL = 0x1021u;
    CRC_INIT = 0xFFFFu;
    CRC_CR = BITS_16 << CRC_CR_POLYSIZE_Pos | CRC_CR_RESET_Msk;
    feed((const uint8_t *)"123456789", 9);
    print_value("check", CRC_DR);
    for (;;) {
        wfi();
    }
}

/* CM7 looks for an SD card on SDMMC1 as ST's driver does: CMD0, then CMD8, which nobody answers. */
#include "example.h"

#define POWER_ON 3u
#define SHORT_RESPONSE 1u

static void clock_start(void)
{
    /* PLL1Q: HSI / 32 x 128 / 4 = 64 MHz */
    RCC_PLLCKSELR = 32u << RCC_PLLCKSELR_DIVM1_Pos;
    RCC_PLL1DIVR = 127u | 1u << RCC_PLL1DIVR_P1_Pos | 3u << RCC_PLL1DIVR_Q1_Pos | 1u << RCC_PLL1DIVR_R1_Pos;
    RCC_PLLCFGR |= RCC_PLLCFGR_PLL1VCOSEL_Msk;
    RCC_CR |= RCC_CR_PLL1ON_Msk;
    wait_until_set(&RCC_CR, RCC_CR_PLL1RDY_Msk);
}

int main(void)
{
    uint32_t flags;

    console_start(RESET_HZ);
    clock_start();
    enable_clock(&RCC_AHB3ENR, RCC_AHB3ENR_SDMMC1EN_Msk);
    SDMMC1_CLKCR = 80u; /* 400 kHz */
    SDMMC1_POWER = POWER_ON;
    SDMMC1_ARG = 0;
    SDMMC1_CMD = SDMMC1_CMD_CPSMEN_Msk;
    wait_until_set(&SDMMC1_STA, SDMMC1_STA_CMDSENT_Msk);
    SDMMC1_ICR = SDMMC1_STA_CMDSENT_Msk;
    print("CMD0 sent\r\n");

    SDMMC1_ARG = 0x1AA;
    SDMMC1_CMD = 8u | SHORT_RESPONSE << SDMMC1_CMD_WAITRESP_Pos | SDMMC1_CMD_CPSMEN_Msk;
    do {
        flags = SDMMC1_STA & (SDMMC1_STA_CCRCFAIL_Msk | SDMMC1_STA_CMDREND_Msk | SDMMC1_STA_CTIMEOUT_Msk);
    } while (!flags);
    SDMMC1_ICR = flags;
    print(flags == SDMMC1_STA_CTIMEOUT_Msk ? "no card\r\n" : "card\r\n");
    for (;;) {
        wfi();
    }
}

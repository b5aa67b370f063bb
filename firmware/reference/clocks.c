#include "clocks.h"

#include "core.h"
#include "test_points.h"

/* 8 MHz / M = 2 MHz into PLL1, times N = 800 MHz (wide VCO), divided by P = 400 MHz. */
enum { PLL1_M = 4, PLL1_N = 400, PLL1_P = 2, PLL1_Q = 4, PLL1_R = 2 };
_Static_assert(HSE_HZ / PLL1_M * PLL1_N / PLL1_P == CM7_HZ, "PLL1 and CM7_HZ disagree");

enum {
    VOS1 = 3,
    FLASH_LATENCY = 4,
    FLASH_WRHIGHFREQ = 2,
    PLLSRC_HSE = 2,
    PLLRGE_2_TO_4_MHZ = 1,
    SW_PLL1 = 3,
    HPRE_DIV2 = 8,
    PPRE_DIV2 = 4,
};

/* Wait until all bits of a mask are set; register reads cross slow buses, so it asks only now and then. */
static void wait_for(const volatile uint32_t *status, uint32_t mask)
{
    while ((*status & mask) != mask) {
        for (uint32_t pause = 50; pause; --pause) {
            __asm volatile("nop");
        }
    }
}

static void start_pll1(void)
{
    RCC_CR |= RCC_CR_HSEBYP_Msk;
    RCC_CR |= RCC_CR_HSEON_Msk;
    wait_for(&RCC_CR, RCC_CR_HSERDY_Msk);

    SET_FIELD(RCC_PLLCKSELR, DIVM1, PLL1_M);
    SET_FIELD(RCC_PLLCKSELR, PLLSRC, PLLSRC_HSE);
    SET_FIELD(RCC_PLLCFGR, PLL1RGE, PLLRGE_2_TO_4_MHZ);
    SET_FIELD(RCC_PLLCFGR, PLL1VCOSEL, 0);
    SET_FIELD(RCC_PLLCFGR, PLL1FRACEN, 0);
    RCC_PLL1DIVR = (PLL1_N - 1u) << RCC_PLL1DIVR_N1_Pos | (PLL1_P - 1u) << RCC_PLL1DIVR_P1_Pos |
                   (PLL1_Q - 1u) << RCC_PLL1DIVR_Q1_Pos | (PLL1_R - 1u) << RCC_PLL1DIVR_R1_Pos;
    RCC_PLLCFGR |= RCC_PLLCFGR_DIVP1EN_Msk | RCC_PLLCFGR_DIVQ1EN_Msk | RCC_PLLCFGR_DIVR1EN_Msk;
    RCC_CR |= RCC_CR_PLL1ON_Msk;
    wait_for(&RCC_CR, RCC_CR_PLL1RDY_Msk);
}

void clocks_start(void)
{
    const uint32_t flash_timing =
        FLASH_LATENCY << FLASH_ACR_LATENCY_Pos | FLASH_WRHIGHFREQ << FLASH_ACR_WRHIGHFREQ_Pos;

    SET_FIELD(PWR_D3CR, VOS, VOS1);
    wait_for(&PWR_D3CR, PWR_D3CR_VOSRDY_Msk);

    start_pll1();

    FLASH_ACR = flash_timing;
    if (FLASH_ACR != flash_timing) {
        Error_Handler();
    }

    /* Dividers first, so that no bus is ever too fast. */
    SET_FIELD(RCC_D1CFGR, D1PPRE, PPRE_DIV2);
    SET_FIELD(RCC_D2CFGR, D2PPRE1, PPRE_DIV2);
    SET_FIELD(RCC_D2CFGR, D2PPRE2, PPRE_DIV2);
    SET_FIELD(RCC_D3CFGR, D3PPRE, PPRE_DIV2);
    SET_FIELD(RCC_D1CFGR, HPRE, HPRE_DIV2);
    SET_FIELD(RCC_D1CFGR, D1CPRE, 0);

    SET_FIELD(RCC_CFGR, SW, SW_PLL1);
    wait_for(&RCC_CFGR, SW_PLL1 << RCC_CFGR_SWS_Pos);
    SystemCoreClock = CM7_HZ;
}

/* What the programs about low power share. */
#ifndef POWER_H
#define POWER_H

#include "example.h"

#define BUTTON 13u /* PC13, and the EXTI line it feeds */
#define PORT_C 2u

/* What clocks_start makes of HSI: 200 MHz for CM7, which VOS3 allows, 100 MHz for CM4 and the buses AXI and AHB. */
#define FAST_HZ 200000000u
#define FAST_PERIPHERALS_HZ 50000000u

enum { CLOCK_HSI, CLOCK_CSI, CLOCK_HSE, CLOCK_PLL1 }; /* SW and SWS of RCC_CFGR */

/* Let PLL1 make the system clock; also after system Stop, when HSI or CSI has taken its place. */
static inline void clocks_start(void)
{
    RCC_CR |= RCC_CR_HSION_Msk;
    wait_until_set(&RCC_CR, RCC_CR_HSIRDY_Msk);
    RCC_PLLCKSELR = 32u << RCC_PLLCKSELR_DIVM1_Pos; /* 2 MHz */
    SET_FIELD(RCC_PLLCFGR, PLL1RGE, 1);
    SET_FIELD(RCC_PLLCFGR, PLL1VCOSEL, 0);
    SET_FIELD(RCC_PLL1DIVR, N1, 200u - 1u);
    SET_FIELD(RCC_PLL1DIVR, P1, 2u - 1u);
    RCC_CR |= RCC_CR_PLL1ON_Msk;
    wait_until_set(&RCC_CR, RCC_CR_PLL1RDY_Msk);
    RCC_D1CFGR = 8u << RCC_D1CFGR_HPRE_Pos | 4u << RCC_D1CFGR_D1PPRE_Pos;
    RCC_D2CFGR = 4u << RCC_D2CFGR_D2PPRE1_Pos | 4u << RCC_D2CFGR_D2PPRE2_Pos;
    RCC_D3CFGR = 4u << RCC_D3CFGR_D3PPRE_Pos;
    SET_FIELD(RCC_CFGR, SW, CLOCK_PLL1);
    while ((RCC_CFGR & RCC_CFGR_SWS_Msk) >> RCC_CFGR_SWS_Pos != CLOCK_PLL1) {
    }
}

/* Let the button's rising edge be an interrupt of this core: EXTI15_10_IRQHandler. */
static inline void button_start(void)
{
    configure_pin('C', BUTTON, PIN_INPUT, 0);
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_SYSCFGEN_Msk);
    SET_FIELD(SYSCFG_EXTICR4, EXTI13, PORT_C);
    EXTI_RTSR1 |= 1u << BUTTON;
#ifdef CORE_CM7
    EXTI_C1IMR1 |= 1u << BUTTON;
#else
    EXTI_C2IMR1 |= 1u << BUTTON;
#endif
    enable_interrupt(EXTI15_10_IRQn, 1);
}

/* To be called by the button's interrupt handler. */
static inline void button_clear(void)
{
#ifdef CORE_CM7
    EXTI_C1PR1 = 1u << BUTTON;
#else
    EXTI_C2PR1 = 1u << BUTTON;
#endif
}

/* Choose what WFI and WFE are: CStop, or CSleep. */
static inline void select_stop(bool stop)
{
    SCS_SCR = stop ? SCS_SCR | SCS_SCR_SLEEPDEEP_Msk : SCS_SCR & ~SCS_SCR_SLEEPDEEP_Msk;
    dsb();
}

#endif

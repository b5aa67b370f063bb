/* Instructions and core registers that C has no words for (ARMv7-M, Arm DDI0403E). */
#ifndef CORE_H
#define CORE_H

#include <stdint.h>

#include "stm32h755.h"

/* SET_FIELD(RCC_CFGR, SW, 3) replaces one field of a register. */
#define SET_FIELD(register, field, value) \
    ((register) = ((register) & ~register##_##field##_Msk) | ((uint32_t)(value) << register##_##field##_Pos))

static inline void wfi(void) { __asm volatile("wfi" ::: "memory"); }
static inline void wfe(void) { __asm volatile("wfe" ::: "memory"); }
static inline void sev(void) { __asm volatile("sev" ::: "memory"); }
static inline void isb(void) { __asm volatile("isb" ::: "memory"); }
static inline void dsb(void) { __asm volatile("dsb" ::: "memory"); }
static inline void dmb(void) { __asm volatile("dmb" ::: "memory"); }

/* Switch a peripheral clock on; the read makes sure that it runs before the peripheral is accessed. */
static inline void enable_clock(volatile uint32_t *enable_register, uint32_t mask)
{
    *enable_register |= mask;
    (void)*enable_register;
}

/* Enable an interrupt; priority 0 (most urgent) to 15. */
static inline void enable_interrupt(IRQn_Type irq, uint8_t priority)
{
    const uint32_t line = (uint32_t)irq;

    ((volatile uint8_t *)&SCS_NVIC_IPR0)[line] = (uint8_t)(priority << 4);
    (&SCS_NVIC_ISER0)[line / 32u] = 1u << (line % 32u);
}

/* Start the SysTick interrupt at 1 kHz from the core clock. */
static inline void start_systick(uint32_t core_hz)
{
    SCS_SYST_RVR = core_hz / 1000u - 1u;
    SCS_SYST_CVR = 0;
    SCS_SYST_CSR = SCS_SYST_CSR_CLKSOURCE_Msk | SCS_SYST_CSR_TICKINT_Msk | SCS_SYST_CSR_ENABLE_Msk;
}

#endif

/* What the test programs share: registers and output. */
#pragma once
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* The peripherals of tests/twin/cpu/conftest.py. */
#define OUTPUT REGISTER(0x40000000)
#define PULSE_IRQ REGISTER(0x40000004)
#define RAISE_IRQ REGISTER(0x40000008)
#define LOWER_IRQ REGISTER(0x4000000C)
#define NOWHERE REGISTER(0x48000000)

#define CPACR REGISTER(0xE000ED88)
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define SYST_CVR REGISTER(0xE000E018)
#define ICSR REGISTER(0xE000ED04)
#define AIRCR REGISTER(0xE000ED0C)
#define SCR REGISTER(0xE000ED10)
#define SHPR3 REGISTER(0xE000ED20)
#define SHCSR REGISTER(0xE000ED24)
#define CFSR REGISTER(0xE000ED28)
#define HFSR REGISTER(0xE000ED2C)
#define BFAR REGISTER(0xE000ED38)
#define NVIC_ISER0 REGISTER(0xE000E100)
#define NVIC_ICER0 REGISTER(0xE000E180)
#define NVIC_ISPR0 REGISTER(0xE000E200)
#define NVIC_ICPR0 REGISTER(0xE000E280)
#define NVIC_IABR0 REGISTER(0xE000E300)
#define NVIC_IPR ((volatile uint8_t *)0xE000E400)
#define DEMCR REGISTER(0xE000EDFC)
#define DWT_CTRL REGISTER(0xE0001000)
#define DWT_CYCCNT REGISTER(0xE0001004)

#define PENDSVSET (1u << 28)

#define NAKED __attribute__((naked))

static inline void put(char c) { OUTPUT = (uint32_t)c; }
static inline void say(const char *text) { while (*text) put(*text++); }

static inline void say_hex(uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) put("0123456789ABCDEF"[value >> shift & 15]);
    put(' ');
}

static inline void end(void) { for (;;) __asm volatile("bkpt 0"); }

void start(void);

/* What the bare programs share: the core's registers and special registers. */
#ifndef BARE_H
#define BARE_H

#include "target.h"

#define ICSR REGISTER(0xE000ED04)
#define VTOR REGISTER(0xE000ED08)
#define AIRCR REGISTER(0xE000ED0C)
#define SCR REGISTER(0xE000ED10)
#define CCR REGISTER(0xE000ED14)
#define SHPR(n) REGISTER(0xE000ED14 + 4 * (n)) /* 1 to 3 */
#define SHCSR REGISTER(0xE000ED24)
#define CFSR REGISTER(0xE000ED28)
#define HFSR REGISTER(0xE000ED2C)
#define MMFAR REGISTER(0xE000ED34)
#define BFAR REGISTER(0xE000ED38)
#define CPACR REGISTER(0xE000ED88)
#define STIR REGISTER(0xE000EF00)
#define FPCCR REGISTER(0xE000EF34)
#define FPCAR REGISTER(0xE000EF38)
#define FPDSCR REGISTER(0xE000EF3C)
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define SYST_CVR REGISTER(0xE000E018)
#define ISER(n) REGISTER(0xE000E100 + 4 * (n))
#define ICER(n) REGISTER(0xE000E180 + 4 * (n))
#define ISPR(n) REGISTER(0xE000E200 + 4 * (n))
#define ICPR(n) REGISTER(0xE000E280 + 4 * (n))
#define IABR(n) REGISTER(0xE000E300 + 4 * (n))
#define IPR(n) (*(volatile uint8_t *)(0xE000E400u + (n)))
#define MPU_CTRL REGISTER(0xE000ED94)
#define MPU_RNR REGISTER(0xE000ED98)
#define MPU_RBAR REGISTER(0xE000ED9C)
#define MPU_RASR REGISTER(0xE000EDA0)

#define READ_SPECIAL(NAME)                                                                                   \
    ({                                                                                                       \
        uint32_t value_;                                                                                     \
        __asm volatile("mrs %0, " #NAME : "=r"(value_));                                                     \
        value_;                                                                                              \
    })
#define WRITE_SPECIAL(NAME, VALUE)                                                                           \
    __asm volatile("msr " #NAME ", %0\n isb" : : "r"((uint32_t)(VALUE)) : "memory")
#define BARRIER() __asm volatile("dsb\n isb" : : : "memory")

/* A handler that gets the address of the frame and EXC_RETURN. */
#define HANDLER(NAME, FUNCTION)                                                                              \
    __attribute__((naked)) void NAME(void) {                                                                 \
        __asm volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n mov r1, lr\n"                  \
                       " push {r4, lr}\n bl " #FUNCTION "\n pop {r4, pc}");                                  \
    }
enum { FRAME_R0, FRAME_R1, FRAME_R2, FRAME_R3, FRAME_R12, FRAME_LR, FRAME_PC, FRAME_XPSR };

#endif

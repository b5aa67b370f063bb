/* CM7 puts a program into the SRAM of D2, moves CM4's start there by way of SYSCFG, and releases CM4, which BCM4 holds
 * (RM0399 2.6, 13.3.7). The SRAM is at 0 for CM4 then. */
#include "example.h"

#define SRAM1 0x10000000u
#define STACK_END 0x10008000u
#define COUNTER 0x38000000u
#define CODE_WORDS 16u

void counting(void);

/* Counts in SRAM4, and writes there where its vector table is. It does not care where it is itself. */
__attribute__((naked, aligned(4))) void counting(void)
{
    __asm volatile("ldr r0, =0x38000000\n\t"
                   "ldr r1, =0xE000ED08\n\t"
                   "ldr r2, [r1]\n\t"
                   "str r2, [r0, #4]\n\t"
                   "movs r1, #0\n\t"
                   "ldr r2, [r1, #4]\n\t" /* the reset vector, at 0 */
                   "str r2, [r0, #8]\n\t"
                   "mov r2, pc\n\t"
                   "str r2, [r0, #12]\n"
                   "1:\n\t"
                   "adds r1, #1\n\t"
                   "str r1, [r0]\n\t"
                   "b 1b\n\t"
                   ".ltorg");
}

int main(void)
{
    volatile uint32_t *const start = (volatile uint32_t *)SRAM1;
    const uint32_t *const code = (const uint32_t *)((uint32_t)&counting & ~1u);

    enable_clock(&RCC_AHB2ENR, RCC_AHB2ENR_SRAM1EN_Msk);
    start[0] = STACK_END;
    start[1] = SRAM1 + 8u + 1u;
    for (uint32_t i = 0; i < CODE_WORDS; ++i) {
        start[2u + i] = code[i];
    }
    dsb();
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_SYSCFGEN_Msk);
    SET_FIELD(SYSCFG_UR3, BCM4_ADD0, SRAM1 >> 16);
    RCC_GCR |= RCC_GCR_BOOT_C2_Msk;
    for (;;) {
        wfi();
    }
}

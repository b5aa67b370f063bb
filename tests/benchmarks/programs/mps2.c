/*
 * The programs on QEMU's mps2-an500 (Arm DAI0400: core, SysTick and timers at 25 MHz), with the start code of the
 * oracles. A timer ends what does not end by itself, after MILLISECONDS. QEMU ends then, too.
 */
#include "machine.h"
#include "target.h"

#define HZ 25000000u
#define TIMER0 0x40000000u
#define TIMER0_IRQ 8u
#define ISER0 REGISTER(0xE000E100)
#define SYST_CSR REGISTER(0xE000E010)
#define SYST_RVR REGISTER(0xE000E014)
#define SYST_CVR REGISTER(0xE000E018)

#define SYS_EXIT 0x18
#define EXIT_OF_APPLICATION 0x20026

void irq(void);

extern volatile uint32_t RESULT; /* what there is to tell of the program */

void machine_start(void)
{
    REGISTER(TIMER0 + 8) = MILLISECONDS * (HZ / 1000u); /* RELOAD */
    REGISTER(TIMER0 + 4) = MILLISECONDS * (HZ / 1000u); /* VALUE */
    REGISTER(TIMER0) = 9;                               /* CTRL: enabled, interrupts */
    ISER0 = 1u << TIMER0_IRQ;
}

void start_ticks(void)
{
    SYST_RVR = HZ / 1000u - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7;
}

void irq(void)
{
    stop();
}

void stop(void)
{
    say("%u\n", RESULT);
    __asm volatile("mov r0, %0\n mov r1, %1\n bkpt 0xAB" ::"r"(SYS_EXIT), "r"(EXIT_OF_APPLICATION) : "r0", "r1");
    for (;;) {
    }
}

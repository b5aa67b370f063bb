/* Each fault: which exception, which status bits, which address, and what was stacked. */
#include "bare.h"

__asm(".fpu fpv4-sp-d16"); /* compiled without floating point */
static uint32_t resume;

void handle(uint32_t *frame, uint32_t exc_return) {
    uint32_t status = CFSR, hard = HFSR;
    say("  exception %u, CFSR %x, HFSR %x, return %x, IT %x, T %u", READ_SPECIAL(ipsr), status, hard,
        exc_return & 0xF, frame[FRAME_XPSR] & 0x0600FC00, frame[FRAME_XPSR] >> 24 & 1);
    say(", masks %u %u", READ_SPECIAL(primask), READ_SPECIAL(faultmask));
    if (status & 0x80) {
        say(", MMFAR %x", MMFAR);
    }
    if (status & 0x8000) {
        say(", BFAR %x", BFAR);
    }
    say("\n");
    CFSR = status;
    HFSR = hard;
    frame[FRAME_PC] = resume & ~1u;
    frame[FRAME_XPSR] = 0x01000000;
}

HANDLER(hard_fault, handle)
HANDLER(mem_manage, handle)
HANDLER(bus_fault, handle)
HANDLER(usage_fault, handle)

/* Execute assembler code that faults; execution goes on behind it. */
#define FAULT(TEXT, CODE, ...)                                                                               \
    say("%s\n", TEXT);                                                                                       \
    __asm volatile("ldr r12, =%c0\n adr r3, 1f\n str r3, [r12]\n b 2f\n .balign 4\n2: " CODE                 \
                   "\n nop\n nop\n .balign 4\n1:\n"                                                          \
                   :                                                                                         \
                   : "i"(&resume), ##__VA_ARGS__                                                             \
                   : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r12", "lr", "memory", "cc")

static void all(void) {
    FAULT("undefined of 16 bits", "udf 1");
    FAULT("undefined of 32 bits", "udf.w 1");
    FAULT("undefined in an IT block", "movs r0, 0\n itt eq\n addeq r0, 1\n udfeq 0");
    FAULT("not executed in an IT block", "movs r0, 0\n itt ne\n addne r0, 1\n udfne 0");
    FAULT("to ARM state", "adr r0, 2b\n bx r0");
    FAULT("load from nowhere", "ldr r0, =0x90000000\n ldr r1, [r0, 4]");
    FAULT("branch to nowhere", "ldr r0, =0x90000001\n bx r0");
    FAULT("branch to a device", "ldr r0, =0x40004001\n bx r0");
    FAULT("branch to the private bus", "ldr r0, =0xE000ED01\n blx r0");
    FAULT("load multiple, unaligned", "ldr r0, =0x20001002\n ldmia r0, {r1, r2}");
    FAULT("store double, unaligned", "ldr r0, =0x20001001\n strd r1, r2, [r0]");
    FAULT("exclusive, unaligned", "ldr r0, =0x20001002\n ldrex r1, [r0]");
    FAULT("word, unaligned", "ldr r0, =0x20001002\n ldr r1, [r0]");
    FAULT("division by zero", "movs r0, 7\n movs r1, 0\n sdiv r2, r0, r1");
    FAULT("coprocessor", "mcr p5, 0, r0, c1, c1, 0");
    FAULT("floating point", "vmov s0, r0");
    FAULT("wrong exception return from a thread", "ldr r0, =0xFFFFFFF1\n bx r0");
}

static void svc_escalates(void) {
    FAULT("SVC with PRIMASK", "cpsid i\n svc 0\n cpsie i");
    WRITE_SPECIAL(primask, 0);
    FAULT("SVC with BASEPRI", "movs r0, 0x10\n msr basepri, r0\n isb\n svc 0\n");
    WRITE_SPECIAL(basepri, 0);
}

int main(void) {
    CPACR = 0;
    BARRIER();
    say("-- escalated to HardFault\n");
    all();
    say("-- enabled\n");
    SHCSR = 7 << 16;
    all();
    say("-- with traps\n");
    CCR |= 0x18;
    all();
    CCR &= ~0x18u;
    say("-- priority too low\n");
    SHPR(1) = 0x00303030;
    SHPR(2) = 0x30u << 24;
    WRITE_SPECIAL(basepri, 0x20);
    all();
    svc_escalates();
    WRITE_SPECIAL(basepri, 0);
    say("-- on the process stack, unprivileged\n");
    static uint64_t stack[128];
    WRITE_SPECIAL(psp, stack + 128);
    WRITE_SPECIAL(control, 3);
    all();
    FAULT("private bus, unprivileged", "ldr r0, =0xE000ED00\n ldr r1, [r0]");
    finish(); /* `main` has no way back from the other stack */
}

/* Priorities: nesting, tail-chaining, masking, grouping, what the registers say inside handlers. */
#include "bare.h"

static int depth;
static uint32_t pend_inside; /* interrupts that the next handler pends */

static void line(const char *what, uint32_t number) {
    for (int i = 0; i < depth; i++) {
        say("  ");
    }
    say("%s %u\n", what, number);
}

void handle(uint32_t *frame, uint32_t exc_return) {
    uint32_t number = READ_SPECIAL(ipsr), pend = pend_inside;
    pend_inside = 0;
    line("enter", number);
    depth++;
    line("stacked ipsr", frame[FRAME_XPSR] & 0x1FF);
    say("%x %x %x %x\n", exc_return, ICSR & 0x9FF, SHCSR, IABR(0));
    if (pend) {
        ISPR(0) = pend;
        BARRIER();
        line("pended", ISPR(0));
    }
    depth--;
    line("leave", number);
}

HANDLER(irq, handle)
HANDLER(svc, handle)
HANDLER(pendsv, handle)
HANDLER(nmi, handle)
HANDLER(systick, handle)

static void pend(const char *what, uint32_t interrupts, uint32_t inside) {
    say("-- %s\n", what);
    pend_inside = inside;
    ISPR(0) = interrupts;
    BARRIER();
}

int main(void) {
    for (int n = 0; n < 8; n++) {
        IPR(n) = (uint8_t)(0x80 - n * 0x10);
    }
    ISER(0) = 0xFF;
    say("%x %x %x\n", ISER(0), ICER(0), IPR(3));
    pend("one", 1, 0);
    pend("all at once: by priority, tail-chained", 0xFF, 0);
    pend("a more urgent one nests", 1 << 0, 1 << 7);
    pend("a less urgent one tail-chains", 1 << 7, 1 << 0);
    IPR(5) = IPR(4) = 0x40;
    pend("equal: lowest number first", 3 << 4, 0);
    pend("equal: no nesting", 1 << 5, 1 << 4);
    pend("itself again", 1 << 2, 1 << 2);

    say("-- grouping\n");
    AIRCR = 0x05FA0000 | 5 << 8; /* two bits of group priority */
    say("%x\n", AIRCR & 0xFFFF);
    IPR(1) = 0x50;
    IPR(2) = 0x40;
    pend("same group: no nesting", 1 << 1, 1 << 2);
    pend("same group: subpriority decides", 3 << 1, 0);
    AIRCR = 0x05FA0000;
    pend("no groups: nesting", 1 << 1, 1 << 2);

    say("-- masks\n");
    WRITE_SPECIAL(primask, 1);
    pend("masked by PRIMASK", 1, 0);
    say("%x %x\n", ISPR(0), ICSR & 0x1FF000);
    WRITE_SPECIAL(primask, 0);
    WRITE_SPECIAL(basepri, 0x50);
    pend("masked by BASEPRI but for 0x40 and above", 0xFF, 0);
    say("%x %x\n", ISPR(0), READ_SPECIAL(basepri));
    WRITE_SPECIAL(basepri_max, 0x70);
    say("%x\n", READ_SPECIAL(basepri));
    WRITE_SPECIAL(basepri_max, 0x20);
    say("%x\n", READ_SPECIAL(basepri));
    WRITE_SPECIAL(basepri, 0);
    BARRIER();
    WRITE_SPECIAL(faultmask, 1);
    pend("masked by FAULTMASK", 0x3, 0);
    say("%x\n", READ_SPECIAL(faultmask));
    ICPR(0) = 1;
    WRITE_SPECIAL(faultmask, 0);
    BARRIER();
    ICER(0) = 1 << 3;
    pend("disabled", 1 << 3, 0);
    say("%x %x\n", ISPR(0), ISER(0));
    ISER(0) = 1 << 3;
    BARRIER();
    say("-- by STIR\n");
    STIR = 6;
    BARRIER();

    say("-- system exceptions\n");
    SHPR(2) = 0x60u << 24;
    SHPR(3) = 0xF0u << 16 | 0x30u << 24;
    say("%x %x\n", SHPR(2), SHPR(3));
    pend_inside = 1 << 7;
    __asm volatile("svc 5");
    ICSR = 1 << 28;
    BARRIER();
    say("-- PendSV is behind all interrupts\n");
    WRITE_SPECIAL(primask, 1);
    ICSR = 1 << 28;
    ICSR = 1 << 26;
    ISPR(0) = 1 << 6 | 1;
    WRITE_SPECIAL(primask, 0);
    BARRIER();
    WRITE_SPECIAL(primask, 1);
    ICSR = 1u << 28;
    ICSR = 1u << 27;
    WRITE_SPECIAL(primask, 0);
    BARRIER();
    say("-- NMI\n");
    WRITE_SPECIAL(faultmask, 1);
    ICSR = 1u << 31;
    BARRIER();
    say("%x\n", READ_SPECIAL(faultmask));
    WRITE_SPECIAL(faultmask, 0);

    say("-- on the process stack\n");
    static uint64_t stack[64];
    WRITE_SPECIAL(psp, stack + 64);
    WRITE_SPECIAL(control, 2);
    pend("thread on PSP", 1 << 3, 1 << 7);
    say("%x\n", READ_SPECIAL(control));
    WRITE_SPECIAL(control, 3);
    __asm volatile("svc 0");
    say("%x %x\n", READ_SPECIAL(control), READ_SPECIAL(primask));
    WRITE_SPECIAL(control, 0); /* has no effect any more */
    say("%x\n", READ_SPECIAL(control));
    finish(); /* `main` has no way back from the other stack */
}

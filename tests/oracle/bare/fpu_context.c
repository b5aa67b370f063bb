/* Floating-point state and exceptions: frames, lazy saving, FPCA, FPSCR of a new context. */
#include "bare.h"

static uint32_t frame_words[26], exc_returns[4], levels, fpcar, fpccr_before, fpccr_after, lr_before;
static int uses_float;

void handle(uint32_t *frame, uint32_t exc_return) {
    uint32_t number = READ_SPECIAL(ipsr) - 16;
    exc_returns[levels++ & 3] = exc_return;
    if (number == 0) {
        fpccr_before = FPCCR;
        fpcar = FPCAR - (uint32_t)frame;
        if (uses_float) {
            __asm volatile("vmov.f32 s0, 2.0\n vmov.f32 s31, 3.0\n vadd.f32 s1, s0, s31"
                           :
                           :
                           : "s0", "s1", "s31");
        }
        fpccr_after = FPCCR;
        lr_before = READ_SPECIAL(control);
        for (int i = 0; i < 26; i++) {
            frame_words[i] = frame[i];
        }
    } else {
        ISPR(0) = 1;
        BARRIER();
    }
}
HANDLER(irq, handle)

static void show(const char *what) {
    say("%s: return", what);
    for (uint32_t i = 0; i < levels; i++) {
        say(" %x", exc_returns[i]);
    }
    say(", FPCCR %x %x, FPCAR %x, control %x, stacked", fpccr_before & 0xC000007F, fpccr_after & 0xC000007F,
        fpcar, lr_before);
    if (!(exc_returns[levels - 1] & 0x10)) {
        /* S0 to S15 are UNKNOWN in a handler behind the saving of those at once. */
        for (int i = levels > 1 && !(fpccr_before & 0x40000000) ? 24 : 8; i < 25; i++) {
            say(" %x", frame_words[i]);
        }
    }
    say(", alignment %u\n", frame_words[FRAME_XPSR] >> 9 & 1);
    levels = 0;
}

/* Pend an interrupt with S0 = n, S1 = n + 1, ...; show what is left of them. */
static void interrupt(const char *what, uint32_t pend, uint32_t n, uint32_t misaligned) {
    uint32_t after[32], fpscr;
    __asm volatile("mov r4, sp\n cbz %4, 1f\n sub sp, sp, #4\n1: vmov s0, %3\n add %3, %3, #1\n vmov s1, "
                   "%3\n add %3, %3, #1\n"
                   " vmov s15, %3\n add %3, %3, #1\n vmov s16, %3\n vmov s31, %3\n vmsr fpscr, %5\n"
                   " str %2, [%1]\n dsb\n isb\n mov sp, r4\n vstmia %6, {s0-s31}\n vmrs %0, fpscr"
                   : "=&r"(fpscr)
                   : "r"(0xE000E200), "r"(pend), "r"(n), "r"(misaligned), "r"(0x03400000), "r"(after)
                   : "r4", "memory", "s0", "s1", "s15", "s16", "s31");
    show(what);
    say("  after: %x %x %x %x %x, fpscr %x, control %x\n", after[0], after[1], after[15], after[16],
        after[31], fpscr, READ_SPECIAL(control));
    __asm volatile("vmsr fpscr, %0" : : "r"(0));
}

static void without_float(const char *what) {
    WRITE_SPECIAL(control, READ_SPECIAL(control) & ~4u);
    ISPR(0) = 1;
    BARRIER();
    uint32_t control = READ_SPECIAL(control);
    show(what);
    say("  control %x\n", control);
}

int main(void) {
    IPR(0) = 0x20;
    IPR(1) = 0x40;
    ISER(0) = 3;
    say("%x %x\n", FPCCR & 0xC0000000, FPDSCR);
    uint32_t fpccr = FPCCR;
    for (int lazy = 0; lazy < 3; lazy++) {
        static const char *const names[] = {"not automatic", "at once", "lazy"};
        FPCCR = (fpccr & 0x3FFFFFFF) | (lazy == 2 ? 0xC0000000 : lazy == 1 ? 0x80000000 : 0);
        say("-- %s\n", names[lazy]);
        for (uses_float = 0; uses_float < 2; uses_float++) {
            say("- handler %s\n", uses_float ? "uses it" : "does not use it");
            interrupt("one", 1, 0x100, 0);
            interrupt("misaligned", 1, 0x200, 1);
            interrupt("nested", 2, 0x300, 0);
            without_float("inactive");
        }
    }
    FPDSCR = 0x02C00000;
    uses_float = 1;
    say("-- FPDSCR\n");
    interrupt("one", 1, 0x400, 0);
    WRITE_SPECIAL(control, READ_SPECIAL(control) & ~4u);
    uint32_t fpscr;
    __asm volatile("vmrs %0, fpscr" : "=r"(fpscr));
    say("new context: %x, control %x\n", fpscr, READ_SPECIAL(control));
    return 0;
}

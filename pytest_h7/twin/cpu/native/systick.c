/* SysTick, computed from the cycle counter of its core (Arm DDI0403E B3.3).
 *
 * Nothing counts: `zero` is the cycle at which the count gets to zero, and the count follows from how far that
 * is away. From zero, the next clock reloads, so a period is RELOAD + 1 clocks. */
#include "h7core.h"

enum { CSR = 0x010, RVR = 0x014, CVR = 0x018, CALIB = 0x01C }; /* offsets in the SCS */
enum { ENABLE = 1, TICKINT = 2, CLKSOURCE = 4, COUNTFLAG = 1 << 16 };
enum { RELOAD_MASK = 0xFFFFFF };

enum {
    EXTERNAL_DIVIDER = 8, /* the external clock is the core clock divided by 8 (RM0399 section 20.1.2) */
    CALIBRATION = 0x3E8,
};

static uint32_t divider(const struct h7_systick *systick) {
    return systick->control & CLKSOURCE ? 1 : EXTERNAL_DIVIDER;
}

static void set_due(struct h7_core *core) {
    struct h7_systick *systick = &core->systick;
    systick->due = systick->control & TICKINT ? systick->zero : H7_NEVER;
    h7_stop_after_instruction(core);
}

/* Count on from `value`; from zero, the next clock reloads. */
static void start(struct h7_core *core, uint32_t value) {
    struct h7_systick *systick = &core->systick;
    systick->frozen = value;
    systick->top = value ? value : systick->reload;
    if (systick->control & ENABLE && systick->top) {
        uint64_t clocks = value ? value : systick->reload + 1u;
        systick->zero = h7_cycles(core) + clocks * divider(systick);
    } else {
        systick->zero = H7_NEVER;
    }
    set_due(core);
}

/* The count; h7_systick_fire must have been called at this cycle. */
static uint32_t count(const struct h7_core *core) {
    const struct h7_systick *systick = &core->systick;
    if (systick->zero == H7_NEVER) {
        return systick->frozen;
    }
    uint64_t left = (systick->zero - h7_cycles(core) + divider(systick) - 1) / divider(systick);
    return left <= systick->top ? (uint32_t)left : 0;
}

void h7_systick_reset(struct h7_core *core) {
    core->systick = (struct h7_systick){.zero = H7_NEVER, .due = H7_NEVER};
}

void h7_systick_fire(struct h7_core *core) {
    struct h7_systick *systick = &core->systick;
    uint64_t now = h7_cycles(core);
    if (now < systick->zero) {
        return;
    }
    systick->counted = true;
    if (systick->reload) {
        uint64_t period = (systick->reload + UINT64_C(1)) * divider(systick);
        systick->zero += ((now - systick->zero) / period + 1) * period;
    } else {
        systick->frozen = 0;
        systick->zero = H7_NEVER;
    }
    systick->top = systick->reload;
    set_due(core);
    if (systick->control & TICKINT) {
        h7_nvic_pend(core, H7_SYSTICK);
    }
}

uint32_t h7_systick_read(struct h7_core *core, uint32_t address) {
    struct h7_systick *systick = &core->systick;
    uint32_t value;
    h7_systick_fire(core);
    switch (address & 0xFFF) {
    case CSR:
        value = systick->control | (systick->counted ? COUNTFLAG : 0);
        systick->counted = false;
        return value;
    case RVR:
        return systick->reload;
    case CVR:
        return count(core);
    case CALIB:
        return CALIBRATION;
    default:
        return 0;
    }
}

void h7_systick_write(struct h7_core *core, uint32_t address, uint32_t value) {
    struct h7_systick *systick = &core->systick;
    uint32_t before;
    bool restarts;
    h7_systick_fire(core);
    switch (address & 0xFFF) {
    case CSR:
        before = count(core);
        restarts = (systick->control ^ value) & (ENABLE | CLKSOURCE);
        systick->control = value & (ENABLE | TICKINT | CLKSOURCE);
        if (restarts) {
            start(core, before);
        } else {
            set_due(core);
        }
        break;
    case RVR:
        systick->reload = value & RELOAD_MASK;
        if (systick->control & ENABLE && systick->zero == H7_NEVER) {
            start(core, 0);
        }
        break;
    case CVR:
        systick->counted = false;
        start(core, 0);
        break;
    default:
        break;
    }
}

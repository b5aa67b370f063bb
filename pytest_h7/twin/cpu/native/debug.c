/* Debugging a core: halting, stepping, vector catch and the debug monitor (Arm DDI0403E C1.5; registers C1.6).
 *
 * A debug event halts the core if a debugger has set C_DEBUGEN; else it makes the DebugMonitor exception pending
 * if that is enabled and would preempt; else a BKPT instruction ends in HardFault, and all other events come to
 * nothing. Breakpoints and watched instructions are given to execute.c as a list of addresses. */
#include "debug.h"

#define IN_FPB(ADDRESS) ((ADDRESS) >> 12 == 0xE0002)
#define IN_DWT(ADDRESS) ((ADDRESS) >> 12 == 0xE0001)

/* Offsets in the SCS. */
enum { DHCSR = 0xDF0, DCRSR = 0xDF4, DCRDR = 0xDF8, DEMCR = 0xDFC };

enum {
    C_DEBUGEN = 1 << 0,
    C_HALT = 1 << 1,
    C_STEP = 1 << 2,
    C_MASKINTS = 1 << 3,
    C_SNAPSTALL = 1 << 5,
    CONTROL_BITS = C_DEBUGEN | C_HALT | C_STEP | C_MASKINTS | C_SNAPSTALL,
    S_REGRDY = 1 << 16,
    S_HALT = 1 << 17,
    S_SLEEP = 1 << 18,
    S_LOCKUP = 1 << 19,
    S_RETIRE_ST = 1 << 24,
    S_RESET_ST = 1 << 25,
    REGSEL = 0x7F,
    REGWNR = 1 << 16,
};
enum {
    VC_CORERESET = 1 << 0,
    VC_MMERR = 1 << 4,
    VC_NOCPERR = 1 << 5,
    VC_CHKERR = 1 << 6,
    VC_STATERR = 1 << 7,
    VC_BUSERR = 1 << 8,
    VC_INTERR = 1 << 9,
    VC_HARDERR = 1 << 10,
    MON_EN = 1 << 16,
    MON_PEND = 1 << 17,
    MON_STEP = 1 << 18,
    MON_REQ = 1 << 19,
    TRCENA = 1 << 24,
    MONITOR_BITS = MON_EN | MON_STEP | MON_REQ,
    DEMCR_BITS = TRCENA | MONITOR_BITS | VC_CORERESET | VC_MMERR | VC_NOCPERR | VC_CHKERR | VC_STATERR |
        VC_BUSERR | VC_INTERR | VC_HARDERR,
};

bool h7_debug_has_debugger(const struct h7_core *core) { return core->debug.control & C_DEBUGEN; }
bool h7_debug_is_tracing(const struct h7_core *core) { return core->debug.demcr & TRCENA; }

/* ---- halting ----------------------------------------------------------------------------------------- */

static void set_halted(struct h7_core *core, bool halted) {
    if (core->debug.halted != halted) {
        core->debug.halted = halted;
        core->host.halt_changed(core->host.context, core);
        if (halted) {
            h7_cti_halted(core);
        }
    }
}

void h7_core_halt(struct h7_core *core, uint32_t dfsr) {
    core->returning = true;
    if (core->executing) {
        core->debug.halt_reason |= dfsr;
        h7_stop_after_instruction(core);
        return;
    }
    core->debug.halt_reason = 0;
    if (core->sleep != H7_AWAKE) {
        h7_wake(core);
    }
    core->lockup = false;
    core->debug.control |= C_HALT;
    core->scb.dfsr |= dfsr;
    set_halted(core, true);
}

static bool monitor_preempts(const struct h7_core *core) {
    return core->debug.demcr & MON_EN &&
           h7_nvic_priority(core, H7_DEBUG_MONITOR) < h7_execution_priority(core, true);
}

bool h7_debug_event(struct h7_core *core, uint32_t reason, bool is_instruction) {
    if (h7_debug_has_debugger(core)) {
        h7_core_halt(core, reason);
    } else if (monitor_preempts(core)) {
        core->scb.dfsr |= reason;
        h7_nvic_pend(core, H7_DEBUG_MONITOR);
    } else if (is_instruction) {
        core->scb.dfsr |= reason;
        h7_hard_fault(core, H7_HFSR_DEBUGEVT);
    } else {
        return false;
    }
    return true;
}

void h7_debug_request(struct h7_core *core) {
    bool answers = core->sleep == H7_AWAKE || core->clocked_in_sleep;
    if (core->cti.outputs & H7_CTI_DEBUG_REQUEST && !core->debug.halted && answers) {
        h7_debug_event(core, H7_DFSR_EXTERNAL, false);
    }
}

void h7_debug_restart(struct h7_core *core) {
    if (core->debug.halted) {
        core->debug.control &= ~(uint32_t)C_HALT;
        set_halted(core, false);
        h7_debug_request(core);
    }
}

bool h7_debug_breakpoint(struct h7_core *core) {
    if (h7_fpb_breaks_at(&core->fpb, core->r[15])) {
        return h7_debug_event(core, H7_DFSR_BKPT, false);
    }
    /* A debugger finds the core in front of the instruction; the monitor comes behind it, to get on. */
    return h7_dwt_match_instruction(core) && h7_debug_event(core, H7_DFSR_DWTTRAP, false) &&
           h7_debug_has_debugger(core);
}

bool h7_debug_stepping(const struct h7_core *core) {
    return h7_debug_has_debugger(core) ? core->debug.control & C_STEP
                             : core->debug.demcr & MON_STEP && monitor_preempts(core);
}

void h7_debug_stepped(struct h7_core *core) {
    if (h7_debug_stepping(core)) {
        h7_debug_event(core, H7_DFSR_HALTED, false);
    }
}

/* The vector catch that a usage fault belongs to, by its bit of CFSR. */
static uint32_t catch_of_usage(uint32_t status) {
    if (status & H7_NOCP) {
        return VC_NOCPERR;
    }
    return status & (H7_UNALIGNED | H7_DIVBYZERO) ? VC_CHKERR : VC_STATERR;
}

bool h7_debug_catches(const struct h7_core *core, uint32_t number) {
    uint32_t caught_by;
    switch (number) {
    case H7_RESET:
        caught_by = VC_CORERESET;
        break;
    case H7_HARD_FAULT:
        caught_by = VC_HARDERR;
        break;
    case H7_MEM_MANAGE:
        caught_by = VC_MMERR;
        break;
    case H7_BUS_FAULT_EXCEPTION:
        caught_by = VC_BUSERR;
        break;
    case H7_USAGE_FAULT:
        caught_by = catch_of_usage(core->fault.status);
        break;
    default:
        return false;
    }
    if (core->derived) {
        caught_by |= VC_INTERR;
    }
    return h7_debug_has_debugger(core) && core->debug.demcr & caught_by;
}

static uint32_t status(const struct h7_core *core) {
    const struct h7_debug *debug = &core->debug;
    uint32_t value = debug->control;
    if (debug->transfer_done) {
        value |= S_REGRDY;
    }
    if (debug->halted) {
        value |= S_HALT;
    } else if (core->sleep != H7_AWAKE) {
        value |= S_SLEEP;
    }
    if (core->lockup) {
        value |= S_LOCKUP;
    }
    if (h7_cycles(core) != debug->seen_cycles) {
        value |= S_RETIRE_ST;
    }
    if (debug->reset_seen) {
        value |= S_RESET_ST;
    }
    return value;
}

static uint32_t read_dhcsr(struct h7_core *core, bool debugger) {
    uint32_t value = status(core);
    if (debugger) {
        core->debug.reset_seen = false;
        core->debug.seen_cycles = h7_cycles(core);
    }
    return value;
}

static void mask_interrupts(struct h7_core *core) {
    core->nvic.interrupts_masked = h7_debug_has_debugger(core) && core->debug.control & C_MASKINTS;
    h7_nvic_update(core);
}

static void write_dhcsr(struct h7_core *core, uint32_t value) {
    struct h7_debug *debug = &core->debug;
    bool was_debugged = h7_debug_has_debugger(core);
    if (value >> 16 != 0xA05F) {
        return;
    }
    debug->control = value & C_DEBUGEN ? value & CONTROL_BITS : 0;
    mask_interrupts(core);
    if (h7_debug_has_debugger(core) != was_debugged) {
        h7_debug_update(core);
    }
    if (!(debug->control & C_HALT)) {
        set_halted(core, false);
    } else if (!debug->halted) {
        h7_core_halt(core, H7_DFSR_HALTED);
    }
    if (h7_debug_has_debugger(core)) {
        h7_debug_request(core);
    }
    h7_stop_after_instruction(core);
}

static void write_dcrsr(struct h7_core *core, uint32_t value) {
    struct h7_debug *debug = &core->debug;
    debug->transfer_done = debug->halted;
    if (!debug->halted) {
        return;
    }
    if (value & REGWNR) {
        h7_core_set_register(core, value & REGSEL, debug->dcrdr);
    } else {
        debug->dcrdr = h7_core_register(core, value & REGSEL);
    }
}

static uint32_t read_demcr(const struct h7_core *core) {
    return core->debug.demcr | (h7_in_set(core->nvic.pending, H7_DEBUG_MONITOR) ? MON_PEND : 0);
}

static void write_demcr(struct h7_core *core, uint32_t value) {
    uint32_t changed = core->debug.demcr ^ value;
    core->debug.demcr = value & DEMCR_BITS;
    if (value & MON_PEND) {
        h7_nvic_pend(core, H7_DEBUG_MONITOR);
    } else {
        h7_nvic_unpend(core, H7_DEBUG_MONITOR);
    }
    if (changed & TRCENA) {
        h7_dwt_tracing_changed(core);
    }
    if (changed & (TRCENA | MON_EN)) {
        h7_debug_update(core);
    }
    h7_stop_after_instruction(core);
}

void h7_debug_reset(struct h7_core *core, bool debug) {
    struct h7_debug *state = &core->debug;
    set_halted(core, false);
    if (debug) {
        *state = (struct h7_debug){0};
        core->scb.dfsr = 0;
        h7_fpb_reset(core);
        h7_dwt_reset(core);
        h7_cti_reset(core);
    }
    state->halt_reason = 0;
    state->transfer_done = true;
    state->reset_seen = true;
    state->control &= ~(uint32_t)(C_HALT | C_STEP);
    state->demcr &= ~(uint32_t)MONITOR_BITS;
    mask_interrupts(core);
    h7_debug_update(core);
}

/* ---- what stops it, and the way to the registers of all ----------------------------------------------- */

static void stop_at(struct h7_core *core, uint32_t address) {
    core->breakpoint[core->breakpoints++] = address;
}

void h7_debug_update(struct h7_core *core) {
    bool wanted = h7_debug_has_debugger(core) || core->debug.demcr & MON_EN;
    uint32_t before = core->breakpoints, addresses[2];
    bool was_watching = core->watching;
    core->breakpoints = 0;
    core->watching = false;
    for (uint32_t index = 0; wanted && index < core->fpb.code; index++) {
        uint32_t count = h7_fpb_breakpoints(&core->fpb, index, addresses);
        for (uint32_t number = 0; number < count; number++) {
            stop_at(core, addresses[number]);
        }
    }
    for (uint32_t index = 0; wanted && index < H7_DWT_COMPARATORS; index++) {
        if (h7_dwt_watches_instruction(core, index, addresses)) {
            stop_at(core, *addresses);
        }
        core->watching |= h7_dwt_watches_data(core, index);
    }
    if (before || core->breakpoints) {
        h7_flush_code(core);
    }
    if (was_watching || core->watching) {
        h7_flush_translations(core);
    }
}

uint32_t h7_debug_load(struct h7_core *core, uint32_t address, bool debugger) {
    uint32_t offset = address & 0xFFF;
    if (IN_FPB(address)) {
        return h7_fpb_read(core, offset);
    }
    if (IN_DWT(address)) {
        return h7_dwt_read(core, offset);
    }
    switch (offset) {
    case DHCSR:
        return read_dhcsr(core, debugger);
    case DCRDR:
        return core->debug.dcrdr;
    case DEMCR:
        return read_demcr(core);
    default:
        return 0;
    }
}

void h7_debug_store(struct h7_core *core, uint32_t address, uint32_t value, bool debugger) {
    uint32_t offset = address & 0xFFF;
    if (IN_FPB(address)) {
        h7_fpb_write(core, offset, value);
        return;
    }
    if (IN_DWT(address)) {
        h7_dwt_write(core, offset, value);
        return;
    }
    switch (offset) {
    case DHCSR:
        if (debugger) {
            write_dhcsr(core, value);
        }
        break;
    case DCRSR:
        if (debugger) {
            write_dcrsr(core, value);
        }
        break;
    case DCRDR:
        core->debug.dcrdr = value;
        break;
    case DEMCR:
        write_demcr(core, value);
        break;
    default:
        break;
    }
}

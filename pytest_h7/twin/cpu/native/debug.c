/* Debugging a core: halting, stepping, vector catch and the debug monitor (Arm DDI0403E C1.6), breakpoints of
 * the FPB (C1.11), watchpoints and counters of the DWT (C1.8).
 *
 * A debug event halts the core if a debugger has set C_DEBUGEN; else it makes the DebugMonitor exception pending
 * if that is enabled and would preempt; else a BKPT instruction ends in HardFault, and all other events come to
 * nothing. Breakpoints and watched instructions are given to execute.c as a list of addresses.
 *
 * Not modelled: remapping by the FPB; the DWT's sampling, tracing and cycle comparison; its profiling counters
 * only hold what is written. */
#include "memory.h"

#define IN_FPB(ADDRESS) ((ADDRESS) >> 12 == 0xE0002)
#define IN_DWT(ADDRESS) ((ADDRESS) >> 12 == 0xE0001)

/* Offsets in their pages. */
enum {
    CTRL = 0x000, /* of both */
    REMAP = 0x004,
    FP_COMP = 0x008,
    CYCCNT = 0x004,
    COUNTERS = 0x008,
    PCSR = 0x01C,
    DWT_COMP = 0x020,
    DWT_SPACING = 0x010,
    DHCSR = 0xDF0,
    DCRSR = 0xDF4,
    DCRDR = 0xDF8,
    DEMCR = 0xDFC,
};

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

static void update_events(struct h7_core *core);
static void count_cycles(struct h7_core *core);

static bool is_debugged(const struct h7_core *core) { return core->debug.control & C_DEBUGEN; }

/* ---- halting ----------------------------------------------------------------------------------------- */

static void set_halted(struct h7_core *core, bool halted) {
    if (core->debug.halted != halted) {
        core->debug.halted = halted;
        core->host.halt_changed(core->host.context, core);
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
    if (is_debugged(core)) {
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

bool h7_debug_stepping(const struct h7_core *core) {
    return is_debugged(core) ? core->debug.control & C_STEP
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
    return is_debugged(core) && core->debug.demcr & caught_by;
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
    core->nvic.interrupts_masked = is_debugged(core) && core->debug.control & C_MASKINTS;
    h7_nvic_update(core);
}

static void write_dhcsr(struct h7_core *core, uint32_t value) {
    struct h7_debug *debug = &core->debug;
    bool was_debugged = is_debugged(core);
    if (value >> 16 != 0xA05F) {
        return;
    }
    debug->control = value & C_DEBUGEN ? value & CONTROL_BITS : 0;
    mask_interrupts(core);
    if (is_debugged(core) != was_debugged) {
        update_events(core);
    }
    if (!(debug->control & C_HALT)) {
        set_halted(core, false);
    } else if (!debug->halted) {
        h7_core_halt(core, H7_DFSR_HALTED);
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
        count_cycles(core);
    }
    if (changed & (TRCENA | MON_EN)) {
        update_events(core);
    }
    h7_stop_after_instruction(core);
}

void h7_debug_reset(struct h7_core *core, bool debug) {
    struct h7_debug *state = &core->debug;
    set_halted(core, false);
    if (debug) {
        *state = (struct h7_debug){0};
        core->scb.dfsr = 0;
        core->fpb = core->model == H7_CORTEX_M7 ? (struct h7_fpb){.code = 8, .version = 2}
                                                : (struct h7_fpb){.code = 6, .literals = 2, .version = 1};
        core->dwt = (struct h7_dwt){0};
    }
    state->halt_reason = 0;
    state->transfer_done = true;
    state->reset_seen = true;
    state->control &= ~(uint32_t)(C_HALT | C_STEP);
    state->demcr &= ~(uint32_t)MONITOR_BITS;
    mask_interrupts(core);
    update_events(core);
}

/* ---- breakpoints ------------------------------------------------------------------------------------- */

/* The upper two bits of a comparator of version 1 say which halfwords of the word to break at. */
enum { FP_ENABLE = 1, FP_KEY = 2, FP_V1_LOWER = 1, FP_V1_UPPER = 2 };
#define FP_V1_ADDRESS 0x1FFFFFFCu
#define FP_V1_BITS 0xDFFFFFFDu
#define FP_REMAP_BITS 0x1FFFFFE0u
#define FP_REMAP_SUPPORTED 0x20000000u

static uint32_t fpb_identity(const struct h7_fpb *fpb) {
    return (fpb->version - 1) << 28 | (fpb->code & 0xF) << 4 | (fpb->code & 0x70) << 8 | fpb->literals << 8;
}

/* The halfwords that a comparator breaks at: up to two addresses. */
static uint32_t break_addresses(const struct h7_fpb *fpb, uint32_t index, uint32_t *addresses) {
    uint32_t value = fpb->comparator[index], count = 0;
    if (!fpb->enabled || !(value & FP_ENABLE)) {
        return 0;
    }
    if (fpb->version == 2) {
        addresses[count++] = value & ~1u;
    } else {
        if (value >> 30 & FP_V1_LOWER) {
            addresses[count++] = value & FP_V1_ADDRESS;
        }
        if (value >> 30 & FP_V1_UPPER) {
            addresses[count++] = (value & FP_V1_ADDRESS) + 2;
        }
    }
    return count;
}

static bool is_breakpoint(const struct h7_fpb *fpb, uint32_t address) {
    uint32_t addresses[2];
    for (uint32_t index = 0; index < fpb->code; index++) {
        uint32_t count = break_addresses(fpb, index, addresses);
        for (uint32_t number = 0; number < count; number++) {
            if (addresses[number] == address) {
                return true;
            }
        }
    }
    return false;
}

static uint32_t read_fpb(const struct h7_fpb *fpb, uint32_t offset) {
    uint32_t index = (offset - FP_COMP) / 4;
    switch (offset) {
    case CTRL:
        return fpb_identity(fpb) | fpb->enabled;
    case REMAP:
        return fpb->version == 1 ? FP_REMAP_SUPPORTED | fpb->remap : 0;
    default:
        return index < fpb->code + fpb->literals ? fpb->comparator[index] : 0;
    }
}

static void write_fpb(struct h7_core *core, uint32_t offset, uint32_t value) {
    struct h7_fpb *fpb = &core->fpb;
    uint32_t index = (offset - FP_COMP) / 4;
    if (offset == CTRL) {
        if (!(value & FP_KEY)) {
            return;
        }
        fpb->enabled = value & FP_ENABLE;
    } else if (offset == REMAP) {
        fpb->remap = value & FP_REMAP_BITS;
    } else if (index < fpb->code + fpb->literals) {
        fpb->comparator[index] = fpb->version == 1 ? value & FP_V1_BITS : value;
    }
    update_events(core);
}

/* ---- watchpoints and cycles -------------------------------------------------------------------------- */

enum {
    CYCCNTENA = 1,
    DWT_CTRL_BITS = 0x007F1FFF,
    /* FUNCTION: values that are debug events; others are stored without effect */
    MATCH_PC = 4,
    MATCH_READ = 5,
    MATCH_WRITE = 6,
    MATCH_ACCESS = 7,
    FUNCTION = 0xF,
    FUNCTION_BITS = 0x2F,
    MATCHED = 1 << 24,
    MASK_BITS = 0x1F,
    /* and of the comparator that compares the data itself */
    VALUE_COMPARATOR = 1,
    DATAVMATCH = 1 << 8,
    LNK1ENA = 1 << 9,
    VALUE_BITS = 0xFFC00 | DATAVMATCH,
};
#define DWT_IDENTITY 0x40000000u /* four comparators */
#define NO_SAMPLE 0xFFFFFFFFu

/* The cycles that CYCCNT sees. */
static uint64_t clocked_cycles(const struct h7_core *core) { return h7_cycles(core) - core->unclocked; }

/* Follow the enables of CYCCNT. While it stands still, `start` holds the negated count. */
static void count_cycles(struct h7_core *core) {
    struct h7_dwt *dwt = &core->dwt;
    bool counting = core->debug.demcr & TRCENA && dwt->control & CYCCNTENA;
    if (counting != dwt->counting) {
        dwt->start = counting ? clocked_cycles(core) + dwt->start : dwt->start - clocked_cycles(core);
    }
    dwt->counting = counting;
}

static uint32_t read_cyccnt(const struct h7_core *core) {
    return (uint32_t)((core->dwt.counting ? clocked_cycles(core) : 0) - core->dwt.start);
}

static void write_cyccnt(struct h7_core *core, uint32_t value) {
    core->dwt.start = (core->dwt.counting ? clocked_cycles(core) : 0) - value;
}

static uint32_t function_of(const struct h7_core *core, uint32_t index) {
    return core->debug.demcr & TRCENA ? core->dwt.function[index] & FUNCTION : 0;
}

static bool compares_value(const struct h7_dwt *dwt, uint32_t index) {
    return index == VALUE_COMPARATOR && dwt->function[index] & DATAVMATCH;
}

static bool watches_data(const struct h7_core *core, uint32_t index) {
    return function_of(core, index) >= MATCH_READ && function_of(core, index) <= MATCH_ACCESS;
}

/* Whether `length` bytes at `address` have one in common with the range of a comparator. */
static bool overlaps(const struct h7_dwt *dwt, uint32_t index, uint32_t address, uint32_t length) {
    uint32_t inside = (UINT32_C(1) << dwt->mask[index]) - 1, first = dwt->comparator[index] & ~inside;
    return first - address < length || address - first <= inside;
}

/* The comparators whose ranges the value comparator looks at. */
static bool linked_overlaps(const struct h7_dwt *dwt, uint32_t address, uint32_t length) {
    uint32_t first = dwt->function[VALUE_COMPARATOR] >> 12 & (H7_DWT_COMPARATORS - 1);
    uint32_t second = dwt->function[VALUE_COMPARATOR] >> 16 & (H7_DWT_COMPARATORS - 1);
    return overlaps(dwt, first, address, length) || overlaps(dwt, second, address, length);
}

static bool in_range(const struct h7_dwt *dwt, uint32_t index, uint32_t address, uint32_t length) {
    return compares_value(dwt, index) ? linked_overlaps(dwt, address, length)
                                      : overlaps(dwt, index, address, length);
}

/* Whether the memory at an address, behind an access, has the value of the value comparator. */
static bool has_value(struct h7_core *core, uint32_t address, uint32_t size) {
    const struct h7_dwt *dwt = &core->dwt;
    uint32_t wanted = 1u << (dwt->function[VALUE_COMPARATOR] >> 10 & 3), value = 0;
    const uint8_t *memory = h7_memory_at(core, address, size);
    if (!memory || wanted > size) {
        return false;
    }
    memcpy(&value, memory, wanted);
    return value == (wanted < 4 ? dwt->comparator[VALUE_COMPARATOR] & ((1u << 8 * wanted) - 1)
                                : dwt->comparator[VALUE_COMPARATOR]);
}

bool h7_debug_watches_page(const struct h7_core *core, uint32_t page) {
    for (uint32_t index = 0; index < H7_DWT_COMPARATORS; index++) {
        if (watches_data(core, index) && in_range(&core->dwt, index, page, H7_PAGE)) {
            return true;
        }
    }
    return false;
}

void h7_debug_accessed(struct h7_core *core, uint32_t address, uint32_t size, bool is_write) {
    struct h7_dwt *dwt = &core->dwt;
    bool matched = false;
    for (uint32_t index = 0; index < H7_DWT_COMPARATORS; index++) {
        uint32_t unwanted = is_write ? MATCH_READ : MATCH_WRITE;
        if (!watches_data(core, index) || function_of(core, index) == unwanted ||
            !in_range(dwt, index, address, size) ||
            (compares_value(dwt, index) && !has_value(core, address, size))) {
            continue;
        }
        dwt->matched[index] = matched = true;
    }
    if (matched) {
        h7_debug_event(core, H7_DFSR_DWTTRAP, false);
    }
}

bool h7_debug_breakpoint(struct h7_core *core) {
    struct h7_dwt *dwt = &core->dwt;
    bool matched = false;
    if (is_breakpoint(&core->fpb, core->r[15])) {
        return h7_debug_event(core, H7_DFSR_BKPT, false);
    }
    for (uint32_t index = 0; index < H7_DWT_COMPARATORS; index++) {
        if (function_of(core, index) == MATCH_PC && (dwt->comparator[index] & ~1u) == core->r[15]) {
            dwt->matched[index] = matched = true;
        }
    }
    /* A debugger finds the core in front of the instruction; the monitor comes behind it, to get on. */
    return matched && h7_debug_event(core, H7_DFSR_DWTTRAP, false) && is_debugged(core);
}

static uint32_t sample_pc(const struct h7_core *core) {
    return core->debug.halted || core->sleep != H7_AWAKE ? NO_SAMPLE : core->r[15];
}

static uint32_t read_dwt(struct h7_core *core, uint32_t offset) {
    struct h7_dwt *dwt = &core->dwt;
    uint32_t index = (offset - DWT_COMP) / DWT_SPACING, value;
    if (offset == CTRL) {
        return DWT_IDENTITY | dwt->control;
    }
    if (offset == CYCCNT) {
        return read_cyccnt(core);
    }
    if (offset < PCSR) {
        return dwt->counter[(offset - COUNTERS) / 4];
    }
    if (offset == PCSR) {
        return sample_pc(core);
    }
    if (index >= H7_DWT_COMPARATORS) {
        return 0;
    }
    switch (offset % DWT_SPACING) {
    case 0:
        return dwt->comparator[index];
    case 4:
        return dwt->mask[index];
    case 8:
        value = dwt->function[index] | (dwt->matched[index] ? MATCHED : 0);
        dwt->matched[index] = false;
        return index == VALUE_COMPARATOR ? value | LNK1ENA : value;
    default:
        return 0;
    }
}

static void write_dwt(struct h7_core *core, uint32_t offset, uint32_t value) {
    struct h7_dwt *dwt = &core->dwt;
    uint32_t index = (offset - DWT_COMP) / DWT_SPACING;
    if (offset == CTRL) {
        dwt->control = value & DWT_CTRL_BITS;
        count_cycles(core);
    } else if (offset == CYCCNT) {
        write_cyccnt(core, value);
    } else if (offset < PCSR) {
        dwt->counter[(offset - COUNTERS) / 4] = value & 0xFF;
    } else if (offset > PCSR && index < H7_DWT_COMPARATORS) {
        switch (offset % DWT_SPACING) {
        case 0:
            dwt->comparator[index] = value;
            break;
        case 4:
            dwt->mask[index] = value & MASK_BITS;
            break;
        case 8:
            dwt->function[index] =
                value & (index == VALUE_COMPARATOR ? FUNCTION_BITS | VALUE_BITS : FUNCTION_BITS);
            dwt->matched[index] = false;
            break;
        default:
            return;
        }
        update_events(core);
    }
}

/* ---- both -------------------------------------------------------------------------------------------- */

static void stop_at(struct h7_core *core, uint32_t address) {
    core->breakpoint[core->breakpoints++] = address;
}

/* Tell execute.c and memory.c what to stop at, after a change of anything that decides about it. */
static void update_events(struct h7_core *core) {
    bool wanted = is_debugged(core) || core->debug.demcr & MON_EN;
    uint32_t before = core->breakpoints, addresses[2];
    bool was_watching = core->watching;
    core->breakpoints = 0;
    core->watching = false;
    for (uint32_t index = 0; wanted && index < core->fpb.code; index++) {
        uint32_t count = break_addresses(&core->fpb, index, addresses);
        for (uint32_t number = 0; number < count; number++) {
            stop_at(core, addresses[number]);
        }
    }
    for (uint32_t index = 0; wanted && index < H7_DWT_COMPARATORS; index++) {
        if (function_of(core, index) == MATCH_PC) {
            stop_at(core, core->dwt.comparator[index] & ~1u);
        }
        core->watching |= watches_data(core, index);
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
        return read_fpb(&core->fpb, offset);
    }
    if (IN_DWT(address)) {
        return read_dwt(core, offset);
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
        write_fpb(core, offset, value);
        return;
    }
    if (IN_DWT(address)) {
        write_dwt(core, offset, value);
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

/* Data watchpoint and trace unit (Arm DDI0403E C1.8): watchpoints on instructions, data, and the cycle counter; the
 * cycle counter itself. Not modelled: sampling and tracing; the profiling counters only hold what is written. */
#include "debug.h"
#include "memory.h"

enum { CTRL = 0x000, CYCCNT = 0x004, COUNTERS = 0x008, PCSR = 0x01C, COMP = 0x020, SPACING = 0x010 };
enum {
    CYCCNTENA = 1,
    CTRL_BITS = 0x007F1FFF,
    /* FUNCTION: values that are debug events; others are stored without effect */
    MATCH_PC = 4, /* or CYCCNT */
    MATCH_READ = 5,
    MATCH_WRITE = 6,
    MATCH_ACCESS = 7,
    FUNCTION = 0xF,
    FUNCTION_BITS = 0x2F,
    MATCHED = 1 << 24,
    MASK_BITS = 0x1F,
    /* of the comparator that compares the cycle counter */
    CYCLE_COMPARATOR = 0,
    CYCMATCH = 1 << 7,
    /* of the comparator that compares the data itself */
    VALUE_COMPARATOR = 1,
    DATAVMATCH = 1 << 8,
    LNK1ENA = 1 << 9,
    VALUE_BITS = 0xFFC00 | DATAVMATCH,
};
#define IDENTITY 0x40000000u /* four comparators */
#define NO_SAMPLE 0xFFFFFFFFu

static uint32_t function_of(const struct h7_core *core, uint32_t index) {
    return h7_debug_is_tracing(core) ? core->dwt.function[index] & FUNCTION : 0;
}

static bool compares_cycles(const struct h7_dwt *dwt, uint32_t index) {
    return index == CYCLE_COMPARATOR && dwt->function[index] & CYCMATCH;
}

/* ---- cycles -------------------------------------------------------------------------------------------- */

/* The cycles that CYCCNT sees. */
static uint64_t clocked_cycles(const struct h7_core *core) { return h7_cycles(core) - core->unclocked; }

static uint32_t read_cyccnt(const struct h7_core *core) {
    return (uint32_t)((core->dwt.counting ? clocked_cycles(core) : 0) - core->dwt.start);
}

/* Find out when CYCCNT will be what it is compared with; now counts. */
static void set_match(struct h7_core *core) {
    struct h7_dwt *dwt = &core->dwt;
    bool compares = dwt->counting && compares_cycles(dwt, CYCLE_COMPARATOR) &&
                    function_of(core, CYCLE_COMPARATOR) == MATCH_PC;
    dwt->match =
        compares ? clocked_cycles(core) + (dwt->comparator[CYCLE_COMPARATOR] - read_cyccnt(core)) : H7_NEVER;
    if (compares) {
        h7_stop_after_instruction(core);
    }
}

/* Follow the enables of CYCCNT. While it stands still, `start` holds the negated count. */
static void count_cycles(struct h7_core *core) {
    struct h7_dwt *dwt = &core->dwt;
    bool counting = h7_debug_is_tracing(core) && dwt->control & CYCCNTENA;
    if (counting != dwt->counting) {
        dwt->start = counting ? clocked_cycles(core) + dwt->start : dwt->start - clocked_cycles(core);
    }
    dwt->counting = counting;
    set_match(core);
}

uint64_t h7_dwt_due(const struct h7_core *core) {
    return core->dwt.match == H7_NEVER ? H7_NEVER : core->dwt.match + core->unclocked;
}

void h7_dwt_fire(struct h7_core *core) {
    if (h7_cycles(core) < h7_dwt_due(core)) {
        return;
    }
    core->dwt.match += UINT64_C(1) << 32;
    core->dwt.matched[CYCLE_COMPARATOR] = true;
    h7_debug_event(core, H7_DFSR_DWTTRAP, false);
}

/* ---- instructions and data ----------------------------------------------------------------------------- */

static bool compares_value(const struct h7_dwt *dwt, uint32_t index) {
    return index == VALUE_COMPARATOR && dwt->function[index] & DATAVMATCH;
}

bool h7_dwt_watches_instruction(const struct h7_core *core, uint32_t index, uint32_t *address) {
    *address = core->dwt.comparator[index] & ~1u;
    return function_of(core, index) == MATCH_PC && !compares_cycles(&core->dwt, index);
}

bool h7_dwt_watches_data(const struct h7_core *core, uint32_t index) {
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
        if (h7_dwt_watches_data(core, index) && in_range(&core->dwt, index, page, H7_PAGE)) {
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
        if (!h7_dwt_watches_data(core, index) || function_of(core, index) == unwanted ||
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

bool h7_dwt_match_instruction(struct h7_core *core) {
    uint32_t address;
    bool matched = false;
    for (uint32_t index = 0; index < H7_DWT_COMPARATORS; index++) {
        if (h7_dwt_watches_instruction(core, index, &address) && address == core->r[15]) {
            core->dwt.matched[index] = matched = true;
        }
    }
    return matched;
}

/* ---- registers ----------------------------------------------------------------------------------------- */

void h7_dwt_reset(struct h7_core *core) { core->dwt = (struct h7_dwt){.match = H7_NEVER}; }

void h7_dwt_tracing_changed(struct h7_core *core) { count_cycles(core); }

static uint32_t sample_pc(const struct h7_core *core) {
    return core->debug.halted || core->sleep != H7_AWAKE ? NO_SAMPLE : core->r[15];
}

uint32_t h7_dwt_read(struct h7_core *core, uint32_t offset) {
    struct h7_dwt *dwt = &core->dwt;
    uint32_t index = (offset - COMP) / SPACING, value;
    if (offset == CTRL) {
        return IDENTITY | dwt->control;
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
    switch (offset % SPACING) {
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

static uint32_t writable_function(uint32_t index) {
    switch (index) {
    case CYCLE_COMPARATOR:
        return FUNCTION_BITS | CYCMATCH;
    case VALUE_COMPARATOR:
        return FUNCTION_BITS | VALUE_BITS;
    default:
        return FUNCTION_BITS;
    }
}

static void write_comparator(struct h7_core *core, uint32_t index, uint32_t part, uint32_t value) {
    struct h7_dwt *dwt = &core->dwt;
    switch (part) {
    case 0:
        dwt->comparator[index] = value;
        break;
    case 4:
        dwt->mask[index] = value & MASK_BITS;
        break;
    case 8:
        dwt->function[index] = value & writable_function(index);
        dwt->matched[index] = false;
        break;
    default:
        return;
    }
    set_match(core);
    h7_debug_update(core);
}

void h7_dwt_write(struct h7_core *core, uint32_t offset, uint32_t value) {
    struct h7_dwt *dwt = &core->dwt;
    uint32_t index = (offset - COMP) / SPACING;
    if (offset == CTRL) {
        dwt->control = value & CTRL_BITS;
        count_cycles(core);
    } else if (offset == CYCCNT) {
        dwt->start = (dwt->counting ? clocked_cycles(core) : 0) - value;
        set_match(core);
    } else if (offset < PCSR) {
        dwt->counter[(offset - COUNTERS) / 4] = value & 0xFF;
    } else if (offset > PCSR && index < H7_DWT_COMPARATORS) {
        write_comparator(core, index, offset % SPACING, value);
    }
}

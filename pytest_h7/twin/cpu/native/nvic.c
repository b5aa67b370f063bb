/* Nested vectored interrupt controller: which exceptions are enabled, pending and active, and which of them
 * comes next (Arm DDI0403E B1.5.4, B3.4).
 *
 * An interrupt input has a level. A rising level makes its interrupt pending; one that is still high when the
 * handler ends makes it pending again; and while it is high, a pending interrupt cannot be cleared. A pulse
 * only makes it pending. */
#include "h7core.h"
#include "portable.h"

enum { LOWEST = H7_THREAD_PRIORITY };

/* The system exceptions that cannot be disabled. */
#define ALWAYS_ENABLED \
    (1u << H7_NMI | 1u << H7_HARD_FAULT | 1u << H7_SVCALL | 1u << H7_DEBUG_MONITOR | 1u << H7_PENDSV | \
     1u << H7_SYSTICK)

/* Those whose priority can be set. */
#define PRIORITIZED \
    (1u << H7_MEM_MANAGE | 1u << H7_BUS_FAULT_EXCEPTION | 1u << H7_USAGE_FAULT | 1u << H7_SVCALL | \
     1u << H7_DEBUG_MONITOR | 1u << H7_PENDSV | 1u << H7_SYSTICK)

/* What DHCSR.C_MASKINTS leaves of the exceptions 0 to 31; of the others it leaves nothing. */
#define NOT_MASKED_BY_DEBUGGER (0xFFFFu & ~(1u << H7_PENDSV | 1u << H7_SYSTICK))

static void insert(uint32_t *set, uint32_t number) { set[number >> 5] |= 1u << (number & 31); }
static void take_out(uint32_t *set, uint32_t number) { set[number >> 5] &= ~(1u << (number & 31)); }

static int32_t group_of(const struct h7_nvic *nvic, int32_t priority) {
    return priority > 0 ? priority & ~((2 << nvic->prigroup) - 1) : priority;
}

int32_t h7_nvic_group(const struct h7_core *core, int32_t priority) {
    return group_of(&core->nvic, priority);
}

int32_t h7_nvic_priority(const struct h7_core *core, uint32_t number) {
    return group_of(&core->nvic, core->nvic.priority[number]);
}

bool h7_nvic_nested(const struct h7_core *core, uint32_t number) {
    for (uint32_t word = 0; word < H7_EXCEPTION_WORDS; word++) {
        if (core->nvic.active[word] & ~(word == number >> 5 ? 1u << (number & 31) : 0)) {
            return true;
        }
    }
    return false;
}

/* Number and priority of the exception of a word of a set that comes first, if it beats `best`. */
static uint32_t first_of(const struct h7_nvic *nvic, uint32_t word, uint32_t bits, uint32_t number,
                         int32_t *best) {
    for (; bits; bits &= bits - 1) {
        uint32_t here = word * 32 + h7_lowest_bit(bits);
        if (nvic->priority[here] < *best) {
            *best = nvic->priority[here];
            number = here;
        }
    }
    return number;
}

void h7_nvic_update(struct h7_core *core) {
    struct h7_nvic *nvic = &core->nvic;
    int32_t active = LOWEST, waiting = LOWEST;
    uint32_t candidate = 0;
    for (uint32_t word = 0; word < H7_EXCEPTION_WORDS; word++) {
        uint32_t ready = nvic->pending[word] & nvic->enabled[word];
        if (nvic->interrupts_masked) {
            ready &= word ? 0 : NOT_MASKED_BY_DEBUGGER;
        }
        first_of(nvic, word, nvic->active[word], 0, &active);
        candidate = first_of(nvic, word, ready, candidate, &waiting);
    }
    nvic->active_priority = group_of(nvic, active);
    nvic->candidate = candidate;
    nvic->candidate_priority = group_of(nvic, waiting);
    nvic->attention = nvic->candidate_priority < nvic->active_priority;
    if (nvic->attention) {
        h7_attention(core);
    }
}

void h7_nvic_reset(struct h7_core *core) {
    struct h7_nvic *nvic = &core->nvic;
    for (uint32_t word = 0; word < H7_EXCEPTION_WORDS; word++) {
        nvic->pending[word] = nvic->lines[word];
        nvic->active[word] = 0;
        nvic->enabled[word] = 0;
    }
    nvic->enabled[0] = ALWAYS_ENABLED;
    for (uint32_t number = 0; number < H7_EXCEPTIONS; number++) {
        nvic->priority[number] = 0;
    }
    nvic->priority[H7_RESET] = -3;
    nvic->priority[H7_NMI] = -2;
    nvic->priority[H7_HARD_FAULT] = -1;
    nvic->prigroup = 0;
    h7_nvic_update(core);
}

void h7_nvic_pend(struct h7_core *core, uint32_t number) {
    if (h7_in_set(core->nvic.pending, number)) {
        return;
    }
    insert(core->nvic.pending, number);
    if (core->scb.scr & H7_SCR_SEVONPEND) {
        h7_core_set_event(core);
    }
    h7_nvic_update(core);
}

void h7_nvic_unpend(struct h7_core *core, uint32_t number) {
    struct h7_nvic *nvic = &core->nvic;
    if (!h7_in_set(nvic->lines, number) || h7_in_set(nvic->active, number)) {
        take_out(nvic->pending, number);
    }
    h7_nvic_update(core);
}

void h7_nvic_activate(struct h7_core *core, uint32_t number) {
    take_out(core->nvic.pending, number);
    insert(core->nvic.active, number);
    h7_nvic_update(core);
}

void h7_nvic_deactivate(struct h7_core *core, uint32_t number) {
    take_out(core->nvic.active, number);
    if (h7_in_set(core->nvic.lines, number)) {
        h7_nvic_pend(core, number);
    }
    h7_nvic_update(core);
}

void h7_nvic_set_line(struct h7_core *core, uint32_t irq, bool level) {
    struct h7_nvic *nvic = &core->nvic;
    uint32_t number = H7_FIRST_IRQ + irq;
    if (irq >= H7_IRQS || h7_in_set(nvic->lines, number) == level) {
        return;
    }
    if (!level) {
        take_out(nvic->lines, number);
        return;
    }
    insert(nvic->lines, number);
    if (!h7_in_set(nvic->active, number)) {
        h7_nvic_pend(core, number);
    }
}

void h7_core_set_irq(struct h7_core *core, uint32_t irq, bool level) { h7_nvic_set_line(core, irq, level); }

void h7_core_pulse_irq(struct h7_core *core, uint32_t irq) {
    if (irq < H7_IRQS) {
        h7_nvic_pend(core, H7_FIRST_IRQ + irq);
    }
}

/* ---- registers --------------------------------------------------------------------------------------- */

/* Offsets in the SCS. */
enum {
    ISER = 0x100,
    ICER = 0x180,
    ISPR = 0x200,
    ICPR = 0x280,
    IABR = 0x300,
    IPR = 0x400,
    IPR_END = IPR + H7_IRQS,
    SET_BYTES = 0x80,
    IRQ_WORDS = (H7_IRQS + 31) / 32,
};

/* The interrupts 32 * word onwards of a set, which the exceptions 0 to 15 precede. */
static uint32_t irqs_of(const uint32_t *set, uint32_t word) {
    uint32_t value = set[word] >> H7_FIRST_IRQ;
    if (word + 1 < H7_EXCEPTION_WORDS) {
        value |= set[word + 1] << (32 - H7_FIRST_IRQ);
    }
    return value;
}

/* Call `change` for each interrupt whose bit is set. */
static void for_each(struct h7_core *core, uint32_t word, uint32_t bits,
                     void (*change)(struct h7_core *, uint32_t)) {
    for (; bits; bits &= bits - 1) {
        uint32_t irq = word * 32 + h7_lowest_bit(bits);
        if (irq < H7_IRQS) {
            change(core, H7_FIRST_IRQ + irq);
        }
    }
}

static void enable(struct h7_core *core, uint32_t number) { insert(core->nvic.enabled, number); }
static void disable(struct h7_core *core, uint32_t number) { take_out(core->nvic.enabled, number); }

static bool has_priority(uint32_t number) {
    return number < H7_FIRST_IRQ ? PRIORITIZED >> number & 1 : number < H7_EXCEPTIONS;
}

uint32_t h7_nvic_read_priorities(const struct h7_core *core, uint32_t first) {
    uint32_t value = 0;
    for (uint32_t index = 0; index < 4; index++) {
        if (has_priority(first + index)) {
            value |= (uint32_t)core->nvic.priority[first + index] << 8 * index;
        }
    }
    return value;
}

void h7_nvic_write_priorities(struct h7_core *core, uint32_t first, uint32_t value) {
    for (uint32_t index = 0; index < 4; index++) {
        if (has_priority(first + index)) {
            core->nvic.priority[first + index] = (int16_t)(value >> 8 * index & H7_PRIORITY_MASK);
        }
    }
    h7_nvic_update(core);
}

uint32_t h7_nvic_read(const struct h7_core *core, uint32_t address) {
    const struct h7_nvic *nvic = &core->nvic;
    uint32_t offset = address & 0xFFF, word = offset % SET_BYTES / 4;
    if (offset >= IPR) {
        return offset < IPR_END ? h7_nvic_read_priorities(core, H7_FIRST_IRQ + offset - IPR) : 0;
    }
    if (word >= IRQ_WORDS) {
        return 0;
    }
    switch (offset - offset % SET_BYTES) {
    case ISER:
    case ICER:
        return irqs_of(nvic->enabled, word);
    case ISPR:
    case ICPR:
        return irqs_of(nvic->pending, word);
    case IABR:
        return irqs_of(nvic->active, word);
    default:
        return 0;
    }
}

void h7_nvic_write(struct h7_core *core, uint32_t address, uint32_t value) {
    uint32_t offset = address & 0xFFF, word = offset % SET_BYTES / 4;
    if (offset >= IPR) {
        if (offset < IPR_END) {
            h7_nvic_write_priorities(core, H7_FIRST_IRQ + offset - IPR, value);
        }
        return;
    }
    switch (offset - offset % SET_BYTES) {
    case ISER:
        for_each(core, word, value, enable);
        break;
    case ICER:
        for_each(core, word, value, disable);
        break;
    case ISPR:
        for_each(core, word, value, h7_nvic_pend);
        break;
    case ICPR:
        for_each(core, word, value, h7_nvic_unpend);
        break;
    default:
        break;
    }
    h7_nvic_update(core);
}

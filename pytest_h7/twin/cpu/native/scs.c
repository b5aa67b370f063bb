/* The private peripheral bus, 0xE000_0000 to 0xE00F_FFFF: the system control block, what identifies the core,
 * cache maintenance, the CoreSight pages, and the way to all the rest (Arm DDI0403E B3.2).
 *
 * What nothing answers reads zero and ignores writes. Registers are words; a byte or halfword written to one
 * keeps the rest, except where writing ones acts: there the rest is written as zeros. */
#include <stdlib.h>

#include "float.h"
#include "h7core.h"

#define ITM 0xE0000000u
#define DWT 0xE0001000u
#define FPB 0xE0002000u
#define SCS 0xE000E000u
#define CTI 0xE0043000u
enum { PAGE_SIZE = 0x1000, PAGE_WORDS = PAGE_SIZE / 4 };

/* Offsets in the SCS. */
enum {
    ICTR = 0x004,
    ACTLR = 0x008,
    SYST_CSR = 0x010,
    SYST_END = 0x020,
    NVIC = 0x100,
    NVIC_END = 0x500,
    CPUID = 0xD00,
    ICSR = 0xD04,
    VTOR = 0xD08,
    AIRCR = 0xD0C,
    SCR = 0xD10,
    CCR = 0xD14,
    SHPR1 = 0xD18,
    SHPR_END = 0xD24,
    SHCSR = 0xD24,
    CFSR = 0xD28,
    HFSR = 0xD2C,
    DFSR = 0xD30,
    MMFAR = 0xD34,
    BFAR = 0xD38,
    AFSR = 0xD3C,
    ID_PFR0 = 0xD40,
    CLIDR = 0xD78,
    CTR = 0xD7C,
    CCSIDR = 0xD80,
    CSSELR = 0xD84,
    CPACR = 0xD88,
    MPU = 0xD90,
    MPU_END = 0xDBC,
    DHCSR = 0xDF0,
    DEBUG_END = 0xE00,
    STIR = 0xF00,
    FPCCR = 0xF34,
    FPCAR = 0xF38,
    FPDSCR = 0xF3C,
    MVFR0 = 0xF40,
    ICIALLU = 0xF50,
    ICIMVAU = 0xF58,
    TCM_CONTROL = 0xF90, /* ITCMCR to AHBSCR (Arm DDI0489F section 3.3) */
    TCM_CONTROL_END = 0xFA8,
    ABFSR = 0xFA8,
};

/* ---- what a core says of itself ---------------------------------------------------------------------- */

enum { FEATURES = 13, FLOAT_FEATURES = 3 };

/* ID_PFR0 to ID_ISAR4: Arm DDI0489F table 3-2, Arm 100166 table 4-1. MVFR0 to MVFR2: double precision on the
 * Cortex-M7, single on the Cortex-M4. CCR has bits that are always one. */
static const struct identity {
    uint32_t cpuid, ccr_reset, ccr_writable;
    uint32_t features[FEATURES], float_features[FLOAT_FEATURES];
} identities[] = {
    [H7_CORTEX_M7] = {0x411FC271,
                      0x00040200, /* branch prediction, STKALIGN */
                      0x0003011B,
                      {0x30, 0x200, 0x00100000, 0, 0x00100030, 0, 0x01000000, 0, 0x01101110, 0x02112000,
                       0x20232231, 0x01111131, 0x01310132},
                      {0x10110221, 0x12000011, 0x00000040}},
    [H7_CORTEX_M4] = {0x410FC241,
                      0x00000200,
                      0x0000031B,
                      {0x30, 0x200, 0x00100000, 0, 0x00000030, 0, 0x01000000, 0, 0x01141110, 0x02112000,
                       0x21232231, 0x01111131, 0x01310102},
                      {0x10110021, 0x11000011, 0x00000000}},
};
enum { INTERRUPT_GROUPS = 4 }; /* ICTR: up to 160 lines */

static const struct identity *identity(const struct h7_core *core) { return &identities[core->model]; }

/* Caches of the Cortex-M7: 16 KB in 4 ways of 128 sets of 32 bytes, and in 2 ways of 256 sets (Arm DDI0489F
 * table 3-10; the sizes are those of RM0399 section 2.1). Memory is coherent here: only decoded instructions
 * need invalidation, the other maintenance operations have nothing to do. */
#define CLIDR_M7 0x09000003u
#define CTR_M7 0x8303C003u
#define CCSIDR_DATA 0xF00FE019u
#define CCSIDR_INSTRUCTION 0xF01FE009u
enum { CSSELR_INSTRUCTION = 1, CSSELR_BITS = 0xF };

/* ---- CoreSight pages --------------------------------------------------------------------------------- */

enum {
    ITM_STIM_END = 0x080,
    ITM_TER = 0xE00,
    ITM_TPR = 0xE40,
    ITM_TCR = 0xE80,
    MANAGEMENT = 0xFB0, /* offset from which on a page has CoreSight's management registers */
    LAR = 0xFB0,
    LSR = 0xFB4,
    LSR_UNLOCKED = 1, /* there is a lock; LAR never closes it */
};

static struct h7_component *component_at(struct h7_core *core, uint32_t address) {
    uint32_t base = address & ~(uint32_t)(PAGE_SIZE - 1);
    for (uint32_t index = 0; index < core->components; index++) {
        if (core->component[index].base == base) {
            return &core->component[index];
        }
    }
    return NULL;
}

bool h7_core_component(struct h7_core *core, uint32_t base, bool stored) {
    struct h7_component component = {base & ~(uint32_t)(PAGE_SIZE - 1), stored, NULL, NULL};
    if (core->components == H7_COMPONENTS || component_at(core, base)) {
        return false;
    }
    component.words = calloc(PAGE_WORDS, sizeof *component.words);
    component.constant = calloc(PAGE_WORDS, sizeof *component.constant);
    if (!component.words || !component.constant) {
        free(component.words);
        free(component.constant);
        return false;
    }
    core->component[core->components++] = component;
    return true;
}

void h7_core_component_word(struct h7_core *core, uint32_t address, uint32_t value) {
    struct h7_component *component = component_at(core, address);
    if (component) {
        component->words[address % PAGE_SIZE / 4] = value;
        component->constant[address % PAGE_SIZE / 4] = true;
    }
}

static bool has_lock(const struct h7_component *component) {
    return component->stored || component->base == DWT || component->base == FPB;
}

static bool is_stimulus(uint32_t address) { return address - ITM < ITM_STIM_END; }

static uint32_t itm_register(struct h7_core *core, uint32_t offset) {
    const struct h7_component *itm = component_at(core, ITM);
    return itm ? itm->words[offset / 4] : 0;
}

/* Whether a stimulus port has room for a word: always, if it is enabled. */
static bool is_ready(struct h7_core *core, uint32_t address) {
    return itm_register(core, ITM_TCR) & 1 && itm_register(core, ITM_TER) >> (address - ITM) / 4 & 1;
}

/* Whether a stimulus port is for privileged code only; eight have a bit in common. */
static bool is_privileged(struct h7_core *core, uint32_t address) {
    return itm_register(core, ITM_TPR) >> (address - ITM) / 32 & 1;
}

static uint32_t read_component(struct h7_core *core, uint32_t address) {
    const struct h7_component *component = component_at(core, address);
    uint32_t offset = address % PAGE_SIZE;
    if (!component) {
        return 0;
    }
    if (is_stimulus(address)) {
        return is_ready(core, address);
    }
    if (offset == LSR && has_lock(component)) {
        return LSR_UNLOCKED;
    }
    return component->words[offset / 4];
}

static void write_component(struct h7_core *core, uint32_t address, uint32_t value) {
    struct h7_component *component = component_at(core, address);
    uint32_t offset = address % PAGE_SIZE;
    if (component && component->stored && !component->constant[offset / 4] && offset != LAR &&
        offset != LSR && !is_stimulus(address)) {
        component->words[offset / 4] = value;
    }
}

static void clear_components(struct h7_core *core) {
    for (uint32_t index = 0; index < core->components; index++) {
        for (uint32_t word = 0; word < PAGE_WORDS; word++) {
            if (!core->component[index].constant[word]) {
                core->component[index].words[word] = 0;
            }
        }
    }
}

/* ---- system control block ---------------------------------------------------------------------------- */

enum {
    ICSR_RETTOBASE = 1 << 11,
    ICSR_ISRPENDING = 1 << 22,
    ICSR_PENDSTCLR = 1 << 25,
    ICSR_PENDSTSET = 1 << 26,
    ICSR_PENDSVCLR = 1 << 27,
    ICSR_PENDSVSET = 1 << 28,
    AIRCR_VECTRESET = 1,
    AIRCR_VECTCLRACTIVE = 2,
    AIRCR_SYSRESETREQ = 4,
    AIRCR_KEY = 0x05FA,
    SCR_BITS = H7_SCR_SLEEPONEXIT | H7_SCR_SLEEPDEEP | H7_SCR_SEVONPEND,
    STIR_INTID = 0x1FF,
    SYST_CSR_COUNTFLAG = 1 << 16,
};
#define ICSR_NMIPENDSET (1u << 31)
#define AIRCR_KEYSTAT 0xFA050000u
#define VTOR_BITS 0xFFFFFF80u
#define CPACR_BITS 0x00F00000u
#define FPCCR_BITS 0xC000017Bu
#define FPCCR_RESET 0xC0000000u /* ASPEN and LSPEN */
#define FPCAR_BITS 0xFFFFFFF8u

/* The bits of SHCSR, by the set of exceptions that they show. */
struct shcsr_bit {
    uint8_t bit, number;
};
static const struct shcsr_bit shcsr_active[] = {
    {0, H7_MEM_MANAGE}, {1, H7_BUS_FAULT_EXCEPTION}, {3, H7_USAGE_FAULT},
    {7, H7_SVCALL},     {8, H7_DEBUG_MONITOR},       {10, H7_PENDSV},
    {11, H7_SYSTICK},
};
static const struct shcsr_bit shcsr_pending[] = {
    {12, H7_USAGE_FAULT},
    {13, H7_MEM_MANAGE},
    {14, H7_BUS_FAULT_EXCEPTION},
    {15, H7_SVCALL},
};
static const struct shcsr_bit shcsr_enabled[] = {
    {16, H7_MEM_MANAGE},
    {17, H7_BUS_FAULT_EXCEPTION},
    {18, H7_USAGE_FAULT},
};
#define LENGTH(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

/* All of them are among the exceptions 0 to 31. */
static uint32_t gather(uint32_t set, const struct shcsr_bit *bits, size_t count) {
    uint32_t value = 0;
    for (size_t index = 0; index < count; index++) {
        value |= (set >> bits[index].number & 1) << bits[index].bit;
    }
    return value;
}

static void scatter(uint32_t *set, uint32_t value, const struct shcsr_bit *bits, size_t count) {
    for (size_t index = 0; index < count; index++) {
        *set = (*set & ~(1u << bits[index].number)) | (value >> bits[index].bit & 1) << bits[index].number;
    }
}

static uint32_t read_shcsr(const struct h7_core *core) {
    const struct h7_nvic *nvic = &core->nvic;
    return gather(nvic->active[0], shcsr_active, LENGTH(shcsr_active)) |
           gather(nvic->pending[0], shcsr_pending, LENGTH(shcsr_pending)) |
           gather(nvic->enabled[0], shcsr_enabled, LENGTH(shcsr_enabled));
}

static void write_shcsr(struct h7_core *core, uint32_t value) {
    struct h7_nvic *nvic = &core->nvic;
    scatter(&nvic->active[0], value, shcsr_active, LENGTH(shcsr_active));
    scatter(&nvic->pending[0], value, shcsr_pending, LENGTH(shcsr_pending));
    scatter(&nvic->enabled[0], value, shcsr_enabled, LENGTH(shcsr_enabled));
    h7_nvic_update(core);
}

static bool any_interrupt(const uint32_t *set) {
    uint32_t all = set[0] >> H7_FIRST_IRQ;
    for (uint32_t word = 1; word < H7_EXCEPTION_WORDS; word++) {
        all |= set[word];
    }
    return all;
}

static uint32_t read_icsr(const struct h7_core *core) {
    const struct h7_nvic *nvic = &core->nvic;
    uint32_t value = core->ipsr | nvic->candidate << 12;
    if (!h7_nvic_nested(core, core->ipsr)) {
        value |= ICSR_RETTOBASE;
    }
    if (any_interrupt(nvic->pending)) {
        value |= ICSR_ISRPENDING;
    }
    if (h7_in_set(nvic->pending, H7_SYSTICK)) {
        value |= ICSR_PENDSTSET;
    }
    if (h7_in_set(nvic->pending, H7_PENDSV)) {
        value |= ICSR_PENDSVSET;
    }
    if (h7_in_set(nvic->pending, H7_NMI)) {
        value |= ICSR_NMIPENDSET;
    }
    return value;
}

static void write_icsr(struct h7_core *core, uint32_t value) {
    if (value & ICSR_NMIPENDSET) {
        h7_nvic_pend(core, H7_NMI);
    }
    if (value & ICSR_PENDSVSET) {
        h7_nvic_pend(core, H7_PENDSV);
    } else if (value & ICSR_PENDSVCLR) {
        h7_nvic_unpend(core, H7_PENDSV);
    }
    if (value & ICSR_PENDSTSET) {
        h7_nvic_pend(core, H7_SYSTICK);
    } else if (value & ICSR_PENDSTCLR) {
        h7_nvic_unpend(core, H7_SYSTICK);
    }
}

/* AIRCR.VECTCLRACTIVE: no exception is active any more. */
static void clear_active(struct h7_core *core) {
    for (uint32_t word = 0; word < H7_EXCEPTION_WORDS; word++) {
        core->nvic.active[word] = 0;
    }
    core->ipsr = 0;
    h7_nvic_update(core);
    h7_mode_changed(core);
    h7_fp_ready_changed(core);
}

static void write_aircr(struct h7_core *core, uint32_t value) {
    if (value >> 16 != AIRCR_KEY) {
        return;
    }
    core->nvic.prigroup = value >> 8 & 7;
    h7_nvic_update(core);
    if (value & AIRCR_VECTCLRACTIVE && core->debug.halted) {
        clear_active(core);
    }
    if (value & AIRCR_SYSRESETREQ) {
        h7_core_stop(core);
        core->host.reset_requested(core->host.context, core);
    } else if (value & AIRCR_VECTRESET && core->debug.halted) {
        h7_core_reset(core, core->vector_table, false);
    }
}

void h7_scs_reset(struct h7_core *core, bool debug) {
    struct h7_scb *scb = &core->scb;
    *scb = (struct h7_scb){
        .vtor = core->vector_table,
        .ccr = identity(core)->ccr_reset,
        .fpccr = FPCCR_RESET,
        .dfsr = scb->dfsr, /* belongs to the debug logic: h7_debug_reset */
    };
    h7_mpu_reset(core);
    if (debug) {
        clear_components(core);
    }
}

static uint32_t read_scs(struct h7_core *core, uint32_t offset, bool debugger) {
    const struct h7_scb *scb = &core->scb;
    bool has_caches = core->model == H7_CORTEX_M7;
    if (offset >= NVIC && offset < NVIC_END) {
        return h7_nvic_read(core, SCS + offset);
    }
    if (offset >= SYST_CSR && offset < SYST_END) {
        uint32_t value = h7_systick_read(core, SCS + offset);
        if (debugger && offset == SYST_CSR) { /* only software's reading clears COUNTFLAG */
            core->systick.counted = value & SYST_CSR_COUNTFLAG;
        }
        return value;
    }
    if (offset >= SHPR1 && offset < SHPR_END) {
        return h7_nvic_read_priorities(core, 4 + offset - SHPR1);
    }
    if (offset >= ID_PFR0 && offset < ID_PFR0 + 4 * FEATURES) {
        return identity(core)->features[(offset - ID_PFR0) / 4];
    }
    if (offset >= MPU && offset < MPU_END) {
        return h7_mpu_read(core, SCS + offset);
    }
    if (offset >= DHCSR && offset < DEBUG_END) {
        return h7_debug_load(core, SCS + offset, debugger);
    }
    if (offset >= MVFR0 && offset < MVFR0 + 4 * FLOAT_FEATURES) {
        return identity(core)->float_features[(offset - MVFR0) / 4];
    }
    if (offset >= TCM_CONTROL && offset < TCM_CONTROL_END) {
        return scb->cache[(offset - TCM_CONTROL) / 4];
    }
    switch (offset) {
    case ICTR:
        return INTERRUPT_GROUPS;
    case ACTLR:
        return scb->actlr;
    case CPUID:
        return identity(core)->cpuid;
    case ICSR:
        return read_icsr(core);
    case VTOR:
        return scb->vtor;
    case AIRCR:
        return AIRCR_KEYSTAT | core->nvic.prigroup << 8;
    case SCR:
        return scb->scr;
    case CCR:
        return scb->ccr;
    case SHCSR:
        return read_shcsr(core);
    case CFSR:
        return scb->cfsr;
    case HFSR:
        return scb->hfsr;
    case DFSR:
        return scb->dfsr;
    case MMFAR:
        return scb->mmfar;
    case BFAR:
        return scb->bfar;
    case AFSR:
        return scb->afsr;
    case CLIDR:
        return has_caches ? CLIDR_M7 : 0;
    case CTR:
        return has_caches ? CTR_M7 : 0;
    case CCSIDR:
        return !has_caches ? 0 : scb->csselr & CSSELR_INSTRUCTION ? CCSIDR_INSTRUCTION : CCSIDR_DATA;
    case CSSELR:
        return scb->csselr;
    case CPACR:
        return scb->cpacr;
    case FPCCR:
        return scb->fpccr;
    case FPCAR:
        return scb->fpcar;
    case FPDSCR:
        return scb->fpdscr;
    case ABFSR:
        return scb->abfsr;
    default:
        return read_component(core, SCS + offset);
    }
}

static void write_scs(struct h7_core *core, uint32_t offset, uint32_t value, bool debugger) {
    struct h7_scb *scb = &core->scb;
    bool has_caches = core->model == H7_CORTEX_M7;
    if (offset >= NVIC && offset < NVIC_END) {
        h7_nvic_write(core, SCS + offset, value);
        return;
    }
    if (offset >= SYST_CSR && offset < SYST_END) {
        h7_systick_write(core, SCS + offset, value);
        return;
    }
    if (offset >= SHPR1 && offset < SHPR_END) {
        h7_nvic_write_priorities(core, 4 + offset - SHPR1, value);
        return;
    }
    if (offset >= MPU && offset < MPU_END) {
        h7_mpu_write(core, SCS + offset, value);
        return;
    }
    if (offset >= DHCSR && offset < DEBUG_END) {
        h7_debug_store(core, SCS + offset, value, debugger);
        return;
    }
    if (offset >= TCM_CONTROL && offset < TCM_CONTROL_END) {
        if (has_caches) {
            scb->cache[(offset - TCM_CONTROL) / 4] = value;
        }
        return;
    }
    switch (offset) {
    case ACTLR:
        scb->actlr = value;
        break;
    case ICSR:
        write_icsr(core, value);
        break;
    case VTOR:
        scb->vtor = value & VTOR_BITS;
        break;
    case AIRCR:
        write_aircr(core, value);
        break;
    case SCR:
        scb->scr = value & SCR_BITS;
        break;
    case CCR:
        scb->ccr = (value & identity(core)->ccr_writable) |
                   (identity(core)->ccr_reset & ~identity(core)->ccr_writable);
        break;
    case SHCSR:
        write_shcsr(core, value);
        break;
    case CFSR:
        scb->cfsr &= ~value;
        break;
    case HFSR:
        scb->hfsr &= ~value;
        break;
    case DFSR:
        scb->dfsr &= ~value;
        break;
    case MMFAR:
        scb->mmfar = value;
        break;
    case BFAR:
        scb->bfar = value;
        break;
    case AFSR:
        scb->afsr &= ~value;
        break;
    case CSSELR:
        if (has_caches) {
            scb->csselr = value & CSSELR_BITS;
        }
        break;
    case CPACR:
        scb->cpacr = value & CPACR_BITS;
        h7_fp_ready_changed(core);
        break;
    case STIR:
        h7_core_pulse_irq(core, value & STIR_INTID);
        break;
    case FPCCR:
        scb->fpccr = value & FPCCR_BITS;
        h7_fp_ready_changed(core);
        break;
    case FPCAR:
        scb->fpcar = value & FPCAR_BITS;
        break;
    case FPDSCR:
        scb->fpdscr = value & H7_FPDSCR_WRITABLE;
        break;
    case ABFSR: /* whatever is written */
        scb->abfsr = 0;
        break;
    case ICIALLU:
    case ICIMVAU:
        h7_flush_code(core);
        break;
    default:
        break;
    }
}

/* ---- the bus ----------------------------------------------------------------------------------------- */

static uint32_t read_word(struct h7_core *core, uint32_t address, bool debugger) {
    uint32_t page = address & ~(uint32_t)(PAGE_SIZE - 1), offset = address % PAGE_SIZE;
    if (page == SCS) {
        return read_scs(core, offset, debugger);
    }
    if ((page == DWT || page == FPB) && offset < MANAGEMENT) {
        return h7_debug_load(core, address, debugger);
    }
    uint32_t value;
    return page == CTI && h7_cti_read(core, offset, &value) ? value : read_component(core, address);
}

static void write_word(struct h7_core *core, uint32_t address, uint32_t value, bool debugger) {
    uint32_t page = address & ~(uint32_t)(PAGE_SIZE - 1), offset = address % PAGE_SIZE;
    if (page == SCS) {
        write_scs(core, offset, value, debugger);
    } else if ((page == DWT || page == FPB) && offset < MANAGEMENT) {
        h7_debug_store(core, address, value, debugger);
    } else if (page != CTI || !h7_cti_write(core, offset, value)) {
        write_component(core, address, value);
    }
}

/* Whether writing a one acts, so that what is not written of the word has to be zero. */
static bool acts(uint32_t address) {
    uint32_t offset = address - SCS;
    if (offset >= PAGE_SIZE) {
        return false;
    }
    return (offset >= NVIC && offset < NVIC + 0x300) || offset == ICSR || offset == AIRCR || offset == CFSR ||
           offset == HFSR || offset == DFSR || offset == AFSR || offset == STIR ||
           (offset >= ICIALLU && offset < TCM_CONTROL);
}

/* What unprivileged code may do on this bus: ask for interrupts if CCR says so, read ITM, and write to the
 * stimulus ports that ITM_TPR does not keep from it (Arm DDI0403E B3.2.26, C1.7). */
static bool is_open(struct h7_core *core, uint32_t address, bool is_write) {
    if (address - ITM < PAGE_SIZE) {
        return !is_write || (is_stimulus(address) && !is_privileged(core, address));
    }
    return is_write && address == SCS + STIR && core->scb.ccr & H7_CCR_USERSETMPEND;
}

static enum h7_result refuse(struct h7_core *core, uint32_t address) {
    core->fault = (struct h7_fault){H7_BUS_FAULT_EXCEPTION, H7_PRECISERR | H7_BFARVALID, address};
    return H7_FAULTED;
}

static uint32_t mask_of(uint32_t size) { return size == 4 ? UINT32_MAX : (1u << 8 * size) - 1; }

enum h7_result h7_scs_load(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value,
                           bool privileged) {
    if (!privileged && !is_open(core, address & ~3u, false)) {
        return refuse(core, address);
    }
    *value = read_word(core, address & ~3u, false) >> 8 * (address & 3) & mask_of(size);
    return H7_DONE;
}

enum h7_result h7_scs_store(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value,
                            bool privileged) {
    uint32_t word = address & ~3u, shift = 8 * (address & 3), mask = mask_of(size) << shift;
    if (!privileged && !is_open(core, word, true)) {
        return refuse(core, address);
    }
    value = value << shift & mask;
    if (size != 4 && !acts(word)) {
        value |= read_word(core, word, true) & ~mask;
    }
    write_word(core, word, value, false);
    return H7_DONE;
}

uint32_t h7_core_read_debug(struct h7_core *core, uint32_t address) {
    return read_word(core, address & ~3u, true);
}

void h7_core_write_debug(struct h7_core *core, uint32_t address, uint32_t value) {
    write_word(core, address & ~3u, value, true);
}

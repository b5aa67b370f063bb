/* The cores of the virtual board: ARMv7E-M (Arm DDI0403E) with the floating-point extension.
 *
 * How the machine works, from the outside in:
 *
 *   h7_board    both cores on one board time, counted in picoseconds (schedule.c).
 *   h7_core     one core: registers, NVIC, SysTick, system control, MPU, debug. One instruction is one
 *               cycle, also an instruction that an IT block skips; entering and leaving an exception takes
 *               no cycle of its own.
 *   h7_host     the chip around the cores: functions of the embedding program that answer accesses which no
 *               memory answers, and that learn of sleep, events, resets and halts.
 *
 * `h7_core_run` alternates between the world outside of instructions (ticks, exceptions, sleep: run.c) and
 * `h7_execute` (execute.c), which runs instructions from the cache of decoded ones until its budget is used
 * up. Whatever has to happen between two instructions sets the budget to zero (`h7_stop_after_instruction`).
 *
 * Loads and stores find their host memory in a small table (`h7_tlb`, memory.c); only what is not in it,
 * and never may be, takes the long way: peripherals, the private peripheral bus, read-only memory, memory
 * that holds decoded instructions, watched or MPU-divided pages, unaligned accesses.
 *
 * Files: decode*.c opcode to h7_insn; execute*.c, dsp.c h7_insn to effect; float.c arithmetic;
 * memory.c the address space; exceptions.c entry, return, faults, lockup; nvic.c; systick.c; mpu.c; scs.c the
 * private peripheral bus with SCB; debug.c halting; fpb.c; dwt.c; cti.c cross triggers; run.c time and sleep of
 * one core; schedule.c both cores; snapshot.c.
 */
#ifndef H7CORE_H
#define H7CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h7_core;
struct h7_board;

/* ---- the host ---------------------------------------------------------------------------------------- */

/* How an access ended. */
enum h7_bus {
    H7_BUS_OK,
    H7_BUS_FAULT, /* the bus answered with an error */
    H7_BUS_ABORT, /* the host gives up: the run ends in front of this instruction (H7_RUN_ABORTED) */
};

/* What the chip does for its cores. `context` is handed back. The functions may call anything of this
 * header that says so, on any core. */
struct h7_host {
    void *context;
    /* Access of 1, 2 or 4 aligned bytes that no directly mapped memory answers; stores to memories that are
     * not writable too. */
    enum h7_bus (*read)(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                        uint32_t *value);
    enum h7_bus (*write)(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                         uint32_t value);
    void (*slept)(void *context, struct h7_core *core); /* core->sleep says how deep */
    void (*woke)(void *context, struct h7_core *core);
    void (*event_sent)(void *context, struct h7_core *core);      /* SEV executed */
    void (*reset_requested)(void *context, struct h7_core *core); /* AIRCR.SYSRESETREQ written */
    void (*halt_changed)(void *context, struct h7_core *core);    /* core->debug.halted */
    void (*exception_changed)(void *context, struct h7_core *core); /* IPSR, if reports_exceptions; and lockup */
};

enum h7_model { H7_CORTEX_M7, H7_CORTEX_M4 };

/* ---- exceptions -------------------------------------------------------------------------------------- */

enum {
    H7_RESET = 1,
    H7_NMI = 2,
    H7_HARD_FAULT = 3,
    H7_MEM_MANAGE = 4,
    H7_BUS_FAULT_EXCEPTION = 5,
    H7_USAGE_FAULT = 6,
    H7_SVCALL = 11,
    H7_DEBUG_MONITOR = 12,
    H7_PENDSV = 14,
    H7_SYSTICK = 15,
    H7_FIRST_IRQ = 16,
    H7_IRQS = 150,
    H7_EXCEPTIONS = H7_FIRST_IRQ + H7_IRQS,
    H7_EXCEPTION_WORDS = (H7_EXCEPTIONS + 31) / 32,
    H7_THREAD_PRIORITY = 256, /* lower than any exception's */
    H7_PRIORITY_MASK = 0xF0,  /* implemented bits of a priority */
};

/* Bits of CFSR. */
enum {
    H7_IACCVIOL = 1 << 0,
    H7_DACCVIOL = 1 << 1,
    H7_MUNSTKERR = 1 << 3,
    H7_MSTKERR = 1 << 4,
    H7_MLSPERR = 1 << 5,
    H7_MMARVALID = 1 << 7,
    H7_IBUSERR = 1 << 8,
    H7_PRECISERR = 1 << 9,
    H7_IMPRECISERR = 1 << 10,
    H7_UNSTKERR = 1 << 11,
    H7_STKERR = 1 << 12,
    H7_LSPERR = 1 << 13,
    H7_BFARVALID = 1 << 15,
    H7_UNDEFINSTR = 1 << 16,
    H7_INVSTATE = 1 << 17,
    H7_INVPC = 1 << 18,
    H7_NOCP = 1 << 19,
    H7_UNALIGNED = 1 << 24,
    H7_DIVBYZERO = 1 << 25,
};

/* Bits of HFSR and DFSR. */
#define H7_HFSR_VECTTBL (1u << 1)
#define H7_HFSR_FORCED (1u << 30)
#define H7_HFSR_DEBUGEVT (1u << 31)
enum { H7_DFSR_HALTED = 1, H7_DFSR_BKPT = 2, H7_DFSR_DWTTRAP = 4, H7_DFSR_VCATCH = 8, H7_DFSR_EXTERNAL = 16 };

/* Bits of ACTLR, CCR, SCR, CONTROL, xPSR, EXC_RETURN, used by more than one file. */
enum {
    H7_ACTLR_DISDEFWBUF = 1 << 1, /* of the Cortex-M4 */
    H7_CCR_NONBASETHRDENA = 1 << 0,
    H7_CCR_USERSETMPEND = 1 << 1,
    H7_CCR_UNALIGN_TRP = 1 << 3,
    H7_CCR_DIV_0_TRP = 1 << 4,
    H7_CCR_BFHFNMIGN = 1 << 8,
    H7_CCR_STKALIGN = 1 << 9,
    H7_SCR_SLEEPONEXIT = 1 << 1,
    H7_SCR_SLEEPDEEP = 1 << 2,
    H7_SCR_SEVONPEND = 1 << 4,
    H7_CONTROL_NPRIV = 1,
    H7_CONTROL_SPSEL = 2,
    H7_CONTROL_FPCA = 4,
};
#define H7_XPSR_T (1u << 24)
#define H7_XPSR_ALIGNED (1u << 9)
#define H7_LOCKUP_PC 0xFFFFFFFEu
#define H7_EXC_RETURNS 0xF0000000u /* in handlers, branches from here on are exception returns */

/* Nested vectored interrupt controller and the exceptions of the core itself. Sets are bit arrays by
 * exception number. Registers: Arm DDI0403E B3.4. */
struct h7_nvic {
    uint32_t lines[H7_EXCEPTION_WORDS]; /* level of the interrupt inputs; survives a local reset */
    uint32_t pending[H7_EXCEPTION_WORDS];
    uint32_t active[H7_EXCEPTION_WORDS];
    uint32_t enabled[H7_EXCEPTION_WORDS];
    int16_t priority[H7_EXCEPTIONS];
    uint32_t prigroup;         /* AIRCR.PRIGROUP */
    bool interrupts_masked;    /* DHCSR.C_MASKINTS with C_DEBUGEN */
    int32_t active_priority;   /* highest group priority among the active, H7_THREAD_PRIORITY if none */
    uint32_t candidate;        /* pending and enabled exception that comes next, 0 if none */
    int32_t candidate_priority;/* its group priority */
    bool attention;            /* candidate_priority < active_priority; masks are not looked at */
};

/* SysTick, computed from the cycle counter (Arm DDI0403E B3.3). */
#define H7_NEVER UINT64_MAX
struct h7_systick {
    uint32_t control; /* ENABLE, TICKINT, CLKSOURCE */
    bool counted;     /* COUNTFLAG */
    uint32_t reload;
    uint32_t top;     /* where the current period started */
    uint32_t frozen;  /* count while it stands still */
    uint64_t zero;    /* cycle at which the count reaches zero, H7_NEVER */
    uint64_t due;     /* cycle at which it pends its exception, H7_NEVER if it will not */
};

/* System control block: values of the registers; fields of other structures are not repeated. */
struct h7_scb {
    uint32_t vtor, scr, ccr, cfsr, hfsr, dfsr, mmfar, bfar, afsr, actlr;
    uint32_t cpacr;
    uint32_t fpccr, fpcar, fpdscr;
    uint32_t csselr;
    uint32_t cache[6]; /* ITCMCR, DTCMCR, AHBPCR, CACR, AHBSCR, - of the Cortex-M7: stored */
    uint32_t abfsr;    /* of the Cortex-M7 */
};

enum { H7_MPU_REGIONS = 16 };
enum { H7_MPU_ENABLE = 1, H7_MPU_HFNMIENA = 2, H7_MPU_PRIVDEFENA = 4 };
struct h7_mpu {
    uint32_t count; /* 16 on the Cortex-M7, 8 on the Cortex-M4 */
    uint32_t control;
    uint32_t number; /* RNR */
    uint32_t base[H7_MPU_REGIONS];
    uint32_t attributes[H7_MPU_REGIONS]; /* RASR */
};

enum { H7_FPB_COMPARATORS = 8, H7_DWT_COMPARATORS = 4 };
struct h7_fpb {
    uint32_t code, literals; /* comparators: 8+0 (version 2), 6+2 (version 1) */
    uint32_t version;
    bool enabled;
    bool patches_code, patches_literals; /* a comparator replaces words of this kind */
    uint32_t remap;
    uint32_t comparator[H7_FPB_COMPARATORS];
};

struct h7_dwt {
    uint32_t control;
    bool counting;
    uint64_t start; /* while counting: cycle of count 0; else the negated count */
    uint64_t match; /* cycle, of those that are counted, at which CYCCNT is what it is compared with; H7_NEVER */
    uint32_t comparator[H7_DWT_COMPARATORS], mask[H7_DWT_COMPARATORS], function[H7_DWT_COMPARATORS];
    bool matched[H7_DWT_COMPARATORS];
    uint32_t counter[5]; /* CPICNT, EXCCNT, SLEEPCNT, LSUCNT, FOLDCNT: stored */
};

struct h7_debug {
    uint32_t control; /* low bits of DHCSR: C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS, C_SNAPSTALL */
    uint32_t demcr;
    uint32_t dcrdr;
    bool halted;
    bool transfer_done;   /* S_REGRDY */
    bool reset_seen;      /* S_RESET_ST */
    uint64_t seen_cycles; /* S_RETIRE_ST */
    uint32_t halt_reason; /* bits of DFSR: halt behind the current instruction; 0 none */
};

enum { H7_CTI_TRIGGERS = 8, H7_CTI_CHANNELS = 4, H7_CTI_DEBUG_REQUEST = 1 /* trigger output 0 */ };
struct h7_cti {
    bool enabled;
    uint8_t in[H7_CTI_TRIGGERS], out[H7_CTI_TRIGGERS]; /* the channels of each trigger */
    uint32_t application; /* channels that CTIAPPSET holds */
    uint32_t gate;
    uint32_t outputs;     /* those that are active until they are acknowledged */
    uint32_t arriving;    /* those whose effect is still to come: h7_cti_deliver */
    uint32_t matrix;      /* channels that the system's interface holds */
};

/* ---- instructions ------------------------------------------------------------------------------------ */

/* A decoded instruction. What the members mean is up to the operation (decode.c, execute.c); floating point
 * has its opcode in `imm` and its function in `aux` (execute_float.c). */
struct h7_insn {
    uint16_t op;    /* enum h7_op (operations.h) */
    uint16_t it_op; /* operation inside an IT block, where most 16-bit instructions leave the flags alone */
    uint8_t rd, rn, rm, ra;
    uint32_t imm;
    uint16_t aux;
    uint8_t size; /* bytes: 2 or 4 */
    uint8_t shift;
};

enum { H7_PAGE_BITS = 10, H7_PAGE = 1 << H7_PAGE_BITS };

/* The decoded instructions of one page; an entry per halfword, filled as execution comes by. Behind them are
 * two that lead to the next page, the second for an instruction that begins in this one. */
struct h7_code_page {
    uint32_t address;
    uint32_t generation;       /* of h7_core.code_generation; the instructions are void if it is older */
    const uint8_t *memory;     /* the page's bytes */
    struct h7_code_page *next; /* in the same hash bucket */
    struct h7_insn insn[H7_PAGE / 2 + 2];
};

/* ---- memory ------------------------------------------------------------------------------------------ */

/* Memory a core reaches directly. Two regions with the same `memory` are aliases. A guard has a byte for each
 * H7_GUARDED bytes of memory: where it is not 0, the host answers loads and fetches, too. */
struct h7_region {
    uint32_t address, size;
    uint8_t *memory;
    bool writable; /* else stores go to the host */
    const uint8_t *guard; /* or NULL */
};
enum { H7_REGIONS = 48, H7_GUARDED = 32 };

/* A page's translation. A read of an address may be done at `offset` + address if the address, with only its
 * page and alignment bits kept, equals `read` (so an unaligned one never does); a write likewise with `write`. */
struct h7_tlb_entry {
    uint32_t read, write; /* page address, or H7_TLB_EMPTY */
    uintptr_t offset;
};
enum { H7_TLB_SIZE = 256, H7_TLB_EMPTY = H7_PAGE - 1 };

/* The exclusive monitors (Arm DDI0403E A3.4), both in one: memory is shared by the cores, so each reservation
 * is seen by the other core's stores. A granule is what LDREX tagged. */
struct h7_monitor {
    bool exclusive;
    uint32_t address, size;
    const uint8_t *memory; /* host address, which aliases and cores share; NULL for a peripheral */
};

/* ---- a core ------------------------------------------------------------------------------------------ */

enum h7_sleep { H7_AWAKE, H7_SLEEP, H7_DEEP_SLEEP };

/* Why h7_core_run returned. */
enum h7_run {
    H7_RUN_DONE,    /* the cycles are used up, or it stopped running (asleep, halted, locked up, asked to) */
    H7_RUN_ABORTED, /* the host answered an access with H7_BUS_ABORT */
};

/* How an instruction (or a part of it in a function of its own) ended. */
enum h7_result {
    H7_DONE,
    H7_FAULTED, /* core->fault says how; nothing of the instruction's registers has changed */
    H7_ABORTED, /* H7_BUS_ABORT */
};

/* A synchronous fault between its detection and h7_exception_fault. */
struct h7_fault {
    uint32_t number; /* H7_MEM_MANAGE, H7_BUS_FAULT_EXCEPTION, H7_USAGE_FAULT */
    uint32_t status; /* bits of CFSR, with MMARVALID or BFARVALID if `address` counts */
    uint32_t address;
};

union h7_float_registers {
    uint32_t s[32];
    uint64_t d[16]; /* d[n] is s[2n] (low) and s[2n + 1] */
};

/* CoreSight components on the private bus: words that are constant, and pages that keep what is written. */
enum { H7_COMPONENTS = 12 };
struct h7_component {
    uint32_t base;
    bool stored;      /* words without a constant keep what is written; they survive a local reset */
    uint32_t *words;  /* 1024, or NULL */
    uint8_t *constant;/* 1024: whether the word is constant */
};

/* The search for busy-wait loops (busy.h). */
enum { H7_BUSY_READS = 64, H7_BUSY_WRITES = 32 };
struct h7_busy {
    bool disabled;           /* by the embedding program: h7_core_set_jumps */
    bool observing, effect;  /* an observed access was one that a loop cannot skip */
    bool whole;              /* the last run was nothing but turns of a loop, from its first cycle on */
    uint64_t next, interval; /* cycle of the next observation, and what is added if it is in vain */
    uint32_t reads, writes;  /* words of host memory */
    const uint8_t *read[H7_BUSY_READS], *written[H7_BUSY_WRITES];
    uint32_t before[H7_BUSY_WRITES];
};

struct h7_core {
    /* Registers as execute.c uses them. r[13] is the stack pointer in use, r[15] the address of the next
     * instruction to execute (of the current one while h7_execute runs, as far as it has been written back:
     * always before a function outside of execute.c is called). */
    uint32_t r[16];
    /* The flags, in the form in which they are cheap: N is bit 31 of n, Z is set if z is 0, C is 0 or 1, V is
     * bit 31 of v, Q is 0 or 1, GE 4 bits. h7_apsr and h7_set_apsr convert. */
    uint32_t n, z, c, v, q, ge;
    uint32_t itstate;       /* ITSTATE for the next instruction; 0 outside of IT blocks */
    uint32_t it_current;    /* ITSTATE of the instruction being executed */
    int64_t left;           /* instructions until h7_execute returns; the current one is already subtracted */
    uint64_t run_end;       /* cycles - left is the cycle of now: see h7_cycles */

    uint32_t sp_other;      /* the stack pointer not in use: PSP if the MSP is in use */
    bool uses_psp;
    bool thumb;             /* EPSR.T */
    bool privileged;        /* handler mode or CONTROL.nPRIV clear; kept by h7_mode_changed */
    uint32_t control;       /* CONTROL: nPRIV, SPSEL, FPCA */
    uint32_t ipsr, primask, basepri, faultmask;

    union h7_float_registers fp;
    uint32_t fpscr;
    bool fp_ready;          /* FP instructions may execute at once: CPACR allows them, no lazy save is
                               outstanding and CONTROL.FPCA is set; else h7_fp_prepare decides */

    struct h7_fault fault;
    struct h7_monitor monitor;

    struct h7_nvic nvic;
    struct h7_systick systick;
    struct h7_scb scb;
    struct h7_mpu mpu;
    struct h7_fpb fpb;
    struct h7_dwt dwt;
    struct h7_debug debug;
    struct h7_cti cti;

    bool event;             /* event register */
    bool lockup;
    bool derived;           /* the exception just entered is a fault of another's entry or return */
    bool waits_for_event;   /* asleep by WFE, not WFI */
    enum h7_sleep sleep;
    bool clocked_in_sleep;  /* DBGMCU_CR.DBGSLEEP: CYCCNT counts in sleep */
    uint64_t unclocked;     /* cycles slept through without a clock, which CYCCNT does not count */
    uint32_t vector_table;  /* of the last reset */

    bool executing;         /* inside h7_execute */
    bool fell_asleep;       /* the current instruction went to sleep; the host does not know yet */
    bool returning;         /* h7_core_run is to return */
    bool aborted;           /* the host has answered H7_BUS_ABORT */
    bool reset_asked;       /* h7_core_reset was called while executing: do it behind the instruction */
    bool reset_debug;
    uint32_t reset_table;
    uint32_t translated_for; /* privilege and priority that the MPU's translations were made for */

    /* What follows is not part of the architectural state. */
    enum h7_model model;
    struct h7_host host;
    struct h7_core *peer; /* the other core that shares memory, or NULL: h7_core_connect */
    struct h7_region region[H7_REGIONS];
    uint32_t regions;
    struct h7_component component[H7_COMPONENTS];
    uint32_t components;
    struct h7_tlb_entry tlb[H7_TLB_SIZE];
    struct h7_code_page *code[256];       /* hash table of all pages that instructions were decoded from */
    struct h7_code_page *code_recent[64]; /* those that may be executed from, as permissions are now */
    struct h7_code_page *single;          /* one instruction that is not cached: see execute.c */
    uint32_t code_generation;
    uint32_t breakpoint[H7_FPB_COMPARATORS * 2 + H7_DWT_COMPARATORS]; /* addresses to stop in front of */
    uint32_t breakpoints;
    struct h7_busy busy;
    bool in_run;            /* inside h7_core_run */
    bool watching;          /* data watchpoints are active: h7_debug_watched decides per page */
    bool reports_exceptions; /* tell the host when IPSR changes */
    uint32_t reported_ipsr;
    bool reported_lockup;
};

/* ---- what the embedding program calls ---------------------------------------------------------------- */

struct h7_core *h7_core_new(enum h7_model model, const struct h7_host *host);
void h7_core_free(struct h7_core *core);
/* Let two cores that share memory see each other's stores to code and to exclusive reservations. */
void h7_core_connect(struct h7_core *one, struct h7_core *other);
/* Show memory to the core; false if there are too many regions or it is not page-aligned. */
bool h7_core_map(struct h7_core *core, uint32_t address, uint32_t size, void *memory, bool writable);
void h7_core_unmap(struct h7_core *core, uint32_t address);
/* Give the memory shown at `address` a guard, or say that the bytes of its guard have changed. */
void h7_core_guard(struct h7_core *core, uint32_t address, const uint8_t *guard);
/* Something else than a core changed memory: address as this core sees it. Callable from host functions. */
void h7_core_invalidate(struct h7_core *core, uint32_t address, uint32_t size);
/* Declare a component of the private bus; then its constant words (identification). */
bool h7_core_component(struct h7_core *core, uint32_t base, bool stored);
void h7_core_component_word(struct h7_core *core, uint32_t address, uint32_t value);

/* Advance by at most `cycles`; instruction-exact. */
enum h7_run h7_core_run(struct h7_core *core, uint64_t cycles);
/* Whether busy-wait loops are skipped, which is invisible but for the speed. On at first. */
void h7_core_set_jumps(struct h7_core *core, bool enabled);
/* For host functions: h7_core_run returns behind the current instruction. */
void h7_core_stop(struct h7_core *core);
bool h7_core_running(const struct h7_core *core); /* not asleep, halted, or locked up without an NMI */
/* Until SysTick pends, or CYCCNT is what DWT compares it with; H7_NEVER if neither will be. */
uint64_t h7_core_cycles_to_tick(const struct h7_core *core);
void h7_core_set_irq(struct h7_core *core, uint32_t irq, bool level);
void h7_core_pulse_irq(struct h7_core *core, uint32_t irq);
void h7_core_set_event(struct h7_core *core);
bool h7_core_wake_pending(struct h7_core *core);
void h7_core_wake_if_pending(struct h7_core *core);
/* Local reset (run.c calls the h7_*_reset of each part); the debug logic is kept unless `debug`. */
void h7_core_reset(struct h7_core *core, uint32_t vector_table, bool debug);
void h7_core_halt(struct h7_core *core, uint32_t dfsr);
/* The debugger's word access to 0xE000_0000 - 0xE00F_FFFF. */
uint32_t h7_core_read_debug(struct h7_core *core, uint32_t address);
void h7_core_write_debug(struct h7_core *core, uint32_t address, uint32_t value);
/* The cross-trigger matrix: the channels that a core's interface holds, and those that something else than the
 * cores' interfaces holds or sends pulses on. */
uint32_t h7_core_channels(const struct h7_core *core);
void h7_core_set_channels(struct h7_core *core, uint32_t held, uint32_t pulses);
/* Registers by DCRSR.REGSEL (Arm DDI0403E C1.6.3): 0-15, 16 xPSR, 17 MSP, 18 PSP, 20 the special ones, 33
 * FPSCR, 64-95 S0-S31. */
uint32_t h7_core_register(const struct h7_core *core, uint32_t selector);
void h7_core_set_register(struct h7_core *core, uint32_t selector, uint32_t value);

/* ---- between the files ------------------------------------------------------------------------------- */

/* The current cycle, exact inside an instruction (with it). */
static inline uint64_t h7_cycles(const struct h7_core *core) {
    return core->run_end - (uint64_t)core->left;
}

/* Let h7_execute return behind the current instruction (and h7_core_run look around again). */
static inline void h7_stop_after_instruction(struct h7_core *core) {
    if (core->executing) {
        core->run_end -= (uint64_t)core->left;
        core->left = 0;
    }
}

static inline uint32_t h7_msp(const struct h7_core *core) {
    return core->uses_psp ? core->sp_other : core->r[13];
}
static inline uint32_t h7_psp(const struct h7_core *core) {
    return core->uses_psp ? core->r[13] : core->sp_other;
}
static inline void h7_set_msp(struct h7_core *core, uint32_t value) {
    *(core->uses_psp ? &core->sp_other : &core->r[13]) = value & ~3u;
}
static inline void h7_set_psp(struct h7_core *core, uint32_t value) {
    *(core->uses_psp ? &core->r[13] : &core->sp_other) = value & ~3u;
}

/* Flags, Q and GE at their places in APSR. */
static inline uint32_t h7_apsr(const struct h7_core *core) {
    return (core->n & 0x80000000u) | (uint32_t)(core->z == 0) << 30 | core->c << 29 |
           (core->v & 0x80000000u) >> 3 | core->q << 27 | core->ge << 16;
}
static inline void h7_set_nzcvq(struct h7_core *core, uint32_t apsr) {
    core->n = apsr;
    core->z = ~apsr & 1u << 30;
    core->c = apsr >> 29 & 1;
    core->v = apsr << 3;
    core->q = apsr >> 27 & 1;
}
static inline uint32_t h7_epsr_it(uint32_t itstate) { return (itstate & 3) << 25 | (itstate & 0xFC) << 8; }
static inline uint32_t h7_it_of(uint32_t xpsr) { return (xpsr >> 25 & 3) | (xpsr >> 8 & 0xFC); }
/* xPSR as stacked and as the debugger sees it. */
static inline uint32_t h7_xpsr(const struct h7_core *core) {
    return h7_apsr(core) | h7_epsr_it(core->itstate) | (core->thumb ? H7_XPSR_T : 0) | core->ipsr;
}
/* Everything of xPSR but IPSR. */
static inline void h7_set_xpsr(struct h7_core *core, uint32_t xpsr) {
    h7_set_nzcvq(core, xpsr);
    core->ge = xpsr >> 16 & 0xF;
    core->itstate = h7_it_of(xpsr);
    if (!(core->itstate & 0xF)) { /* ICI bits, of an interrupted load multiple, which starts again */
        core->itstate = 0;
    }
    core->thumb = xpsr & H7_XPSR_T;
}

/* Record a fault for the caller to return. */
static inline enum h7_result h7_fail(struct h7_core *core, uint32_t number, uint32_t status) {
    core->fault = (struct h7_fault){number, status, 0};
    return H7_FAULTED;
}

/* execute.c: run instructions at r[15] until `left` is used up. Returns with r[15], itstate, left consistent;
 * faults of instructions have been handed to h7_exception_fault. */
void h7_execute(struct h7_core *core);

/* run.c: IPSR, CONTROL or FAULTMASK has changed (exceptions.c, MSR, debugger write): choose the stack pointer,
 * set `privileged`, drop memory translations if the MPU makes that a difference. */
void h7_mode_changed(struct h7_core *core);
/* WFI, WFE, sleep on exit. */
void h7_wait(struct h7_core *core, bool for_event);
void h7_send_event(struct h7_core *core);
void h7_wake(struct h7_core *core); /* without asking why; for halting */
/* nvic.c calls it when something needs attention: ends the instruction stretch, or wakes up. */
void h7_attention(struct h7_core *core);

/* decode.c: `at` is the address; halfwords hw1, hw2. Fills all of *insn. */
void h7_decode(const struct h7_core *core, uint32_t at, uint16_t hw1, uint16_t hw2, struct h7_insn *insn);

/* execute_float.c: decode an instruction of coprocessor 10 or 11 (0xEC00-0xEFFF, 0xFC00-0xFFFF with coproc
 * 101x) into imm and aux; false if it is undefined. Executing: called only if fp_ready, through
 * h7_float_execute. Must not read r[15] for anything (VLDR literals: the address is in imm2 = h7_insn.imm as
 * the decoder chooses). */
bool h7_float_decode(const struct h7_core *core, uint32_t at, uint32_t opcode, struct h7_insn *insn);
enum h7_result h7_float_execute(struct h7_core *core, const struct h7_insn *insn);

/* memory.c. Loads and stores of 1, 2 and 4 bytes with everything: permissions of the current privilege,
 * alignment rules (unaligned halfwords and words are done in bytes, or fault under UNALIGN_TRP), peripherals,
 * private bus, watchpoints. memory.h has the inlined fast ways, to be preferred. */
enum h7_result h7_load(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value);
enum h7_result h7_store(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value);
/* The same with a given privilege, for LDRT/STRT and for stacking. */
enum h7_result h7_load_as(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value,
                          bool privileged);
enum h7_result h7_store_as(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value,
                           bool privileged);
/* A word of a frame: the bus's answer is waited for. */
enum h7_result h7_store_frame(struct h7_core *core, uint32_t address, uint32_t value, bool privileged);
/* Host memory behind `length` bytes in one region, without any permission check; NULL if there is none, or if a
 * guard has an eye on it. */
uint8_t *h7_memory_at(struct h7_core *core, uint32_t address, uint32_t length);
void h7_flush_translations(struct h7_core *core); /* MPU, privilege, watchpoints changed */
void h7_flush_code(struct h7_core *core);         /* breakpoints changed, ICIALLU, reset, ISB needs nothing */

/* exceptions.c */
int32_t h7_execution_priority(const struct h7_core *core, bool with_primask);
/* Make core->fault-like synchronous exception pending, or what it escalates to; SVCall too (status 0).
 * r[15] and itstate must be those to be stacked. */
void h7_exception_fault(struct h7_core *core, uint32_t number, uint32_t status, uint32_t address);
/* An asynchronous bus error has arrived: BusFault becomes pending, if it is not enabled HardFault, whatever the
 * priority is; it never locks up (Arm DUI0646 2.4.3). */
void h7_exception_asynchronous(struct h7_core *core);
void h7_hard_fault(struct h7_core *core, uint32_t hfsr);
void h7_lock_up(struct h7_core *core);
/* Enter the pending exception if it preempts; returns whether it does (and vector catch is done). If the host
 * gives up while the frame is written (core->aborted), it stays pending. */
bool h7_exception_take(struct h7_core *core);
/* Branch to EXC_RETURN in a handler; tail-chains, sleeps on exit. */
void h7_exception_return(struct h7_core *core, uint32_t exc_return);
/* Called for an FP instruction while !fp_ready: NOCP fault, lazy save, new FP context (FPDSCR); H7_DONE: go on. */
enum h7_result h7_fp_prepare(struct h7_core *core);
void h7_fp_ready_changed(struct h7_core *core); /* CPACR, FPCCR, CONTROL.FPCA, privilege changed */

/* nvic.c */
void h7_nvic_reset(struct h7_core *core);
void h7_nvic_update(struct h7_core *core);
void h7_nvic_pend(struct h7_core *core, uint32_t number);
void h7_nvic_unpend(struct h7_core *core, uint32_t number);
void h7_nvic_activate(struct h7_core *core, uint32_t number);
void h7_nvic_deactivate(struct h7_core *core, uint32_t number);
void h7_nvic_set_line(struct h7_core *core, uint32_t irq, bool level);
int32_t h7_nvic_priority(const struct h7_core *core, uint32_t number); /* group priority */
int32_t h7_nvic_group(const struct h7_core *core, int32_t priority); /* the part that decides about preemption */
bool h7_nvic_nested(const struct h7_core *core, uint32_t number); /* is any exception but this one active? */
uint32_t h7_nvic_read(const struct h7_core *core, uint32_t address); /* 0xE000_E100 - 0xE000_E4FF */
void h7_nvic_write(struct h7_core *core, uint32_t address, uint32_t value);
/* A word of four priorities from exception `first` on, of IPR and SHPR. */
uint32_t h7_nvic_read_priorities(const struct h7_core *core, uint32_t first);
void h7_nvic_write_priorities(struct h7_core *core, uint32_t first, uint32_t value);
static inline bool h7_in_set(const uint32_t *set, uint32_t number) { return set[number >> 5] >> (number & 31) & 1; }

/* systick.c */
void h7_systick_reset(struct h7_core *core);
void h7_systick_fire(struct h7_core *core); /* comes up to the current cycle; pends if the count got to zero */
uint32_t h7_systick_read(struct h7_core *core, uint32_t address);
void h7_systick_write(struct h7_core *core, uint32_t address, uint32_t value);

/* scs.c: the private peripheral bus 0xE000_0000 - 0xE00F_FFFF. Software's accesses of any size (unprivileged
 * ones fail but for STIR), and the debugger's words. */
void h7_scs_reset(struct h7_core *core, bool debug);
enum h7_result h7_scs_load(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value,
                           bool privileged);
enum h7_result h7_scs_store(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value,
                            bool privileged);
/* What the MPU, or the default memory map, allows at `address`; *uniform: also in the whole H7_PAGE. Takes
 * HFNMIENA and the execution priority into account. */
enum { H7_MAY_READ = 1, H7_MAY_WRITE = 2, H7_MAY_EXECUTE = 4 };
uint32_t h7_mpu_permissions(const struct h7_core *core, uint32_t address, bool privileged, bool *uniform);
/* Whether a store to `address`, outside of the private bus, ends before the bus has answered, so that its error is
 * an asynchronous one. On the Cortex-M7 each does, even to Strongly-ordered memory (Arm DUI0646 2.4.3). On the
 * Cortex-M4 those to Normal and Device memory do, where ACTLR.DISDEFWBUF does not keep the default memory map's
 * from it (Arm DDI0439, write buffer). Exclusive stores are taken to be no exception: not known of the hardware. */
bool h7_mpu_buffers(const struct h7_core *core, uint32_t address);

/* mpu.c, for scs.c */
void h7_mpu_reset(struct h7_core *core);
uint32_t h7_mpu_read(const struct h7_core *core, uint32_t address);
void h7_mpu_write(struct h7_core *core, uint32_t address, uint32_t value);

/* debug.c, fpb.c, dwt.c: debug.h has the rest. */
void h7_debug_reset(struct h7_core *core, bool debug); /* DHCSR, DEMCR, DFSR, FPB, DWT */
/* A BKPT instruction, a breakpoint in front of an instruction, or a watchpoint (reason: bit of DFSR): halt,
 * DebugMonitor or HardFault. True if the instruction is not to be executed now. */
bool h7_debug_event(struct h7_core *core, uint32_t reason, bool is_instruction);
/* Execution came to r[15], which is in core->breakpoint: note DWT matches, halt or pend; true: do not execute. */
bool h7_debug_breakpoint(struct h7_core *core);
/* Whether an access lies in a watched range (any: is the page watched at all?); notes it and stops. */
void h7_debug_accessed(struct h7_core *core, uint32_t address, uint32_t size, bool is_write);
bool h7_debug_watches_page(const struct h7_core *core, uint32_t page);
bool h7_debug_catches(const struct h7_core *core, uint32_t number); /* vector catch at this entry */
/* Whether a debugger or the monitor wants one instruction executed, and: it has been, or an exception entered. */
bool h7_debug_stepping(const struct h7_core *core);
void h7_debug_stepped(struct h7_core *core);
uint32_t h7_debug_load(struct h7_core *core, uint32_t address, bool debugger);  /* FPB, DWT, DHCSR-DEMCR */
void h7_debug_store(struct h7_core *core, uint32_t address, uint32_t value, bool debugger);
/* The cycle at which CYCCNT is what it is compared with, H7_NEVER; and what is due by now happens. */
uint64_t h7_dwt_due(const struct h7_core *core);
void h7_dwt_fire(struct h7_core *core);

/* cti.c */
bool h7_cti_read(const struct h7_core *core, uint32_t offset, uint32_t *value); /* false: not one of its registers */
bool h7_cti_write(struct h7_core *core, uint32_t offset, uint32_t value);
/* What the other core's run has triggered takes effect now, where their times meet. */
void h7_cti_deliver(struct h7_core *core);

#endif

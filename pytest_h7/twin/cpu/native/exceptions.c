/* Exceptions: entry, return, faults, escalation, lockup, floating-point context (Arm DDI0403E B1.5).
 *
 * The order of things on entry: the frame is pushed with the privileges of the preempted code; a fault of that
 * makes a fault exception pending (a derived one); then whichever pending exception comes first is entered on
 * the frame. So late arrival, and derived faults of higher or lower priority, need no code of their own. On
 * return, the returning exception ends, and if another pending one preempts what is left, it is entered on
 * the frame that is there (tail-chaining); else the frame is popped. */
#include "float.h"
#include "memory.h"

enum {
    BASIC_WORDS = 8,
    FLOATS = 16,
    SAVED_FLOAT_WORDS = FLOATS + 1, /* S0-S15, FPSCR */
    FRAME_WORDS = BASIC_WORDS + SAVED_FLOAT_WORDS + 1,
    FRAME_PC = 6,
    FRAME_XPSR = 7,
    IPSR_BITS = 0x1FF,
};

/* EXC_RETURN: the lowest four bits say where to, bit 4 that there is no floating-point context. */
enum { TO_HANDLER = 0x1, TO_THREAD_MSP = 0x9, TO_THREAD_PSP = 0xD, NO_FLOATS = 0x10 };
#define EXC_RETURN_ONES 0xFFFFFFE0u

enum {
    FPCCR_LSPACT = 1 << 0,
    FPCCR_USER = 1 << 1,
    FPCCR_THREAD = 1 << 3,
    FPCCR_HFRDY = 1 << 4,
    FPCCR_MMRDY = 1 << 5,
    FPCCR_BFRDY = 1 << 6,
    FPCCR_MONRDY = 1 << 8,
    FPCCR_STATE = FPCCR_LSPACT | FPCCR_USER | FPCCR_THREAD | FPCCR_HFRDY | FPCCR_MMRDY | FPCCR_BFRDY |
        FPCCR_MONRDY,
};
#define FPCCR_LSPEN (1u << 30)
#define FPCCR_ASPEN (1u << 31)
enum { DEMCR_MON_EN = 1 << 16 };

/* ---- priorities and faults --------------------------------------------------------------------------- */

int32_t h7_execution_priority(const struct h7_core *core, bool with_primask) {
    int32_t priority = core->nvic.active_priority;
    uint32_t basepri = core->basepri & H7_PRIORITY_MASK;
    if (basepri) {
        int32_t group = h7_nvic_group(core, (int32_t)basepri);
        if (group < priority) {
            priority = group;
        }
    }
    if (with_primask && core->primask & 1 && priority > 0) {
        priority = 0;
    }
    if (core->faultmask & 1 && priority > -1) {
        priority = -1;
    }
    return priority;
}

static bool is_enabled(const struct h7_core *core, uint32_t number) {
    return h7_in_set(core->nvic.enabled, number);
}

/* Whether an exception may be taken at an execution priority. */
static bool preempts(const struct h7_core *core, uint32_t number, int32_t priority) {
    return is_enabled(core, number) && h7_nvic_priority(core, number) < priority;
}

void h7_lock_up(struct h7_core *core) {
    core->lockup = true;
    core->r[15] = H7_LOCKUP_PC;
    core->itstate = 0;
    h7_stop_after_instruction(core);
}

void h7_hard_fault(struct h7_core *core, uint32_t hfsr) {
    core->scb.hfsr |= hfsr;
    if (h7_execution_priority(core, true) > -1) {
        h7_nvic_pend(core, H7_HARD_FAULT);
    } else {
        h7_lock_up(core);
    }
}

static void pend_or_escalate(struct h7_core *core, uint32_t number) {
    if (preempts(core, number, h7_execution_priority(core, true))) {
        h7_nvic_pend(core, number);
    } else {
        h7_hard_fault(core, H7_HFSR_FORCED);
    }
}

void h7_exception_fault(struct h7_core *core, uint32_t number, uint32_t status, uint32_t address) {
    if (!number) { /* h7_fp_prepare has done it */
        return;
    }
    core->fault = (struct h7_fault){number, status, address};
    core->scb.cfsr |= status;
    if (status & H7_MMARVALID) {
        core->scb.mmfar = address;
    }
    if (status & H7_BFARVALID) {
        core->scb.bfar = address;
    }
    pend_or_escalate(core, number);
}

void h7_exception_asynchronous(struct h7_core *core) {
    core->scb.cfsr |= H7_IMPRECISERR;
    if (is_enabled(core, H7_BUS_FAULT_EXCEPTION)) {
        h7_nvic_pend(core, H7_BUS_FAULT_EXCEPTION);
    } else {
        core->scb.hfsr |= H7_HFSR_FORCED;
        h7_nvic_pend(core, H7_HARD_FAULT);
    }
}

/* Note a fault in an access that the core itself made: which exception, with `memory` or `bus` in CFSR. */
static uint32_t fault_of_access(struct h7_core *core, uint32_t memory, uint32_t bus) {
    uint32_t number = core->fault.number;
    core->fault.status = number == H7_MEM_MANAGE ? memory : bus;
    core->scb.cfsr |= core->fault.status;
    return number;
}

/* Make a fault pending that arose in the entry or return of another exception. */
static void pend_derived(struct h7_core *core, uint32_t number) {
    core->derived = true;
    pend_or_escalate(core, number);
}

/* A usage fault of the core's own. */
static void pend_derived_usage(struct h7_core *core, uint32_t status) {
    core->fault = (struct h7_fault){H7_USAGE_FAULT, status, 0};
    core->scb.cfsr |= status;
    pend_derived(core, H7_USAGE_FAULT);
}

/* ---- frames ------------------------------------------------------------------------------------------ */

/* Whether the words from `address` on are in one page, so that the translation of the first holds for all. */
static bool in_one_page(uint32_t address, uint32_t count) {
    return (address & (H7_PAGE - 1)) + 4 * count <= H7_PAGE;
}

static enum h7_result write_words(struct h7_core *core, uint32_t address, const uint32_t *words,
                                  uint32_t count, bool privileged) {
    uint8_t *memory = privileged == core->privileged ? h7_writable(core, address, 4) : NULL;
    if (memory && in_one_page(address, count)) {
        memcpy(memory, words, 4 * count);
        return H7_DONE;
    }
    for (uint32_t index = 0; index < count; index++) {
        enum h7_result result = h7_store_frame(core, address + 4 * index, words[index], privileged);
        if (result != H7_DONE) {
            return result;
        }
    }
    return H7_DONE;
}

static enum h7_result read_words(struct h7_core *core, uint32_t address, uint32_t *words, uint32_t count,
                                 bool privileged) {
    const uint8_t *memory = privileged == core->privileged ? h7_readable(core, address, 4) : NULL;
    if (memory && in_one_page(address, count)) {
        memcpy(words, memory, 4 * count);
        return H7_DONE;
    }
    for (uint32_t index = 0; index < count; index++) {
        enum h7_result result = h7_load_as(core, address + 4 * index, 4, &words[index], privileged);
        if (result != H7_DONE) {
            return result;
        }
    }
    return H7_DONE;
}

/* ---- floating-point context -------------------------------------------------------------------------- */

/* Whether CPACR lets code of this privilege at the floating-point unit. */
static bool fp_allowed(const struct h7_core *core, bool privileged) {
    uint32_t access = core->scb.cpacr >> 20 & 3;
    return access == 3 || (access == 1 && privileged);
}

void h7_fp_ready_changed(struct h7_core *core) {
    core->fp_ready = fp_allowed(core, core->privileged) && !(core->scb.fpccr & FPCCR_LSPACT) &&
                     (core->control & H7_CONTROL_FPCA || !(core->scb.fpccr & FPCCR_ASPEN));
}

/* S0 to S15 and FPSCR as they are in a frame. */
static void store_floats(const struct h7_core *core, uint32_t *words) {
    memcpy(words, core->fp.s, sizeof(uint32_t) * FLOATS);
    words[FLOATS] = core->fpscr;
}

static void load_floats(struct h7_core *core, const uint32_t *words) {
    memcpy(core->fp.s, words, sizeof(uint32_t) * FLOATS);
    core->fpscr = words[FLOATS] & H7_FPSCR_WRITABLE;
}

/* Note where a frame keeps room for the floating-point registers, and what a fault in saving them later may
 * still become (UpdateFPCCR in the manual). */
static void prepare_lazy_save(struct h7_core *core, uint32_t room) {
    int32_t priority = h7_execution_priority(core, true);
    uint32_t state = FPCCR_LSPACT;
    if (!core->privileged) {
        state |= FPCCR_USER;
    }
    if (!core->ipsr) {
        state |= FPCCR_THREAD;
    }
    if (priority > -1) {
        state |= FPCCR_HFRDY;
    }
    if (preempts(core, H7_BUS_FAULT_EXCEPTION, priority)) {
        state |= FPCCR_BFRDY;
    }
    if (preempts(core, H7_MEM_MANAGE, priority)) {
        state |= FPCCR_MMRDY;
    }
    if (core->debug.demcr & DEMCR_MON_EN && preempts(core, H7_DEBUG_MONITOR, priority)) {
        state |= FPCCR_MONRDY;
    }
    core->scb.fpcar = room & ~7u;
    core->scb.fpccr = (core->scb.fpccr & ~(uint32_t)FPCCR_STATE) | state;
}

/* A lazy save has failed: make the fault pending as far as the interrupted code's priority lets it. */
static void fail_lazy_save(struct h7_core *core) {
    uint32_t number = fault_of_access(core, H7_MLSPERR, H7_LSPERR);
    uint32_t ready = number == H7_MEM_MANAGE ? FPCCR_MMRDY : FPCCR_BFRDY;
    if (core->scb.fpccr & ready) {
        h7_nvic_pend(core, number);
    } else if (core->scb.fpccr & FPCCR_HFRDY) {
        core->scb.hfsr |= H7_HFSR_FORCED;
        h7_nvic_pend(core, H7_HARD_FAULT);
    } else {
        core->scb.hfsr |= H7_HFSR_FORCED;
        h7_lock_up(core);
    }
}

/* Save the registers that an earlier entry left room for (PreserveFPState). */
static enum h7_result save_lazily(struct h7_core *core) {
    uint32_t words[SAVED_FLOAT_WORDS];
    enum h7_result result;
    store_floats(core, words);
    result = write_words(core, core->scb.fpcar, words, SAVED_FLOAT_WORDS, !(core->scb.fpccr & FPCCR_USER));
    if (result == H7_ABORTED) {
        return result;
    }
    if (result == H7_FAULTED) {
        fail_lazy_save(core);
        core->fault.number = 0; /* it is pending already */
        if (core->lockup || core->nvic.candidate_priority < h7_execution_priority(core, true)) {
            return H7_FAULTED; /* taken in front of the instruction, which then tries again */
        }
    }
    core->scb.fpccr &= ~(uint32_t)FPCCR_LSPACT;
    core->fpscr = 0;
    return H7_DONE;
}

enum h7_result h7_fp_prepare(struct h7_core *core) {
    if (!fp_allowed(core, core->privileged)) {
        return h7_fail(core, H7_USAGE_FAULT, H7_NOCP);
    }
    if (core->scb.fpccr & FPCCR_LSPACT) {
        core->busy.effect = true;
        enum h7_result result = save_lazily(core);
        if (result != H7_DONE) {
            return result;
        }
    }
    if (core->scb.fpccr & FPCCR_ASPEN && !(core->control & H7_CONTROL_FPCA)) {
        core->fpscr = (core->fpscr & ~H7_FPDSCR_WRITABLE) | core->scb.fpdscr;
        core->control |= H7_CONTROL_FPCA;
    }
    h7_fp_ready_changed(core);
    return H7_DONE;
}

/* ---- entry ------------------------------------------------------------------------------------------- */

/* Push the frame of the code that is to be preempted (PushStack) and give the EXC_RETURN that undoes it.
 * H7_FAULTED: there is a derived exception pending; the stack pointer has moved all the same. */
static enum h7_result push_frame(struct h7_core *core, uint32_t *exc_return) {
    bool floats = core->control & H7_CONTROL_FPCA;
    bool lazy = floats && core->scb.fpccr & FPCCR_LSPEN;
    bool aligns = floats || core->scb.ccr & H7_CCR_STKALIGN;
    uint32_t words[FRAME_WORDS] = {core->r[0],  core->r[1],  core->r[2],  core->r[3],
                                   core->r[12], core->r[14], core->r[15], h7_xpsr(core)};
    uint32_t frame = core->r[13] - 4u * (floats ? FRAME_WORDS : BASIC_WORDS);
    uint32_t count = BASIC_WORDS;
    enum h7_result result;

    if (aligns && frame & 4) {
        frame -= 4;
        words[FRAME_XPSR] |= H7_XPSR_ALIGNED;
    }
    *exc_return = EXC_RETURN_ONES | (floats ? 0 : NO_FLOATS) |
                  (core->ipsr       ? TO_HANDLER
                   : core->uses_psp ? TO_THREAD_PSP
                                    : TO_THREAD_MSP);
    if (floats && !lazy && fp_allowed(core, core->privileged)) {
        store_floats(core, words + BASIC_WORDS);
        count += SAVED_FLOAT_WORDS;
    }
    result = write_words(core, frame, words, count, core->privileged);
    if (result == H7_ABORTED) {
        return result;
    }
    core->r[13] = frame;
    if (result == H7_FAULTED) {
        pend_derived(core, fault_of_access(core, H7_MSTKERR, H7_STKERR));
    } else if (lazy) {
        prepare_lazy_save(core, frame + 4 * BASIC_WORDS);
    } else if (floats && count == BASIC_WORDS) {
        pend_derived_usage(core, H7_NOCP);
    }
    if (floats && !lazy) {
        core->fpscr = 0;
    }
    return H7_DONE;
}

/* Read the handler's address. */
static bool read_vector(struct h7_core *core, uint32_t number, uint32_t *vector) {
    const uint8_t *memory = h7_memory_at(core, core->scb.vtor + 4 * number, 4);
    if (memory) {
        *vector = h7_get32(memory);
    }
    return memory != NULL;
}

/* Become the handler of an exception (ExceptionTaken). */
static void enter_handler(struct h7_core *core, uint32_t number, uint32_t exc_return) {
    core->r[14] = exc_return;
    core->itstate = 0;
    core->control &= ~(uint32_t)(H7_CONTROL_SPSEL | H7_CONTROL_FPCA);
    core->ipsr = number;
    h7_nvic_activate(core, number);
    h7_mode_changed(core);
    h7_fp_ready_changed(core);
    core->monitor.exclusive = false;
    core->event = true;
}

/* Enter whichever pending exception comes first, on the frame that `exc_return` belongs to. */
static void take_candidate(struct h7_core *core, uint32_t exc_return) {
    uint32_t number = core->nvic.candidate, vector = 0;
    bool readable = read_vector(core, number, &vector);
    if (!readable) { /* HardFault instead, unless that is it; the exception stays pending */
        core->derived = true;
        core->scb.hfsr |= H7_HFSR_VECTTBL;
        if (h7_nvic_priority(core, number) > -1) {
            number = H7_HARD_FAULT;
            readable = read_vector(core, number, &vector);
        }
    }
    if (!readable) {
        enter_handler(core, number, exc_return);
        h7_lock_up(core);
        return;
    }
    enter_handler(core, number, exc_return);
    core->r[15] = vector & ~1u;
    core->thumb = vector & 1;
    if (h7_debug_catches(core, number)) {
        h7_core_halt(core, H7_DFSR_VCATCH);
    }
}

bool h7_exception_take(struct h7_core *core) {
    uint32_t exc_return;
    core->derived = false;
    if (!core->nvic.candidate || core->nvic.candidate_priority >= h7_execution_priority(core, true)) {
        return false;
    }
    core->lockup = false; /* only NMI gets here in lockup */
    core->busy.effect = true; /* the floating-point context and SCB change, which busy.c does not compare */
    if (push_frame(core, &exc_return) == H7_ABORTED) {
        core->aborted = core->returning = true; /* still pending */
    } else if (core->lockup) {
        enter_handler(core, core->nvic.candidate, exc_return);
    } else {
        take_candidate(core, exc_return);
    }
    return true;
}

/* ---- return ------------------------------------------------------------------------------------------ */

/* The integrity checks that come before anything else (Arm DDI0403E B1.5.8). */
static bool may_return(const struct h7_core *core, uint32_t exc_return) {
    bool nested = h7_nvic_nested(core, core->ipsr);
    if ((exc_return & EXC_RETURN_ONES) != EXC_RETURN_ONES || core->ipsr >= H7_EXCEPTIONS ||
        !h7_in_set(core->nvic.active, core->ipsr)) {
        return false;
    }
    switch (exc_return & 0xF) {
    case TO_HANDLER:
        return nested;
    case TO_THREAD_MSP:
    case TO_THREAD_PSP:
        return !nested || core->scb.ccr & H7_CCR_NONBASETHRDENA;
    default:
        return false;
    }
}

/* Pop the frame (PopStack). H7_FAULTED: there is a derived exception pending, and no register has changed. */
static enum h7_result pop_frame(struct h7_core *core, uint32_t exc_return) {
    bool to_handler = (exc_return & 0xF) == TO_HANDLER, to_psp = (exc_return & 0xF) == TO_THREAD_PSP;
    bool privileged = to_handler || !(core->control & H7_CONTROL_NPRIV);
    bool floats = !(exc_return & NO_FLOATS), lazy = floats && core->scb.fpccr & FPCCR_LSPACT;
    bool reads_floats = floats && !lazy && fp_allowed(core, privileged);
    uint32_t frame = to_psp ? h7_psp(core) : h7_msp(core);
    uint32_t words[FRAME_WORDS], top = frame + 4u * (floats ? FRAME_WORDS : BASIC_WORDS);
    enum h7_result result =
        read_words(core, frame, words, BASIC_WORDS + (reads_floats ? SAVED_FLOAT_WORDS : 0), privileged);

    if (result == H7_ABORTED) {
        return result;
    }
    if (result == H7_FAULTED) {
        pend_derived(core, fault_of_access(core, H7_MUNSTKERR, H7_UNSTKERR));
    } else if (floats && !lazy && !reads_floats) {
        pend_derived_usage(core, H7_NOCP);
    } else if (((words[FRAME_XPSR] & IPSR_BITS) != 0) != to_handler) {
        pend_derived_usage(core, H7_INVPC);
    }
    if (core->derived) {
        return H7_FAULTED;
    }
    if (reads_floats) {
        load_floats(core, words + BASIC_WORDS);
    }
    if (floats) {
        core->scb.fpccr &= ~(uint32_t)FPCCR_LSPACT;
    }
    if (words[FRAME_XPSR] & H7_XPSR_ALIGNED && (floats || core->scb.ccr & H7_CCR_STKALIGN)) {
        top |= 4;
    }
    if (to_psp) {
        h7_set_psp(core, top);
    } else {
        h7_set_msp(core, top);
    }
    memcpy(core->r, words, 4 * sizeof *words);
    core->r[12] = words[4];
    core->r[14] = words[5];
    core->r[15] = words[FRAME_PC] & ~1u;
    h7_set_xpsr(core, words[FRAME_XPSR]);
    core->ipsr = words[FRAME_XPSR] & IPSR_BITS;
    core->control =
        (core->control & H7_CONTROL_NPRIV) | (to_psp ? H7_CONTROL_SPSEL : 0) | (floats ? H7_CONTROL_FPCA : 0);
    core->monitor.exclusive = false;
    core->event = true;
    h7_mode_changed(core);
    h7_fp_ready_changed(core);
    return H7_DONE;
}

void h7_exception_return(struct h7_core *core, uint32_t exc_return) {
    uint32_t returning = core->ipsr, faultmask = core->faultmask;
    bool valid = may_return(core, exc_return);
    enum h7_result result = H7_FAULTED; /* or tail-chaining: there is an exception to take */
    core->derived = false;
    core->busy.effect = true;
    if (returning < H7_EXCEPTIONS) { /* a debugger or a forged frame may have put in anything */
        h7_nvic_deactivate(core, returning);
    }
    if (returning != H7_NMI) {
        core->faultmask = 0;
    }
    h7_mode_changed(core); /* the priority */
    if (!valid) {
        pend_derived_usage(core, H7_INVPC);
    } else if (core->nvic.candidate_priority >= h7_execution_priority(core, true)) {
        result = pop_frame(core, exc_return);
    }

    if (result == H7_ABORTED) { /* as if nothing had happened */
        core->aborted = true;
        core->faultmask = faultmask;
        h7_nvic_activate(core, returning);
        h7_mode_changed(core);
    } else if (result == H7_FAULTED) {
        if (!core->lockup) {
            take_candidate(core, exc_return);
        }
    } else if (!core->ipsr && core->scb.scr & H7_SCR_SLEEPONEXIT && !h7_nvic_nested(core, 0)) {
        h7_wait(core, false);
    }
}

/* One core in time: running, sleeping, waking, reset; and its registers as a debugger selects them. */
#include <stdlib.h>
#include <string.h>

#include "busy.h"
#include "debug.h"
#include "float.h"
#include "memory.h"

/* ---- making and resetting ----------------------------------------------------------------------------- */

struct h7_core *h7_core_new(enum h7_model model, const struct h7_host *host) {
    struct h7_core *core = calloc(1, sizeof *core);
    if (!core) {
        return NULL;
    }
    core->model = model;
    core->host = *host;
    if (!h7_code_prepare(core)) {
        free(core);
        return NULL;
    }
    core->busy.interval = 1;
    h7_core_reset(core, 0, true);
    return core;
}

void h7_core_free(struct h7_core *core) {
    if (!core) {
        return;
    }
    if (core->peer) {
        core->peer->peer = NULL;
    }
    for (uint32_t index = 0; index < core->components; index++) {
        free(core->component[index].words);
        free(core->component[index].constant);
    }
    h7_code_free(core);
    free(core);
}

void h7_core_connect(struct h7_core *one, struct h7_core *other) {
    one->peer = other;
    other->peer = one;
    h7_flush_translations(one);
    h7_flush_translations(other);
}

static void reset(struct h7_core *core, uint32_t vector_table, bool debug) {
    core->reset_asked = false;
    core->returning = true;
    core->sleep = H7_AWAKE;
    core->fell_asleep = core->waits_for_event = false;
    core->lockup = core->reported_lockup = core->event = core->derived = false;
    core->monitor.exclusive = false;
    core->vector_table = vector_table;
    memset(core->r, 0, sizeof core->r);
    memset(&core->fp, 0, sizeof core->fp);
    core->sp_other = core->control = core->ipsr = core->primask = core->basepri = core->faultmask = 0;
    core->fpscr = 0;
    core->uses_psp = false;
    core->privileged = true;
    h7_set_xpsr(core, 0);
    h7_nvic_reset(core);
    h7_systick_reset(core);
    h7_scs_reset(core, debug);
    core->scb.vtor = vector_table;
    h7_debug_reset(core, debug);
    h7_fp_ready_changed(core);
    h7_flush_translations(core);
    h7_flush_code(core);
    core->r[14] = 0xFFFFFFFF;
    const uint8_t *vectors = h7_memory_at(core, vector_table, 8);
    if (vectors) {
        core->r[13] = h7_get32(vectors) & ~3u;
        core->r[15] = h7_get32(vectors + 4) & ~1u;
        core->thumb = h7_get32(vectors + 4) & 1;
    } else {
        h7_lock_up(core);
    }
    if (h7_debug_catches(core, H7_RESET)) {
        h7_core_halt(core, H7_DFSR_VCATCH);
    }
    h7_debug_request(core);
}

void h7_core_reset(struct h7_core *core, uint32_t vector_table, bool debug) {
    if (!core->executing) {
        reset(core, vector_table, debug);
        return;
    }
    core->reset_asked = true;
    core->reset_table = vector_table;
    core->reset_debug = debug;
    core->returning = true;
    h7_stop_after_instruction(core);
}

/* ---- sleep -------------------------------------------------------------------------------------------- */

static bool has_interrupt(const struct h7_core *core, bool with_primask) {
    return core->nvic.attention && core->nvic.candidate_priority < h7_execution_priority(core, with_primask);
}

bool h7_core_wake_pending(struct h7_core *core) {
    if (core->sleep == H7_AWAKE) {
        return false;
    }
    return (core->waits_for_event && core->event) || has_interrupt(core, core->waits_for_event);
}

void h7_core_wake_if_pending(struct h7_core *core) {
    if (h7_core_wake_pending(core)) {
        if (core->waits_for_event) {
            core->event = false;
        }
        h7_wake(core);
    }
}

void h7_wake(struct h7_core *core) {
    core->sleep = H7_AWAKE;
    if (core->fell_asleep) {
        core->fell_asleep = false;
    } else {
        core->host.woke(core->host.context, core);
    }
    h7_debug_request(core); /* it had no clock to answer it */
}

void h7_wait(struct h7_core *core, bool for_event) {
    if (for_event && core->event) {
        core->event = false;
        core->busy.effect = true; /* the next one sleeps */
        return;
    }
    if (has_interrupt(core, for_event) || h7_debug_stepping(core)) {
        return;
    }
    core->waits_for_event = for_event;
    core->sleep = core->scb.scr & H7_SCR_SLEEPDEEP ? H7_DEEP_SLEEP : H7_SLEEP;
    core->fell_asleep = core->returning = true;
    h7_stop_after_instruction(core);
}

void h7_attention(struct h7_core *core) {
    if (core->executing) {
        h7_stop_after_instruction(core);
    } else if (core->sleep == H7_SLEEP) {
        h7_core_wake_if_pending(core);
    }
}

void h7_core_set_event(struct h7_core *core) {
    core->event = true;
    if (core->sleep == H7_SLEEP) {
        h7_core_wake_if_pending(core);
    }
}

void h7_send_event(struct h7_core *core) {
    core->event = true;
    core->busy.effect = true;
    core->host.event_sent(core->host.context, core);
}

/* ---- time --------------------------------------------------------------------------------------------- */

/* Behind h7_execute, and whatever else may have stopped the core, `left` is 0 and run_end is now. */
static void settle(struct h7_core *core) {
    core->run_end -= (uint64_t)core->left;
    core->left = 0;
}

static uint64_t least(uint64_t one, uint64_t other) { return one < other ? one : other; }

/* What counts cycles and has something to do by now. */
static void fire(struct h7_core *core) {
    if (core->systick.due <= core->run_end) {
        h7_systick_fire(core);
    }
    if (h7_dwt_due(core) <= core->run_end) {
        h7_dwt_fire(core);
    }
}

static void sleep_until(struct h7_core *core, uint64_t deadline) {
    uint64_t now = core->run_end, until = least(core->systick.due, deadline);
    if (core->clocked_in_sleep) {
        until = least(until, h7_dwt_due(core));
    }
    if (until < now) {
        until = now;
    }
    if (!core->clocked_in_sleep) {
        core->unclocked += until - now;
    }
    core->run_end = until;
    fire(core);
}

/* Execute at most `limit` instructions, and do what was put off to behind them. */
static void execute(struct h7_core *core, uint64_t limit) {
    core->left = (int64_t)limit;
    core->run_end += limit;
    h7_execute(core);
    settle(core);
    if (core->aborted) {
        core->returning = true;
    }
    if (core->reset_asked) {
        reset(core, core->reset_table, core->reset_debug);
    } else if (core->debug.halt_reason) {
        h7_core_halt(core, core->debug.halt_reason);
    } else if (core->fell_asleep) {
        core->fell_asleep = false;
        core->host.slept(core->host.context, core);
    }
}

static bool is_synchronous(uint32_t number) { return number >= H7_HARD_FAULT && number <= H7_DEBUG_MONITOR; }

/* A step of a debugger or of the debug monitor: one instruction and the entry of an exception it causes, or else the entry of one. */
static void step(struct h7_core *core) {
    if (!core->nvic.attention || !h7_exception_take(core)) {
        execute(core, 1);
        if (!core->debug.halted && !core->aborted && is_synchronous(core->nvic.candidate)) {
            h7_exception_take(core);
        }
    }
    if (!core->debug.halted && !core->aborted) {
        h7_debug_stepped(core);
    }
}

/* Take an exception, or execute until the deadline or the next tick. */
static void advance(struct h7_core *core, uint64_t deadline) {
    fire(core);
    if (core->debug.halted) {
        return;
    }
    if (h7_debug_stepping(core)) {
        step(core);
        return;
    }
    if (core->nvic.attention && h7_exception_take(core)) {
        return;
    }
    h7_busy_advance(core, least(least(core->systick.due, h7_dwt_due(core)), deadline), execute);
}

enum h7_run h7_core_run(struct h7_core *core, uint64_t cycles) {
    uint64_t deadline = core->run_end + cycles;
    core->returning = core->aborted = core->busy.whole = false;
    core->in_run = true;
    uint64_t start = core->run_end;
    while (core->run_end < deadline && !core->returning) {
        if (core->run_end != start) {
            core->busy.whole = false;
        }
        if (core->debug.halted) {
            break;
        }
        if (core->sleep == H7_DEEP_SLEEP) {
            break;
        }
        if (core->sleep == H7_SLEEP) {
            sleep_until(core, deadline);
        } else if (core->lockup) {
            if (!h7_exception_take(core)) {
                break;
            }
        } else {
            advance(core, deadline);
        }
    }
    if (core->lockup != core->reported_lockup) {
        core->reported_lockup = core->lockup;
        core->host.exception_changed(core->host.context, core);
    }
    fire(core);
    core->in_run = false;
    return core->aborted ? H7_RUN_ABORTED : H7_RUN_DONE;
}

void h7_core_set_jumps(struct h7_core *core, bool enabled) { core->busy.disabled = !enabled; }

void h7_core_stop(struct h7_core *core) {
    core->returning = true;
    h7_stop_after_instruction(core);
}

bool h7_core_running(const struct h7_core *core) {
    return core->sleep == H7_AWAKE && !core->debug.halted && (!core->lockup || has_interrupt(core, true));
}

uint64_t h7_core_cycles_to_tick(const struct h7_core *core) {
    uint64_t now = h7_cycles(core), due = least(core->systick.due, h7_dwt_due(core));
    return due == H7_NEVER ? H7_NEVER : due > now ? due - now : 0;
}

/* ---- modes and registers ------------------------------------------------------------------------------ */

void h7_mode_changed(struct h7_core *core) {
    bool uses_psp = !core->ipsr && core->control & H7_CONTROL_SPSEL;
    if (uses_psp != core->uses_psp) {
        uint32_t other = core->sp_other;
        core->sp_other = core->r[13];
        core->r[13] = other;
        core->uses_psp = uses_psp;
    }
    core->privileged = core->ipsr || !(core->control & H7_CONTROL_NPRIV);
    if (core->mpu.control & H7_MPU_ENABLE) {
        uint32_t key = (uint32_t)core->privileged | (h7_execution_priority(core, true) < 0 ? 2u : 0);
        if (key != core->translated_for) {
            core->translated_for = key;
            h7_flush_translations(core);
        }
    }
    if (core->reports_exceptions && core->ipsr != core->reported_ipsr) {
        core->reported_ipsr = core->ipsr;
        core->host.exception_changed(core->host.context, core);
    }
}

enum { REG_XPSR = 16, REG_MSP, REG_PSP, REG_SPECIAL = 20, REG_FPSCR = 33, REG_S0 = 64, REG_S31 = 95 };

uint32_t h7_core_register(const struct h7_core *core, uint32_t selector) {
    switch (selector) {
    case REG_XPSR:
        return h7_xpsr(core);
    case REG_MSP:
        return h7_msp(core);
    case REG_PSP:
        return h7_psp(core);
    case REG_SPECIAL:
        return core->control << 24 | core->faultmask << 16 | core->basepri << 8 | core->primask;
    case REG_FPSCR:
        return core->fpscr;
    default:
        if (selector < 16) {
            return core->r[selector];
        }
        return selector >= REG_S0 && selector <= REG_S31 ? core->fp.s[selector - REG_S0] : 0;
    }
}

void h7_core_set_register(struct h7_core *core, uint32_t selector, uint32_t value) {
    switch (selector) {
    case 13:
        core->r[13] = value & ~3u;
        return;
    case 15:
        core->r[15] = value & ~1u;
        return;
    case REG_XPSR:
        h7_set_xpsr(core, value);
        core->ipsr = value & 0x1FF;
        h7_mode_changed(core);
        h7_fp_ready_changed(core);
        return;
    case REG_MSP:
        h7_set_msp(core, value);
        return;
    case REG_PSP:
        h7_set_psp(core, value);
        return;
    case REG_SPECIAL:
        core->control = value >> 24 & 7;
        core->faultmask = value >> 16 & 1;
        core->basepri = value >> 8 & H7_PRIORITY_MASK;
        core->primask = value & 1;
        h7_mode_changed(core);
        h7_fp_ready_changed(core);
        return;
    case REG_FPSCR:
        core->fpscr = value & H7_FPSCR_WRITABLE;
        return;
    default:
        if (selector < 16) {
            core->r[selector] = value;
        } else if (selector >= REG_S0 && selector <= REG_S31) {
            core->fp.s[selector - REG_S0] = value;
        }
    }
}

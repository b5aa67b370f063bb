#include "schedule.h"

#include <stdlib.h>
#include <string.h>

#include "busy.h"

#define PS_PER_S 1000000000000u
enum { MILLION = 1000000 };
static const uint64_t LONGEST_SLICE = PS_PER_S / 1000, LONGEST_REST = PS_PER_S / 2; /* while no core executes */
enum { LINKED_QUANTUM = 16 /* while the cores' cross-trigger interfaces are enabled */ };

/* Ties a core's cycles to board time: at `time` the core had `cycles`. Without a clock, the core stands still. */
struct clock {
    struct h7_core *core;
    uint64_t hz;
    bool on;
    uint64_t time, cycles;
};

struct h7_board {
    struct clock clock[H7_CORES];
    uint32_t cores;
    struct h7_event **queue; /* a heap; the place of an event is its index + 1 */
    uint32_t events, capacity;
    uint64_t order;
    uint64_t time;
    struct clock *current; /* of the core that executes */
    uint64_t slice_end;
    bool failed, running;
};

/* ---- cycles and picoseconds: products of 70 bits, in two steps of a million ----------------------------- */

static uint64_t time_of_cycles(uint64_t cycles, uint64_t hz, bool up) {
    uint64_t seconds = cycles / hz, rest = cycles % hz * MILLION, fraction = rest % hz * MILLION;
    return seconds * PS_PER_S + rest / hz * MILLION + fraction / hz + (up && fraction % hz);
}

/* Rounded up. */
static uint64_t cycles_of_time(uint64_t time, uint64_t hz) {
    uint64_t seconds = time / PS_PER_S, rest = time % PS_PER_S;
    uint64_t low = rest % MILLION * hz, high = rest / MILLION * hz + low / MILLION;
    return seconds * hz + high / MILLION + (high % MILLION || low % MILLION);
}

static uint64_t clock_time(const struct clock *clock) {
    return clock->time + time_of_cycles(h7_cycles(clock->core) - clock->cycles, clock->hz, false);
}

static void anchor(struct clock *clock, uint64_t time) {
    clock->time = time;
    clock->cycles = h7_cycles(clock->core);
}

/* Cycles that reach `time` or just pass it, 0 if the core is there already. */
static uint64_t cycles_until(const struct clock *clock, uint64_t time) {
    if (time <= clock->time) {
        return 0;
    }
    uint64_t total = cycles_of_time(time - clock->time, clock->hz);
    uint64_t done = h7_cycles(clock->core) - clock->cycles;
    return total > done ? total - done : 0;
}

/* ---- making ------------------------------------------------------------------------------------------- */

struct h7_board *h7_board_new(struct h7_core *const core[H7_CORES]) {
    struct h7_board *board = calloc(1, sizeof *board);
    if (!board) {
        return NULL;
    }
    for (uint32_t index = 0; index < H7_CORES && core[index]; index++) {
        board->clock[index] = (struct clock){.core = core[index], .hz = 1};
        board->cores++;
    }
    if (board->cores == 2) {
        h7_core_connect(core[0], core[1]);
    }
    return board;
}

void h7_board_free(struct h7_board *board) {
    if (board) {
        free(board->queue);
        free(board);
    }
}

static struct clock *clock_of(struct h7_board *board, const struct h7_core *core) {
    return &board->clock[board->clock[0].core == core ? 0 : 1];
}

static void end_slice(struct h7_board *board) {
    if (board->current) {
        h7_core_stop(board->current->core);
    }
}

/* ---- events ------------------------------------------------------------------------------------------- */

static bool is_before(const struct h7_event *one, const struct h7_event *other) {
    return one->time != other->time ? one->time < other->time : one->order < other->order;
}

static void put(struct h7_board *board, uint32_t index, struct h7_event *event) {
    board->queue[index] = event;
    event->place = index + 1;
}

/* Put an event where it belongs, `index` being a place that is free. */
static void sift(struct h7_board *board, uint32_t index, struct h7_event *event) {
    while (index && is_before(event, board->queue[(index - 1) / 2])) {
        put(board, index, board->queue[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (uint32_t child; (child = 2 * index + 1) < board->events; index = child) {
        if (child + 1 < board->events && is_before(board->queue[child + 1], board->queue[child])) {
            child++;
        }
        if (!is_before(board->queue[child], event)) {
            break;
        }
        put(board, index, board->queue[child]);
    }
    put(board, index, event);
}

static uint64_t next_event(const struct h7_board *board) {
    return board->events ? board->queue[0]->time : H7_NEVER;
}

bool h7_board_put_back(struct h7_board *board, struct h7_event *event) {
    if (board->events == board->capacity) {
        uint32_t capacity = board->capacity ? 2 * board->capacity : 16;
        struct h7_event **queue = realloc(board->queue, capacity * sizeof *queue);
        if (!queue) {
            return false;
        }
        board->queue = queue;
        board->capacity = capacity;
    }
    sift(board, board->events++, event);
    return true;
}

bool h7_board_schedule(struct h7_board *board, struct h7_event *event, uint64_t delay) {
    event->time = h7_board_now(board) + delay;
    event->order = board->order++;
    if (!h7_board_put_back(board, event)) {
        return false;
    }
    if (board->current && event->time < board->slice_end) {
        end_slice(board);
    }
    return true;
}

void h7_board_cancel(struct h7_board *board, struct h7_event *event) {
    if (!event->place) {
        return;
    }
    uint32_t index = event->place - 1;
    struct h7_event *last = board->queue[--board->events];
    event->place = 0;
    if (last != event) {
        sift(board, index, last);
    }
}

struct h7_event *h7_board_first_event(const struct h7_board *board) {
    return board && board->events ? board->queue[0] : NULL;
}

struct h7_event *h7_board_next_event(const struct h7_board *board, const struct h7_event *event) {
    return event->place < board->events ? board->queue[event->place] : NULL;
}

/* Something else than the cores acts: loops that only the other core could end may end by this. */
static void distrust_loops(struct h7_board *board) {
    for (uint32_t index = 0; index < board->cores; index++) {
        board->clock[index].core->busy.whole = false;
    }
}

static void run_events(struct h7_board *board) {
    while (next_event(board) <= board->time && !board->failed) {
        distrust_loops(board);
        struct h7_event *event = board->queue[0];
        h7_board_cancel(board, event);
        event->action(event);
    }
}

void h7_board_abort(struct h7_board *board) { board->failed = true; }

/* ---- slices ------------------------------------------------------------------------------------------- */

static void note_failure(struct h7_board *board, enum h7_run result) {
    if (result == H7_RUN_ABORTED) {
        board->failed = true;
    }
}

/* Let time pass for a core that does not execute: asleep it counts ticks, else it stands still. */
static void idle(struct h7_board *board, struct clock *clock, uint64_t time) {
    struct h7_core *core = clock->core;
    if (!clock->on || core->debug.halted || core->lockup) {
        anchor(clock, time);
        return;
    }
    uint64_t cycles = cycles_until(clock, time);
    if (cycles) {
        note_failure(board, h7_core_run(core, cycles));
    }
}

/* When a sleeping core's SysTick will wake it, `latest` if not before. */
static uint64_t tick_time(const struct clock *clock, uint64_t latest) {
    uint64_t cycles = h7_core_cycles_to_tick(clock->core);
    if (cycles == H7_NEVER || cycles > clock->hz) { /* slices are shorter than a second */
        return latest;
    }
    return clock_time(clock) + time_of_cycles(cycles, clock->hz, true);
}

/* Run a core until `slice_end`; return where the slice ends now, earlier if it had to stop. */
static uint64_t execute(struct h7_board *board, struct clock *clock, uint64_t slice_end) {
    uint64_t cycles = cycles_until(clock, slice_end);
    if (!cycles) {
        return slice_end;
    }
    board->current = clock;
    board->slice_end = slice_end;
    note_failure(board, h7_core_run(clock->core, cycles));
    board->current = NULL;
    uint64_t reached = clock_time(clock);
    if (reached < board->time) {
        reached = board->time;
    }
    return reached < slice_end ? reached : slice_end;
}

/* How many quanta to take in one go: more than one if both cores wait in loops that the other cannot end, up to the
 * first tick of either. */
static uint64_t quanta_to_skip(const struct h7_board *board, uint64_t slice_end, uint64_t quantum) {
    if (!h7_busy_both(board->clock[0].core, board->clock[1].core)) {
        return 1;
    }
    uint64_t limit = slice_end;
    for (uint32_t index = 0; index < board->cores; index++) {
        uint64_t cycles = h7_core_cycles_to_tick(board->clock[index].core);
        if (cycles < board->clock[index].hz) {
            uint64_t tick = clock_time(&board->clock[index]) + time_of_cycles(cycles, board->clock[index].hz, false);
            limit = tick < limit ? tick : limit;
        }
    }
    uint64_t quanta = limit > board->time ? (limit - board->time) / quantum : 0;
    return quanta ? quanta : 1;
}

/* Whether a core may halt the other. */
static bool are_linked(const struct h7_board *board) {
    return board->clock[0].core->cti.enabled && board->clock[1].core->cti.enabled;
}

/* What cores have done to each other by cross triggers reaches those that have a clock. */
static void deliver_triggers(struct h7_board *board) {
    for (uint32_t index = 0; index < board->cores; index++) {
        if (board->clock[index].on || board->clock[index].core->sleep != H7_AWAKE) {
            h7_cti_deliver(board->clock[index].core);
        }
    }
}

static void run_slice(struct h7_board *board, uint64_t end) {
    bool running[H7_CORES] = {false};
    uint32_t count = 0;
    uint64_t fastest = 0;
    for (uint32_t index = 0; index < board->cores; index++) {
        struct clock *clock = &board->clock[index];
        running[index] = clock->on && h7_core_running(clock->core);
        if (running[index]) {
            count++;
            fastest = clock->hz > fastest ? clock->hz : fastest;
        }
    }
    uint64_t slice_end = board->time + (count ? LONGEST_SLICE : LONGEST_REST);
    slice_end = slice_end < end ? slice_end : end;
    slice_end = slice_end < next_event(board) ? slice_end : next_event(board);
    if (count > 1) {
        uint64_t quantum = (are_linked(board) ? LINKED_QUANTUM : H7_QUANTUM) * PS_PER_S / fastest;
        uint64_t quanta = quanta_to_skip(board, slice_end, quantum);
        uint64_t limit = board->time + quanta * quantum;
        slice_end = slice_end < limit ? slice_end : limit;
    }
    for (uint32_t index = 0; index < board->cores; index++) {
        if (board->clock[index].on && !running[index]) {
            uint64_t tick = tick_time(&board->clock[index], slice_end);
            slice_end = slice_end < tick ? slice_end : tick;
        }
    }
    for (uint32_t index = 0; index < board->cores && !board->failed; index++) {
        if (running[index]) {
            slice_end = execute(board, &board->clock[index], slice_end);
        }
    }
    if (board->failed) {
        return;
    }
    for (uint32_t index = 0; index < board->cores; index++) {
        if (!running[index]) {
            idle(board, &board->clock[index], slice_end);
        }
    }
    board->time = slice_end > board->time ? slice_end : board->time;
}

enum h7_run h7_board_run(struct h7_board *board, uint64_t duration) {
    uint64_t end = board->time + duration;
    board->failed = false;
    board->running = true;
    distrust_loops(board);
    while (board->time < end && !board->failed) {
        run_events(board);
        if (!board->failed) {
            run_slice(board, end);
            deliver_triggers(board);
        }
    }
    run_events(board);
    board->running = false;
    return board->failed ? H7_RUN_ABORTED : H7_RUN_DONE;
}

bool h7_board_is_running(const struct h7_board *board) { return board->running; }

/* ---- for host functions -------------------------------------------------------------------------------- */

uint64_t h7_board_now(const struct h7_board *board) {
    return board->current ? clock_time(board->current) : board->time;
}

void h7_board_touch(struct h7_board *board, struct h7_core *core) {
    struct clock *clock = clock_of(board, core);
    if (clock == board->current) {
        return;
    }
    if (clock->on && !h7_core_running(core)) {
        idle(board, clock, h7_board_now(board));
    }
    end_slice(board);
}

void h7_board_set_clock(struct h7_board *board, struct h7_core *core, bool on) {
    struct clock *clock = clock_of(board, core);
    if (on && !clock->on) {
        anchor(clock, h7_board_now(board));
    }
    clock->on = on;
    end_slice(board);
}

void h7_board_set_frequency(struct h7_board *board, struct h7_core *core, uint64_t hz) {
    struct clock *clock = clock_of(board, core);
    if (clock->hz == hz) {
        return;
    }
    h7_board_touch(board, core);
    anchor(clock, clock_time(clock));
    clock->hz = hz;
    end_slice(board);
}

/* ---- save and restore ---------------------------------------------------------------------------------- */

void h7_board_save(const struct h7_board *board, struct h7_board_state *state) {
    memset(state, 0, sizeof *state);
    state->time = board->time;
    state->order = board->order;
    for (uint32_t index = 0; index < board->cores; index++) {
        const struct clock *clock = &board->clock[index];
        state->clock[index].hz = clock->hz;
        state->clock[index].time = clock->time;
        state->clock[index].cycles = clock->cycles;
        state->clock[index].on = clock->on;
    }
}

void h7_board_restore(struct h7_board *board, const struct h7_board_state *state) {
    board->time = state->time;
    board->order = state->order;
    for (uint32_t index = 0; index < board->cores; index++) {
        struct clock *clock = &board->clock[index];
        clock->hz = state->clock[index].hz;
        clock->time = state->clock[index].time;
        clock->cycles = state->clock[index].cycles;
        clock->on = state->clock[index].on;
    }
}

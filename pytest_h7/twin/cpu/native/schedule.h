/* Both cores on one board time, in picoseconds.
 *
 * Time passes in slices. In a slice each core that executes runs up to the slice's end, the first core first; so
 * it is at most a quantum ahead of the other. A slice ends early at the next event of the host, at the tick that
 * wakes a sleeping core, and wherever something happened that the other core has to know of. Cores that sleep
 * take no time at all. What happens when is decided by board time and the order of the cores alone, so that a run
 * repeats to the cycle.
 *
 * A quantum is 1000 cycles, but 16 while the cross-trigger interfaces of both cores are enabled: if the second core
 * halts, the first does at most that much later. If the first halts, the second does within a cycle of its own. */
#ifndef H7_SCHEDULE_H
#define H7_SCHEDULE_H

#include "h7core.h"

enum { H7_CORES = 2, H7_QUANTUM = 1000 /* cycles of the faster core in a slice while both execute */ };

struct h7_board;

/* Something that happens at a board time. The embedding program provides the memory. */
struct h7_event {
    uint64_t time;
    void (*action)(struct h7_event *event); /* may call all of this header but h7_board_run */
    uint64_t order; /* of scheduling: events of the same time happen in it */
    uint32_t place; /* in the queue, from 1 on; 0: not scheduled */
};

/* Cores without a clock; they are connected to each other. `core[1]` may be NULL. */
struct h7_board *h7_board_new(struct h7_core *const core[H7_CORES]);
void h7_board_free(struct h7_board *board);

/* Board time; inside a core's access, the time of that instruction. */
uint64_t h7_board_now(const struct h7_board *board);
/* Advance by `duration`; H7_RUN_ABORTED if a host function of a core or h7_board_abort said so. */
enum h7_run h7_board_run(struct h7_board *board, uint64_t duration);

/* The rest may be called from host functions, too. */

/* Let an event happen `delay` from now. False if there is no memory for it. */
bool h7_board_schedule(struct h7_board *board, struct h7_event *event, uint64_t delay);
/* Take it back; harmless if it is not scheduled. */
void h7_board_cancel(struct h7_board *board, struct h7_event *event);
/* The scheduled events, in no particular order; NULL behind the last. */
struct h7_event *h7_board_first_event(const struct h7_board *board);
struct h7_event *h7_board_next_event(const struct h7_board *board, const struct h7_event *event);
/* For events: end h7_board_run. */
void h7_board_abort(struct h7_board *board);
/* Bring a sleeping core up to now, before something wakes it, and end the slice of the other. */
void h7_board_touch(struct h7_board *board, struct h7_core *core);
/* Give a core its clock or take it away; give it another frequency. */
void h7_board_set_clock(struct h7_board *board, struct h7_core *core, bool on);
void h7_board_set_frequency(struct h7_board *board, struct h7_core *core, uint64_t hz);

/* Between runs: what the board knows besides its cores and its events, as a value. */
struct h7_board_state {
    uint64_t time, order;
    struct {
        uint64_t hz, time, cycles;
        bool on;
    } clock[H7_CORES];
};
void h7_board_save(const struct h7_board *board, struct h7_board_state *state);
/* The cores' states are restored before, and all events cancelled. Then events come back with h7_board_put_back,
 * with the time and order that they had. */
void h7_board_restore(struct h7_board *board, const struct h7_board_state *state);
bool h7_board_put_back(struct h7_board *board, struct h7_event *event);
/* Whether a core executes or an event happens right now. */
bool h7_board_is_running(const struct h7_board *board);

#endif

#include "snapshot.h"

#include <string.h>

/* The architectural state is the first part of h7_core; the regions and the breakpoints belong to it too, and
 * the words that components keep. */
enum { WORDS = 1024 };

struct state {
    unsigned char architectural[offsetof(struct h7_core, model)];
    struct h7_region region[H7_REGIONS];
    uint32_t regions;
    uint32_t breakpoint[sizeof((struct h7_core *)0)->breakpoint / sizeof(uint32_t)];
    uint32_t breakpoints;
    bool watching;
};

size_t h7_core_state_size(const struct h7_core *core) {
    size_t size = sizeof(struct state);
    for (uint32_t index = 0; index < core->components; index++) {
        size += core->component[index].stored ? WORDS * sizeof(uint32_t) : 0;
    }
    return size;
}

void h7_core_save(const struct h7_core *core, void *state) {
    struct state saved;
    memset(&saved, 0, sizeof saved);
    memcpy(saved.architectural, core, sizeof saved.architectural);
    memcpy(saved.region, core->region, sizeof saved.region);
    memcpy(saved.breakpoint, core->breakpoint, sizeof saved.breakpoint);
    saved.regions = core->regions;
    saved.breakpoints = core->breakpoints;
    saved.watching = core->watching;
    memcpy(state, &saved, sizeof saved);
    char *words = (char *)state + sizeof saved;
    for (uint32_t index = 0; index < core->components; index++) {
        if (core->component[index].stored) {
            memcpy(words, core->component[index].words, WORDS * sizeof(uint32_t));
            words += WORDS * sizeof(uint32_t);
        }
    }
}

void h7_core_restore(struct h7_core *core, const void *state) {
    struct state saved;
    memcpy(&saved, state, sizeof saved);
    memcpy(core, saved.architectural, sizeof saved.architectural);
    memcpy(core->region, saved.region, sizeof saved.region);
    memcpy(core->breakpoint, saved.breakpoint, sizeof saved.breakpoint);
    core->regions = saved.regions;
    core->breakpoints = saved.breakpoints;
    core->watching = saved.watching;
    const char *words = (const char *)state + sizeof saved;
    for (uint32_t index = 0; index < core->components; index++) {
        if (core->component[index].stored) {
            memcpy(core->component[index].words, words, WORDS * sizeof(uint32_t));
            words += WORDS * sizeof(uint32_t);
        }
    }
    core->busy.next = 0;
    h7_flush_translations(core);
    h7_flush_code(core); /* the memory is another one, too */
}

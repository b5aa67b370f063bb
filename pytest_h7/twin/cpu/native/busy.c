#include "busy.h"

#include <string.h>

#include "memory.h"

enum {
    STEPS = 256,            /* instructions that are observed at most */
    SHORTEST = 64,          /* a stretch that is worth it */
    FIRST_INTERVAL = 1024,  /* cycles from a vain observation to the next, doubled each time */
    LONGEST_INTERVAL = 1 << 18,
};

/* What has to be the same one turn later: the registers, as h7_core has them, in two parts. */
#define PART_1 offsetof(struct h7_core, r)
#define SIZE_1 (offsetof(struct h7_core, it_current) - PART_1)
#define PART_2 offsetof(struct h7_core, sp_other)
#define SIZE_2 (offsetof(struct h7_core, fault) - PART_2)

struct registers {
    unsigned char part_1[SIZE_1], part_2[SIZE_2];
};

static void take(struct registers *registers, const struct h7_core *core) {
    memcpy(registers->part_1, (const char *)core + PART_1, SIZE_1);
    memcpy(registers->part_2, (const char *)core + PART_2, SIZE_2);
}

static bool same(const struct registers *registers, const struct h7_core *core) {
    return !memcmp(registers->part_1, (const char *)core + PART_1, SIZE_1) &&
           !memcmp(registers->part_2, (const char *)core + PART_2, SIZE_2);
}

static uint32_t word_at(const uint8_t *memory) { return h7_get32(memory); }

static const uint8_t *word_of(const uint8_t *memory) { return (const uint8_t *)((uintptr_t)memory & ~(uintptr_t)3); }

void h7_busy_read(struct h7_core *core, const uint8_t *memory) {
    struct h7_busy *busy = &core->busy;
    const uint8_t *word = word_of(memory);
    for (uint32_t index = 0; index < busy->reads; index++) {
        if (busy->read[index] == word) {
            return;
        }
    }
    if (busy->reads == H7_BUSY_READS) {
        busy->effect = true;
    } else {
        busy->read[busy->reads++] = word;
    }
}

void h7_busy_write(struct h7_core *core, uint8_t *memory) {
    struct h7_busy *busy = &core->busy;
    const uint8_t *word = word_of(memory);
    for (uint32_t index = 0; index < busy->writes; index++) {
        if (busy->written[index] == word) {
            return;
        }
    }
    if (busy->writes == H7_BUSY_WRITES) {
        busy->effect = true;
    } else {
        busy->written[busy->writes] = word;
        busy->before[busy->writes++] = word_at(word);
    }
}

static bool memory_unchanged(const struct h7_busy *busy) {
    for (uint32_t index = 0; index < busy->writes; index++) {
        if (word_at(busy->written[index]) != busy->before[index]) {
            return false;
        }
    }
    return true;
}

static void start_observing(struct h7_core *core, struct registers *registers) {
    struct h7_busy *busy = &core->busy;
    busy->reads = busy->writes = 0;
    busy->effect = false;
    take(registers, core);
}

/* Find the length of the loop that the core is in, 0 if there is none to be found before `end`. */
static uint64_t observe(struct h7_core *core, uint64_t end, void (*execute)(struct h7_core *core, uint64_t count)) {
    struct registers registers;
    struct h7_busy *busy = &core->busy;
    uint64_t first = core->run_end, start = first, period = 0;
    uint64_t patience = 32; /* what came before the loop is given up after that many steps, then after twice as many */
    uint32_t place = core->r[15];
    busy->observing = true;
    h7_flush_translations(core);
    start_observing(core, &registers);
    while (core->run_end - first < STEPS && core->run_end < end) {
        execute(core, 1);
        if (core->returning || busy->effect || core->nvic.attention || core->lockup || core->debug.halted ||
            h7_debug_stepping(core)) {
            break;
        }
        if (core->r[15] == place && same(&registers, core) && memory_unchanged(busy)) {
            period = core->run_end - start;
            busy->whole = start == first;
            break;
        }
        if (core->r[15] == place || core->run_end - first == patience) {
            patience *= core->r[15] == place ? 1 : 2;
            place = core->r[15];
            start = core->run_end;
            start_observing(core, &registers);
        }
    }
    busy->observing = false;
    return period;
}

void h7_busy_advance(struct h7_core *core, uint64_t end, void (*execute)(struct h7_core *core, uint64_t count)) {
    struct h7_busy *busy = &core->busy;
    uint64_t now = core->run_end;
    if (busy->disabled || end - now < SHORTEST || core->watching || core->nvic.attention) {
        execute(core, end - now);
        return;
    }
    if (now < busy->next) {
        execute(core, (busy->next < end ? busy->next : end) - now);
        return;
    }
    uint64_t period = observe(core, end, execute);
    now = core->run_end;
    if (!period) {
        busy->next = now + busy->interval;
        busy->interval = busy->interval < LONGEST_INTERVAL ? 2 * busy->interval : LONGEST_INTERVAL;
        return;
    }
    busy->interval = FIRST_INTERVAL;
    core->run_end = now + (end - now) / period * period;
    if (core->run_end < end) {
        execute(core, end - core->run_end);
    }
}

static bool reads_what_is_written(const struct h7_busy *reader, const struct h7_busy *writer) {
    for (uint32_t index = 0; index < reader->reads; index++) {
        for (uint32_t other = 0; other < writer->writes; other++) {
            if (reader->read[index] == writer->written[other]) {
                return true;
            }
        }
    }
    return false;
}

/* A tick in the last cycle of a run is still to be taken. */
static bool stays(const struct h7_core *core) { return core->busy.whole && !core->nvic.attention; }

bool h7_busy_both(const struct h7_core *one, const struct h7_core *other) {
    return stays(one) && stays(other) && !reads_what_is_written(&one->busy, &other->busy) &&
           !reads_what_is_written(&other->busy, &one->busy);
}

/* A target for libFuzzer: firmware out of random bytes, with interrupts, debugger's accesses, resets, sleep and bus
 * errors, executed twice: once as fast as it goes, once in small slices and without skipping busy-wait loops. Both
 * must end in the same state; no input may crash, hang, or break an invariant.
 *
 * An input: a byte of options, a byte with the number of events, events of 6 bytes (delay, what, where, value), and
 * what is in the memories. The mutator puts instructions of the table of encodings into it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "h7core.h"
#include "operands.h"
#include "snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

enum { FLASH = 0x08000000, RAM = 0x20000000, MEMORY = 0x1000, ENTRY = 0x200, VECTORS = ENTRY / 4 };
enum { EVENT = 6, HEADER = 2, CYCLES = 2000, MOST_EVENTS = 24, IN_RAM = 0x80 };
enum {
    IS_M4_OPTION = 1,
    MPU_OPTION = 2,
    TRAPS_OPTION = 4,
    NO_FLOAT_OPTION = 8,
    DEBUG_OPTION = 16,
    PSP_OPTION = 32,
    LAZY_OPTION = 64,
    FAULTS_OPTION = 128
};

struct world {
    struct h7_core *core;
    uint8_t flash[MEMORY], ram[MEMORY];
    uint32_t accesses, sent;
};

#define REQUIRE(CONDITION)                                                                                   \
    do {                                                                                                     \
        if (!(CONDITION)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #CONDITION);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* ---- the host: devices answer by the number of the access ---------------------------------------------- */

static uint32_t answer(struct world *world, uint32_t address) {
    uint32_t value = (address ^ world->accesses++ * 2654435761u) * 2246822519u;
    return value ^ value >> 15;
}

static enum h7_bus any_access(struct world *world, struct h7_core *core, uint32_t address, uint32_t size) {
    REQUIRE(size == 1 || size == 2 || size == 4);
    REQUIRE((address & (size - 1)) == 0);
    switch (answer(world, address) % 64) {
    case 0: return H7_BUS_ABORT;
    case 1:
    case 2:
    case 3: return H7_BUS_FAULT;
    case 4: h7_core_pulse_irq(core, address % H7_IRQS); return H7_BUS_OK;
    case 5: h7_core_set_irq(core, address % 8, address & 16); return H7_BUS_OK;
    case 6: h7_core_stop(core); return H7_BUS_OK;
    case 7: h7_core_set_event(core); return H7_BUS_OK;
    default: return H7_BUS_OK;
    }
}

static enum h7_bus bus_read(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                            uint32_t *value) {
    *value = answer(context, address) >> (32 - 8 * size);
    return any_access(context, core, address, size);
}
static enum h7_bus bus_write(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                             uint32_t value) {
    (void)value;
    return any_access(context, core, address, size);
}
static void nothing(void *context, struct h7_core *core) { (void)context, (void)core; }
static void sent(void *context, struct h7_core *core) { ((struct world *)context)->sent++, (void)core; }
static void reset(void *context, struct h7_core *core) { (void)context, h7_core_reset(core, FLASH, false); }

/* ---- events -------------------------------------------------------------------------------------------- */

static const uint32_t private_words[] = {
    0xE000E010, 0xE000E014, 0xE000E018, 0xE000E100, 0xE000E104, 0xE000E180, 0xE000E200,
    0xE000E280, 0xE000E400, 0xE000E404, 0xE000ED04, 0xE000ED08, 0xE000ED0C, 0xE000ED10,
    0xE000ED14, 0xE000ED18, 0xE000ED1C, 0xE000ED20, 0xE000ED24, 0xE000ED28, 0xE000ED2C,
    0xE000ED30, 0xE000ED88, 0xE000ED94, 0xE000ED98, 0xE000ED9C, 0xE000EDA0, 0xE000EDF0,
    0xE000EDF4, 0xE000EDF8, 0xE000EDFC, 0xE000EF00, 0xE000EF34, 0xE000EF38, 0xE000EF3C,
    0xE000EF50, 0xE0001000, 0xE0001004, 0xE0001020, 0xE0001024, 0xE0001028, 0xE0001030,
    0xE0001034, 0xE0001038, 0xE0002000, 0xE0002004, 0xE0002008, 0xE000200C, 0xE0002020,
    0xE0043000, 0xE0043010, 0xE0043014, 0xE004301C, 0xE0043020, 0xE00430A0, 0xE00430BC,
};
enum { PRIVATE_WORDS = sizeof private_words / sizeof private_words[0] };

/* Values that mean something: keys, addresses. */
static uint32_t meant(uint32_t address, uint8_t value) {
    switch (address) {
    case 0xE000ED0C: return 0x05FA0000 | (value & 0x700) | (value & 7);
    case 0xE000EDF0: return 0xA05F0000 | (value & 0x2F);
    case 0xE0002000: return 2 | (value & 1);
    case 0xE000ED08: return value & 1 ? RAM : FLASH;
    case 0xE0001020:
        if (value & 1) { /* a count of cycles */
            return value * 8u;
        } /* fall through */
    case 0xE0002008:
    case 0xE000200C:
    case 0xE0002020:
    case 0xE0001030:
        return (value & 0x80 ? RAM : FLASH + ENTRY) + (value & 0x7Eu) + (address < 0xE0001100 ? 0 : 1);
    case 0xE000ED9C: return (value & 0x80 ? RAM : FLASH) | 0x10 | (value & 0xF);
    case 0xE000EDA0:
        return (uint32_t)(value & 7) << 24 | (uint32_t)(value & 8) << 25 | (6u + (value >> 4)) << 1 | 1;
    default: return value * 0x01010101u;
    }
}

static void happen(struct world *world, const uint8_t *event) {
    struct h7_core *core = world->core;
    uint8_t where = event[3], value = event[4];
    switch (event[2] % 12) {
    case 0: h7_core_set_irq(core, where % (H7_IRQS + 4), value & 1); break;
    case 1: h7_core_pulse_irq(core, where % (H7_IRQS + 4)); break;
    case 2:
        h7_core_set_event(core);
        h7_core_wake_if_pending(core);
        break;
    case 3: h7_core_reset(core, where & 1 ? RAM : FLASH, value & 1); break;
    case 4: h7_core_set_register(core, where % 100, value * 0x1010101u); break;
    case 5: { /* another master writes */
        uint32_t place = (uint32_t)(where << 4 | event[5]) % MEMORY;
        world->flash[place] = value;
        h7_core_invalidate(core, FLASH + place, 1);
        break;
    }
    case 6: h7_core_halt(core, H7_DFSR_EXTERNAL); break;
    case 7:
        (void)h7_core_read_debug(core, 0xE0000000 + (uint32_t)(where << 12 | value << 4 | event[5]) %
                                                        0x100000 / 4 * 4);
        break;
    case 8:
        h7_core_write_debug(core, 0xE0000000 + (uint32_t)(where << 12 | event[5] << 4) % 0x100000 / 4 * 4,
                            meant(0, value));
        break;
    default: {
        uint32_t address = private_words[where % PRIVATE_WORDS];
        h7_core_write_debug(core, address, meant(address, value));
    }
    }
}

/* ---- execution ----------------------------------------------------------------------------------------- */

static void check(const struct world *world) {
    const struct h7_core *core = world->core;
    REQUIRE((core->r[13] & 3) == 0 && (core->sp_other & 3) == 0);
    REQUIRE((core->r[15] & 1) == 0 || core->aborted);
    REQUIRE(core->c <= 1 && core->q <= 1 && core->ge <= 15);
    REQUIRE(core->ipsr < 512);
    REQUIRE(core->left == 0);
    REQUIRE(!core->executing);
    REQUIRE(core->privileged == (core->ipsr || !(core->control & H7_CONTROL_NPRIV)));
    REQUIRE(core->uses_psp == (!core->ipsr && core->control & H7_CONTROL_SPSEL));
}

/* Run to a cycle, in pieces of at most `slice`; it may stay behind: asleep, halted, locked up. */
static void run_to(struct world *world, uint64_t end, uint64_t slice) {
    uint32_t without_progress = 0;
    while (h7_cycles(world->core) < end) {
        uint64_t before = h7_cycles(world->core), wanted = end - before;
        world->core->busy.next = 0; /* look for busy-wait loops at once, and again */
        h7_core_run(world->core, wanted < slice ? wanted : slice);
        uint64_t after = h7_cycles(world->core);
        REQUIRE(after >= before && after <= end);
        check(world);
        without_progress = after == before ? without_progress + 1 : 0;
        if (without_progress > 8) { /* aborted accesses are repeated, and answered otherwise then */
            return;
        }
    }
}

static void make(struct world *world, const uint8_t *data, size_t size) {
    struct h7_host host = {world, bus_read, bus_write, nothing, nothing, sent, reset, nothing, nothing};
    uint8_t options = size ? data[0] : 0;
    world->accesses = world->sent = 0;
    world->core = h7_core_new(options & IS_M4_OPTION ? H7_CORTEX_M4 : H7_CORTEX_M7, &host);
    for (uint32_t place = 0; place < MEMORY; place++) {
        world->flash[place] = world->ram[place] = size ? data[place % size] : 0;
    }
    for (uint32_t number = 0; number < VECTORS; number++) {
        uint32_t vector = number ? (FLASH + ENTRY + number * 22 % (MEMORY - ENTRY)) | 1 : RAM + MEMORY / 2;
        vector = number == 1 ? (FLASH + ENTRY) | 1 : vector;
        memcpy(world->flash + 4 * number, &vector, 4);
        memcpy(world->ram + 4 * number, &vector, 4);
    }
    size_t code = size < MEMORY - ENTRY ? size : MEMORY - ENTRY;
    memcpy(world->flash + ENTRY, data, code);
    memcpy(world->ram + ENTRY, data, code);
    h7_core_map(world->core, FLASH, MEMORY, world->flash, false);
    h7_core_map(world->core, RAM, MEMORY, world->ram, true);
    h7_core_reset(world->core, FLASH, true);
    struct h7_core *core = world->core;
    if (size > HEADER && data[1] & IN_RAM) { /* it can modify itself */
        core->r[15] = RAM + ENTRY;
    }
    for (uint32_t n = 0; n < 13; n++) {
        core->r[n] = n < 4    ? RAM + MEMORY / 2 + 64 * n
                     : n < 6  ? RAM + ENTRY + 32 * (n - 4)
                     : n < 8  ? FLASH + ENTRY + 16 * n
                     : n == 8 ? 0x40000000
                     : n == 9 ? 0xE000ED00
                              : n;
    }
    core->scb.ccr |= options & TRAPS_OPTION ? 0x18 : 0;
    core->scb.cpacr = options & NO_FLOAT_OPTION ? 0 : 0xFu << 20;
    h7_fp_ready_changed(core);
    if (options & FAULTS_OPTION) {
        h7_core_write_debug(core, 0xE000ED24, 7 << 16);
    }
    if (options & LAZY_OPTION) {
        h7_core_write_debug(core, 0xE000EF34, 0x80000000);
    }
    if (options & DEBUG_OPTION) {
        h7_core_write_debug(core, 0xE000EDF0, 0xA05F0001);
        h7_core_write_debug(core, 0xE000EDFC, 0x01010000);
    }
    if (options & PSP_OPTION) {
        h7_core_set_register(core, 18, RAM + MEMORY - 64);
        h7_core_set_register(core, 20, 3u << 24);
    }
    if (options & MPU_OPTION) {
        static const uint32_t words[] = {0xE000ED9C, FLASH | 0x10,         0xE000EDA0, 0x06000017,
                                         0xE000ED9C, RAM | 0x11,           0xE000EDA0, 0x03000017,
                                         0xE000ED9C, (RAM + 0x800) | 0x12, 0xE000EDA0, 0x11000D09};
        for (size_t word = 0; word < sizeof words / sizeof words[0]; word += 2) {
            h7_core_write_debug(core, words[word], words[word + 1]);
        }
        h7_core_write_debug(core, 0xE000ED94, 5);
    }
}

static void play(struct world *world, const uint8_t *data, size_t size, bool carefully) {
    uint32_t events = size > HEADER ? (uint32_t)(data[1] & ~IN_RAM) % MOST_EVENTS : 0;
    uint64_t now = 0;
    make(world, data, size);
    h7_core_set_jumps(world->core, !carefully);
    void *state = malloc(h7_core_state_size(world->core));
    for (uint32_t number = 0; number < events && HEADER + (number + 1) * EVENT <= size; number++) {
        const uint8_t *event = data + HEADER + number * EVENT;
        now += (uint64_t)(event[0] | event[1] << 8) % (CYCLES / 4);
        run_to(world, now, carefully ? 1 + event[5] % 37 : 500);
        happen(world, event);
        if (carefully && event[5] & 0x80) { /* a snapshot changes nothing */
            h7_core_save(world->core, state);
            h7_core_set_register(world->core, event[3] % 16, 0xFFFFFFFF);
            h7_core_restore(world->core, state);
        }
    }
    run_to(world, now + CYCLES, carefully ? 23 : 500);
    free(state);
}

static void compare(const struct world *a, const struct world *b) {
    const struct h7_core *x = a->core, *y = b->core;
    REQUIRE(h7_cycles(x) == h7_cycles(y));
    REQUIRE(memcmp(x->r, y->r, sizeof x->r) == 0);
    REQUIRE(h7_xpsr(x) == h7_xpsr(y));
    REQUIRE(x->sp_other == y->sp_other && x->control == y->control && x->primask == y->primask);
    REQUIRE(x->basepri == y->basepri && x->faultmask == y->faultmask && x->lockup == y->lockup &&
            x->sleep == y->sleep);
    REQUIRE(memcmp(&x->fp, &y->fp, sizeof x->fp) == 0 && x->fpscr == y->fpscr);
    REQUIRE(memcmp(x->nvic.pending, y->nvic.pending, sizeof x->nvic.pending) == 0);
    REQUIRE(memcmp(x->nvic.active, y->nvic.active, sizeof x->nvic.active) == 0);
    REQUIRE(memcmp(&x->scb, &y->scb, sizeof x->scb) == 0);
    REQUIRE(x->debug.halted == y->debug.halted && x->event == y->event);
    REQUIRE(memcmp(a->ram, b->ram, MEMORY) == 0);
    REQUIRE(a->accesses == b->accesses && a->sent == b->sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world fast, careful;
    play(&fast, data, size, false);
    play(&careful, data, size, true);
    compare(&fast, &careful);
    h7_core_free(fast.core);
    h7_core_free(careful.core);
    return 0;
}

/* ---- mutation ------------------------------------------------------------------------------------------ */

/* An instruction of the table, at an even place behind the events or anywhere. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    random_state = seed;
    if (one_in(3) || size < 8) {
        return LLVMFuzzerMutate(data, size, most);
    }
    for (uint32_t times = 1 + random_below(4); times; times--) {
        const struct encoding *encoding = &encodings[random_below((uint32_t)encoding_count)];
        uint32_t fixed = encoding->mask | encoding->should;
        uint32_t opcode = (random32() & ~fixed) | encoding->value | encoding->should_value;
        uint16_t halves[2] = {(uint16_t)(encoding->size == 4 ? opcode >> 16 : opcode), (uint16_t)opcode};
        size_t place = random_below((uint32_t)(size - 4)) & ~1u;
        if (one_in(2) && size + 4 <= most) { /* insert */
            memmove(data + place + encoding->size, data + place, size - place);
            size += encoding->size;
        }
        memcpy(data + place, halves, encoding->size);
        if (one_in(6)) { /* a loop */
            uint16_t branch = (uint16_t)(0xE7FE - random_below(10));
            memcpy(data + place, &branch, sizeof branch);
        }
    }
    return size;
}

#ifdef REPLAY
/* Play inputs that once ended differently: names of files. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) {
    (void)data, (void)most;
    return size;
}

int main(int count, char **names) {
    static uint8_t data[1 << 16];
    for (int index = 1; index < count; index++) {
        FILE *file = fopen(names[index], "rb");
        REQUIRE(file != NULL);
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    printf("%d inputs end the same, with and without jumps\n", count - 1);
    return 0;
}
#endif

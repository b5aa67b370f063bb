#include "program.h"

#include <string.h>

#include "differences.h"
#include "encoding.h"
#include "operands.h"

enum { TRIES = 12, USUAL_STEPS = 10, SEVERAL = 8 };

uint8_t pristine_ram[MEMORY_SIZE];
uint64_t avoided[64];
static uint8_t code_fill[WINDOW_SIZE];
static bool m4;

/* ---- state -------------------------------------------------------------------------------------------- */

static uint32_t ram_address(void) { return RAM + MEMORY_SIZE / 4 + (random32() & (MEMORY_SIZE / 2 - 4)); }
static uint32_t code_address(void) { return CODE + MEMORY_SIZE * 3 / 4 + random_below(MEMORY_SIZE / 4 - 4); }

static uint32_t any_word(void) {
    switch (random_below(8)) {
    case 0:
    case 1:
    case 2: return ram_address() + (one_in(SEVERAL) ? random_below(4) : 0);
    case 3: return code_address() | 1;
    default: return nasty_integer();
    }
}

void program_prepare(bool is_m4) {
    m4 = is_m4;
    for (uint32_t place = 0; place < MEMORY_SIZE; place += 2) { /* UDF */
        engine_code[place] = unicorn_code[place] = (uint8_t)random32();
        engine_code[place + 1] = unicorn_code[place + 1] = 0xDE;
    }
    memcpy(engine_code, clean_up, sizeof clean_up);
    memcpy(unicorn_code, clean_up, sizeof clean_up);
    for (uint32_t place = 0; place < MEMORY_SIZE; place += 8) {
        uint64_t value;
        switch (random_below(4)) {
        case 0: value = nasty_double(); break;
        case 1: value = (uint64_t)nasty_single() << 32 | nasty_single(); break;
        default: value = (uint64_t)any_word() << 32 | any_word();
        }
        memcpy(pristine_ram + place, &value, sizeof value);
    }
    memcpy(engine_ram, pristine_ram, MEMORY_SIZE);
    memcpy(unicorn_ram, pristine_ram, MEMORY_SIZE);
    memcpy(code_fill, engine_code + (WINDOW - CODE), WINDOW_SIZE);
    engine_code_changed(CODE, MEMORY_SIZE);
    unicorn_code_changed(CODE, MEMORY_SIZE);
}

static void random_state_of(struct state *state) {
    for (int n = 0; n < 15; n++) {
        state->r[n] = any_word();
    }
    state->r[13] = ram_address();
    state->r[15] = WINDOW + 2 * random_below(2 * STEPS);
    state->apsr = random32() & 0xF80F0000;
    state->fpscr = nasty_fpscr();
    bool doubles = one_in(2);
    for (int n = 0; n < 16; n++) {
        uint64_t word = (uint64_t)any_word() << 32 | any_word();
        state->d[n] = one_in(SEVERAL) ? word
                      : doubles       ? nasty_double()
                                      : (uint64_t)nasty_single() << 32 | nasty_single();
    }
}

/* ---- instructions ------------------------------------------------------------------------------------- */

static bool usable(const struct encoding *encoding, bool in_it, bool last_in_it) {
    if (encoding->properties & (IS_SYSTEM | IS_UNDEFINED | IS_NOCP) || (m4 && encoding->properties & IS_M7)) {
        return false;
    }
    bool not_here = encoding->properties & IS_NO_IT || (encoding->properties & IS_LAST_IT && !last_in_it);
    return !in_it || !not_here;
}

/* Where an encoding has free bits, random ones; false if it is UNPREDICTABLE, or means another encoding. */
static bool random_opcode(size_t index, uint32_t *opcode) {
    const struct encoding *encoding = &encodings[index];
    uint32_t fixed = encoding->mask | encoding->should;
    size_t meant;
    *opcode = (random32() & ~fixed) | encoding->value | encoding->should_value;
    *opcode &= encoding->size == 2 ? 0xFFFF : UINT32_MAX;
    return opcode_meaning(*opcode, encoding->size, m4, &meant) == DEFINED && meant == index;
}

static void put(uint32_t address, uint32_t opcode, uint32_t size) {
    uint16_t halves[2] = {(uint16_t)(size == 4 ? opcode >> 16 : opcode), (uint16_t)opcode};
    memcpy(engine_code + (address - CODE), halves, size);
    memcpy(unicorn_code + (address - CODE), halves, size);
    engine_code_changed(address, size);
}

/* Where a branch may go to: into code that is not the program's. */
static bool good_target(uint32_t address) {
    return address - CODE < MEMORY_SIZE - 4 && address - WINDOW >= WINDOW_SIZE;
}

enum tried { TAKEN, ENDS, FAULTS, REFUSED };

/* Does it add only multiples of 4 to the SP, if anything? */
static bool keeps_alignment(const struct encoding *encoding) {
    static const char *const names[] = {"PUSH", "POP",  "STM",  "LDM",       "VSTM",
                                        "VLDM", "STRD", "LDRD", "ADD.sp.T2", "SUB.sp.T2"};
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        if (!strncmp(encoding->name, names[index], strlen(names[index]))) {
            return true;
        }
    }
    return false;
}

/* Might it write the SP? */
static bool has_field_of_13(const struct step *step) {
    uint32_t op = step->opcode;
    return step->size == 2 ? (op & 0xFD87) == 0x4485 /* ADD, MOV */
                           : (op >> 16 & 15) == 13 || (op >> 12 & 15) == 13 || (op >> 8 & 15) == 13;
}

static uint32_t reserved_value; /* what the last LDREX found in the word */

static uint32_t engine_ram_word(uint32_t address) {
    uint32_t word = 0, offset = (address & ~3u) - RAM;
    if (offset < MEMORY_SIZE) {
        memcpy(&word, engine_ram + offset, sizeof word);
    }
    return word;
}

static void note_reservation(struct situation *situation) {
    situation->reserved = engine_reservation(&situation->reserved_address, &situation->reserved_size);
    situation->changed =
        situation->reserved && engine_ram_word(situation->reserved_address) != reserved_value;
}

/* Execute an instruction; if it is no good, it has not been. */
static enum tried try(struct program *program, const struct step *step) {
    struct situation before = {.in_it_block = step->in_it_block};
    engine_store(&before.state);
    note_reservation(&before);
    int difference = known_difference(step->encoding, &before, step->opcode);
    if (difference >= 0) {
        avoided[difference]++;
        return REFUSED;
    }
    put(step->address, step->opcode, step->size);
    engine_remember();
    if (engine_run(1) == FAULTED) {
        /* Unicorn lets any access be unaligned, and faults in IT blocks behind the block. */
        bool comparable = !engine_fault_is_unaligned() && !step->in_it_block;
        engine_go_back();
        return comparable ? FAULTS : REFUSED;
    }
    struct state after;
    engine_store(&after);
    /* Unicorn has an SP of 32 bits: its two lowest are not compared, and not to be used afterwards. */
    bool ends = (after.r[13] != before.state.r[13] || has_field_of_13(step)) &&
                !keeps_alignment(&encodings[step->encoding]);
    if (ends && step->in_it_block && !step->ends_it_block) {
        engine_go_back();
        return REFUSED;
    }
    program->end = engine_pc();
    if (!strncmp(encodings[step->encoding].name, "LDREX", 5) &&
        engine_reservation(&before.reserved_address, &before.reserved_size)) {
        reserved_value = engine_ram_word(before.reserved_address);
    }
    if (engine_leaves_thumb() || (program->end != step->address + step->size && !good_target(program->end))) {
        engine_go_back();
        return REFUSED;
    }
    return ends ? ENDS : TAKEN;
}

/* One more instruction; false if the program ends in front of or behind it. */
static bool add_step(struct program *program, uint32_t address) {
    struct step *step = &program->step[program->steps];
    for (;;) {
        step->in_it_block = engine_in_it_block();
        step->ends_it_block = engine_is_last_in_it_block();
        step->encoding = random_below((uint32_t)encoding_count);
        const struct encoding *encoding = &encodings[step->encoding];
        if (!usable(encoding, step->in_it_block, step->ends_it_block)) {
            continue;
        }
        for (int attempt = 0; attempt < TRIES; attempt++) {
            step->address = address;
            step->size = encoding->size;
            if (!random_opcode(step->encoding, &step->opcode)) {
                continue;
            }
            switch (try(program, step)) {
            case TAKEN: program->steps++; return program->end == address + step->size;
            case ENDS: program->steps++; return false;
            case FAULTS:
                if (one_in(SEVERAL * SEVERAL)) {
                    program->steps++;
                    program->faults = true;
                    program->end = address;
                    return false;
                }
                break;
            default: break;
            }
        }
    }
}

void program_make(struct program *program) {
    memcpy(engine_code + (WINDOW - CODE), code_fill, WINDOW_SIZE);
    memcpy(unicorn_code + (WINDOW - CODE), code_fill, WINDOW_SIZE);
    engine_code_changed(WINDOW, WINDOW_SIZE);
    random_state_of(&program->before);
    engine_load(&program->before);
    program->steps = 0;
    program->faults = false;
    program->end = program->before.r[15];
    uint32_t wanted = 1 + random_below(USUAL_STEPS);
    while ((program->steps < wanted || engine_in_it_block()) && add_step(program, program->end)) {
    }
}

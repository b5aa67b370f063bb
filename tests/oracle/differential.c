/* Our engine against Unicorn: random instructions from random states, alone and in sequences.
 *
 * usage: differential [--m4] [--instructions N] [--seconds N] [--seed N] [--coverage FILE]
 * Ends with 1 if anything differed that differences.txt does not know. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "differences.h"
#include "encoding.h"
#include "operands.h"
#include "program.h"

enum { SHOWN = 20, PROGRAMS_PER_MEMORY = 500, STEPPED = 8, ENCODINGS = 1024 };

static uint64_t compared, differing, unrepeatable;
static uint64_t alone[ENCODINGS], in_it_block[ENCODINGS], differing_by[ENCODINGS];
static bool m4;

/* ---- running and comparing ---------------------------------------------------------------------------- */

struct end {
    struct state state;
    enum outcome outcome;
};

static void reset_ram(void) {
    memcpy(engine_ram, pristine_ram, MEMORY_SIZE);
    memcpy(unicorn_ram, pristine_ram, MEMORY_SIZE);
}

static void run_engine(const struct program *program, uint32_t steps, struct end *end) {
    engine_load(&program->before);
    end->outcome = engine_run(steps);
    engine_store(&end->state);
    if (engine_fault_is_late()) { /* Unicorn's are at the store */
        end->state.r[15] -= program->step[steps - 1].size;
    }
}

static void run_unicorn(const struct program *program, uint32_t steps, struct end *end) {
    bool whole = steps == program->steps;
    uint32_t until = whole && !program->faults
                         ? program->end
                         : program->step[steps - 1].address + program->step[steps - 1].size;
    unicorn_code_changed(WINDOW, WINDOW_SIZE);
    unicorn_code_changed(program->end & ~1u, 4);
    unicorn_load(&program->before);
    end->outcome = unicorn_run(program->before.r[15], until);
    unicorn_store(&end->state);
    end->state.r[13] &= ~3u; /* see program.c */
}

static bool differs(const struct end *ours, const struct end *theirs) {
    if (theirs->outcome == STRANGE) {
        return false;
    }
    if (ours->outcome != theirs->outcome) {
        return true;
    }
    if (ours->outcome == FAULTED) { /* registers and memory of an instruction done by half */
        return ours->state.r[15] != theirs->state.r[15];
    }
    return memcmp(&ours->state, &theirs->state, sizeof ours->state) != 0 ||
           memcmp(engine_ram, unicorn_ram, MEMORY_SIZE) != 0;
}

/* ---- reporting ---------------------------------------------------------------------------------------- */

static void print_word(const char *name, int number, uint64_t before, uint64_t ours, uint64_t theirs) {
    if (ours != theirs) {
        printf("    %s%.0d%s: was %" PRIx64 ", ours %" PRIx64 ", Unicorn's %" PRIx64 "\n", name, number,
               number ? "" : "0", before, ours, theirs);
    }
}

static void print_step(const struct step *step) {
    printf("  %08x: %0*x %s%s\n", step->address, (int)step->size * 2, step->opcode,
           encodings[step->encoding].name, step->in_it_block ? " (IT)" : "");
}

static void print_difference(const struct end *before, const struct end *ours, const struct end *theirs) {
    static const char *const outcomes[] = {"arrives", "faults", "is strange"};
    printf("    ours %s, Unicorn %s; before: apsr %08x fpscr %08x\n   ", outcomes[ours->outcome],
           outcomes[theirs->outcome], before->state.apsr, before->state.fpscr);
    for (int n = 0; n < 16; n++) {
        printf(" %x", before->state.r[n]);
    }
    printf("; ends at %x\n", ours->state.r[15]);
    for (int n = 0; n < 16; n++) {
        print_word("r", n, before->state.r[n], ours->state.r[n], theirs->state.r[n]);
    }
    print_word("apsr", 0, before->state.apsr, ours->state.apsr, theirs->state.apsr);
    print_word("fpscr", 0, before->state.fpscr, ours->state.fpscr, theirs->state.fpscr);
    for (int n = 0; n < 16; n++) {
        print_word("d", n, before->state.d[n], ours->state.d[n], theirs->state.d[n]);
    }
    for (uint32_t place = 0; place < MEMORY_SIZE; place++) {
        if (engine_ram[place] != unicorn_ram[place]) {
            printf("    %08x: was %02x, ours %02x, Unicorn's %02x\n", RAM + place, pristine_ram[place],
                   engine_ram[place], unicorn_ram[place]);
        }
    }
}

/* Find the first instruction behind which the machines differ, and tell about it. */
static void report(const struct program *program, const struct end *first_ours,
                   const struct end *first_theirs) {
    struct end before = {program->before, ARRIVED}, ours, theirs;
    uint32_t steps = 1, first = 0;
    for (;; steps++) {
        bool inside = program->step[steps - 1].in_it_block && !program->step[steps - 1].ends_it_block;
        bool opens = !strcmp(encodings[program->step[steps - 1].encoding].name, "IT.T1");
        if ((inside || opens) && steps < program->steps) {
            continue;
        }
        reset_ram();
        run_engine(program, steps, &ours);
        run_unicorn(program, steps, &theirs);
        if (differs(&ours, &theirs) || steps == program->steps) {
            break;
        }
        before = ours;
        first = steps;
    }
    differing_by[program->step[steps - 1].encoding]++;
    if (differing > SHOWN) {
        return;
    }
    if (!differs(&ours, &theirs)) {
        printf("differs at first, then not any more:\n");
        first = 0;
        ours = *first_ours;
        theirs = *first_theirs;
    }
    for (uint32_t step = first; step < steps; step++) {
        print_step(&program->step[step]);
    }
    print_difference(&before, &ours, &theirs);
    fflush(stdout);
}

/* ---- the test ----------------------------------------------------------------------------------------- */

/* Does it make a difference to our engine to execute one instruction at a time? */
static void check_stepping(const struct program *program) {
    struct end stepped, whole;
    run_engine(program, program->steps, &whole);
    memcpy(engine_ram, pristine_ram, MEMORY_SIZE);
    engine_load(&program->before);
    for (uint32_t step = 0; step < program->steps; step++) {
        engine_run(1);
    }
    engine_store(&stepped.state);
    if (memcmp(&stepped.state, &whole.state, sizeof stepped.state) != 0) {
        printf("our engine differs from itself when it is run step by step\n");
        differing++;
    }
}

static void compare(const struct program *program) {
    struct end ours, theirs;
    reset_ram();
    if (one_in(STEPPED) && !program->faults) {
        check_stepping(program);
        reset_ram();
    }
    run_engine(program, program->steps, &ours);
    if (!program->faults && ours.state.r[15] != program->end) {
        unrepeatable++; /* it reads its own code, of which there was less while it was made */
        return;
    }
    uint32_t address, size;
    bool reserves = engine_reservation(&address, &size);
    run_unicorn(program, program->steps, &theirs);
    for (uint32_t step = 0; step < program->steps; step++) {
        const struct step *s = &program->step[step];
        (s->in_it_block ? in_it_block : alone)[s->encoding]++;
    }
    compared += program->steps;
    if (differs(&ours, &theirs)) {
        differing++;
        report(program, &ours, &theirs);
    }
    if (reserves) {
        unicorn_clean_up();
    }
    reset_ram();
}

static void print_summary(const char *coverage_path) {
    uint32_t reached = 0, testable = 0;
    FILE *coverage = coverage_path ? fopen(coverage_path, "w") : NULL;
    for (size_t index = 0; index < encoding_count; index++) {
        uint32_t properties = encodings[index].properties;
        if (properties & (IS_SYSTEM | IS_UNDEFINED | IS_NOCP) || (m4 && properties & IS_M7)) {
            continue;
        }
        testable++;
        reached += alone[index] > 0;
        if (!alone[index]) {
            printf("not reached: %s\n", encodings[index].name);
        }
        if (differing_by[index]) {
            printf("differs: %s, %" PRIu64 " of %" PRIu64 "\n", encodings[index].name, differing_by[index],
                   alone[index] + in_it_block[index]);
        }
        if (coverage) {
            fprintf(coverage, "%-24s %10" PRIu64 " %10" PRIu64 "\n", encodings[index].name, alone[index],
                    in_it_block[index]);
        }
    }
    if (coverage) {
        fclose(coverage);
    }
    for (size_t index = 0; index < difference_count; index++) {
        printf("left out: %s, %" PRIu64 " times\n", differences[index].name, avoided[index]);
    }
    printf("left out: %" PRIu64 " programs that branch as their own code says\n", unrepeatable);
    printf("%s: %" PRIu64 " instructions, %u of %u encodings, %" PRIu64 " differences\n",
           m4 ? "Cortex-M4" : "Cortex-M7", compared, reached, testable, differing);
}

int main(int count, char **arguments) {
    uint64_t instructions = UINT64_MAX, seconds = 0;
    const char *coverage = NULL;
    for (int index = 1; index < count; index++) {
        const char *name = arguments[index], *value = index + 1 < count ? arguments[index + 1] : "";
        if (!strcmp(name, "--m4")) {
            m4 = true;
            continue;
        }
        if (!strcmp(name, "--instructions")) {
            instructions = strtoull(value, NULL, 0);
        } else if (!strcmp(name, "--seconds")) {
            seconds = strtoull(value, NULL, 0);
        } else if (!strcmp(name, "--seed")) {
            random_state = strtoull(value, NULL, 0) * 0x632BE59BD9B4E019u;
        } else if (!strcmp(name, "--coverage")) {
            coverage = value;
        }
        index++;
    }
    if (instructions == UINT64_MAX && !seconds) {
        instructions = 1000000;
    }
    engine_make(m4);
    unicorn_make(m4);
    time_t end = time(NULL) + (time_t)seconds;
    for (uint64_t number = 0; compared < instructions && (!seconds || time(NULL) < end); number++) {
        static struct program program;
        if (number % PROGRAMS_PER_MEMORY == 0) {
            program_prepare(m4);
        }
        program_make(&program);
        compare(&program);
    }
    print_summary(coverage);
    engine_free();
    unicorn_free();
    return differing != 0;
}

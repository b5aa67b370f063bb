#include "differences.h"

#include <fnmatch.h>

/* ---- conditions of differences.txt ---- */
static bool always(const struct situation *before, uint32_t opcode) {
    return (void)before, (void)opcode, true;
}
/* It happens all along: program.c lets nothing follow that depends on it. */
static bool handled(const struct situation *before, uint32_t opcode) {
    return (void)before, (void)opcode, false;
}
/* FPSCR.RMode is not round to nearest. */
static bool rounding(const struct situation *before, uint32_t opcode) {
    return (void)opcode, (before->state.fpscr >> 22 & 3) != 0;
}
static bool in_it(const struct situation *before, uint32_t opcode) {
    return (void)opcode, before->in_it_block;
}
/* Of the address that is reserved, but with another size, or there has been a store. */
static bool reserved(const struct situation *before, uint32_t opcode) {
    uint32_t size = (opcode & 0xFFF00000) == 0xE8400000 ? 4 : (opcode & 0xF0) == 0x40 ? 1 : 2;
    uint32_t address = before->state.r[opcode >> 16 & 15] + (size == 4 ? (opcode & 0xFF) * 4 : 0);
    return before->reserved && before->reserved_address == address &&
           (before->reserved_size != size || before->changed);
}

/* Both products of halfwords are 2^30. */
static bool products_of_2_31(const struct situation *before, uint32_t opcode) {
    return before->state.r[opcode >> 16 & 15] == 0x80008000 && before->state.r[opcode & 15] == 0x80008000;
}

#include "differences.inc"

const size_t difference_count = sizeof differences / sizeof differences[0];

enum { ENCODINGS = 1024, DIFFERENCES = 32 };
static bool concerns[ENCODINGS][DIFFERENCES];
static bool prepared;

static void prepare(void) {
    for (size_t encoding = 0; encoding < encoding_count; encoding++) {
        for (size_t index = 0; index < difference_count; index++) {
            concerns[encoding][index] =
                fnmatch(differences[index].encodings, encodings[encoding].name, 0) == 0;
        }
    }
    prepared = true;
}

int known_difference(size_t encoding, const struct situation *before, uint32_t opcode) {
    if (!prepared) {
        prepare();
    }
    for (size_t index = 0; index < difference_count; index++) {
        if (concerns[encoding][index] && differences[index].when(before, opcode)) {
            return (int)index;
        }
    }
    return -1;
}

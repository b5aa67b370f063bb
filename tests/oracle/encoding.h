/* The table of encodings (encodings.txt, made C by table.py). */
#ifndef ENCODING_H
#define ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IS_NO_IT = 1,
    IS_LAST_IT = 2,
    IS_BRANCH = 4,
    IS_M7 = 8,
    IS_DP = 16,
    IS_SYSTEM = 32,
    IS_UNDEFINED = 64,
    IS_NOCP = 128,
};

struct encoding {
    const char *name;
    uint32_t size;                 /* bytes */
    uint32_t mask, value;          /* what tells it from others */
    uint32_t should, should_value; /* UNPREDICTABLE unless so */
    uint32_t pc_mask;              /* if not 0, it is a branch only with all these bits set */
    uint32_t properties;
    bool (*predictable)(uint32_t opcode);
};

extern const struct encoding encodings[];
extern const size_t encoding_count;

/* What an opcode is: of 16 bits, or of 32 with the first halfword on top. */
enum meaning { UNDEFINED, UNPREDICTABLE, NO_COPROCESSOR, DEFINED };
/* *index: of the encoding, also if it is UNPREDICTABLE. */
enum meaning opcode_meaning(uint32_t opcode, uint32_t size, bool is_m4, size_t *index);

static inline bool is_wide(uint32_t first_halfword) { return first_halfword >> 11 >= 0x1D; }

static inline bool may_branch(const struct encoding *encoding, uint32_t opcode) {
    return encoding->properties & IS_BRANCH && (opcode & encoding->pc_mask) == encoding->pc_mask;
}

#endif

#include "encoding.h"

#include "portable.h"

/* ---- what constraints use ---- */
static bool R(uint32_t reg) { return reg != 13 && reg != 15; }
/* Modified constants of repeated bytes are UNPREDICTABLE with a byte of zero (A5.3.2). */
static bool C(uint32_t constant) { return constant & 0xFF || constant >> 10 || !(constant >> 8); }
static bool S(uint32_t is_double, uint32_t reg) { return !is_double || reg < 16; }
static bool L(uint32_t is_double, uint32_t reg) { return !is_double || !(reg & 1); }
static uint32_t COUNT(uint32_t list) { return h7_count_bits(list); }
static uint32_t LOW(uint32_t list) { return h7_lowest_bit(list); }

#include "encodings.inc"

const size_t encoding_count = sizeof encodings / sizeof encodings[0];

/* Candidates by the highest 9 bits of the first halfword, in the table's order. */
enum { BUCKETS = 512, BUCKET_SIZE = 96 };
static uint16_t bucket[BUCKETS][BUCKET_SIZE], bucket_count[BUCKETS];

static void fill_buckets(void) {
    for (uint32_t top = 0; top < BUCKETS; top++) {
        for (size_t index = 0; index < encoding_count; index++) {
            const struct encoding *encoding = &encodings[index];
            uint32_t shift = encoding->size * 8 - 9, mask = encoding->mask >> shift;
            if (is_wide(top << 7) == (encoding->size == 4) &&
                ((top ^ encoding->value >> shift) & mask) == 0) {
                bucket[top][bucket_count[top]++] = (uint16_t)index;
            }
        }
    }
}

enum meaning opcode_meaning(uint32_t opcode, uint32_t size, bool is_m4, size_t *index) {
    if (!bucket_count[0]) {
        fill_buckets();
    }
    uint32_t top = opcode >> (size * 8 - 9);
    for (uint32_t place = 0; place < bucket_count[top]; place++) {
        const struct encoding *encoding = &encodings[bucket[top][place]];
        if ((opcode & encoding->mask) != encoding->value || (is_m4 && encoding->properties & IS_M7)) {
            continue;
        }
        *index = bucket[top][place];
        if (encoding->properties & IS_UNDEFINED) {
            return UNDEFINED;
        }
        if (encoding->properties & IS_NOCP) {
            return NO_COPROCESSOR;
        }
        bool usual = (opcode & encoding->should) == encoding->should_value;
        return usual && encoding->predictable(opcode) ? DEFINED : UNPREDICTABLE;
    }
    return UNDEFINED;
}

/* Where Unicorn is known to be wrong, or cannot know (differences.txt, made C by table.py). */
#ifndef DIFFERENCES_H
#define DIFFERENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encoding.h"
#include "machine.h"

/* In front of an instruction. */
struct situation {
    struct state state;
    bool in_it_block;
    /* What the last LDREX reserved: `changed` since. */
    bool reserved, changed;
    uint32_t reserved_address, reserved_size;
};

struct difference {
    const char *name;      /* of the directed test of our engine, too */
    const char *encodings; /* shell pattern of encoding names */
    bool (*when)(const struct situation *before, uint32_t opcode);
};

extern const struct difference differences[];
extern const size_t difference_count;

/* The known difference that an instruction would run into, or -1. */
int known_difference(size_t encoding, const struct situation *before, uint32_t opcode);

#endif

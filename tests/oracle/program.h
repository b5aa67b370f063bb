/* Random programs: a state, and instructions that our engine executes from it without a fault, but perhaps at the
 * end. They are made while our engine executes them, so that addresses are useful. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "machine.h"

#include <stddef.h>

/* Programs lie around the end of a page. */
enum { STEPS = 20, PAGE_END = CODE + 0x2000, WINDOW = PAGE_END - 4 * STEPS, WINDOW_SIZE = 8 * STEPS };

struct step {
    uint32_t address, opcode, size;
    size_t encoding;
    bool in_it_block, ends_it_block;
};

struct program {
    struct state before; /* from r[15] on */
    struct step step[STEPS];
    uint32_t steps;
    uint32_t end; /* where execution is behind it */
    bool faults;  /* the last instruction does */
};

extern uint8_t pristine_ram[MEMORY_SIZE];
extern uint64_t avoided[]; /* by known difference */

void program_prepare(
    bool is_m4); /* fills code memory and pristine_ram; again, now and then, for new contents */
void program_make(struct program *program);

#endif

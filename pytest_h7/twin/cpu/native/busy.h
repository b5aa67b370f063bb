/* Busy waiting: a core in a loop that changes nothing until something from outside does.
 *
 * Now and then a stretch of instructions is executed one by one and observed. If the core comes back to an
 * earlier state - all registers the same, and every word of memory that it wrote as it was - without having
 * touched a device, the private bus, an exclusive monitor, or anything beyond, then it will do the same again and
 * again, until an interrupt, a tick or another master's store. Whole turns of the loop are skipped then: the cycle
 * counter advances, and the rest is executed. The result is the same, to the cycle, as without it. */
#ifndef H7_BUSY_H
#define H7_BUSY_H

#include "h7core.h"

/* Execute up to cycle `end`, with `execute` for stretches; skips what it can. */
void h7_busy_advance(struct h7_core *core, uint64_t end, void (*execute)(struct h7_core *core, uint64_t count));

/* Whether both cores have, in their last runs, done nothing but turns of such loops, so that neither can leave its
 * loop by what the other does. */
bool h7_busy_both(const struct h7_core *one, const struct h7_core *other);

/* memory.c: an access of the observed core. */
void h7_busy_read(struct h7_core *core, const uint8_t *memory);
void h7_busy_write(struct h7_core *core, uint8_t *memory); /* before the store */

#endif

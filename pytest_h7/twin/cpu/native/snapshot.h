/* The state of a core as bytes. Memories are not part of it. */
#ifndef H7_SNAPSHOT_H
#define H7_SNAPSHOT_H

#include "h7core.h"

size_t h7_core_state_size(const struct h7_core *core);
void h7_core_save(const struct h7_core *core, void *state);
/* Only for a state of the same core, made in the same process. Not from inside a host function. Decoded
 * instructions are forgotten, so memory may be restored before or behind it. */
void h7_core_restore(struct h7_core *core, const void *state);

#endif

/* What debug.c, fpb.c, dwt.c, cti.c have for each other, and fpb.c for memory.c. */
#ifndef H7_DEBUG_H
#define H7_DEBUG_H

#include "h7core.h"

/* debug.c */
bool h7_debug_has_debugger(const struct h7_core *core); /* DHCSR.C_DEBUGEN */
bool h7_debug_is_tracing(const struct h7_core *core);   /* DEMCR.TRCENA, which DWT needs */
/* Tell execute.c and memory.c what to stop at, after a change of anything that decides about it. */
void h7_debug_update(struct h7_core *core);
/* EDBGRQ and DBGRESTART. The first is a level, which counts again wherever what keeps it out may have changed. */
void h7_debug_request(struct h7_core *core);
void h7_debug_restart(struct h7_core *core);

/* fpb.c */
void h7_fpb_reset(struct h7_core *core);
uint32_t h7_fpb_read(const struct h7_core *core, uint32_t offset);
void h7_fpb_write(struct h7_core *core, uint32_t offset, uint32_t value);
/* The halfwords that a comparator breaks at: how many. */
uint32_t h7_fpb_breakpoints(const struct h7_fpb *fpb, uint32_t index, uint32_t addresses[2]);
bool h7_fpb_breaks_at(const struct h7_fpb *fpb, uint32_t address);
/* Where a halfword of an instruction, or an aligned load, really comes from. */
uint32_t h7_fpb_fetched(const struct h7_core *core, uint32_t address);
uint32_t h7_fpb_loaded(const struct h7_core *core, uint32_t address);
bool h7_fpb_patches_page(const struct h7_core *core, uint32_t page); /* loads from it */

/* dwt.c */
void h7_dwt_reset(struct h7_core *core);
uint32_t h7_dwt_read(struct h7_core *core, uint32_t offset);
void h7_dwt_write(struct h7_core *core, uint32_t offset, uint32_t value);
void h7_dwt_tracing_changed(struct h7_core *core);
bool h7_dwt_watches_instruction(const struct h7_core *core, uint32_t index, uint32_t *address);
bool h7_dwt_watches_data(const struct h7_core *core, uint32_t index);
/* Note the comparators that match the instruction at r[15]; whether there are any. */
bool h7_dwt_match_instruction(struct h7_core *core);

/* cti.c */
void h7_cti_reset(struct h7_core *core);
void h7_cti_halted(struct h7_core *core); /* trigger input 0 */

#endif

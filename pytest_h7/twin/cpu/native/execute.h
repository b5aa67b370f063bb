/* Instructions that execute.c leaves to functions of their own: execute_memory.c, execute_system.c. */
#ifndef H7_EXECUTE_H
#define H7_EXECUTE_H

#include "h7core.h"

static inline uint32_t signed_byte(uint32_t value) { return (uint32_t)(int8_t)value; }
static inline uint32_t signed_half(uint32_t value) { return (uint32_t)(int16_t)value; }

/* LDRD, STRD; LDRT, STRT and their kin; LDR into SP or PC: the value. They write the base back. */
enum h7_result h7_double_access(struct h7_core *core, const struct h7_insn *insn, bool load);
enum h7_result h7_unprivileged_access(struct h7_core *core, const struct h7_insn *insn);
enum h7_result h7_special_load(struct h7_core *core, const struct h7_insn *insn, uint32_t *value);

/* MRS, MSR, CPS by their fields; and what answers a floating-point opcode that does not exist. */
uint32_t h7_read_special(const struct h7_core *core, uint32_t which);
void h7_write_special(struct h7_core *core, uint32_t which, uint32_t value, uint32_t mask);
void h7_change_masks(struct h7_core *core, uint32_t which);
enum h7_result h7_no_float(struct h7_core *core);

#endif

/* What the decoder's files have in common: fields of opcodes, and operands of decoded instructions. `at` is the
 * address, `op` the opcode, of 32 bits with the first halfword on top. */
#ifndef H7_DECODE_H
#define H7_DECODE_H

#include "h7core.h"
#include "operations.h"
#include "portable.h"

static inline uint32_t bits(uint32_t value, uint32_t high, uint32_t low) {
    return value >> low & ((2u << (high - low)) - 1);
}

static inline uint32_t bit(uint32_t value, uint32_t place) { return value >> place & 1; }

static inline uint32_t sign_extend(uint32_t value, uint32_t width) {
    uint32_t sign = 1u << (width - 1);
    return (value ^ sign) - sign;
}

static inline uint32_t rotate_right(uint32_t value, uint32_t by) {
    return by ? value >> by | value << (32 - by) : value;
}

static inline bool bad(uint32_t reg) { return reg == 13 || reg == 15; }

static inline void set(struct h7_insn *insn, uint32_t op) {
    insn->op = insn->it_op = (uint16_t)op;
}

/* An instruction that sets the flags only outside of IT blocks. */
static inline void set_flagged(struct h7_insn *insn, uint32_t op, uint32_t flagged) {
    insn->op = (uint16_t)flagged;
    insn->it_op = (uint16_t)op;
}

static inline void registers(struct h7_insn *insn, uint32_t rd, uint32_t rn, uint32_t rm) {
    insn->rd = (uint8_t)rd;
    insn->rn = (uint8_t)rn;
    insn->rm = (uint8_t)rm;
}

static inline void undefined(struct h7_insn *insn) { set(insn, H7_OP_UNDEFINED); }

/* The form of an operation for a register shifted by a constant; `op` is its IMM form. */
static inline uint32_t shifted_form(struct h7_insn *insn, uint32_t op, uint32_t type, uint32_t amount) {
    enum { IMM, REG, LSL, SHIFT };
    if (type == H7_ROR && amount == 0) {
        type = H7_RRX;
        amount = 1;
    } else if ((type == H7_LSR || type == H7_ASR) && amount == 0) {
        amount = 32;
    }
    insn->shift = (uint8_t)amount;
    insn->aux = (uint16_t)type;
    if (type == H7_LSL) {
        return op + (amount ? LSL : REG);
    }
    return op + SHIFT;
}

enum { S_FORMS = H7_OP_ANDS_IMM - H7_OP_AND_IMM };

/* decode_16.c: A5.2 */
void h7_decode_16(uint32_t at, uint32_t op, struct h7_insn *insn);
void h7_decode_hint(uint32_t number, struct h7_insn *insn);

/* decode_data.c: A5.3.1 to A5.3.3, A5.3.11 to A5.3.17 */
void h7_decode_data_constant(uint32_t op, struct h7_insn *insn);
void h7_decode_plain_constant(uint32_t at, uint32_t op, struct h7_insn *insn);
void h7_decode_data_register(uint32_t op, struct h7_insn *insn);
void h7_decode_data_register_2(uint32_t op, struct h7_insn *insn);
void h7_decode_multiply(uint32_t op, struct h7_insn *insn);
void h7_decode_long_multiply(uint32_t op, struct h7_insn *insn);

/* decode_memory.c: A5.3.5 to A5.3.10 */
void h7_decode_load_store_multiple(uint32_t op, struct h7_insn *insn);
void h7_decode_dual_exclusive_table(uint32_t at, uint32_t op, struct h7_insn *insn);
void h7_decode_load_store_single(uint32_t at, uint32_t op, struct h7_insn *insn);
/* LDM, STM, PUSH, POP: registers in aux, offset of the first from Rn in imm, what to add to Rn in shift (in words,
 * signed), number of registers in ra. */
void h7_decode_multiple(struct h7_insn *insn, bool load, uint32_t rn, uint32_t list, bool down, bool write_back);

#endif

/* From an opcode to an operation and its operands (Arm DDI0403E A5 to A7): which group it belongs to; branches,
 * control and coprocessors. decode_16.c, decode_data.c and decode_memory.c have the other groups.
 *
 * What the architecture calls UNPREDICTABLE is decoded like its neighbours where that is harmless, and as
 * undefined where the PC, or a write to the SP, would be an operand it may not be. */
#include "decode.h"

#include <string.h>

static void special_register(uint32_t op, struct h7_insn *insn, bool write) {
    insn->imm = bits(op, 7, 0);
    insn->aux = (uint16_t)bits(op, 11, 10);
    uint32_t general = write ? bits(op, 19, 16) : bits(op, 11, 8);
    registers(insn, general, general, 0);
    bool reserved = write ? bit(op, 13) || bits(op, 9, 8) || bit(op, 20) : bits(op, 19, 16) != 15 || bit(op, 13);
    set(insn, bad(general) || reserved ? H7_OP_UNDEFINED : write ? H7_OP_MSR : H7_OP_MRS);
}

static void branch_and_control(uint32_t at, uint32_t op, struct h7_insn *insn) {
    uint32_t s = bit(op, 26), j1 = bit(op, 13), j2 = bit(op, 11);
    if (bit(op, 12)) { /* B, BL */
        uint32_t i1 = ~(j1 ^ s) & 1, i2 = ~(j2 ^ s) & 1;
        uint32_t offset = s << 24 | i1 << 23 | i2 << 22 | bits(op, 25, 16) << 12 | bits(op, 10, 0) << 1;
        insn->imm = at + 4 + sign_extend(offset, 25);
        set(insn, bit(op, 14) ? H7_OP_BL : H7_OP_B);
        return;
    }
    if (bit(op, 14)) {
        undefined(insn);
        return;
    }
    if (bits(op, 25, 23) != 7) {
        uint32_t offset = s << 20 | j2 << 19 | j1 << 18 | bits(op, 21, 16) << 12 | bits(op, 10, 0) << 1;
        insn->imm = at + 4 + sign_extend(offset, 21);
        set(insn, H7_OP_BEQ + bits(op, 25, 22));
        return;
    }
    switch (bits(op, 26, 20)) {
    case 0x38: case 0x39:
        special_register(op, insn, true);
        return;
    case 0x3A:
        if (bits(op, 10, 8) || (op & 0xFF800) != 0xF8000) {
            undefined(insn);
        } else {
            h7_decode_hint(bits(op, 7, 0), insn);
        }
        return;
    case 0x3B:
        if ((op & 0xFFF00) != 0xF8F00) {
            undefined(insn);
            return;
        }
        switch (bits(op, 7, 4)) {
        case 2:
            set(insn, H7_OP_CLREX);
            return;
        case 4: case 5: case 6:
            set(insn, H7_OP_NOP);
            return;
        default:
            undefined(insn);
        }
        return;
    case 0x3E: case 0x3F:
        special_register(op, insn, false);
        return;
    default:
        undefined(insn);
    }
}

static void coprocessor(const struct h7_core *core, uint32_t at, uint32_t op, struct h7_insn *insn) {
    uint32_t number = bits(op, 11, 8);
    if (bits(op, 25, 24) == 3) { /* no such instructions on this profile */
        undefined(insn);
    } else if (number != 10 && number != 11) {
        insn->imm = number;
        set(insn, H7_OP_NO_COPROCESSOR);
    } else {
        set(insn, h7_float_decode(core, at, op, insn) ? H7_OP_FLOAT : H7_OP_FLOAT_UNDEFINED);
    }
}

static void decode_32(const struct h7_core *core, uint32_t at, uint32_t op, struct h7_insn *insn) {
    insn->size = 4;
    if (bits(op, 28, 27) == 1) {
        if (bit(op, 26)) {
            coprocessor(core, at, op, insn);
        } else if (bit(op, 25)) {
            h7_decode_data_register(op, insn);
        } else if (bit(op, 22)) {
            h7_decode_dual_exclusive_table(at, op, insn);
        } else {
            h7_decode_load_store_multiple(op, insn);
        }
    } else if (bits(op, 28, 27) == 2) {
        if (bit(op, 15)) {
            branch_and_control(at, op, insn);
        } else if (bit(op, 25)) {
            h7_decode_plain_constant(at, op, insn);
        } else {
            h7_decode_data_constant(op, insn);
        }
    } else if (bit(op, 26)) {
        coprocessor(core, at, op, insn);
    } else if (!bit(op, 25)) {
        h7_decode_load_store_single(at, op, insn);
    } else if (!bit(op, 24)) {
        h7_decode_data_register_2(op, insn);
    } else if (!bit(op, 23)) {
        h7_decode_multiply(op, insn);
    } else {
        h7_decode_long_multiply(op, insn);
    }
}

void h7_decode(const struct h7_core *core, uint32_t at, uint16_t hw1, uint16_t hw2, struct h7_insn *insn) {
    memset(insn, 0, sizeof *insn);
    if (hw1 >> 11 >= 0x1D) {
        decode_32(core, at, (uint32_t)hw1 << 16 | hw2, insn);
    } else {
        h7_decode_16(at, hw1, insn);
    }
}

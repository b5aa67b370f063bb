/* From an opcode to an operation and its operands (Arm DDI0403E A5 to A7).
 *
 * What the architecture calls UNPREDICTABLE is decoded like its neighbours where that is harmless, and as
 * undefined where the PC, or a write to the SP, would be an operand it may not be. */
#include <string.h>

#include "h7core.h"
#include "operations.h"
#include "portable.h"

static uint32_t bits(uint32_t value, uint32_t high, uint32_t low) {
    return value >> low & ((2u << (high - low)) - 1);
}

static uint32_t bit(uint32_t value, uint32_t place) { return value >> place & 1; }

static uint32_t sign_extend(uint32_t value, uint32_t width) {
    uint32_t sign = 1u << (width - 1);
    return (value ^ sign) - sign;
}

static uint32_t rotate_right(uint32_t value, uint32_t by) {
    return by ? value >> by | value << (32 - by) : value;
}

static bool bad(uint32_t reg) { return reg == 13 || reg == 15; }

static void set(struct h7_insn *insn, uint32_t op) {
    insn->op = insn->it_op = (uint16_t)op;
}

/* An instruction that sets the flags only outside of IT blocks. */
static void set_flagged(struct h7_insn *insn, uint32_t op, uint32_t flagged) {
    insn->op = (uint16_t)flagged;
    insn->it_op = (uint16_t)op;
}

static void registers(struct h7_insn *insn, uint32_t rd, uint32_t rn, uint32_t rm) {
    insn->rd = (uint8_t)rd;
    insn->rn = (uint8_t)rn;
    insn->rm = (uint8_t)rm;
}

static void undefined(struct h7_insn *insn) { set(insn, H7_OP_UNDEFINED); }

/* The form of an operation for a register shifted by a constant; `op` is its IMM form. */
static uint32_t shifted_form(struct h7_insn *insn, uint32_t op, uint32_t type, uint32_t amount) {
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

/* ---- 16-bit instructions ------------------------------------------------------------------------------ */

static void shift_add_subtract(uint32_t op, struct h7_insn *insn) {
    uint32_t rd = bits(op, 2, 0), rn = bits(op, 5, 3), type = bits(op, 12, 11);
    if (type != 3) {
        registers(insn, rd, 0, rn);
        uint32_t form = shifted_form(insn, H7_OP_MOV_IMM, type, bits(op, 10, 6));
        set_flagged(insn, form, form + S_FORMS);
        return;
    }
    bool constant = bit(op, 10);
    uint32_t form = bit(op, 9) ? H7_OP_SUB_IMM : H7_OP_ADD_IMM;
    registers(insn, rd, rn, bits(op, 8, 6));
    insn->imm = insn->rm;
    form += constant ? 0 : 1;
    set_flagged(insn, form, form + S_FORMS);
}

static void constant_8(uint32_t op, struct h7_insn *insn) {
    uint32_t reg = bits(op, 10, 8);
    registers(insn, reg, reg, 0);
    insn->imm = bits(op, 7, 0);
    switch (bits(op, 12, 11)) {
    case 0:
        set_flagged(insn, H7_OP_MOV_IMM, H7_OP_MOVS_IMM);
        return;
    case 1:
        set(insn, H7_OP_CMP_IMM);
        return;
    case 2:
        set_flagged(insn, H7_OP_ADD_IMM, H7_OP_ADDS_IMM);
        return;
    default:
        set_flagged(insn, H7_OP_SUB_IMM, H7_OP_SUBS_IMM);
    }
}

static void data_processing_16(uint32_t op, struct h7_insn *insn) {
    static const uint16_t operation[16] = {
        H7_OP_AND_REG, H7_OP_EOR_REG, H7_OP_LSL,     H7_OP_LSR,     H7_OP_ASR,     H7_OP_ADC_REG,
        H7_OP_SBC_REG, H7_OP_ROR,     H7_OP_TST_REG, H7_OP_RSB_IMM, H7_OP_CMP_REG, H7_OP_CMN_REG,
        H7_OP_ORR_REG, H7_OP_MUL,     H7_OP_BIC_REG, H7_OP_MVN_REG,
    };
    uint32_t rd = bits(op, 2, 0), rm = bits(op, 5, 3), which = bits(op, 9, 6);
    uint32_t form = operation[which];
    registers(insn, rd, rd, rm);
    switch (form) {
    case H7_OP_TST_REG:
    case H7_OP_CMP_REG:
    case H7_OP_CMN_REG:
        set(insn, form);
        return;
    case H7_OP_LSL:
    case H7_OP_LSR:
    case H7_OP_ASR:
    case H7_OP_ROR:
    case H7_OP_MUL:
        set_flagged(insn, form, form + 1);
        return;
    case H7_OP_RSB_IMM:
        insn->rn = (uint8_t)rm;
        break;
    default:
        break;
    }
    set_flagged(insn, form, form + S_FORMS);
}

static void special_data_and_branch(uint32_t at, uint32_t op, struct h7_insn *insn) {
    uint32_t rd = bits(op, 2, 0) | bit(op, 7) << 3, rm = bits(op, 6, 3);
    registers(insn, rd, rd, rm);
    switch (bits(op, 9, 8)) {
    case 0: /* ADD */
        if (rd == 15 && rm == 15) {
            undefined(insn);
        } else if (rd == 15) {
            insn->imm = at + 4;
            set(insn, H7_OP_ADD_PC);
        } else if (rm == 15) {
            insn->imm = at + 4;
            set(insn, rd == 13 ? H7_OP_ADD_SP_IMM : H7_OP_ADD_IMM);
        } else {
            set(insn, rd == 13 ? H7_OP_ADD_SP_REG : H7_OP_ADD_REG);
        }
        return;
    case 1: /* CMP */
        if (rd == 15 || rm == 15) {
            undefined(insn);
        } else {
            set(insn, H7_OP_CMP_REG);
        }
        return;
    case 2: /* MOV */
        if (rm == 15) {
            insn->imm = at + 4;
            if (rd == 15) {
                set(insn, H7_OP_B);
            } else if (rd == 13) {
                undefined(insn);
            } else {
                set(insn, H7_OP_MOV_IMM);
            }
        } else {
            set(insn, rd == 15 ? H7_OP_MOV_PC : rd == 13 ? H7_OP_MOV_SP : H7_OP_MOV_REG);
        }
        return;
    default: /* BX, BLX */
        if (bits(op, 2, 0)) {
            undefined(insn);
        } else if (rm == 15 && !bit(op, 7)) { /* to ARM state */
            insn->imm = at + 4;
            set(insn, H7_OP_BX);
        } else if (rm == 15) {
            undefined(insn);
        } else {
            set(insn, bit(op, 7) ? H7_OP_BLX : H7_OP_BX);
        }
    }
}

static void load_store_16(uint32_t op, struct h7_insn *insn) {
    static const uint16_t by_register[8] = {H7_OP_STR_REG,   H7_OP_STRH_REG, H7_OP_STRB_REG, H7_OP_LDRSB_REG,
                                            H7_OP_LDR_REG,   H7_OP_LDRH_REG, H7_OP_LDRB_REG, H7_OP_LDRSH_REG};
    uint32_t rt = bits(op, 2, 0), rn = bits(op, 5, 3);
    registers(insn, rt, rn, bits(op, 8, 6));
    uint32_t offset = bits(op, 10, 6);
    bool load = bit(op, 11);
    switch (bits(op, 15, 12)) {
    case 5:
        set(insn, by_register[bits(op, 11, 9)]);
        return;
    case 6:
        insn->imm = offset * 4;
        set(insn, load ? H7_OP_LDR_IMM : H7_OP_STR_IMM);
        return;
    case 7:
        insn->imm = offset;
        set(insn, load ? H7_OP_LDRB_IMM : H7_OP_STRB_IMM);
        return;
    case 8:
        insn->imm = offset * 2;
        set(insn, load ? H7_OP_LDRH_IMM : H7_OP_STRH_IMM);
        return;
    default:
        registers(insn, bits(op, 10, 8), 13, 0);
        insn->imm = bits(op, 7, 0) * 4;
        set(insn, load ? H7_OP_LDR_IMM : H7_OP_STR_IMM);
    }
}

/* LDM, STM, PUSH, POP: registers in aux, offset of the first from Rn in imm, what to add to Rn in shift (in
 * words, signed), number of registers in ra. */
static void multiple(struct h7_insn *insn, bool load, uint32_t rn, uint32_t list, bool down, bool write_back) {
    uint32_t count = h7_count_bits(list);
    registers(insn, 0, rn, 0);
    insn->aux = (uint16_t)list;
    insn->ra = (uint8_t)count;
    insn->imm = down ? 0u - 4 * count : 0;
    insn->shift = (uint8_t)(!write_back ? 0u : down ? 0u - count : count);
    if (count == 0 || rn == 15) {
        undefined(insn);
    } else if (!load) {
        set(insn, H7_OP_STM);
    } else {
        set(insn, bit(list, 15) ? H7_OP_LDM_PC : H7_OP_LDM);
    }
}

static void hint(uint32_t number, struct h7_insn *insn) {
    static const uint16_t operation[5] = {H7_OP_NOP, H7_OP_NOP, H7_OP_WFE, H7_OP_WFI, H7_OP_SEV};
    set(insn, number < 5 ? operation[number] : H7_OP_NOP);
}

static void miscellaneous_16(uint32_t at, uint32_t op, struct h7_insn *insn) {
    static const uint16_t extend[4] = {H7_OP_SXTH, H7_OP_SXTB, H7_OP_UXTH, H7_OP_UXTB};
    static const uint16_t reverse[4] = {H7_OP_REV, H7_OP_REV16, H7_OP_UNDEFINED, H7_OP_REVSH};
    uint32_t low = bits(op, 2, 0), middle = bits(op, 5, 3);
    switch (bits(op, 11, 8)) {
    case 0x0:
        registers(insn, 13, 13, 0);
        insn->imm = bits(op, 6, 0) * 4;
        if (bit(op, 7)) {
            insn->imm = 0u - insn->imm;
        }
        set(insn, H7_OP_ADD_SP_IMM);
        return;
    case 0x2:
        registers(insn, low, 0, middle);
        set(insn, extend[bits(op, 7, 6)]);
        return;
    case 0x1:
    case 0x3:
    case 0x9:
    case 0xB:
        registers(insn, 0, low, 0);
        insn->imm = at + 4 + (bit(op, 9) << 6 | bits(op, 7, 3) << 1);
        set(insn, bit(op, 11) ? H7_OP_CBNZ : H7_OP_CBZ);
        return;
    case 0x4:
    case 0x5:
        multiple(insn, false, 13, bits(op, 7, 0) | bit(op, 8) << 14, true, true);
        return;
    case 0x6:
        if (bits(op, 7, 5) == 3) {
            insn->imm = op & 0x13;
            set(insn, H7_OP_CPS);
        } else {
            undefined(insn);
        }
        return;
    case 0xA:
        registers(insn, low, 0, middle);
        set(insn, reverse[bits(op, 7, 6)]);
        return;
    case 0xC:
    case 0xD:
        multiple(insn, true, 13, bits(op, 7, 0) | bit(op, 8) << 15, false, true);
        return;
    case 0xE:
        insn->imm = bits(op, 7, 0);
        set(insn, H7_OP_BKPT);
        return;
    case 0xF:
        if (bits(op, 3, 0) == 0) {
            hint(bits(op, 7, 4), insn);
        } else {
            insn->imm = bits(op, 7, 0);
            set(insn, H7_OP_IT);
        }
        return;
    default:
        undefined(insn);
    }
}

static void conditional_branch_16(uint32_t at, uint32_t op, struct h7_insn *insn) {
    uint32_t condition = bits(op, 11, 8);
    if (condition == 14) {
        undefined(insn);
    } else if (condition == 15) {
        insn->imm = bits(op, 7, 0);
        set(insn, H7_OP_SVC);
    } else {
        insn->imm = at + 4 + (sign_extend(bits(op, 7, 0), 8) << 1);
        set(insn, H7_OP_BEQ + condition);
    }
}

static void decode_16(uint32_t at, uint32_t op, struct h7_insn *insn) {
    insn->size = 2;
    switch (bits(op, 15, 11)) {
    case 0x00: case 0x01: case 0x02: case 0x03:
        shift_add_subtract(op, insn);
        return;
    case 0x04: case 0x05: case 0x06: case 0x07:
        constant_8(op, insn);
        return;
    case 0x08:
        if (bit(op, 10)) {
            special_data_and_branch(at, op, insn);
        } else {
            data_processing_16(op, insn);
        }
        return;
    case 0x09:
        registers(insn, bits(op, 10, 8), 0, 0);
        insn->imm = ((at + 4) & ~3u) + bits(op, 7, 0) * 4;
        set(insn, H7_OP_LDR_LIT);
        return;
    case 0x14:
        registers(insn, bits(op, 10, 8), 0, 0);
        insn->imm = ((at + 4) & ~3u) + bits(op, 7, 0) * 4;
        set(insn, H7_OP_MOV_IMM);
        return;
    case 0x15:
        registers(insn, bits(op, 10, 8), 13, 0);
        insn->imm = bits(op, 7, 0) * 4;
        set(insn, H7_OP_ADD_IMM);
        return;
    case 0x16: case 0x17:
        miscellaneous_16(at, op, insn);
        return;
    case 0x18:
        multiple(insn, false, bits(op, 10, 8), bits(op, 7, 0), false, true);
        return;
    case 0x19:
        multiple(insn, true, bits(op, 10, 8), bits(op, 7, 0), false, !bit(op, bits(op, 10, 8)));
        return;
    case 0x1A: case 0x1B:
        conditional_branch_16(at, op, insn);
        return;
    case 0x1C:
        insn->imm = at + 4 + (sign_extend(bits(op, 10, 0), 11) << 1);
        set(insn, H7_OP_B);
        return;
    default:
        load_store_16(op, insn);
    }
}

/* ---- 32-bit instructions; op has the first halfword in its upper half --------------------------------- */

/* ThumbExpandImm_C: the constant into imm, and into aux whether a logical operation takes its bit 31 as carry. */
static void modified_constant(uint32_t op, struct h7_insn *insn) {
    uint32_t code = bit(op, 26) << 11 | bits(op, 14, 12) << 8 | bits(op, 7, 0), byte = bits(op, 7, 0);
    switch (bits(code, 11, 8)) {
    case 0:
        insn->imm = byte;
        return;
    case 1:
        insn->imm = byte << 16 | byte;
        return;
    case 2:
        insn->imm = byte << 24 | byte << 8;
        return;
    case 3:
        insn->imm = byte * 0x01010101u;
        return;
    default:
        insn->imm = rotate_right(0x80 | bits(code, 6, 0), bits(code, 11, 7));
        insn->aux = 1;
    }
}

/* IMM forms by bits 24:21 of the data-processing instructions; 0: undefined. */
static const uint16_t data_operation[16] = {
    [0] = H7_OP_AND_IMM,  [1] = H7_OP_BIC_IMM,  [2] = H7_OP_ORR_IMM,  [3] = H7_OP_ORN_IMM,  [4] = H7_OP_EOR_IMM,
    [8] = H7_OP_ADD_IMM,  [10] = H7_OP_ADC_IMM, [11] = H7_OP_SBC_IMM, [13] = H7_OP_SUB_IMM, [14] = H7_OP_RSB_IMM,
};

/* Find the IMM form of a 32-bit data-processing instruction: comparisons have Rd = 15, moves Rn = 15. Returns 0
 * if there is none. */
static uint32_t data_form(uint32_t op, struct h7_insn *insn) {
    uint32_t form = data_operation[bits(op, 24, 21)], rd = insn->rd, rn = insn->rn;
    uint32_t flagged = bit(op, 20) ? S_FORMS : 0;
    if (!form) {
        return 0;
    }
    if (rd == 15) {
        if (!flagged || rn == 15) {
            return 0;
        }
        switch (form) {
        case H7_OP_AND_IMM:
            return H7_OP_TST_IMM;
        case H7_OP_EOR_IMM:
            return H7_OP_TEQ_IMM;
        case H7_OP_ADD_IMM:
            return H7_OP_CMN_IMM;
        case H7_OP_SUB_IMM:
            return H7_OP_CMP_IMM;
        default:
            return 0;
        }
    }
    if (rn == 15) {
        if (form == H7_OP_ORR_IMM || form == H7_OP_ORN_IMM) {
            insn->rn = 0;
            return (form == H7_OP_ORR_IMM ? H7_OP_MOV_IMM : H7_OP_MVN_IMM) + flagged;
        }
        return 0;
    }
    return form + flagged;
}

/* Results in the SP exist for ADD, SUB and MOV only. */
static void set_data(struct h7_insn *insn, uint32_t form) {
    if (insn->rd != 13) {
        set(insn, form);
        return;
    }
    switch (form) {
    case H7_OP_ADD_IMM:
        set(insn, H7_OP_ADD_SP_IMM);
        return;
    case H7_OP_SUB_IMM:
        insn->imm = 0u - insn->imm;
        set(insn, H7_OP_ADD_SP_IMM);
        return;
    case H7_OP_ADD_REG:
    case H7_OP_ADD_LSL:
        set(insn, H7_OP_ADD_SP_REG);
        return;
    case H7_OP_SUB_REG:
    case H7_OP_SUB_LSL:
        set(insn, H7_OP_SUB_SP_REG);
        return;
    case H7_OP_ADDS_IMM:
    case H7_OP_SUBS_IMM:
    case H7_OP_ADDS_REG:
    case H7_OP_SUBS_REG:
    case H7_OP_ADDS_LSL:
    case H7_OP_SUBS_LSL:
        set(insn, insn->rn == 13 ? H7_OP_FLAGS_SP : H7_OP_UNDEFINED);
        insn->aux = (uint16_t)form;
        return;
    case H7_OP_MOV_REG:
        set(insn, H7_OP_MOV_SP);
        return;
    default:
        undefined(insn);
    }
}

static void data_constant(uint32_t op, struct h7_insn *insn) {
    registers(insn, bits(op, 11, 8), bits(op, 19, 16), 0);
    modified_constant(op, insn);
    uint32_t form = data_form(op, insn);
    if (form) {
        set_data(insn, form);
    } else {
        undefined(insn);
    }
}

static void data_register(uint32_t op, struct h7_insn *insn) {
    uint32_t type = bits(op, 5, 4), amount = bits(op, 14, 12) << 2 | bits(op, 7, 6), rm = bits(op, 3, 0);
    registers(insn, bits(op, 11, 8), bits(op, 19, 16), rm);
    if (bit(op, 15)) {
        undefined(insn);
        return;
    }
    if (bits(op, 24, 21) == 6) {
        if (bit(op, 20) || bit(op, 4) || bad(insn->rd) || bad(insn->rn) || bad(rm)) {
            undefined(insn);
            return;
        }
        bool top = bit(op, 5);
        insn->shift = (uint8_t)(top && !amount ? 32 : amount);
        insn->aux = top ? H7_PKHTB : H7_PKHBT;
        set(insn, H7_OP_DSP);
        return;
    }
    uint32_t form = data_form(op, insn);
    if (!form || rm == 15) {
        undefined(insn);
        return;
    }
    set_data(insn, shifted_form(insn, form, type, amount));
}

/* Saturation: place - 1 for signed, place for unsigned in imm. */
static void saturate(uint32_t op, struct h7_insn *insn) {
    bool is_signed = !bit(op, 23), shifts_right = bit(op, 21);
    uint32_t amount = bits(op, 14, 12) << 2 | bits(op, 7, 6), place = bits(op, 4, 0);
    insn->imm = place;
    if (shifts_right && amount == 0) {
        insn->imm = bits(op, 3, 0);
        insn->aux = is_signed ? H7_SSAT16 : H7_USAT16;
        if (bit(op, 4)) {
            undefined(insn);
            return;
        }
    } else {
        insn->shift = (uint8_t)amount;
        insn->ra = shifts_right;
        insn->aux = is_signed ? H7_SSAT : H7_USAT;
    }
    set(insn, H7_OP_DSP);
}

static void plain_constant(uint32_t at, uint32_t op, struct h7_insn *insn) {
    uint32_t rd = bits(op, 11, 8), rn = bits(op, 19, 16);
    uint32_t imm12 = bit(op, 26) << 11 | bits(op, 14, 12) << 8 | bits(op, 7, 0);
    uint32_t low = bits(op, 14, 12) << 2 | bits(op, 7, 6), width = bits(op, 4, 0) + 1;
    registers(insn, rd, rn, rn);
    if (rd == 15) {
        undefined(insn);
        return;
    }
    switch (bits(op, 24, 20)) {
    case 0x00:
    case 0x0A: {
        bool subtract = bit(op, 23);
        insn->imm = subtract ? 0u - imm12 : imm12;
        if (rn == 15) { /* ADR */
            insn->imm += (at + 4) & ~3u;
            set(insn, H7_OP_MOV_IMM);
        } else {
            set(insn, H7_OP_ADD_IMM);
        }
        if (rd == 13) {
            set(insn, rn == 15 ? H7_OP_UNDEFINED : H7_OP_ADD_SP_IMM);
        }
        return;
    }
    case 0x04:
        insn->imm = rn << 12 | imm12;
        set(insn, rd == 13 ? H7_OP_UNDEFINED : H7_OP_MOV_IMM);
        return;
    case 0x0C:
        insn->imm = rn << 28 | imm12 << 16;
        set(insn, rd == 13 ? H7_OP_UNDEFINED : H7_OP_MOVT);
        return;
    default:
        break;
    }
    if (bit(op, 20) || bit(op, 26) || rd == 13) {
        undefined(insn);
        return;
    }
    switch (bits(op, 24, 20)) {
    case 0x10: case 0x12: case 0x18: case 0x1A:
        if (bad(rn) || bit(op, 5)) {
            undefined(insn);
        } else {
            saturate(op, insn);
        }
        return;
    case 0x14:
    case 0x1C: /* shift: to the left, then to the right by aux */
        if (bad(rn) || bit(op, 5) || low + width > 32) {
            undefined(insn);
            return;
        }
        insn->shift = (uint8_t)(32 - low - width);
        insn->aux = (uint16_t)(32 - width);
        set(insn, bit(op, 23) ? H7_OP_UBFX : H7_OP_SBFX);
        return;
    case 0x16: { /* BFI; BFC takes zeros, which is what ra = 1 says */
        uint32_t msb = width - 1;
        if (msb < low || rn == 13 || bit(op, 5)) {
            undefined(insn);
            return;
        }
        insn->ra = rn == 15;
        insn->rn = rn == 15 ? 0 : insn->rn;
        insn->shift = (uint8_t)low;
        insn->imm = (uint32_t)((2ull << (msb - low)) - 1) << low;
        set(insn, H7_OP_BFI);
        return;
    }
    default:
        undefined(insn);
    }
}

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
            hint(bits(op, 7, 0), insn);
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

static void load_store_multiple(uint32_t op, struct h7_insn *insn) {
    uint32_t list = bits(op, 15, 0), how = bits(op, 24, 23), rn = bits(op, 19, 16);
    bool load = bit(op, 20), write_back = bit(op, 21);
    if ((how != 1 && how != 2) || bit(list, 13) || (!load && bit(list, 15)) ||
        h7_count_bits(list) < 2 || (write_back && bit(list, rn)) ||
        (load && bits(list, 15, 14) == 3)) {
        undefined(insn);
        return;
    }
    multiple(insn, load, rn, list, how == 2, write_back);
}

static void dual_exclusive_table(uint32_t at, uint32_t op, struct h7_insn *insn) {
    uint32_t rn = bits(op, 19, 16), rt = bits(op, 15, 12), rt2 = bits(op, 11, 8), offset = bits(op, 7, 0) * 4;
    bool load = bit(op, 20);
    registers(insn, rt, rn, rt2);
    if (bit(op, 24) || bit(op, 21)) { /* LDRD, STRD: ra 0 offset, 1 pre-indexed, 2 post-indexed */
        bool up = bit(op, 23), write_back = bit(op, 21);
        insn->imm = up ? offset : 0u - offset;
        insn->ra = !bit(op, 24) ? 2 : write_back;
        if (bad(rt) || bad(rt2) || (write_back && (rn == rt || rn == rt2)) || (rn == 15 && (!load || write_back)) ||
            (load && rt == rt2)) {
            undefined(insn);
            return;
        }
        if (rn == 15) { /* literal: ra 3 */
            insn->imm += (at + 4) & ~3u;
            insn->ra = 3;
        }
        set(insn, load ? H7_OP_LDRD : H7_OP_STRD);
        return;
    }
    if (!bit(op, 23)) { /* LDREX, STREX */
        insn->imm = offset;
        insn->shift = 4;
        insn->ra = insn->rm; /* status */
        if (bad(rt) || rn == 15 || (!load && (bad(rt2) || rt2 == rn || rt2 == rt))) {
            undefined(insn);
        } else {
            set(insn, load ? H7_OP_LDREX : H7_OP_STREX);
        }
        return;
    }
    uint32_t kind = bits(op, 7, 4), rm = bits(op, 3, 0);
    if (load && kind <= 1) { /* TBB, TBH: the table may be behind the PC */
        registers(insn, 0, rn, rm);
        insn->imm = at + 4;
        insn->ra = rn == 15;
        set(insn, bad(rm) || rn == 13 || bits(op, 15, 8) != 0xF0 ? H7_OP_UNDEFINED : kind ? H7_OP_TBH : H7_OP_TBB);
        return;
    }
    if (kind == 4 || kind == 5) {
        insn->shift = kind == 4 ? 1 : 2;
        insn->ra = (uint8_t)rm;
        if (bad(rt) || rn == 15 || (!load && (bad(rm) || rm == rn || rm == rt))) {
            undefined(insn);
        } else {
            set(insn, load ? H7_OP_LDREX : H7_OP_STREX);
        }
        return;
    }
    undefined(insn);
}

/* Operations by what is accessed (H7_WORD...): IMM forms; the others follow it. */
static const uint16_t load_operation[5] = {H7_OP_LDR_IMM, H7_OP_LDRB_IMM, H7_OP_LDRH_IMM, H7_OP_LDRSB_IMM,
                                           H7_OP_LDRSH_IMM};
static const uint16_t store_operation[3] = {H7_OP_STR_IMM, H7_OP_STRB_IMM, H7_OP_STRH_IMM};
enum { REG_FORM = 1, PRE_FORM = 2, POST_FORM = 3 };

static void load_store_single(uint32_t at, uint32_t op, struct h7_insn *insn) {
    uint32_t rn = bits(op, 19, 16), rt = bits(op, 15, 12), rm = bits(op, 3, 0), size = bits(op, 22, 21);
    bool load = bit(op, 20), is_signed = bit(op, 24);
    uint32_t kind = size == 2 ? H7_WORD : size == 0 ? H7_BYTE : H7_HALF;
    if (size == 3 || (is_signed && (!load || size == 2))) {
        undefined(insn);
        return;
    }
    if (is_signed) {
        kind += H7_SIGNED_BYTE - H7_BYTE;
    }
    registers(insn, rt, rn, rm);
    uint32_t how, form;
    if (load && rn == 15) {
        uint32_t offset = bits(op, 11, 0);
        insn->imm = ((at + 4) & ~3u) + (bit(op, 23) ? offset : 0u - offset);
        how = H7_LITERAL;
        form = 0;
    } else if (bit(op, 23)) {
        insn->imm = bits(op, 11, 0);
        how = H7_OFFSET;
        form = 0;
    } else if (bits(op, 11, 6) == 0) {
        insn->shift = (uint8_t)bits(op, 5, 4);
        how = H7_OFFSET_REG;
        form = REG_FORM;
    } else if (bit(op, 11)) {
        uint32_t offset = bits(op, 7, 0);
        bool index = bit(op, 10), up = bit(op, 9), write_back = bit(op, 8);
        insn->imm = up ? offset : 0u - offset;
        if (index && up && !write_back) { /* LDRT, STRT */
            insn->aux = (uint16_t)(load ? kind : kind | H7_IS_STORE);
            set(insn, rn == 15 || bad(rt) ? H7_OP_UNDEFINED : H7_OP_UNPRIVILEGED);
            return;
        }
        how = !index ? H7_POST : write_back ? H7_PRE : H7_OFFSET;
        form = !index ? POST_FORM : write_back ? PRE_FORM : 0;
        if ((!index && !write_back) || (write_back && rn == rt)) {
            undefined(insn);
            return;
        }
    } else {
        undefined(insn);
        return;
    }
    if (rn == 15 && how != H7_LITERAL) {
        undefined(insn);
        return;
    }
    if (how == H7_OFFSET_REG && bad(rm)) {
        undefined(insn);
        return;
    }
    if (!load) {
        set(insn, rt == 15 || (kind != H7_WORD && rt == 13) ? H7_OP_UNDEFINED : store_operation[kind] + form);
        return;
    }
    if (bad(rt)) {
        if (kind == H7_WORD) {
            insn->aux = (uint16_t)how;
            set(insn, H7_OP_LDR_SPECIAL);
        } else { /* PLD, PLI, unallocated hints */
            set(insn, rt == 15 && how != H7_PRE && how != H7_POST ? H7_OP_NOP : H7_OP_UNDEFINED);
        }
        return;
    }
    set(insn, how == H7_LITERAL ? H7_OP_LDR_LIT + kind : load_operation[kind] + form);
}

static void dsp(struct h7_insn *insn, uint32_t which, uint32_t variant) {
    insn->aux = (uint16_t)which;
    insn->imm = variant;
    set(insn, H7_OP_DSP);
}

static void data_register_2(uint32_t op, struct h7_insn *insn) {
    static const uint16_t shift[4] = {H7_OP_LSL, H7_OP_LSR, H7_OP_ASR, H7_OP_ROR};
    static const uint16_t extend[6] = {H7_OP_SXTAH, H7_OP_UXTAH, 0, 0, H7_OP_SXTAB, H7_OP_UXTAB};
    static const uint16_t extend_only[6] = {H7_OP_SXTH, H7_OP_UXTH, 0, 0, H7_OP_SXTB, H7_OP_UXTB};
    static const uint16_t saturating[4] = {H7_QADD, H7_QDADD, H7_QSUB, H7_QDSUB};
    static const uint16_t reverse[4] = {H7_OP_REV, H7_OP_REV16, H7_OP_RBIT, H7_OP_REVSH};
    uint32_t rd = bits(op, 11, 8), rn = bits(op, 19, 16), rm = bits(op, 3, 0);
    uint32_t op1 = bits(op, 23, 20), op2 = bits(op, 7, 4);
    registers(insn, rd, rn, rm);
    if (bits(op, 15, 12) != 15 || bad(rd) || bad(rm) || rn == 13) {
        undefined(insn);
        return;
    }
    bool no_rn = rn == 15;
    if (op1 < 8 && op2 == 0 && !no_rn) {
        set(insn, shift[op1 >> 1] + (op1 & 1));
    } else if (op1 < 6 && op2 >= 8 && !bit(op2, 2)) {
        insn->imm = 8 * bits(op2, 1, 0);
        if (op1 == 2 || op1 == 3) {
            dsp(insn, op1 == 2 ? H7_SXTAB16 : H7_UXTAB16, insn->imm);
        } else {
            set(insn, no_rn ? extend_only[op1] : extend[op1]);
        }
    } else if (op1 >= 8 && op2 < 8 && !no_rn && (op2 & 3) != 3 && op1 != 11 && op1 != 15) {
        /* Bits 22:20 are add8, add16, asx, -, sub8, sub16, sax; bits 6:4 signed, q, sh, -, u, uq, uh. */
        dsp(insn, H7_PARALLEL + 8 * (op1 & 7) + op2, 0);
    } else if (op1 == 8 && op2 >= 8 && op2 < 12 && !no_rn) {
        dsp(insn, saturating[op2 & 3], 0);
    } else if (op1 == 9 && op2 >= 8 && op2 < 12 && rn == rm) {
        set(insn, reverse[op2 & 3]);
    } else if (op1 == 10 && op2 == 8 && !no_rn) {
        dsp(insn, H7_SEL, 0);
    } else if (op1 == 11 && op2 == 8 && rn == rm) {
        set(insn, H7_OP_CLZ);
    } else {
        undefined(insn);
    }
}

static void multiply(uint32_t op, struct h7_insn *insn) {
    uint32_t rn = bits(op, 19, 16), ra = bits(op, 15, 12), rd = bits(op, 11, 8), rm = bits(op, 3, 0);
    uint32_t op1 = bits(op, 22, 20), op2 = bits(op, 5, 4);
    registers(insn, rd, rn, rm);
    insn->ra = (uint8_t)ra;
    if (bits(op, 7, 6) || bad(rd) || bad(rn) || bad(rm) || ra == 13) {
        undefined(insn);
        return;
    }
    switch (op1) {
    case 0:
        if (op2 > 1 || (op2 == 1 && ra == 15)) {
            undefined(insn);
        } else {
            set(insn, op2 ? H7_OP_MLS : ra == 15 ? H7_OP_MUL : H7_OP_MLA);
        }
        return;
    case 1:
        dsp(insn, H7_SMLAXY, op2);
        return;
    case 3:
        dsp(insn, H7_SMLAWY, op2);
        break;
    case 2:
        dsp(insn, H7_SMLAD, op2);
        break;
    case 4:
        dsp(insn, H7_SMLSD, op2);
        break;
    case 5:
        dsp(insn, H7_SMMLA, op2);
        break;
    case 6:
        dsp(insn, H7_SMMLS, op2);
        if (ra == 15) {
            undefined(insn);
        }
        break;
    default:
        dsp(insn, H7_USADA8, op2);
        if (op2) {
            undefined(insn);
        }
    }
    if (op2 > 1) {
        undefined(insn);
    }
}

/* RdLo is rd, RdHi is ra. */
static void long_multiply(uint32_t op, struct h7_insn *insn) {
    uint32_t rn = bits(op, 19, 16), low = bits(op, 15, 12), high = bits(op, 11, 8), rm = bits(op, 3, 0);
    uint32_t op1 = bits(op, 22, 20), op2 = bits(op, 7, 4);
    undefined(insn);
    if (bad(rn) || bad(rm) || bad(high)) {
        return;
    }
    if (op1 == 1 || op1 == 3) {
        if (op2 == 15 && low == 15) {
            registers(insn, high, rn, rm);
            set(insn, op1 == 1 ? H7_OP_SDIV : H7_OP_UDIV);
        }
        return;
    }
    registers(insn, low, rn, rm);
    insn->ra = (uint8_t)high;
    if (bad(low) || low == high) {
        return;
    }
    if (op1 == 0 && op2 == 0) {
        set(insn, H7_OP_SMULL);
    } else if (op1 == 2 && op2 == 0) {
        set(insn, H7_OP_UMULL);
    } else if (op1 == 4 && op2 == 0) {
        set(insn, H7_OP_SMLAL);
    } else if (op1 == 4 && (op2 & 12) == 8) {
        dsp(insn, H7_SMLALXY, op2 & 3);
    } else if (op1 == 4 && (op2 & 14) == 12) {
        dsp(insn, H7_SMLALD, op2 & 1);
    } else if (op1 == 5 && (op2 & 14) == 12) {
        dsp(insn, H7_SMLSLD, op2 & 1);
    } else if (op1 == 6 && op2 == 0) {
        set(insn, H7_OP_UMLAL);
    } else if (op1 == 6 && op2 == 6) {
        dsp(insn, H7_UMAAL, 0);
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
            data_register(op, insn);
        } else if (bit(op, 22)) {
            dual_exclusive_table(at, op, insn);
        } else {
            load_store_multiple(op, insn);
        }
    } else if (bits(op, 28, 27) == 2) {
        if (bit(op, 15)) {
            branch_and_control(at, op, insn);
        } else if (bit(op, 25)) {
            plain_constant(at, op, insn);
        } else {
            data_constant(op, insn);
        }
    } else if (bit(op, 26)) {
        coprocessor(core, at, op, insn);
    } else if (!bit(op, 25)) {
        load_store_single(at, op, insn);
    } else if (!bit(op, 24)) {
        data_register_2(op, insn);
    } else if (!bit(op, 23)) {
        multiply(op, insn);
    } else {
        long_multiply(op, insn);
    }
}

void h7_decode(const struct h7_core *core, uint32_t at, uint16_t hw1, uint16_t hw2, struct h7_insn *insn) {
    memset(insn, 0, sizeof *insn);
    if (hw1 >> 11 >= 0x1D) {
        decode_32(core, at, (uint32_t)hw1 << 16 | hw2, insn);
    } else {
        decode_16(at, hw1, insn);
    }
}

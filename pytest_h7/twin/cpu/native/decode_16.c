/* Instructions of 16 bits (Arm DDI0403E A5.2). */
#include "decode.h"

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

void h7_decode_hint(uint32_t number, struct h7_insn *insn) {
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
        h7_decode_multiple(insn, false, 13, bits(op, 7, 0) | bit(op, 8) << 14, true, true);
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
        h7_decode_multiple(insn, true, 13, bits(op, 7, 0) | bit(op, 8) << 15, false, true);
        return;
    case 0xE:
        insn->imm = bits(op, 7, 0);
        set(insn, H7_OP_BKPT);
        return;
    case 0xF:
        if (bits(op, 3, 0) == 0) {
            h7_decode_hint(bits(op, 7, 4), insn);
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

void h7_decode_16(uint32_t at, uint32_t op, struct h7_insn *insn) {
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
        h7_decode_multiple(insn, false, bits(op, 10, 8), bits(op, 7, 0), false, true);
        return;
    case 0x19:
        h7_decode_multiple(insn, true, bits(op, 10, 8), bits(op, 7, 0), false, !bit(op, bits(op, 10, 8)));
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

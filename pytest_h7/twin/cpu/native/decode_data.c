/* Data processing of 32 bits (Arm DDI0403E A5.3.1 to A5.3.3, A5.3.11 to A5.3.17). */
#include "decode.h"

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

void h7_decode_data_constant(uint32_t op, struct h7_insn *insn) {
    registers(insn, bits(op, 11, 8), bits(op, 19, 16), 0);
    modified_constant(op, insn);
    uint32_t form = data_form(op, insn);
    if (form) {
        set_data(insn, form);
    } else {
        undefined(insn);
    }
}

void h7_decode_data_register(uint32_t op, struct h7_insn *insn) {
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

void h7_decode_plain_constant(uint32_t at, uint32_t op, struct h7_insn *insn) {
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

static void dsp(struct h7_insn *insn, uint32_t which, uint32_t variant) {
    insn->aux = (uint16_t)which;
    insn->imm = variant;
    set(insn, H7_OP_DSP);
}

void h7_decode_data_register_2(uint32_t op, struct h7_insn *insn) {
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

void h7_decode_multiply(uint32_t op, struct h7_insn *insn) {
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
void h7_decode_long_multiply(uint32_t op, struct h7_insn *insn) {
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

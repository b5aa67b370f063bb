/* Loads and stores of 32 bits (Arm DDI0403E A5.3.5 to A5.3.10), and multiple ones of 16. */
#include "decode.h"

void h7_decode_multiple(struct h7_insn *insn, bool load, uint32_t rn, uint32_t list, bool down, bool write_back) {
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

void h7_decode_load_store_multiple(uint32_t op, struct h7_insn *insn) {
    uint32_t list = bits(op, 15, 0), how = bits(op, 24, 23), rn = bits(op, 19, 16);
    bool load = bit(op, 20), write_back = bit(op, 21);
    if ((how != 1 && how != 2) || bit(list, 13) || (!load && bit(list, 15)) ||
        h7_count_bits(list) < 2 || (write_back && bit(list, rn)) ||
        (load && bits(list, 15, 14) == 3)) {
        undefined(insn);
        return;
    }
    h7_decode_multiple(insn, load, rn, list, how == 2, write_back);
}

void h7_decode_dual_exclusive_table(uint32_t at, uint32_t op, struct h7_insn *insn) {
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

void h7_decode_load_store_single(uint32_t at, uint32_t op, struct h7_insn *insn) {
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

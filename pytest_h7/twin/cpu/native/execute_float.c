/* The floating-point instructions: coprocessors 10 and 11 (Arm DDI0403E A6, A7).
 *
 * The Cortex-M7 has all of FPv5-D16, the Cortex-M4 FPv4-SP: there double-precision registers are only loaded,
 * stored and exchanged with core registers, and the instructions new in FPv5 are missing. UNPREDICTABLE
 * encodings are undefined here, but for reading the SP.
 *
 * Decoded, an instruction has in
 *     aux         its operation, times two, plus one if it works on double-precision registers
 *     rd, rn, rm  FP registers: n of Sn or Dn, as the operation has it; rn also a core register (the base)
 *     ra, rn      core registers of transfers: Rt, Rt2
 *     imm, shift  what is said at the operation
 */
#include "float.h"
#include "h7core.h"
#include "memory.h"

enum operation {
    UNDEFINED,
    /* rd, rn, rm */
    VMLA,
    VMLS,
    VNMLS,
    VNMLA,
    VMUL,
    VNMUL,
    VADD,
    VSUB,
    VDIV,
    VFNMS,
    VFNMA,
    VFMA,
    VFMS,
    VMAXNM,
    VMINNM,
    VSEL, /* imm: condition EQ, VS, GE or GT as 0 to 3 */
    /* rd, rm */
    VMOV,
    VABS,
    VNEG,
    VSQRT,
    VRINT,  /* imm: rounding */
    VRINTX, /* imm: rounding */
    VMOV_IMMEDIATE, /* imm: the number, or its high word */
    VCMP,
    VCMP_ZERO, /* operand rd and: */
    VCMPE,
    VCMPE_ZERO,
    /* Conversions; "double" is the register that is not of a fixed size. */
    VCVT_PRECISION, /* to the other precision; double: from double */
    VCVT_FROM_HALF, /* shift: 16 for the top half of Sm (VCVTT), else 0 */
    VCVT_TO_HALF,   /* shift: 16 for the top half of Sd, else 0 */
    VCVT_FROM_FIXED, /* fixed point: imm rounding, ra is signed, rn width, shift fraction bits */
    VCVT_TO_FIXED,
    VCVT_FROM_INTEGER, /* integer in a single-precision register: imm rounding, ra is signed */
    VCVT_TO_INTEGER,
    /* Transfers. */
    VMOV_TO_CORE, /* Rt = Sd */
    VMOV_FROM_CORE,
    VMOV_PAIR_TO_CORE, /* Rt, Rt2 = Sd, Sd+1 */
    VMOV_PAIR_FROM_CORE,
    VMRS,
    VMRS_FLAGS, /* FPSCR's N, Z, C, V to APSR */
    VMSR,
    VLDR, /* Sd (and Sd+1 if double) at Rn + imm */
    VSTR,
    VLDR_LITERAL, /* at imm */
    VLDM, /* rm words to Sd, Sd+1, ... from Rn on (double: from Rn + imm on); if shift: Rn += imm */
    VSTM,
};

enum { BY_FPSCR = H7_ROUND_AWAY + 1 }; /* as a rounding: that of FPSCR.RMode */

static inline uint32_t bits(uint32_t opcode, int low, int count) {
    return opcode >> low & ((1u << count) - 1);
}

/* ---- decoding ----------------------------------------------------------------------------------------- */

/* The register in the 4-bit field at `field` and the one bit at `extra`. There are 16 double-precision
 * registers: the others make an instruction undefined, which the caller learns from `missing`. */
static uint8_t fp_register(uint32_t opcode, int field, int extra, bool is_double, bool *missing) {
    uint32_t number = bits(opcode, field, 4), bit = bits(opcode, extra, 1);
    if (!is_double)
        return (uint8_t)(number << 1 | bit);
    *missing |= bit;
    return (uint8_t)number;
}

static void set_operation(struct h7_insn *insn, enum operation operation, bool is_double) {
    insn->aux = (uint16_t)(operation * 2 + is_double);
}

static void set_fixed(struct h7_insn *insn, uint32_t rounding, bool is_signed, uint32_t width,
                      uint32_t fraction_bits) {
    insn->imm = rounding;
    insn->ra = is_signed;
    insn->rn = (uint8_t)width;
    insn->shift = (uint8_t)fraction_bits;
}

/* 1110 1110 1x11: what is neither an operation on three registers nor a transfer. */
static bool decode_other(bool fpv5, uint32_t opcode, struct h7_insn *insn) {
    bool is_double = bits(opcode, 8, 1), top = bits(opcode, 7, 1), missing = false;
    bool double_rd = is_double, double_rm = is_double; /* which registers the instruction takes as double */
    uint32_t function = bits(opcode, 16, 4);
    enum operation operation = UNDEFINED;

    if (!bits(opcode, 6, 1)) {
        if (bits(opcode, 4, 4) != 0)
            return false;
        uint32_t imm8 = function << 4 | bits(opcode, 0, 4);
        insn->imm = is_double ? (uint32_t)(h7_f64_expand_imm(imm8) >> 32) : h7_f32_expand_imm(imm8);
        insn->rd = fp_register(opcode, 12, 22, is_double, &missing);
        set_operation(insn, VMOV_IMMEDIATE, is_double);
        return !missing;
    }
    switch (function) {
    case 0x0:
        operation = top ? VABS : VMOV;
        break;
    case 0x1:
        operation = top ? VSQRT : VNEG;
        break;
    case 0x2:
        operation = VCVT_FROM_HALF;
        double_rm = false;
        insn->shift = top ? 16 : 0;
        break;
    case 0x3:
        operation = VCVT_TO_HALF;
        double_rd = false;
        insn->shift = top ? 16 : 0;
        break;
    case 0x4:
        operation = top ? VCMPE : VCMP;
        break;
    case 0x5:
        if (bits(opcode, 0, 6) != 0)
            return false;
        operation = top ? VCMPE_ZERO : VCMP_ZERO;
        break;
    case 0x6:
        operation = VRINT;
        insn->imm = top ? H7_ROUND_ZERO : BY_FPSCR;
        break;
    case 0x7:
        operation = top ? VCVT_PRECISION : VRINTX;
        insn->imm = BY_FPSCR;
        if (top) {
            double_rd = !is_double;
            if (!fpv5)
                return false;
        }
        break;
    case 0x8:
        operation = VCVT_FROM_INTEGER;
        double_rm = false;
        set_fixed(insn, BY_FPSCR, top, 32, 0);
        break;
    case 0xC:
    case 0xD:
        operation = VCVT_TO_INTEGER;
        double_rd = false;
        set_fixed(insn, top ? H7_ROUND_ZERO : BY_FPSCR, function & 1, 32, 0);
        break;
    case 0xA:
    case 0xB:
    case 0xE:
    case 0xF: {
        uint32_t width = top ? 32 : 16, integer_bits = bits(opcode, 0, 4) << 1 | bits(opcode, 5, 1);
        if (integer_bits > width)
            return false;
        operation = function & 4 ? VCVT_TO_FIXED : VCVT_FROM_FIXED;
        set_fixed(insn, function & 4 ? H7_ROUND_ZERO : H7_ROUND_NEAREST, !(function & 1), width,
                  width - integer_bits);
        insn->rd = fp_register(opcode, 12, 22, is_double, &missing);
        set_operation(insn, operation, is_double);
        return !missing;
    }
    default:
        return false;
    }
    if (!fpv5 && (operation == VRINT || operation == VRINTX))
        return false;
    insn->rd = fp_register(opcode, 12, 22, double_rd, &missing);
    insn->rm = fp_register(opcode, 0, 5, double_rm, &missing);
    set_operation(insn, operation, is_double);
    return !missing;
}

/* 1110 1110, bit 4 clear. */
static bool decode_data_processing(bool fpv5, uint32_t opcode, struct h7_insn *insn) {
    static const uint8_t operations[7][2] = {
        {VMLA, VMLS},      {VNMLS, VNMLA}, {VMUL, VNMUL}, {VADD, VSUB},
        {VDIV, UNDEFINED}, {VFNMS, VFNMA}, {VFMA, VFMS},
    };
    bool is_double = bits(opcode, 8, 1), missing = false;
    uint32_t group = bits(opcode, 23, 1) << 2 | bits(opcode, 20, 2);
    if (is_double && !fpv5)
        return false;
    if (group == 7)
        return decode_other(fpv5, opcode, insn);
    set_operation(insn, operations[group][bits(opcode, 6, 1)], is_double);
    insn->rd = fp_register(opcode, 12, 22, is_double, &missing);
    insn->rn = fp_register(opcode, 16, 7, is_double, &missing);
    insn->rm = fp_register(opcode, 0, 5, is_double, &missing);
    return insn->aux >= 2 && !missing;
}

/* 1111 1110, bit 4 clear: FPv5 only. */
static bool decode_unconditional(uint32_t opcode, struct h7_insn *insn) {
    static const uint8_t roundings[] = {H7_ROUND_AWAY, H7_ROUND_NEAREST, H7_ROUND_UP, H7_ROUND_DOWN};
    bool is_double = bits(opcode, 8, 1), double_rd = is_double, second = bits(opcode, 6, 1), missing = false;
    uint32_t group = bits(opcode, 20, 2), function = bits(opcode, 16, 4);
    enum operation operation;

    if (!bits(opcode, 23, 1)) {
        if (second)
            return false;
        operation = VSEL;
        insn->imm = group;
        insn->rn = fp_register(opcode, 16, 7, is_double, &missing);
    } else if (group == 0) {
        operation = second ? VMINNM : VMAXNM;
        insn->rn = fp_register(opcode, 16, 7, is_double, &missing);
    } else if (group == 3 && second && function >= 12) {
        operation = VCVT_TO_INTEGER;
        set_fixed(insn, roundings[function & 3], bits(opcode, 7, 1), 32, 0);
        double_rd = false;
    } else if (group == 3 && second && function >= 8 && !bits(opcode, 7, 1)) {
        operation = VRINT;
        insn->imm = roundings[function & 3];
    } else {
        return false;
    }
    insn->rd = fp_register(opcode, 12, 22, double_rd, &missing);
    insn->rm = fp_register(opcode, 0, 5, is_double, &missing);
    set_operation(insn, operation, is_double);
    return !missing;
}

/* 1110 1110, bit 4 set: one word between an FP register and a core register. */
static bool decode_transfer(uint32_t opcode, struct h7_insn *insn) {
    bool is_double = bits(opcode, 8, 1), to_core = bits(opcode, 20, 1), missing = false;
    uint32_t function = bits(opcode, 21, 3), rt = bits(opcode, 12, 4);

    insn->ra = (uint8_t)rt;
    if (to_core && rt == 13)
        return false;
    if (!is_double && function == 7) {
        if (bits(opcode, 16, 4) != 1 || bits(opcode, 0, 8) != 0x10 || (rt == 15 && !to_core))
            return false;
        set_operation(insn, !to_core ? VMSR : rt == 15 ? VMRS_FLAGS : VMRS, false);
        return true;
    }
    if (function > is_double || rt == 15 || bits(opcode, 0, 7) != 0x10)
        return false;
    insn->rd = fp_register(opcode, 16, 7, is_double, &missing);
    if (is_double)
        insn->rd = (uint8_t)((uint32_t)insn->rd << 1 | function); /* the low or the high word */
    set_operation(insn, to_core ? VMOV_TO_CORE : VMOV_FROM_CORE, false);
    return !missing;
}

/* 1110 1100 010x: two words between two core registers and two FP registers. */
static bool decode_pair(uint32_t opcode, struct h7_insn *insn) {
    bool is_double = bits(opcode, 8, 1), to_core = bits(opcode, 20, 1), missing = false;
    uint32_t rt = bits(opcode, 12, 4), rt2 = bits(opcode, 16, 4);

    insn->rd = fp_register(opcode, 0, 5, is_double, &missing);
    if (is_double)
        insn->rd = (uint8_t)(insn->rd << 1);
    insn->ra = (uint8_t)rt;
    insn->rn = (uint8_t)rt2;
    set_operation(insn, to_core ? VMOV_PAIR_TO_CORE : VMOV_PAIR_FROM_CORE, false);
    if (to_core && (rt == 13 || rt2 == 13 || rt == rt2))
        return false;
    if (rt == 15 || rt2 == 15 || insn->rd == 31)
        return false;
    return bits(opcode, 6, 2) == 0 && bits(opcode, 4, 1) && !missing;
}

/* 1110 110P UDWL: VLDR and VSTR; VLDM and VSTM, of which VPUSH and VPOP are cases. */
static bool decode_load_store(uint32_t at, uint32_t opcode, struct h7_insn *insn) {
    bool before = bits(opcode, 24, 1), up = bits(opcode, 23, 1), write_back = bits(opcode, 21, 1);
    bool load = bits(opcode, 20, 1), is_double = bits(opcode, 8, 1), missing = false;
    uint32_t rn = bits(opcode, 16, 4), words = bits(opcode, 0, 8), offset = words * 4;

    insn->rn = (uint8_t)rn;
    insn->rd = fp_register(opcode, 12, 22, is_double, &missing);
    if (is_double)
        insn->rd = (uint8_t)(insn->rd << 1);
    if (missing)
        return false;
    if (!up)
        offset = 0 - offset;
    insn->imm = offset;
    if (before && !write_back) {
        if (rn == 15 && !load)
            return false;
        if (rn == 15)
            insn->imm += (at + 4) & ~3u;
        set_operation(insn, rn == 15 ? VLDR_LITERAL : load ? VLDR : VSTR, is_double);
        return true;
    }
    if (before == up || rn == 15)
        return false;
    /* The obsolete FLDMX and FSTMX count a word more than they transfer. */
    insn->rm = (uint8_t)(is_double ? words & ~1u : words);
    insn->shift = write_back;
    set_operation(insn, load ? VLDM : VSTM, before);
    return insn->rm != 0 && insn->rm <= 32 && insn->rd + insn->rm <= 32;
}

bool h7_float_decode(const struct h7_core *core, uint32_t at, uint32_t opcode, struct h7_insn *insn) {
    bool fpv5 = core->model == H7_CORTEX_M7;
    switch (opcode >> 24) {
    case 0xEC:
    case 0xED:
        if (bits(opcode, 21, 4) == 2)
            return decode_pair(opcode, insn);
        return decode_load_store(at, opcode, insn);
    case 0xEE:
        if (bits(opcode, 4, 1))
            return decode_transfer(opcode, insn);
        return decode_data_processing(fpv5, opcode, insn);
    case 0xFE:
        return fpv5 && !bits(opcode, 4, 1) && decode_unconditional(opcode, insn);
    default:
        return false;
    }
}

/* ---- executing ---------------------------------------------------------------------------------------- */

static inline uint32_t negated32(uint32_t value) {
    return value ^ UINT32_C(1) << 31;
}

static inline uint64_t negated64(uint64_t value) {
    return value ^ UINT64_C(1) << 63;
}

static bool selects(const struct h7_core *core, uint32_t condition) {
    bool less = (core->n ^ core->v) >> 31;
    switch (condition) {
    case 0:
        return core->z == 0;
    case 1:
        return core->v >> 31;
    case 2:
        return !less;
    default:
        return core->z != 0 && !less;
    }
}

static inline void set_half(uint32_t *reg, uint32_t shift, uint16_t half) {
    *reg = (*reg & ~(UINT32_C(0xFFFF) << shift)) | (uint32_t)half << shift;
}

static inline uint64_t extended(uint32_t value, bool is_signed) {
    return is_signed ? (uint64_t)(int64_t)(int32_t)value : value;
}

static enum h7_result load_words(struct h7_core *core, uint32_t address, uint32_t first, uint32_t count) {
    uint32_t words[32];
    if (address & 3)
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    for (uint32_t i = 0; i < count; i++) {
        enum h7_result result = h7_read32(core, address + 4 * i, &words[i]);
        if (result != H7_DONE)
            return result;
    }
    for (uint32_t i = 0; i < count; i++)
        core->fp.s[first + i] = words[i];
    return H7_DONE;
}

static enum h7_result store_words(struct h7_core *core, uint32_t address, uint32_t first, uint32_t count) {
    if (address & 3)
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    for (uint32_t i = 0; i < count; i++) {
        enum h7_result result = h7_write32(core, address + 4 * i, core->fp.s[first + i]);
        if (result != H7_DONE)
            return result;
    }
    return H7_DONE;
}

static enum h7_result load_store_multiple(struct h7_core *core, const struct h7_insn *insn) {
    bool load = insn->aux / 2 == VLDM, before = insn->aux & 1;
    uint32_t base = core->r[insn->rn], moved = base + insn->imm, start = before ? moved : base;
    enum h7_result result = load ? load_words(core, start, insn->rd, insn->rm)
                                 : store_words(core, start, insn->rd, insn->rm);
    if (result == H7_DONE && insn->shift)
        core->r[insn->rn] = moved;
    return result;
}

enum h7_result h7_float_execute(struct h7_core *core, const struct h7_insn *insn) {
    uint32_t *const s = core->fp.s, *const fpscr = &core->fpscr;
    uint64_t *const d = core->fp.d;
    const uint32_t rd = insn->rd, rn = insn->rn, rm = insn->rm;
    const bool is_signed = insn->ra != 0;
    const int width = insn->rn, fraction_bits = insn->shift;
    enum h7_rounding rounding = (enum h7_rounding)insn->imm; /* where the operation has one */
    if (insn->imm == BY_FPSCR)
        rounding = h7_fpscr_rounding(*fpscr);

#define BINARY(operation, function) \
    case operation * 2: s[rd] = h7_f32_##function(s[rn], s[rm], fpscr); break; \
    case operation * 2 + 1: d[rd] = h7_f64_##function(d[rn], d[rm], fpscr); break;
/* A result from expressions in either precision. */
#define RESULT(operation, value32, value64) \
    case operation * 2: s[rd] = value32; break; \
    case operation * 2 + 1: d[rd] = value64; break;
/* No result, or one in a register that does not follow the operation's precision. */
#define EFFECT(operation, effect32, effect64) \
    case operation * 2: effect32; break; \
    case operation * 2 + 1: effect64; break;

    switch (insn->aux) {
    BINARY(VADD, add)
    BINARY(VSUB, sub)
    BINARY(VMUL, mul)
    BINARY(VDIV, div)
    BINARY(VMAXNM, maxnum)
    BINARY(VMINNM, minnum)
    RESULT(VNMUL, negated32(h7_f32_mul(s[rn], s[rm], fpscr)), negated64(h7_f64_mul(d[rn], d[rm], fpscr)))

    /* Chained: the product is rounded, then the sum. Negation is of bits, of NaNs too. */
    RESULT(VMLA, h7_f32_add(s[rd], h7_f32_mul(s[rn], s[rm], fpscr), fpscr),
           h7_f64_add(d[rd], h7_f64_mul(d[rn], d[rm], fpscr), fpscr))
    RESULT(VMLS, h7_f32_add(s[rd], negated32(h7_f32_mul(s[rn], s[rm], fpscr)), fpscr),
           h7_f64_add(d[rd], negated64(h7_f64_mul(d[rn], d[rm], fpscr)), fpscr))
    RESULT(VNMLA, h7_f32_add(negated32(s[rd]), negated32(h7_f32_mul(s[rn], s[rm], fpscr)), fpscr),
           h7_f64_add(negated64(d[rd]), negated64(h7_f64_mul(d[rn], d[rm], fpscr)), fpscr))
    RESULT(VNMLS, h7_f32_add(negated32(s[rd]), h7_f32_mul(s[rn], s[rm], fpscr), fpscr),
           h7_f64_add(negated64(d[rd]), h7_f64_mul(d[rn], d[rm], fpscr), fpscr))

    RESULT(VFMA, h7_f32_fma(s[rd], s[rn], s[rm], fpscr), h7_f64_fma(d[rd], d[rn], d[rm], fpscr))
    RESULT(VFMS, h7_f32_fma(s[rd], negated32(s[rn]), s[rm], fpscr),
           h7_f64_fma(d[rd], negated64(d[rn]), d[rm], fpscr))
    RESULT(VFNMA, h7_f32_fma(negated32(s[rd]), negated32(s[rn]), s[rm], fpscr),
           h7_f64_fma(negated64(d[rd]), negated64(d[rn]), d[rm], fpscr))
    RESULT(VFNMS, h7_f32_fma(negated32(s[rd]), s[rn], s[rm], fpscr),
           h7_f64_fma(negated64(d[rd]), d[rn], d[rm], fpscr))

    RESULT(VSEL, selects(core, insn->imm) ? s[rn] : s[rm], selects(core, insn->imm) ? d[rn] : d[rm])
    RESULT(VMOV, s[rm], d[rm])
    RESULT(VMOV_IMMEDIATE, insn->imm, (uint64_t)insn->imm << 32)
    RESULT(VABS, s[rm] & UINT32_MAX >> 1, d[rm] & UINT64_MAX >> 1)
    RESULT(VNEG, negated32(s[rm]), negated64(d[rm]))
    RESULT(VSQRT, h7_f32_sqrt(s[rm], fpscr), h7_f64_sqrt(d[rm], fpscr))
    RESULT(VRINT, h7_f32_round_int(s[rm], rounding, false, fpscr),
           h7_f64_round_int(d[rm], rounding, false, fpscr))
    RESULT(VRINTX, h7_f32_round_int(s[rm], rounding, true, fpscr),
           h7_f64_round_int(d[rm], rounding, true, fpscr))

    EFFECT(VCMP, h7_f32_compare(s[rd], s[rm], false, fpscr), h7_f64_compare(d[rd], d[rm], false, fpscr))
    EFFECT(VCMPE, h7_f32_compare(s[rd], s[rm], true, fpscr), h7_f64_compare(d[rd], d[rm], true, fpscr))
    EFFECT(VCMP_ZERO, h7_f32_compare(s[rd], 0, false, fpscr), h7_f64_compare(d[rd], 0, false, fpscr))
    EFFECT(VCMPE_ZERO, h7_f32_compare(s[rd], 0, true, fpscr), h7_f64_compare(d[rd], 0, true, fpscr))

    EFFECT(VCVT_PRECISION, d[rd] = h7_f32_to_f64(s[rm], fpscr), s[rd] = h7_f64_to_f32(d[rm], fpscr))
    RESULT(VCVT_FROM_HALF, h7_f16_to_f32((uint16_t)(s[rm] >> insn->shift), fpscr),
           h7_f16_to_f64((uint16_t)(s[rm] >> insn->shift), fpscr))
    EFFECT(VCVT_TO_HALF, set_half(&s[rd], insn->shift, h7_f32_to_f16(s[rm], fpscr)),
           set_half(&s[rd], insn->shift, h7_f64_to_f16(d[rm], fpscr)))
    RESULT(VCVT_FROM_FIXED, h7_f32_from_fixed(s[rd], width, fraction_bits, is_signed, rounding, fpscr),
           h7_f64_from_fixed((uint32_t)d[rd], width, fraction_bits, is_signed, rounding, fpscr))
    RESULT(VCVT_TO_FIXED, h7_f32_to_fixed(s[rd], width, fraction_bits, is_signed, rounding, fpscr),
           extended(h7_f64_to_fixed(d[rd], width, fraction_bits, is_signed, rounding, fpscr), is_signed))
    RESULT(VCVT_FROM_INTEGER, h7_f32_from_fixed(s[rm], width, fraction_bits, is_signed, rounding, fpscr),
           h7_f64_from_fixed(s[rm], width, fraction_bits, is_signed, rounding, fpscr))
    EFFECT(VCVT_TO_INTEGER, s[rd] = h7_f32_to_fixed(s[rm], width, fraction_bits, is_signed, rounding, fpscr),
           s[rd] = h7_f64_to_fixed(d[rm], width, fraction_bits, is_signed, rounding, fpscr))

    case VMOV_TO_CORE * 2:
        core->r[insn->ra] = s[rd];
        break;
    case VMOV_FROM_CORE * 2:
        s[rd] = core->r[insn->ra];
        break;
    case VMOV_PAIR_TO_CORE * 2:
        core->r[insn->ra] = s[rd];
        core->r[rn] = s[rd + 1];
        break;
    case VMOV_PAIR_FROM_CORE * 2:
        s[rd] = core->r[insn->ra];
        s[rd + 1] = core->r[rn];
        break;
    case VMRS * 2:
        core->r[insn->ra] = *fpscr;
        break;
    case VMRS_FLAGS * 2:
        h7_set_nzcvq(core, (*fpscr & H7_FPSCR_NZCV) | core->q << 27);
        break;
    case VMSR * 2:
        *fpscr = core->r[insn->ra] & H7_FPSCR_WRITABLE;
        break;

    case VLDR * 2:
    case VLDR * 2 + 1:
        return load_words(core, core->r[rn] + insn->imm, rd, 1 + (insn->aux & 1));
    case VLDR_LITERAL * 2:
    case VLDR_LITERAL * 2 + 1:
        return load_words(core, insn->imm, rd, 1 + (insn->aux & 1));
    case VSTR * 2:
    case VSTR * 2 + 1:
        return store_words(core, core->r[rn] + insn->imm, rd, 1 + (insn->aux & 1));
    case VLDM * 2:
    case VLDM * 2 + 1:
    case VSTM * 2:
    case VSTM * 2 + 1:
        return load_store_multiple(core, insn);
    default: /* not decoded by h7_float_decode */
        return h7_fail(core, H7_USAGE_FAULT, H7_UNDEFINSTR);
    }
    return H7_DONE;
#undef BINARY
#undef RESULT
#undef EFFECT
}

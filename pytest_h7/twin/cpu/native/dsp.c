/* The DSP instructions that are too rare for an operation of their own (Arm DDI0403E A7.7). */
#include "dsp.h"

#include "operations.h"

static int32_t half(uint32_t value, uint32_t top) { return (int16_t)(value >> (top ? 16 : 0)); }

static uint32_t swap_halves(uint32_t value) { return value >> 16 | value << 16; }

/* Saturate to [low, high]; sets Q if that changes the value. */
static uint32_t clamp(struct h7_core *core, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high) {
        core->q = 1;
        value = value < low ? low : high;
    }
    return (uint32_t)value;
}

static int64_t saturated(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static uint32_t clamp32(struct h7_core *core, int64_t value) { return clamp(core, value, INT32_MIN, INT32_MAX); }

/* One lane of a parallel addition, `width` bits of both operands. */
static uint32_t lane(uint32_t a, uint32_t b, uint32_t width, bool subtract, uint32_t how, bool *ge) {
    enum { SIGNED = 0, SATURATING = 1, HALVING = 2 };
    bool is_unsigned = how & 4;
    uint32_t mask = (1u << width) - 1, sign = 1u << (width - 1);
    int32_t x = (int32_t)(a & mask), y = (int32_t)(b & mask);
    if (!is_unsigned) {
        x = (int32_t)((a & mask) ^ sign) - (int32_t)sign;
        y = (int32_t)((b & mask) ^ sign) - (int32_t)sign;
    }
    int32_t result = subtract ? x - y : x + y;
    switch (how & 3) {
    case SIGNED:
        *ge = is_unsigned && !subtract ? result > (int32_t)mask : result >= 0;
        break;
    case SATURATING:
        result = is_unsigned ? (int32_t)saturated(result, 0, mask)
                             : (int32_t)saturated(result, -(int64_t)sign, (int64_t)sign - 1);
        break;
    case HALVING:
        result >>= 1;
        break;
    }
    return (uint32_t)result & mask;
}

/* `what`: 0 add8, 1 add16, 2 asx, 4 sub8, 5 sub16, 6 sax. */
static uint32_t parallel(struct h7_core *core, uint32_t what, uint32_t how, uint32_t a, uint32_t b) {
    uint32_t result = 0, flags = 0, width = (what & 3) == 0 ? 8 : 16;
    if ((what & 3) == 2) {
        b = swap_halves(b);
    }
    for (uint32_t place = 0; place < 32; place += width) {
        bool ge = false, subtract = what & 4;
        if (what == 2) { /* ASX: low half subtracts, high half adds */
            subtract = place == 0;
        } else if (what == 6) {
            subtract = place != 0;
        }
        result |= lane(a >> place, b >> place, width, subtract, how, &ge) << place;
        if (ge) {
            flags |= (width == 8 ? 1u : 3u) << place / 8;
        }
    }
    if ((how & 3) == 0) {
        core->ge = flags;
    }
    return result;
}

static uint32_t select_bytes(uint32_t ge, uint32_t a, uint32_t b) {
    uint32_t mask = (ge & 1) * 0xFFu | (ge >> 1 & 1) * 0xFF00u | (ge >> 2 & 1) * 0xFF0000u | (ge >> 3 & 1) * 0xFF000000u;
    return (a & mask) | (b & ~mask);
}

static uint32_t absolute_differences(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (uint32_t place = 0; place < 32; place += 8) {
        int32_t difference = (int32_t)(a >> place & 0xFF) - (int32_t)(b >> place & 0xFF);
        sum += (uint32_t)(difference < 0 ? -difference : difference);
    }
    return sum;
}

/* A saturation instruction's operand. */
static int32_t shifted(uint32_t value, const struct h7_insn *insn) {
    int32_t word = (int32_t)value;
    return insn->ra ? word >> insn->shift : (int32_t)(value << insn->shift);
}

static uint32_t saturate_halves(struct h7_core *core, uint32_t value, int32_t low, int32_t high) {
    return (clamp(core, half(value, 1), low, high) & 0xFFFF) << 16 | (clamp(core, half(value, 0), low, high) & 0xFFFF);
}

static uint32_t extend_halves(uint32_t a, uint32_t b, uint32_t rotation, bool is_signed) {
    uint32_t rotated = rotation ? b >> rotation | b << (32 - rotation) : b;
    uint32_t low = rotated & 0xFF, high = rotated >> 16 & 0xFF;
    if (is_signed) {
        low = (low ^ 0x80) - 0x80;
        high = (high ^ 0x80) - 0x80;
    }
    return ((a >> 16) + high) << 16 | ((a + low) & 0xFFFF);
}

/* Add two products and an addend; Q if the sum does not fit. */
static uint32_t accumulate(struct h7_core *core, int64_t products, uint32_t addend) {
    int64_t sum = products + (int32_t)addend;
    if (sum != (int32_t)sum) {
        core->q = 1;
    }
    return (uint32_t)sum;
}

static int64_t dual_products(uint32_t a, uint32_t b, bool subtract) {
    int64_t low = (int64_t)half(a, 0) * half(b, 0), high = (int64_t)half(a, 1) * half(b, 1);
    return subtract ? low - high : low + high;
}

static void add_long(uint32_t *r, const struct h7_insn *insn, int64_t value) {
    uint64_t sum = ((uint64_t)r[insn->ra] << 32 | r[insn->rd]) + (uint64_t)value;
    r[insn->rd] = (uint32_t)sum;
    r[insn->ra] = (uint32_t)(sum >> 32);
}

void h7_dsp(struct h7_core *core, const struct h7_insn *insn) {
    uint32_t *r = core->r;
    uint32_t a = r[insn->rn], b = r[insn->rm], *d = &r[insn->rd], variant = insn->imm, which = insn->aux;
    uint32_t addend = insn->ra == 15 ? 0 : r[insn->ra];
    int32_t x = (int32_t)a, y = (int32_t)b;
    switch (which) {
    case H7_QADD:
        *d = clamp32(core, (int64_t)y + x);
        return;
    case H7_QSUB:
        *d = clamp32(core, (int64_t)y - x);
        return;
    case H7_QDADD:
        *d = clamp32(core, (int64_t)y + (int32_t)clamp32(core, (int64_t)x * 2));
        return;
    case H7_QDSUB:
        *d = clamp32(core, (int64_t)y - (int32_t)clamp32(core, (int64_t)x * 2));
        return;
    case H7_SEL:
        *d = select_bytes(core->ge, a, b);
        return;
    case H7_PKHBT:
        *d = (b << insn->shift & 0xFFFF0000u) | (a & 0xFFFF);
        return;
    case H7_PKHTB:
        *d = (a & 0xFFFF0000u) | ((uint32_t)((int64_t)y >> insn->shift) & 0xFFFF);
        return;
    case H7_SSAT:
        *d = clamp(core, shifted(a, insn), -(INT64_C(1) << variant), (INT64_C(1) << variant) - 1);
        return;
    case H7_USAT:
        *d = clamp(core, shifted(a, insn), 0, (INT64_C(1) << variant) - 1);
        return;
    case H7_SSAT16:
        *d = saturate_halves(core, a, -(1 << variant), (1 << variant) - 1);
        return;
    case H7_USAT16:
        *d = saturate_halves(core, a, 0, (1 << variant) - 1);
        return;
    case H7_SXTAB16:
    case H7_UXTAB16:
        *d = extend_halves(insn->rn == 15 ? 0 : a, b, variant, which == H7_SXTAB16);
        return;
    case H7_USADA8:
        *d = absolute_differences(a, b) + addend;
        return;
    case H7_UMAAL: {
        uint64_t result = (uint64_t)a * b + r[insn->rd] + r[insn->ra];
        r[insn->rd] = (uint32_t)result;
        r[insn->ra] = (uint32_t)(result >> 32);
        return;
    }
    case H7_SMLAXY:
        *d = accumulate(core, (int64_t)half(a, variant >> 1) * half(b, variant & 1), addend);
        return;
    case H7_SMLAWY:
        *d = accumulate(core, ((int64_t)x * half(b, variant)) >> 16, addend);
        return;
    case H7_SMLAD:
        *d = accumulate(core, dual_products(a, variant ? swap_halves(b) : b, false), addend);
        return;
    case H7_SMLSD:
        *d = accumulate(core, dual_products(a, variant ? swap_halves(b) : b, true), addend);
        return;
    case H7_SMMLA:
    case H7_SMMLS: {
        uint64_t product = (uint64_t)((int64_t)x * y), base = (uint64_t)addend << 32;
        uint64_t sum = which == H7_SMMLA ? base + product : base - product;
        *d = (uint32_t)((sum + (variant ? 0x80000000u : 0)) >> 32);
        return;
    }
    case H7_SMLALXY:
        add_long(r, insn, (int64_t)half(a, variant >> 1) * half(b, variant & 1));
        return;
    case H7_SMLALD:
        add_long(r, insn, dual_products(a, variant ? swap_halves(b) : b, false));
        return;
    case H7_SMLSLD:
        add_long(r, insn, dual_products(a, variant ? swap_halves(b) : b, true));
        return;
    default:
        *d = parallel(core, which >> 3, which & 7, a, b);
    }
}

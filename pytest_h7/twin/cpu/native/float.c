/* See float.h. A number is taken apart into a class, a sign, an exponent and a 64-bit significand whose
 * top bit is the leading one; results are computed with at least two extra bits, the lowest of which is
 * "sticky" (it stands for everything below it), and go through one function that rounds and packs for
 * every format. */
#include "float.h"

#include "portable.h"

/* Functions that take it are inlined, so that it is a constant. */
struct format {
    int fraction_bits;
    int exponent_bits;
};

static const struct format HALF = {10, 5}, SINGLE = {23, 8}, DOUBLE = {52, 11};

enum class { ZERO, FINITE, INFINITE, QUIET_NAN, SIGNALLING_NAN };

struct number {
    enum class class;
    bool sign;
    int exponent;         /* FINITE: the value is significand * 2^(exponent - 63) */
    uint64_t significand; /* FINITE: bit 63 is set */
    uint64_t bits;        /* as it was given */
};

struct wide {
    uint64_t high, low;
};

/* ---- Integers ----------------------------------------------------------------------------------------- */

/* value is not 0 */
static inline int leading_zeros(uint64_t value) { return (int)h7_leading_zeros64(value); }

/* value >> count for any count >= 0; what falls out is remembered in bit 0. */
static inline uint64_t shift_right_sticky(uint64_t value, int count) {
    if (count == 0)
        return value;
    if (count > 63)
        return value != 0;
    return value >> count | (value << (64 - count) != 0);
}

static inline struct wide wide_shift_right_sticky(struct wide value, int count) {
    if (count == 0)
        return value;
    if (count > 63)
        return (struct wide){0, shift_right_sticky(value.high, count - 64) | (value.low != 0)};
    return (struct wide){
        value.high >> count,
        value.high << (64 - count) | value.low >> count | (value.low << (64 - count) != 0),
    };
}

static inline struct wide wide_shift_left(struct wide value, int count) {
    if (count == 0)
        return value;
    if (count > 63)
        return (struct wide){value.low << (count - 64), 0};
    return (struct wide){value.high << count | value.low >> (64 - count), value.low << count};
}

static inline struct wide wide_add(struct wide a, struct wide b) {
    uint64_t low = a.low + b.low;
    return (struct wide){a.high + b.high + (low < a.low), low};
}

static inline struct wide wide_subtract(struct wide a, struct wide b) {
    return (struct wide){a.high - b.high - (a.low < b.low), a.low - b.low};
}

static inline bool wide_less(struct wide a, struct wide b) {
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

static inline struct wide multiply(uint64_t a, uint64_t b) {
    uint64_t a_high = a >> 32, a_low = a & UINT32_MAX, b_high = b >> 32, b_low = b & UINT32_MAX;
    uint64_t low = a_low * b_low;
    uint64_t middle = a_high * b_low + (low >> 32);
    uint64_t other = a_low * b_high + (middle & UINT32_MAX);
    return (struct wide){a_high * b_high + (middle >> 32) + (other >> 32), other << 32 | (low & UINT32_MAX)};
}

/* One 32-bit digit of (*remainder : next_digit) / divisor by schoolbook division. Bit 63 of divisor is set
 * and *remainder < divisor: the estimated digit is at most 2^32 + 1 and two too large. */
static inline uint64_t divide_digit(uint64_t *remainder, uint64_t next_digit, uint64_t divisor) {
    uint64_t divisor_high = divisor >> 32, divisor_low = divisor & UINT32_MAX;
    uint64_t digit = *remainder / divisor_high, rest = *remainder % divisor_high;
    while (digit * divisor_low > (rest << 32 | next_digit)) {
        digit--;
        rest += divisor_high;
        if (rest > UINT32_MAX)
            break;
    }
    *remainder = (*remainder << 32) + next_digit - digit * divisor;
    return digit;
}

/* (high : low) / divisor with a sticky bit 0; high < divisor, bit 63 of divisor is set. */
static inline uint64_t divide_sticky(uint64_t high, uint64_t low, uint64_t divisor) {
    uint64_t remainder = high;
    uint64_t upper = divide_digit(&remainder, low >> 32, divisor);
    uint64_t lower = divide_digit(&remainder, low & UINT32_MAX, divisor);
    return upper << 32 | lower | (remainder != 0);
}

/* ---- Taking apart, rounding and packing --------------------------------------------------------------- */

H7_ALWAYS_INLINE uint64_t sign_bit(struct format f, bool sign) {
    return (uint64_t)sign << (f.fraction_bits + f.exponent_bits);
}

H7_ALWAYS_INLINE uint64_t infinity(struct format f, bool sign) {
    return sign_bit(f, sign) | ((UINT64_C(1) << f.exponent_bits) - 1) << f.fraction_bits;
}

H7_ALWAYS_INLINE uint64_t quiet_bit(struct format f) {
    return UINT64_C(1) << (f.fraction_bits - 1);
}

H7_ALWAYS_INLINE uint64_t default_nan(struct format f) {
    return infinity(f, false) | quiet_bit(f);
}

H7_ALWAYS_INLINE uint64_t invalid(struct format f, uint32_t *fpscr) {
    *fpscr |= H7_FPSCR_IOC;
    return default_nan(f);
}

H7_ALWAYS_INLINE int bias(struct format f) {
    return (1 << (f.exponent_bits - 1)) - 1;
}

/* FPUnpack. Half-precision denormals are never flushed. */
H7_ALWAYS_INLINE struct number unpack(struct format f, uint64_t bits, uint32_t *fpscr) {
    bool is_half = f.fraction_bits == HALF.fraction_bits;
    int all_ones = (1 << f.exponent_bits) - 1;
    int biased = (int)(bits >> f.fraction_bits) & all_ones;
    uint64_t fraction = bits & ((UINT64_C(1) << f.fraction_bits) - 1);
    struct number x = {.bits = bits, .sign = (bits >> (f.fraction_bits + f.exponent_bits) & 1) != 0};

    if (biased == all_ones && !(is_half && *fpscr & H7_FPSCR_AHP)) {
        x.class = fraction == 0 ? INFINITE : fraction & quiet_bit(f) ? QUIET_NAN : SIGNALLING_NAN;
    } else if (biased != 0) {
        x.class = FINITE;
        x.exponent = biased - bias(f);
        x.significand = UINT64_C(1) << 63 | fraction << (63 - f.fraction_bits);
    } else if (fraction == 0) {
        x.class = ZERO;
    } else if (*fpscr & H7_FPSCR_FZ && !is_half) {
        *fpscr |= H7_FPSCR_IDC;
        x.class = ZERO;
    } else {
        int zeros = leading_zeros(fraction);
        x.class = FINITE;
        x.exponent = 63 - zeros - f.fraction_bits + 1 - bias(f);
        x.significand = fraction << zeros;
    }
    return x;
}

/* significand / 2^shift as an integer, shift >= 2. */
H7_ALWAYS_INLINE uint64_t round_off(uint64_t significand, int shift, bool sign, enum h7_rounding rounding,
                                 bool *inexact) {
    uint64_t with_guard = shift_right_sticky(significand, shift - 2);
    uint64_t integer = with_guard >> 2;
    unsigned tail = with_guard & 3; /* 0 exact, 1 less than a half, 2 a half, 3 more than a half */
    bool increment = false;
    switch (rounding) {
    case H7_ROUND_NEAREST:
        increment = tail == 3 || (tail == 2 && integer & 1);
        break;
    case H7_ROUND_UP:
        increment = tail != 0 && !sign;
        break;
    case H7_ROUND_DOWN:
        increment = tail != 0 && sign;
        break;
    case H7_ROUND_ZERO:
        break;
    case H7_ROUND_AWAY:
        increment = tail >= 2;
        break;
    }
    *inexact = tail != 0;
    return integer + increment;
}

/* FPRound of a finite number that is not zero: bit 63 of the significand is set, bit 0 may be sticky. */
H7_ALWAYS_INLINE uint64_t round_pack(struct format f, bool sign, int exponent, uint64_t significand,
                                  enum h7_rounding rounding, uint32_t *fpscr) {
    bool is_half = f.fraction_bits == HALF.fraction_bits;
    bool is_alternative = is_half && *fpscr & H7_FPSCR_AHP;
    int biased = exponent + bias(f);
    int shift = 63 - f.fraction_bits;
    int largest = (1 << f.exponent_bits) - (is_alternative ? 1 : 2); /* biased exponent of a finite number */
    bool inexact;

    if (biased < 1) { /* below the normal numbers: tiny, whatever rounding does to it */
        if (*fpscr & H7_FPSCR_FZ && !is_half) {
            *fpscr |= H7_FPSCR_UFC;
            return sign_bit(f, sign);
        }
        uint64_t fraction = round_off(significand, shift + 1 - biased, sign, rounding, &inexact);
        if (inexact)
            *fpscr |= H7_FPSCR_UFC | H7_FPSCR_IXC;
        return sign_bit(f, sign) | fraction; /* a carry out of it makes the smallest normal number */
    }
    /* The leading one and a carry out of the fraction add to the exponent; below 4096, it fits. */
    uint64_t magnitude = round_off(significand, shift, sign, rounding, &inexact);
    magnitude += (uint64_t)(biased - 1) << f.fraction_bits;
    if (magnitude >> f.fraction_bits > (uint64_t)largest) {
        uint64_t beyond = ((uint64_t)largest + 1) << f.fraction_bits; /* infinity, where there is one */
        if (is_alternative) {
            *fpscr |= H7_FPSCR_IOC;
            return sign_bit(f, sign) | (beyond - 1);
        }
        bool to_infinity = rounding == H7_ROUND_NEAREST || rounding == (sign ? H7_ROUND_DOWN : H7_ROUND_UP);
        *fpscr |= H7_FPSCR_OFC | H7_FPSCR_IXC;
        return sign_bit(f, sign) | (beyond - !to_infinity);
    }
    if (inexact)
        *fpscr |= H7_FPSCR_IXC;
    return sign_bit(f, sign) | magnitude;
}

/* As round_pack, with leading zeros allowed; an exact zero gets the sign the rounding mode gives it. */
H7_ALWAYS_INLINE uint64_t normalise_pack(struct format f, bool sign, int exponent, struct wide significand,
                                      uint32_t *fpscr) {
    enum h7_rounding rounding = h7_fpscr_rounding(*fpscr);
    if (significand.high == 0) {
        if (significand.low == 0)
            return sign_bit(f, rounding == H7_ROUND_DOWN);
        significand = (struct wide){significand.low, 0};
        exponent -= 64;
    }
    int zeros = leading_zeros(significand.high);
    significand = wide_shift_left(significand, zeros);
    return round_pack(f, sign, exponent - zeros, significand.high | (significand.low != 0), rounding, fpscr);
}

/* ---- NaNs --------------------------------------------------------------------------------------------- */

static inline bool is_nan(struct number x) {
    return x.class >= QUIET_NAN;
}

/* FPProcessNaN. */
H7_ALWAYS_INLINE uint64_t process_nan(struct format f, struct number x, uint32_t *fpscr) {
    if (x.class == SIGNALLING_NAN)
        *fpscr |= H7_FPSCR_IOC;
    return *fpscr & H7_FPSCR_DN ? default_nan(f) : x.bits | quiet_bit(f);
}

/* FPProcessNaNs: signalling before quiet, first before second. At least one is a NaN. */
H7_ALWAYS_INLINE uint64_t process_nans(struct format f, struct number a, struct number b, uint32_t *fpscr) {
    bool first = a.class == SIGNALLING_NAN || (a.class == QUIET_NAN && b.class != SIGNALLING_NAN);
    return process_nan(f, first ? a : b, fpscr);
}

/* ---- Operations, for any format ----------------------------------------------------------------------- */

H7_ALWAYS_INLINE uint64_t add(struct format f, uint64_t a_bits, uint64_t b_bits, bool subtract,
                           uint32_t *fpscr) {
    struct number a = unpack(f, a_bits, fpscr), b = unpack(f, b_bits, fpscr);
    if (is_nan(a) || is_nan(b))
        return process_nans(f, a, b, fpscr);
    b.sign ^= subtract;
    if (a.class == INFINITE || b.class == INFINITE) {
        if (a.class == b.class && a.sign != b.sign)
            return invalid(f, fpscr);
        return infinity(f, a.class == INFINITE ? a.sign : b.sign);
    }
    if (a.class == ZERO && b.class == ZERO)
        return sign_bit(f, a.sign == b.sign ? a.sign : h7_fpscr_rounding(*fpscr) == H7_ROUND_DOWN);
    /* A zero of the other operand's exponent adds nothing, and exact sums stay exact. */
    if (a.class == ZERO)
        a.exponent = b.exponent;
    if (b.class == ZERO)
        b.exponent = a.exponent;
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) {
        struct number larger = b;
        b = a;
        a = larger;
    }
    uint64_t augend = a.significand >> 1; /* room for a carry; at least ten low bits are zero */
    uint64_t addend = shift_right_sticky(b.significand >> 1, a.exponent - b.exponent);
    uint64_t sum = a.sign == b.sign ? augend + addend : augend - addend;
    return normalise_pack(f, a.sign, a.exponent + 1, (struct wide){sum, 0}, fpscr);
}

H7_ALWAYS_INLINE uint64_t mul(struct format f, uint64_t a_bits, uint64_t b_bits, uint32_t *fpscr) {
    struct number a = unpack(f, a_bits, fpscr), b = unpack(f, b_bits, fpscr);
    bool sign = a.sign != b.sign;
    if (is_nan(a) || is_nan(b))
        return process_nans(f, a, b, fpscr);
    if (a.class == INFINITE || b.class == INFINITE)
        return a.class == ZERO || b.class == ZERO ? invalid(f, fpscr) : infinity(f, sign);
    if (a.class == ZERO || b.class == ZERO)
        return sign_bit(f, sign);
    struct wide product = multiply(a.significand, b.significand);
    return normalise_pack(f, sign, a.exponent + b.exponent + 1, product, fpscr);
}

H7_ALWAYS_INLINE uint64_t divide(struct format f, uint64_t a_bits, uint64_t b_bits, uint32_t *fpscr) {
    struct number a = unpack(f, a_bits, fpscr), b = unpack(f, b_bits, fpscr);
    bool sign = a.sign != b.sign;
    if (is_nan(a) || is_nan(b))
        return process_nans(f, a, b, fpscr);
    if (a.class == b.class && a.class != FINITE)
        return invalid(f, fpscr);
    if (a.class == INFINITE)
        return infinity(f, sign);
    if (a.class == ZERO || b.class == INFINITE)
        return sign_bit(f, sign);
    if (b.class == ZERO) {
        *fpscr |= H7_FPSCR_DZC;
        return infinity(f, sign);
    }
    int exponent = a.exponent - b.exponent;
    struct wide dividend = {a.significand, 0};
    if (a.significand >= b.significand)
        dividend = (struct wide){a.significand >> 1, a.significand << 63};
    else
        exponent--;
    uint64_t quotient = divide_sticky(dividend.high, dividend.low, b.significand);
    return round_pack(f, sign, exponent, quotient, h7_fpscr_rounding(*fpscr), fpscr);
}

H7_ALWAYS_INLINE uint64_t square_root(struct format f, uint64_t bits, uint32_t *fpscr) {
    struct number x = unpack(f, bits, fpscr);
    if (is_nan(x))
        return process_nan(f, x, fpscr);
    if (x.class == ZERO)
        return sign_bit(f, x.sign);
    if (x.sign)
        return invalid(f, fpscr);
    if (x.class == INFINITE)
        return infinity(f, false);
    /* Two digits of the radicand, in [1, 4), give one of the root, in [1, 2), most significant first. */
    bool odd = x.exponent & 1;
    struct wide radicand = {odd ? x.significand : x.significand >> 1, odd ? 0 : x.significand << 63};
    int digits = f.fraction_bits + 2; /* with the leading one, and one behind the last place */
    uint64_t root = 0, remainder = 0;
    for (int i = 0; i < digits; i++) {
        remainder = remainder << 2 | radicand.high >> 62;
        radicand = wide_shift_left(radicand, 2);
        uint64_t trial = root << 2 | 1;
        bool digit = remainder >= trial;
        remainder -= digit ? trial : 0;
        root = root << 1 | digit;
    }
    uint64_t significand = root << (64 - digits) | (remainder != 0);
    return round_pack(f, false, (x.exponent - odd) / 2, significand, h7_fpscr_rounding(*fpscr), fpscr);
}

H7_ALWAYS_INLINE uint64_t fused_multiply_add(struct format f, uint64_t addend_bits, uint64_t a_bits,
                                          uint64_t b_bits, uint32_t *fpscr) {
    struct number c = unpack(f, addend_bits, fpscr);
    struct number a = unpack(f, a_bits, fpscr), b = unpack(f, b_bits, fpscr);
    bool sign = a.sign != b.sign;
    bool infinite_product = a.class == INFINITE || b.class == INFINITE;
    bool zero_product = a.class == ZERO || b.class == ZERO;

    if (c.class == QUIET_NAN && infinite_product && zero_product)
        return invalid(f, fpscr);
    if (c.class == SIGNALLING_NAN)
        return process_nan(f, c, fpscr);
    if (is_nan(a) || is_nan(b)) {
        bool quiet = a.class != SIGNALLING_NAN && b.class != SIGNALLING_NAN;
        return c.class == QUIET_NAN && quiet ? process_nan(f, c, fpscr) : process_nans(f, a, b, fpscr);
    }
    if (c.class == QUIET_NAN)
        return process_nan(f, c, fpscr);
    if (infinite_product) {
        if (zero_product || (c.class == INFINITE && c.sign != sign))
            return invalid(f, fpscr);
        return infinity(f, sign);
    }
    if (c.class == INFINITE)
        return infinity(f, c.sign);
    if (zero_product) {
        if (c.class == ZERO)
            return sign_bit(f, c.sign == sign ? sign : h7_fpscr_rounding(*fpscr) == H7_ROUND_DOWN);
        return normalise_pack(f, c.sign, c.exponent, (struct wide){c.significand, 0}, fpscr);
    }
    int exponent = a.exponent + b.exponent + 1;
    struct wide product = multiply(a.significand, b.significand);
    if (product.high >> 63 == 0) {
        product = wide_shift_left(product, 1);
        exponent--;
    }
    if (c.class == ZERO)
        return normalise_pack(f, sign, exponent, product, fpscr);

    struct wide larger = product, smaller = {c.significand, 0};
    int distance = exponent - c.exponent;
    if (distance < 0 || (distance == 0 && wide_less(product, smaller))) {
        larger = smaller;
        smaller = product;
        distance = -distance;
        exponent = c.exponent;
        bool product_sign = sign;
        sign = c.sign;
        c.sign = product_sign;
    }
    larger = wide_shift_right_sticky(larger, 1); /* room for a carry; at least 20 low bits are zero */
    smaller = wide_shift_right_sticky(smaller, distance + 1);
    struct wide sum = sign == c.sign ? wide_add(larger, smaller) : wide_subtract(larger, smaller);
    return normalise_pack(f, sign, exponent + 1, sum, fpscr);
}

/* -1, 0 or 1 as a is less than, equal to or greater than b; neither is a NaN. */
H7_ALWAYS_INLINE int order(struct number a, struct number b) {
    if (a.class == ZERO && b.class == ZERO)
        return 0;
    bool a_negative = a.sign && a.class != ZERO, b_negative = b.sign && b.class != ZERO;
    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    if (a.class == ZERO || b.class == ZERO)
        return a.class == ZERO ? (b_negative ? 1 : -1) : (a_negative ? -1 : 1);
    /* Of two numbers with one sign, the patterns are ordered as the magnitudes. */
    if (a.bits == b.bits)
        return 0;
    return (a.bits < b.bits) != a.sign ? -1 : 1;
}

H7_ALWAYS_INLINE uint64_t extreme(struct format f, uint64_t a_bits, uint64_t b_bits, bool maximum,
                               uint32_t *fpscr) {
    struct number a = unpack(f, a_bits, fpscr), b = unpack(f, b_bits, fpscr);
    if (is_nan(a) || is_nan(b)) {
        if (a.class == SIGNALLING_NAN || b.class == SIGNALLING_NAN || (is_nan(a) && is_nan(b)))
            return process_nans(f, a, b, fpscr);
        struct number only = is_nan(a) ? b : a;
        return only.class == ZERO ? sign_bit(f, only.sign) : only.bits;
    }
    if (a.class == ZERO && b.class == ZERO)
        return sign_bit(f, maximum ? a.sign && b.sign : a.sign || b.sign);
    struct number chosen = (order(a, b) > 0) == maximum ? a : b;
    return chosen.class == ZERO ? sign_bit(f, chosen.sign) : chosen.bits;
}

H7_ALWAYS_INLINE void compare(struct format f, uint64_t a_bits, uint64_t b_bits, bool quiet_nan_invalid,
                           uint32_t *fpscr) {
    static const uint32_t less_equal_greater[] = {UINT32_C(8) << 28, UINT32_C(6) << 28, UINT32_C(2) << 28};
    struct number a = unpack(f, a_bits, fpscr), b = unpack(f, b_bits, fpscr);
    uint32_t flags = UINT32_C(3) << 28; /* unordered */
    if (!is_nan(a) && !is_nan(b))
        flags = less_equal_greater[order(a, b) + 1];
    else if (quiet_nan_invalid || a.class == SIGNALLING_NAN || b.class == SIGNALLING_NAN)
        *fpscr |= H7_FPSCR_IOC;
    *fpscr = (*fpscr & ~H7_FPSCR_NZCV) | flags;
}

H7_ALWAYS_INLINE uint64_t round_int(struct format f, uint64_t bits, enum h7_rounding rounding, bool exact,
                                 uint32_t *fpscr) {
    struct number x = unpack(f, bits, fpscr);
    if (is_nan(x))
        return process_nan(f, x, fpscr);
    if (x.class == ZERO)
        return sign_bit(f, x.sign);
    if (x.class == INFINITE || x.exponent >= f.fraction_bits)
        return bits;
    bool inexact;
    uint64_t integer = round_off(x.significand, 63 - x.exponent, x.sign, rounding, &inexact);
    if (inexact && exact)
        *fpscr |= H7_FPSCR_IXC;
    if (integer == 0)
        return sign_bit(f, x.sign);
    int zeros = leading_zeros(integer);
    return round_pack(f, x.sign, 63 - zeros, integer << zeros, rounding, fpscr); /* exact */
}

H7_ALWAYS_INLINE uint32_t to_fixed(struct format f, uint64_t bits, int width, int fraction_bits, bool is_signed,
                                enum h7_rounding rounding, uint32_t *fpscr) {
    struct number x = unpack(f, bits, fpscr);
    if (x.class == ZERO)
        return 0;
    if (is_nan(x)) {
        *fpscr |= H7_FPSCR_IOC;
        return 0;
    }
    uint64_t largest = (UINT64_C(1) << (is_signed ? width - 1 : width)) - 1; /* of the result's magnitude */
    if (x.sign)
        largest = is_signed ? largest + 1 : 0;
    uint64_t integer = UINT64_MAX;
    bool inexact = false;
    int exponent = x.exponent + fraction_bits;
    if (x.class == FINITE && exponent < 32)
        integer = round_off(x.significand, 63 - exponent, x.sign, rounding, &inexact);
    if (integer > largest) {
        *fpscr |= H7_FPSCR_IOC;
        integer = largest;
    } else if (inexact) {
        *fpscr |= H7_FPSCR_IXC;
    }
    return (uint32_t)(x.sign ? 0 - integer : integer);
}

H7_ALWAYS_INLINE uint64_t from_fixed(struct format f, uint32_t operand, int width, int fraction_bits,
                                  bool is_signed, enum h7_rounding rounding, uint32_t *fpscr) {
    uint64_t magnitude = operand & ((UINT64_C(1) << width) - 1);
    bool sign = is_signed && magnitude >> (width - 1) != 0;
    if (magnitude == 0)
        return 0;
    if (sign)
        magnitude = (UINT64_C(1) << width) - magnitude;
    int zeros = leading_zeros(magnitude);
    return round_pack(f, sign, 63 - zeros - fraction_bits, magnitude << zeros, rounding, fpscr);
}

H7_ALWAYS_INLINE uint64_t convert(struct format from, struct format to, uint64_t bits, uint32_t *fpscr) {
    struct number x = unpack(from, bits, fpscr);
    bool to_alternative = to.fraction_bits == HALF.fraction_bits && *fpscr & H7_FPSCR_AHP;
    if (x.class == FINITE)
        return round_pack(to, x.sign, x.exponent, x.significand, h7_fpscr_rounding(*fpscr), fpscr);
    if (x.class == ZERO)
        return sign_bit(to, x.sign);
    if (to_alternative) {
        *fpscr |= H7_FPSCR_IOC;
        return sign_bit(to, x.sign) | (x.class == INFINITE ? sign_bit(to, true) - 1 : 0);
    }
    if (x.class == INFINITE)
        return infinity(to, x.sign);
    if (x.class == SIGNALLING_NAN)
        *fpscr |= H7_FPSCR_IOC;
    if (*fpscr & H7_FPSCR_DN)
        return default_nan(to);
    uint64_t payload = bits << (64 - from.fraction_bits) >> (64 - to.fraction_bits);
    return infinity(to, x.sign) | quiet_bit(to) | payload;
}

/* ---- The two precisions ------------------------------------------------------------------------------- */

#define DEFINE_PRECISION(name, bits_t, FORMAT)                                                               \
    bits_t h7_##name##_add(bits_t a, bits_t b, uint32_t *fpscr) {                                            \
        return (bits_t)add(FORMAT, a, b, false, fpscr);                                                      \
    }                                                                                                        \
    bits_t h7_##name##_sub(bits_t a, bits_t b, uint32_t *fpscr) {                                            \
        return (bits_t)add(FORMAT, a, b, true, fpscr);                                                       \
    }                                                                                                        \
    bits_t h7_##name##_mul(bits_t a, bits_t b, uint32_t *fpscr) {                                            \
        return (bits_t)mul(FORMAT, a, b, fpscr);                                                             \
    }                                                                                                        \
    bits_t h7_##name##_div(bits_t a, bits_t b, uint32_t *fpscr) {                                            \
        return (bits_t)divide(FORMAT, a, b, fpscr);                                                          \
    }                                                                                                        \
    bits_t h7_##name##_sqrt(bits_t a, uint32_t *fpscr) {                                                     \
        return (bits_t)square_root(FORMAT, a, fpscr);                                                        \
    }                                                                                                        \
    bits_t h7_##name##_fma(bits_t addend, bits_t a, bits_t b, uint32_t *fpscr) {                             \
        return (bits_t)fused_multiply_add(FORMAT, addend, a, b, fpscr);                                      \
    }                                                                                                        \
    bits_t h7_##name##_maxnum(bits_t a, bits_t b, uint32_t *fpscr) {                                         \
        return (bits_t)extreme(FORMAT, a, b, true, fpscr);                                                   \
    }                                                                                                        \
    bits_t h7_##name##_minnum(bits_t a, bits_t b, uint32_t *fpscr) {                                         \
        return (bits_t)extreme(FORMAT, a, b, false, fpscr);                                                  \
    }                                                                                                        \
    void h7_##name##_compare(bits_t a, bits_t b, bool quiet_nan_invalid, uint32_t *fpscr) {                  \
        compare(FORMAT, a, b, quiet_nan_invalid, fpscr);                                                     \
    }                                                                                                        \
    bits_t h7_##name##_round_int(bits_t a, enum h7_rounding rounding, bool exact, uint32_t *fpscr) {         \
        return (bits_t)round_int(FORMAT, a, rounding, exact, fpscr);                                         \
    }                                                                                                        \
    uint32_t h7_##name##_to_fixed(bits_t a, int width, int fraction_bits, bool is_signed,                    \
                                  enum h7_rounding rounding, uint32_t *fpscr) {                              \
        return to_fixed(FORMAT, a, width, fraction_bits, is_signed, rounding, fpscr);                        \
    }                                                                                                        \
    bits_t h7_##name##_from_fixed(uint32_t operand, int width, int fraction_bits, bool is_signed,            \
                                  enum h7_rounding rounding, uint32_t *fpscr) {                              \
        return (bits_t)from_fixed(FORMAT, operand, width, fraction_bits, is_signed, rounding, fpscr);        \
    }                                                                                                        \
    bits_t h7_##name##_expand_imm(uint32_t imm8) {                                                           \
        uint64_t exponent = (imm8 >> 6 & 1) != 0 ? (uint64_t)bias(FORMAT) - 3 : (uint64_t)bias(FORMAT) + 1;  \
        uint64_t magnitude = (exponent + (imm8 >> 4 & 3)) << FORMAT.fraction_bits;                           \
        uint64_t fraction = (uint64_t)(imm8 & 15) << (FORMAT.fraction_bits - 4);                             \
        return (bits_t)(sign_bit(FORMAT, imm8 >> 7 & 1) | magnitude | fraction);                             \
    }

DEFINE_PRECISION(f32, uint32_t, SINGLE)
DEFINE_PRECISION(f64, uint64_t, DOUBLE)

uint64_t h7_f32_to_f64(uint32_t a, uint32_t *fpscr) {
    return convert(SINGLE, DOUBLE, a, fpscr);
}

uint32_t h7_f64_to_f32(uint64_t a, uint32_t *fpscr) {
    return (uint32_t)convert(DOUBLE, SINGLE, a, fpscr);
}

uint32_t h7_f16_to_f32(uint16_t a, uint32_t *fpscr) {
    return (uint32_t)convert(HALF, SINGLE, a, fpscr);
}

uint16_t h7_f32_to_f16(uint32_t a, uint32_t *fpscr) {
    return (uint16_t)convert(SINGLE, HALF, a, fpscr);
}

uint64_t h7_f16_to_f64(uint16_t a, uint32_t *fpscr) {
    return convert(HALF, DOUBLE, a, fpscr);
}

uint16_t h7_f64_to_f16(uint64_t a, uint32_t *fpscr) {
    return (uint16_t)convert(DOUBLE, HALF, a, fpscr);
}

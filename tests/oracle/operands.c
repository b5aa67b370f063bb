#include "operands.h"

uint64_t random_state = 1;

uint32_t nasty_integer(void) {
    static const uint32_t special[] = {
        0,          1,          2,          31,         32,         33,         0x7F,       0x80,
        0xFF,       0x7FFF,     0x8000,     0xFFFF,     0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF,
        0xFFFFFFFE, 0x80008000, 0x7FFF7FFF, 0x80808080, 0x7F7F7F7F, 0x00008000, 0xFFFF8000, 0x7FFF8000,
    };
    uint32_t r = random32();
    switch (r & 3) {
    case 0: return special[(r >> 8) % (sizeof special / sizeof special[0])];
    case 1: return r >> 8 & 0x3F;
    default: return random32();
    }
}

/* A fraction of `bits` bits: empty, full, a bit or run at either end, around a tie, or anything. */
static uint64_t nasty_fraction(int bits) {
    uint64_t all = (UINT64_C(1) << bits) - 1, r = random64() & all;
    int n = (int)random_below((uint32_t)bits);
    switch (random_below(10)) {
    case 0: return 0;
    case 1: return all;
    case 2: return UINT64_C(1) << n;
    case 3: return all ^ UINT64_C(1) << n;
    case 4: return all << n & all;
    case 5: return all >> n;
    case 6: return r << n & all;
    case 7: return ((r << n) + random_below(3) - 1) & all;
    default: return r;
    }
}

/* A number with `fraction` and `exponent` bits: zeros, denormals, normals near both ends, near one, near the
 * limits of integers and of the smaller formats, infinities and NaNs. */
static uint64_t nasty_number(int fraction, int exponent) {
    int top = (1 << exponent) - 1, bias = top >> 1, e;
    switch (random_below(16)) {
    case 0: e = 0; break;
    case 1: e = top; break;
    case 2: e = (int)random_below(4); break;
    case 3: e = top - (int)random_below(4); break;
    case 4: e = bias + (int)random_below(70) - 3; break;
    case 5:
        e = bias + 8 - (int)random_below(40); /* half precision ends at 2^15 and 2^-24 */
        break;
    case 6:
        e = bias + (exponent > 8 ? 130 - (int)random_below(290) : 0); /* and single at 2^127 and 2^-149 */
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11: e = bias - 2 + (int)random_below(4); break;
    default: e = (int)random_below((uint32_t)top + 1);
    }
    uint64_t sign = random64() & 1;
    return sign << (fraction + exponent) | (uint64_t)e << fraction | nasty_fraction(fraction);
}

uint32_t nasty_single(void) { return (uint32_t)nasty_number(23, 8); }
uint64_t nasty_double(void) { return nasty_number(52, 11); }

uint32_t nasty_fpscr(void) {
    enum { FLAGS = 0xF000009F, MODES = 0x07C00000 };
    uint32_t r = random32();
    return one_in(2) ? r & (FLAGS & 0xF0000000) : r & (FLAGS | MODES);
}

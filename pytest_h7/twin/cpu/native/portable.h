/* What C11 leaves to compilers, and how to do without what some of them have built in. */
#ifndef H7_PORTABLE_H
#define H7_PORTABLE_H

#include <stdint.h>

#if (defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) || (defined(PY_BIG_ENDIAN) && PY_BIG_ENDIAN)
#error "The cores' memory is little-endian and is kept as it is: the engine needs a little-endian host."
#endif
/* Arrays of a negative size where it is otherwise; not every compiler that does has static_assert. */
extern char h7_shifts_to_the_right_keep_the_sign[(-3 >> 1) == -2 ? 1 : -1];
extern char h7_conversions_to_signed_keep_the_bits[(int32_t)0x80000000u == INT32_MIN ? 1 : -1];

#if defined(__GNUC__) && !defined(H7_PLAIN_C)
#define H7_LIKELY(CONDITION) __builtin_expect(!!(CONDITION), 1)
#define H7_UNLIKELY(CONDITION) __builtin_expect(!!(CONDITION), 0)
#define H7_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define H7_LIKELY(CONDITION) (CONDITION)
#define H7_UNLIKELY(CONDITION) (CONDITION)
#define H7_ALWAYS_INLINE static inline
#endif

/* `value` is not 0. */
static inline uint32_t h7_leading_zeros64(uint64_t value) {
#if defined(__GNUC__) && !defined(H7_PLAIN_C)
    return (uint32_t)__builtin_clzll(value);
#else
    uint32_t count = 0;
    for (uint32_t step = 32; step != 0; step /= 2) {
        if (value >> (64 - step) == 0) {
            count += step;
            value <<= step;
        }
    }
    return count;
#endif
}

static inline uint32_t h7_leading_zeros(uint32_t value) { return h7_leading_zeros64(value) - 32; }

/* The number of the lowest bit that is set; there is one. */
static inline uint32_t h7_lowest_bit(uint32_t value) {
#if defined(__GNUC__) && !defined(H7_PLAIN_C)
    return (uint32_t)__builtin_ctz(value);
#else
    return 31 - h7_leading_zeros(value & (0u - value));
#endif
}

static inline uint32_t h7_count_bits(uint32_t value) {
    uint32_t count = 0;
    for (; value; value &= value - 1) {
        count++;
    }
    return count;
}

#endif

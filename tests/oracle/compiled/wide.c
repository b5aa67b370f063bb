#include "parts.h"

static const int64_t numbers[] = {0,
                                  1,
                                  -1,
                                  2,
                                  10,
                                  -10,
                                  0x7FFFFFFF,
                                  0x80000000,
                                  0xFFFFFFFF,
                                  0x100000000,
                                  -0x100000000,
                                  0x123456789ABCDEF,
                                  -0x123456789ABCDEF,
                                  INT64_MAX,
                                  INT64_MIN + 1,
                                  INT64_MIN};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

__attribute__((noinline)) static int64_t saturated(int64_t value, int bits) {
    int64_t high = ((int64_t)1 << (bits - 1)) - 1, low = -high - 1;
    return value > high ? high : value < low ? low : value;
}

__attribute__((noinline)) static uint32_t small(uint32_t a, uint32_t b) {
    int16_t x = (int16_t)a, y = (int16_t)b;
    int8_t u = (int8_t)a, v = (int8_t)(b >> 8);
    uint32_t result =
        (uint32_t)(x * y) + (uint32_t)(u * v) * 3 + (a >> (b & 31)) + (uint32_t)((int32_t)a >> (b & 31));
    result ^= a << (b >> 5 & 31) | b >> (-(b >> 5) & 31);
    result += __builtin_bswap32(a) ^ (uint32_t)__builtin_popcount(b) ^ (uint32_t)__builtin_clz(a | 1) << 8;
    result -= (uint32_t)__builtin_ctz(b | 0x80000000) + (b ? a / b + a % b : 0) +
              (uint32_t)((int32_t)a / (int32_t)(b | 3));
    return result ^ (uint32_t)((uint64_t)a * b >> 32) ^ (uint32_t)((int64_t)(int32_t)a * (int32_t)b >> 32);
}

void wide(void) {
    for (int i = 0; i < NUMBERS; i++) {
        uint64_t hash = 0;
        for (int j = 0; j < NUMBERS; j++) {
            uint64_t a = (uint64_t)numbers[i], b = (uint64_t)numbers[j];
            hash = hash * 31 + (a + b) + (a - b) * 5 + a * b * 7;
            hash ^= (a << (j * 4 & 63)) + (a >> (j * 5 & 63)) + (uint64_t)(numbers[i] >> (j * 3 & 63));
            hash += (uint64_t)(numbers[i] < numbers[j]) * 11 + (a < b) * 13 + (a == b) * 17;
            if (b && !(numbers[i] == INT64_MIN && numbers[j] == -1)) {
                hash ^= a / b + a % b * 3 + (uint64_t)(numbers[i] / numbers[j]) * 5 +
                        (uint64_t)(numbers[i] % numbers[j]) * 7;
            }
            hash += (uint64_t)saturated(numbers[i] ^ numbers[j], 8 + j * 3);
        }
        printf("%016llx %g %g %.9g\n", (unsigned long long)hash, (double)numbers[i],
               (double)(uint64_t)numbers[i], (double)(float)numbers[i]);
    }
    uint32_t state = 3, hash = 0;
    for (int i = 0; i < 3000; i++) {
        uint32_t a = next_random(&state), b = next_random(&state) >> (i & 31);
        hash = hash * 33 ^ small(a, b);
    }
    printf("%08lx\n", (unsigned long)hash);
}

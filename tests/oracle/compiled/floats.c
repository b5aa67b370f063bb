#include <math.h>
#include <string.h>

#include "parts.h"

static uint32_t bits32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? 0x7FC00000 : bits;
}
static uint64_t bits64(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? 0x7FF8000000000000u : bits;
}

static const double values[] = {0.0,
                                -0.0,
                                1.0,
                                -1.0,
                                0.1,
                                1.5,
                                2.5,
                                -2.5,
                                1e10,
                                -1e-10,
                                3.4028234663852886e38,
                                1e300,
                                5e-324,
                                1e-40,
                                2147483647.0,
                                4294967295.5,
                                -2147483648.5,
                                16777217.0,
                                0.49999999999999994,
                                INFINITY,
                                -INFINITY,
                                NAN};
enum { VALUES = sizeof values / sizeof values[0] };

#define ARITHMETIC(NAME, TYPE, UINT, BITS, SQRT)                                                             \
    __attribute__((noinline)) static UINT NAME(TYPE a, TYPE b) {                                             \
        UINT hash = BITS(a + b);                                                                             \
        hash = hash * 31 ^ BITS(a - b);                                                                      \
        hash = hash * 31 ^ BITS(a * b);                                                                      \
        hash = hash * 31 ^ BITS(a / b);                                                                      \
        hash = hash * 31 ^ BITS(SQRT(a < 0 ? -a : a));                                                       \
        hash = hash * 31 ^                                                                                   \
               (UINT)((a < b) + 2 * (a <= b) + 4 * (a == b) + 8 * (a > b) + 16 * (a >= b) + 32 * (a != b));  \
        hash = hash * 31 ^ BITS(-(a * b) + a);                                                               \
        return hash;                                                                                         \
    }
ARITHMETIC(single, float, uint32_t, bits32, sqrtf)
ARITHMETIC(twice, double, uint64_t, bits64, sqrt)

__attribute__((noinline)) static uint64_t converted(double value) {
    double least = value < 0 ? -value : value;
    uint64_t hash = bits32((float)value) + bits64((double)(float)value) * 3;
    if (least < 2147483520.0) {
        hash = hash * 31 ^ (uint64_t)(int64_t)(int32_t)value;
        hash = hash * 31 ^ (uint64_t)(int64_t)(int32_t)(float)value;
        hash = hash * 31 ^ (uint32_t)least ^ (uint64_t)(uint32_t)(float)least << 7;
        hash = hash * 31 ^ bits32((float)(int32_t)value) ^ bits64((int32_t)value);
        hash = hash * 31 ^ bits32((float)(uint32_t)least) ^ bits64((uint32_t)least);
    }
    if (least < 9e18) {
        hash = hash * 31 ^ (uint64_t)(int64_t)value ^ (uint64_t)least << 3;
        hash = hash * 31 ^ bits64((double)(int64_t)value) ^ bits32((float)(int64_t)value);
    }
    hash = hash * 31 ^ bits64(floor(value)) ^ bits64(ceil(value)) * 3 ^ bits64(trunc(value)) * 5 ^
           bits64(round(value)) * 7;
    hash =
        hash * 31 ^ bits64(rint(value)) ^ bits32(floorf((float)value)) ^ bits32(fabsf((float)value)) * 9ull;
    int exponent;
    hash = hash * 31 ^ bits64(least < 1e308 ? frexp(value, &exponent) : 0) ^ bits64(ldexp(value, -3)) ^
           bits64(fmod(value, 3.7));
    return hash;
}

/* Gravity, with square roots: chaotic, so that any difference grows. */
static void planets(int steps) {
    double x[3] = {0, 1, -1.5}, y[3] = {0, 0.2, 0.1}, u[3] = {0, 0.1, -0.05}, v[3] = {0, 0.9, -0.8},
           mass[3] = {1, 0.01, 0.02};
    for (int step = 0; step < steps; step++) {
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++) {
                if (i != j) {
                    double dx = x[j] - x[i], dy = y[j] - y[i], square = dx * dx + dy * dy + 0.001;
                    double force = mass[j] / (square * sqrt(square));
                    u[i] += force * dx * 0.01;
                    v[i] += force * dy * 0.01;
                }
            }
        }
        for (int i = 0; i < 3; i++) {
            x[i] += u[i] * 0.01;
            y[i] += v[i] * 0.01;
        }
    }
    printf("planets %.17g %.17g %.17g\n", x[0], x[1], y[2]);
}

static void mandelbrot(void) {
    for (int row = 0; row < 8; row++) {
        for (int column = 0; column < 40; column++) {
            float re = 0, im = 0, a = (float)column / 16.0f - 2.0f, b = (float)row / 4.0f - 1.0f;
            int n = 0;
            for (; n < 26 && re * re + im * im < 4.0f; n++) {
                float next = re * re - im * im + a;
                im = 2 * re * im + b;
                re = next;
            }
            putchar(n == 26 ? '#' : 'a' + n);
        }
        putchar('\n');
    }
}

static void matrix(void) {
    float a[6][6], inverse[6][6];
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) {
            a[i][j] = 1.0f / (float)(i + 2 * j + 1) + (i == j);
            inverse[i][j] = i == j;
        }
    }
    for (int pivot = 0; pivot < 6; pivot++) {
        float scale = 1.0f / a[pivot][pivot];
        for (int j = 0; j < 6; j++) {
            a[pivot][j] *= scale;
            inverse[pivot][j] *= scale;
        }
        for (int i = 0; i < 6; i++) {
            float factor = a[i][pivot];
            for (int j = 0; i != pivot && j < 6; j++) {
                a[i][j] -= factor * a[pivot][j];
                inverse[i][j] -= factor * inverse[pivot][j];
            }
        }
    }
    for (int i = 0; i < 6; i++) {
        printf("%.9g ", (double)inverse[i][5 - i]);
    }
    printf("\n");
}

void floats(void) {
    for (int i = 0; i < VALUES; i++) {
        uint32_t hash = 0;
        uint64_t wide = 0;
        for (int j = 0; j < VALUES; j++) {
            hash = hash * 33 + single((float)values[i], (float)values[j]);
            wide = wide * 33 + twice(values[i], values[j]);
        }
        printf("%d: %08lx %016llx %016llx\n", i, (unsigned long)hash, (unsigned long long)wide,
               (unsigned long long)converted(values[i]));
    }
    uint32_t state = 1, hash = 0;
    uint64_t wide = 0;
    for (int i = 0; i < 2000; i++) {
        uint32_t r = next_random(&state), s = next_random(&state);
        float a, b;
        memcpy(&a, &r, sizeof a);
        memcpy(&b, &s, sizeof b);
        hash = hash * 33 + single(a, b);
        wide = wide * 33 + twice(a, (double)b * 1e-30) + converted(a);
    }
    printf("%08lx %016llx\n", (unsigned long)hash, (unsigned long long)wide);
    planets(400);
    mandelbrot();
    matrix();
    double series = 0;
    for (int i = 1000; i; i--) {
        series += 1.0 / ((double)i * i);
    }
    printf("%.17g %.9g\n", series, (double)(float)series);
}

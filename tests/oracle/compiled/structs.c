#include <stdarg.h>
#include <string.h>

#include "parts.h"

struct s1 {
    uint8_t a;
};
struct s3 {
    uint8_t a, b, c;
};
struct s8 {
    int32_t a;
    int16_t b;
    int8_t c, d;
};
struct s12 {
    uint64_t a;
    uint16_t b;
} __attribute__((packed));
struct s40 {
    int32_t values[10];
};
struct floats {
    float a, b, c;
};
struct doubles {
    double a, b, c, d;
};
struct mixed {
    double a;
    float b;
    int32_t c;
};
struct bits {
    uint32_t a : 3, b : 7, c : 12, d : 10;
    int32_t e : 5, f : 27;
};
union any {
    uint32_t word;
    uint8_t bytes[4];
    uint16_t halves[2];
};

__attribute__((noinline)) static struct s1 f1(struct s1 s, uint8_t x) { return s.a += x, s; }
__attribute__((noinline)) static struct s3 f3(struct s3 s, struct s1 t) { return s.a += t.a, s.c ^= s.b, s; }
__attribute__((noinline)) static struct s8 f8(int x, struct s8 s, struct s3 t) {
    return s.a += x * t.c, s.b = (int16_t)(s.b * 3), s.d = (int8_t)(s.c - t.a), s;
}
__attribute__((noinline)) static struct s12 f12(struct s12 s, uint64_t x) {
    return s.a += x, s.b = (uint16_t)(s.b ^ x), s;
}
__attribute__((noinline)) static struct s40 f40(struct s40 s, struct s40 *t, int x) {
    for (int i = 0; i < 10; i++) s.values[i] += t->values[9 - i] * x;
    return s;
}
__attribute__((noinline)) static struct floats ff(struct floats s, float x, double y) {
    return s.a *= x, s.b += (float)y, s.c = s.a - s.b, s;
}
__attribute__((noinline)) static struct doubles fd(float x, struct doubles s, double y) {
    return s.a += x, s.b *= y, s.c -= s.a, s.d = s.b / 3, s;
}
__attribute__((noinline)) static struct mixed fm(struct mixed s, int x, float a, float b, float c, float d,
                                                 double e) {
    s.a += x + a * b + e;
    s.b = c / d;
    s.c -= x;
    return s;
}
__attribute__((noinline)) static double many(float a, double b, int c, float d, double e, int64_t f, float g,
                                             float h, double i, double j, double k, double l, float m, int n,
                                             double o, float p) {
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * (double)f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k +
           12 * l + 13 * m + 14 * n + 15 * o + 16 * p;
}

static double varied(const char *kinds, ...) {
    double sum = 0;
    va_list arguments, again;
    va_start(arguments, kinds);
    va_copy(again, arguments);
    for (const char *kind = kinds; *kind; kind++) {
        switch (*kind) {
        case 'i': sum += va_arg(arguments, int); break;
        case 'l': sum += (double)va_arg(arguments, int64_t); break;
        case 'd': sum += va_arg(arguments, double); break;
        default: {
            struct s8 s = va_arg(arguments, struct s8);
            sum += s.a + s.b + s.c + s.d;
        }
        }
    }
    va_end(arguments);
    sum += *kinds == 'i' ? va_arg(again, int) : 0;
    va_end(again);
    return sum;
}

void structs(void) {
    struct s1 a = f1((struct s1){250}, 10);
    struct s3 b = f3((struct s3){1, 2, 3}, a);
    struct s8 c = f8(-7, (struct s8){1000000, -30000, 100, 0}, b);
    struct s12 d = f12((struct s12){0xFFFFFFFFFFFFFFFF, 0xABCD}, 0x123456789ull);
    struct s40 e = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
    e = f40(e, &e, -3);
    printf("%u %u %u %u %ld %d %d %d %llx %x\n", a.a, b.a, b.b, b.c, (long)c.a, c.b, c.c, c.d,
           (unsigned long long)d.a, d.b);
    for (int i = 0; i < 10; i++) printf("%ld ", (long)e.values[i]);
    struct floats f = ff((struct floats){1.5f, 2.25f, 0}, 3.0f, 0.1);
    struct doubles g = fd(0.5f, (struct doubles){1, 2, 3, 4}, 1e10);
    struct mixed h = fm((struct mixed){1.25, 2.5f, 3}, 4, 0.1f, 0.2f, 0.3f, 0.4f, 0.5);
    printf("\n%.9g %.9g %.9g %.17g %.17g %.17g %.17g %.17g %.9g %ld\n", (double)f.a, (double)f.b, (double)f.c,
           g.a, g.b, g.c, g.d, h.a, (double)h.b, (long)h.c);
    printf("%.17g\n",
           many(1.1f, 2.2, 3, 4.4f, 5.5, 6, 7.7f, 8.8f, 9.9, 10.1, 11.2, 12.3, 13.4f, 14, 15.6, 16.7f));
    printf("%.17g %.17g\n", varied("idlids", 1, 2.5, (int64_t)1 << 40, -3, 1e-3, c),
           varied("dsldi", 0.1, c, (int64_t)-5, 0.2, 9));
    struct bits bits = {0};
    uint32_t state = 5;
    for (int i = 0; i < 50; i++) {
        uint32_t r = next_random(&state);
        bits.a += r & 7;
        bits.b ^= r >> 3 & 0x7F;
        bits.c -= r >> 9 & 0xFFF;
        bits.d = bits.c + bits.a;
        bits.e = (int32_t)(r & 31) - 16;
        bits.f += bits.e;
    }
    printf("%u %u %u %u %d %d\n", bits.a, bits.b, bits.c, bits.d, bits.e, bits.f);
    union any any = {0x12345678};
    any.bytes[1] ^= 0xFF;
    any.halves[1]++;
    printf("%08lx\n", (unsigned long)any.word);
    uint8_t raw[40];
    for (int i = 0; i < 40; i++) raw[i] = (uint8_t)(i * 37);
    for (int i = 0; i < 5; i++) {
        uint32_t word;
        uint64_t wide;
        memcpy(&word, raw + i, sizeof word);
        memcpy(&wide, raw + 2 * i + 1, sizeof wide);
        struct s12 packed;
        memcpy(&packed, raw + i, sizeof packed);
        packed.a += word;
        memcpy(raw + 20 + i, &packed, sizeof packed);
        printf("%08lx %016llx %08lx\n", (unsigned long)word, (unsigned long long)wide,
               (unsigned long)hash_bytes(raw, sizeof raw));
    }
}

#include <setjmp.h>
#include <stdlib.h>

#include "parts.h"

__attribute__((noinline)) static int dense(int x) {
    switch (x) {
    case 0: return 7;
    case 1: return 3;
    case 2: return -8;
    case 3: return 100;
    case 4: return 12345;
    case 5: return x * 3;
    case 6: return 0;
    case 7: return -1;
    case 8: return 77;
    case 9: return 65536;
    default: return x > 0 ? 1 : 2;
    }
}

__attribute__((noinline)) static uint32_t sparse(uint32_t x) {
    switch (x) {
    case 1: return 11;
    case 10: return 22;
    case 200: return 33;
    case 1000: return 44;
    case 0x80000000: return 55;
    case 0xFFFFFFFF: return 66;
    case 'a' ... 'f': return x - 'a';
    default: return x ^ x >> 3;
    }
}

/* A small machine, with a big switch: many cases make a table of halfwords. */
static int32_t interpret(const uint8_t *code, int32_t a) {
    int32_t stack[16], b = 0;
    int depth = 0, steps = 0;
    for (int at = 0; steps < 5000; steps++) {
        uint8_t op = code[at++];
        switch (op & 31) {
        case 0: return a + depth;
        case 1: a += b; break;
        case 2: a -= b; break;
        case 3: a = (int32_t)((uint32_t)a * (uint32_t)b); break;
        case 4: b = a; break;
        case 5: a ^= b; break;
        case 6: a &= ~b; break;
        case 7: a |= op >> 5; break;
        case 8: a = (int32_t)((uint32_t)a << (op >> 5)); break;
        case 9: a >>= op >> 5; break;
        case 10:
            if (depth < 16)
                stack[depth++] = a;
            break;
        case 11:
            if (depth)
                a = stack[--depth];
            break;
        case 12:
            if (a & 1)
                at += op >> 5;
            break;
        case 13:
            if (a < b)
                at += op >> 5;
            break;
        case 14:
            if (steps < 4000 && a % 7)
                at -= op >> 5;
            break;
        case 15: {
            int32_t other = a;
            a = b;
            b = other;
            break;
        }
        case 16: a = a / (b | 1); break;
        case 17: a = a % (b | 1); break;
        case 18: a = -a; break;
        case 19: a = ~a; break;
        case 20: a = (int16_t)a; break;
        case 21: a = (uint8_t)a; break;
        case 22: b += 0x01010101; break;
        case 23: a = __builtin_clz((uint32_t)a | 1); break;
        case 24: a = a > b ? a : b; break;
        case 25: a = abs(a >> 1); break;
        default: a += op; break;
        }
    }
    return a;
}

static uint32_t ackermann(uint32_t m, uint32_t n) {
    return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

static int queens(int size, uint32_t columns, uint32_t left, uint32_t right) {
    int count = 0;
    if (columns == (1u << size) - 1) {
        return 1;
    }
    for (uint32_t free = ~(columns | left | right) & ((1u << size) - 1); free; free &= free - 1) {
        uint32_t place = free & -free;
        count += queens(size, columns | place, (left | place) << 1, (right | place) >> 1);
    }
    return count;
}

static jmp_buf back;
static int deep(int level) {
    if (level == 20) {
        longjmp(back, 42);
    }
    return deep(level + 1) + level;
}

static int twice(int x) { return 2 * x; }
static int squared(int x) { return x * x; }
static int called_back(int (*const *functions)(int), int count, int x) {
    for (int i = 0; i < count; i++) {
        x = functions[i](x) + i;
    }
    return x;
}

void control(void) {
    int sum = 0;
    for (int i = -3; i < 14; i++) {
        sum = sum * 7 + dense(i);
    }
    uint32_t hash = 0, keys[] = {1, 10, 200, 1000, 0x80000000, 0xFFFFFFFF, 'b', 'e', 'g', 12345};
    for (int i = 0; i < 10; i++) {
        hash = hash * 31 + sparse(keys[i]);
    }
    printf("%d %lu %lu %d\n", sum, (unsigned long)hash, (unsigned long)ackermann(2, 9), queens(7, 0, 0, 0));
    uint8_t code[256];
    uint32_t state = 77;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 255; i++) {
            code[i] = (uint8_t)(next_random(&state) >> 8);
            code[i] = (uint8_t)((code[i] & 31) ? code[i] : 1);
        }
        for (int i = 247; i < 256; i++) {
            code[i] = 0;
        }
        printf("%ld ", (long)interpret(code + 8, round * 1000003));
    }
    volatile int kept = 5;
    int value = setjmp(back);
    if (!value) {
        kept = 6;
        deep(0);
    }
    int (*const functions[])(int) = {twice, squared, twice, abs};
    printf("%d %d %d\n", value, kept, called_back(functions, 4, -13));
}

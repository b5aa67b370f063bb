#include <string.h>

#include "parts.h"

enum { LIMBS = 40 };
struct number {
    uint32_t limb[LIMBS];
    int size;
};

static void set(struct number *n, uint32_t value) {
    memset(n, 0, sizeof *n);
    n->limb[0] = value;
    n->size = 1;
}

static void multiply_small(struct number *n, uint32_t factor) {
    uint64_t carry = 0;
    for (int i = 0; i < n->size; i++) {
        carry += (uint64_t)n->limb[i] * factor;
        n->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && n->size < LIMBS) {
        n->limb[n->size++] = (uint32_t)carry;
    }
}

static uint32_t divide_small(struct number *n, uint32_t divisor) {
    uint64_t rest = 0;
    for (int i = n->size - 1; i >= 0; i--) {
        rest = rest << 32 | n->limb[i];
        n->limb[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    while (n->size > 1 && !n->limb[n->size - 1]) {
        n->size--;
    }
    return (uint32_t)rest;
}

static void add(struct number *sum, const struct number *other) {
    uint64_t carry = 0;
    int size = sum->size > other->size ? sum->size : other->size;
    for (int i = 0; i < size; i++) {
        carry += (uint64_t)sum->limb[i] + other->limb[i];
        sum->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    sum->size = size;
    if (carry && size < LIMBS) {
        sum->limb[sum->size++] = (uint32_t)carry;
    }
}

static struct number multiply(struct number a, struct number b) {
    struct number product;
    set(&product, 0);
    for (int i = 0; i < a.size; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b.size || carry; j++) {
            if (i + j >= LIMBS) {
                break;
            }
            carry += product.limb[i + j] + (uint64_t)a.limb[i] * (j < b.size ? b.limb[j] : 0);
            product.limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    product.size = a.size + b.size < LIMBS ? a.size + b.size : LIMBS;
    while (product.size > 1 && !product.limb[product.size - 1]) {
        product.size--;
    }
    return product;
}

static void print(const char *name, struct number n) {
    char text[10 * LIMBS];
    int length = 0;
    do {
        text[length++] = (char)('0' + divide_small(&n, 10));
    } while (n.size > 1 || n.limb[0]);
    printf("%s ", name);
    while (length) {
        putchar(text[--length]);
    }
    putchar('\n');
}

static uint64_t power_modulo(uint64_t base, uint64_t exponent, uint32_t modulus) {
    uint64_t result = 1;
    for (base %= modulus; exponent; exponent >>= 1, base = base * base % modulus) {
        if (exponent & 1) {
            result = result * base % modulus;
        }
    }
    return result;
}

static uint32_t greatest_divisor(uint32_t a, uint32_t b) { return b ? greatest_divisor(b, a % b) : a; }

void bignum(void) {
    struct number n, a, b;
    set(&n, 1);
    for (uint32_t i = 2; i <= 150; i++) {
        multiply_small(&n, i);
    }
    print("150!", n);
    set(&a, 0);
    set(&b, 1);
    for (int i = 0; i < 700; i++) {
        struct number old = b;
        add(&b, &a);
        a = old;
    }
    print("fibonacci(700)", a);
    set(&n, 3);
    for (int i = 0; i < 9; i++) {
        n = multiply(n, n);
    }
    print("3^512", n);
    for (uint32_t i = 1; i < 6; i++) {
        printf("%llu %lu\n",
               (unsigned long long)power_modulo(0x123456789ABCDEFu * i, 65537 * i, 4294967291u - i),
               (unsigned long)greatest_divisor(720720 * i, 4084080 + i * 6006));
    }
}

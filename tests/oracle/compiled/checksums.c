#include <string.h>

#include "parts.h"

static uint32_t crc32_bitwise(const uint8_t *data, uint32_t size) {
    uint32_t crc = 0xFFFFFFFF;
    while (size--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320 & -(crc & 1));
        }
    }
    return ~crc;
}

static uint32_t crc32_by_table(const uint8_t *data, uint32_t size) {
    uint32_t table[256], crc = 0xFFFFFFFF;
    for (uint32_t byte = 0; byte < 256; byte++) {
        table[byte] = byte;
        for (int bit = 0; bit < 8; bit++) {
            table[byte] = table[byte] & 1 ? table[byte] >> 1 ^ 0xEDB88320 : table[byte] >> 1;
        }
    }
    while (size--) {
        crc = crc >> 8 ^ table[(crc ^ *data++) & 0xFF];
    }
    return ~crc;
}

static uint16_t crc16(const uint8_t *data, uint32_t size) {
    uint16_t crc = 0xFFFF;
    while (size--) {
        crc = (uint16_t)(crc ^ *data++ << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

static uint64_t crc64(const uint8_t *data, uint32_t size) {
    uint64_t crc = 0;
    while (size--) {
        crc ^= (uint64_t)*data++ << 56;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 63 ? crc << 1 ^ 0x42F0E1EBA9EA3693u : crc << 1;
        }
    }
    return crc;
}

static uint32_t adler(const uint8_t *data, uint32_t size) {
    uint32_t a = 1, b = 0;
    while (size--) {
        a = (a + *data++) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static uint32_t rotate(uint32_t value, int by) { return value >> by | value << (32 - by); }

/* SHA-256; the constants are the fractions of cube and square roots of primes, found by integer arithmetic. */
static uint32_t root_fraction(uint32_t prime, int power) {
    uint64_t low = 0, high = (uint64_t)32 << 32;
    while (high - low > 1) { /* root times 2^32 */
        uint64_t middle = low + (high - low) / 2, whole = middle >> 20, product = whole * whole;
        if (power == 3) {
            product = (product >> 12) * whole >> 12;
        } else {
            whole = middle >> 10;
            product = whole * whole >> 32;
        }
        uint64_t wanted = power == 3 ? (uint64_t)prime << 12 : (uint64_t)prime << 12;
        if (product < wanted) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (uint32_t)low;
}

static void sha_block(uint32_t hash[8], const uint32_t constants[64], const uint8_t *block) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        w[i] =
            (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, hash, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t t1 = s[7] + a + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
        uint32_t b = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t t2 = b + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        hash[i] += s[i];
    }
}

void checksums(void) {
    static uint8_t data[1000];
    uint32_t state = 99, hash[8], constants[64], prime = 2;
    for (uint32_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)next_random(&state);
    }
    for (uint32_t size = 1; size < sizeof data; size = size * 3 + 1) {
        printf("checksums of %lu: %08lx %08lx %04x %016llx %08lx %08lx\n", (unsigned long)size,
               (unsigned long)crc32_bitwise(data, size), (unsigned long)crc32_by_table(data + 1, size),
               crc16(data, size), (unsigned long long)crc64(data, size), (unsigned long)adler(data, size),
               (unsigned long)hash_bytes(data, size));
    }
    for (int i = 0; i < 64; prime++) {
        uint32_t factor = 2;
        while (prime % factor) factor++;
        if (factor == prime) {
            constants[i] = root_fraction(prime, 3);
            if (i < 8) {
                hash[i] = root_fraction(prime, 2);
            }
            i++;
        }
    }
    for (uint32_t i = 0; i + 64 <= sizeof data; i += 64) {
        sha_block(hash, constants, data + i);
    }
    for (int i = 0; i < 8; i++) {
        printf("%08lx%c", (unsigned long)hash[i], i == 7 ? '\n' : ' ');
    }
}

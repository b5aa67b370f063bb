#include "md5.h"

/* 2^32 times the absolute sine of 1 to 64 radians. */
static const uint32_t SINES[64] = {
    0xD76AA478, 0xE8C7B756, 0x242070DB, 0xC1BDCEEE, 0xF57C0FAF, 0x4787C62A,
    0xA8304613, 0xFD469501, 0x698098D8, 0x8B44F7AF, 0xFFFF5BB1, 0x895CD7BE,
    0x6B901122, 0xFD987193, 0xA679438E, 0x49B40821, 0xF61E2562, 0xC040B340,
    0x265E5A51, 0xE9B6C7AA, 0xD62F105D, 0x02441453, 0xD8A1E681, 0xE7D3FBC8,
    0x21E1CDE6, 0xC33707D6, 0xF4D50D87, 0x455A14ED, 0xA9E3E905, 0xFCEFA3F8,
    0x676F02D9, 0x8D2A4C8A, 0xFFFA3942, 0x8771F681, 0x6D9D6122, 0xFDE5380C,
    0xA4BEEA44, 0x4BDECFA9, 0xF6BB4B60, 0xBEBFBC70, 0x289B7EC6, 0xEAA127FA,
    0xD4EF3085, 0x04881D05, 0xD9D4D039, 0xE6DB99E5, 0x1FA27CF8, 0xC4AC5665,
    0xF4292244, 0x432AFF97, 0xAB9423A7, 0xFC93A039, 0x655B59C3, 0x8F0CCC92,
    0xFFEFF47D, 0x85845DD1, 0x6FA87E4F, 0xFE2CE6E0, 0xA3014314, 0x4E0811A1,
    0xF7537E82, 0xBD3AF235, 0x2AD7D2BB, 0xEB86D391,
};

static inline uint32_t rotate_left(uint32_t value, uint32_t bits) { return value << bits | value >> (32u - bits); }

#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) F(z, x, y)
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))

#define STEP(function, a, b, c, d, word, shift) \
    (a) = (b) + rotate_left((a) + function(b, c, d) + (word) + *sine++, shift)

/* Steps that take the words of the block from `first` on, each `stride` behind the one before. */
#define FOUR_STEPS(function, first, stride, s1, s2, s3, s4)                       \
    STEP(function, a, b, c, d, block[(first) % MD5_BLOCK], s1);                   \
    STEP(function, d, a, b, c, block[((first) + (stride)) % MD5_BLOCK], s2);      \
    STEP(function, c, d, a, b, block[((first) + 2u * (stride)) % MD5_BLOCK], s3); \
    STEP(function, b, c, d, a, block[((first) + 3u * (stride)) % MD5_BLOCK], s4)

#define SIXTEEN_STEPS(function, first, stride, s1, s2, s3, s4)                      \
    FOUR_STEPS(function, first, stride, s1, s2, s3, s4);                            \
    FOUR_STEPS(function, (first) + 4u * (stride), stride, s1, s2, s3, s4);          \
    FOUR_STEPS(function, (first) + 8u * (stride), stride, s1, s2, s3, s4);          \
    FOUR_STEPS(function, (first) + 12u * (stride), stride, s1, s2, s3, s4)

static void take_block(struct md5 *md5)
{
    const uint32_t *const block = md5->block;
    const uint32_t *sine = SINES;
    uint32_t a = md5->state[0], b = md5->state[1], c = md5->state[2], d = md5->state[3];

    SIXTEEN_STEPS(F, 0u, 1u, 7, 12, 17, 22);
    SIXTEEN_STEPS(G, 1u, 5u, 5, 9, 14, 20);
    SIXTEEN_STEPS(H, 5u, 3u, 4, 11, 16, 23);
    SIXTEEN_STEPS(I, 0u, 7u, 6, 10, 15, 21);

    md5->state[0] += a;
    md5->state[1] += b;
    md5->state[2] += c;
    md5->state[3] += d;
}

void md5_begin(struct md5 *md5)
{
    md5->state[0] = 0x67452301u;
    md5->state[1] = 0xEFCDAB89u;
    md5->state[2] = 0x98BADCFEu;
    md5->state[3] = 0x10325476u;
    md5->words = 0;
}

void md5_add(struct md5 *md5)
{
    md5->words += 8u;
    if (md5->words % MD5_BLOCK == 0) {
        take_block(md5);
    }
}

void md5_end(struct md5 *md5)
{
    const uint32_t bits = md5->words * 32u;
    uint32_t *const block = md5->block;

    block[md5->words % MD5_BLOCK] = 0x80u;
    for (uint32_t i = md5->words % MD5_BLOCK + 1u; i < MD5_BLOCK; ++i) {
        block[i] = 0;
    }
    block[MD5_BLOCK - 2u] = bits; /* of a piece, which is no more than a sector, they fit */
    take_block(md5);
}

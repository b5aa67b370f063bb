/* MD5 (RFC 1321) of whole flash words. */
#ifndef MD5_H
#define MD5_H

#include <stdint.h>

struct md5 {
    uint32_t state[4]; /* the digest after md5_end, its first byte lowest */
    uint32_t block[16];
    uint32_t words; /* of four bytes, taken so far */
};

void md5_begin(struct md5 *md5);
void md5_add(struct md5 *md5, const uint32_t words[8]);
void md5_end(struct md5 *md5);

#endif

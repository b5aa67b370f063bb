/* MD5 (RFC 1321) of whole flash words. */
#ifndef MD5_H
#define MD5_H

#include <stdint.h>

#define MD5_BLOCK 16u /* words of four bytes */

struct md5 {
    uint32_t state[4]; /* the digest after md5_end, its first byte lowest */
    uint32_t block[MD5_BLOCK];
    uint32_t words; /* taken so far, a multiple of eight */
};

void md5_begin(struct md5 *md5);

/* Where the next eight words are to be put, before md5_add takes them. */
static inline uint32_t *md5_next(struct md5 *md5) { return md5->block + md5->words % MD5_BLOCK; }

void md5_add(struct md5 *md5);
void md5_end(struct md5 *md5);

#endif

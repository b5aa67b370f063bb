/* Random values on which implementations differ. */
#ifndef OPERANDS_H
#define OPERANDS_H

#include <stdbool.h>
#include <stdint.h>

extern uint64_t random_state;

static inline uint64_t random64(void) { /* splitmix64's output function over a counter */
    uint64_t z = random_state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
static inline uint32_t random32(void) { return (uint32_t)random64(); }
static inline uint32_t random_below(uint32_t limit) { return (uint32_t)((random64() >> 32) * limit >> 32); }
static inline bool one_in(uint32_t count) { return random_below(count) == 0; }

uint32_t nasty_integer(void); /* near the limits of bytes, halfwords, words, shifts */
uint32_t nasty_single(void);
uint64_t nasty_double(void);
uint32_t nasty_fpscr(void);

#endif

/* The parts of the program that is compiled for the cores and for the host, whose output must be equal. */
#ifndef PARTS_H
#define PARTS_H

#include <stdint.h>
#include <stdio.h>

void bignum(void);
void checksums(void);
void control(void);
void floats(void);
void sorting(void);
void strings(void);
void structs(void);
void wide(void);

/* The same numbers everywhere. */
static inline uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state ^ *state >> 15;
}

static inline uint32_t hash_bytes(const void *data, uint32_t size) {
    const uint8_t *bytes = data;
    uint32_t hash = 2166136261u;
    for (uint32_t index = 0; index < size; index++) {
        hash = (hash ^ bytes[index]) * 16777619u;
    }
    return hash;
}

#endif

/* Functions of the C library that the compiler may call on its own, for a copy or for clearing a structure. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int value, size_t size);

/* The loops must not be recognised as what they implement and become calls to themselves. */
#define NOT_ITSELF __attribute__((optimize("no-tree-loop-distribute-patterns")))

NOT_ITSELF void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *write = to;
    const uint8_t *read = from;

    while (size--) {
        *write++ = *read++;
    }
    return to;
}

NOT_ITSELF void *memset(void *to, int value, size_t size)
{
    uint8_t *write = to;

    while (size--) {
        *write++ = (uint8_t)value;
    }
    return to;
}

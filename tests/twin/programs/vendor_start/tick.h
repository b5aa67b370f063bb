/* The time of a vendor's library: a tick of SysTick, and waits for flags that give up after some of them. */
#ifndef TICK_H
#define TICK_H

#include "example.h"

static volatile uint32_t tick;

void SysTick_Handler(void);

void SysTick_Handler(void)
{
    tick = tick + 1;
}

/* Wait until a bit is as wanted; return whether it was within so many milliseconds. */
static inline bool wait_for(const volatile uint32_t *status, uint32_t mask, bool set, uint32_t milliseconds)
{
    const uint32_t start = tick;

    while (((*status & mask) != 0) != set) {
        if (tick - start > milliseconds) {
            return false;
        }
    }
    return true;
}

static inline void delay(uint32_t milliseconds)
{
    const uint32_t start = tick;

    while (tick - start < milliseconds + 1u) {
    }
}

#endif

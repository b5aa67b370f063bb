/* What each core prints on the port of both. */
#ifndef LINES_H
#define LINES_H

#include "shared.h"

#define LINES 8u

#ifndef LOCKED
#define LOCKED 1
#endif

volatile uint32_t printed;

/* Print as one who has to find out each character first. */
static inline void print_slowly(const char *text)
{
    for (; *text; ++text) {
        const char letter[] = {*text, '\0'};

        print(letter);
        pause(2000);
    }
}

static inline void print_lines(const char *line)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    while (printed < LINES) {
        if (LOCKED) {
            lock();
        }
        print_slowly(line);
        if (LOCKED) {
            unlock();
        }
        printed = printed + 1;
    }
}

#endif

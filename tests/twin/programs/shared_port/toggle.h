/* What each core does with its pin of the port of both. */
#ifndef TOGGLE_H
#define TOGGLE_H

#include "example.h"

#define TOGGLES 2000u

#ifndef ATOMIC
#define ATOMIC 1
#endif

volatile uint32_t done;

/* Toggle a pin of port E: by BSRR, which changes no other, or by reading, changing and writing the whole port. */
static inline void toggle(uint32_t pin)
{
    bool high = false;

    configure_pin('E', pin, PIN_OUTPUT, 0);
    for (uint32_t i = 0; i < TOGGLES; ++i) {
        high = !high;
        if (ATOMIC) {
            write_pin('E', pin, high);
        } else {
            GPIOE_ODR ^= 1u << pin;
        }
        pause(i % (8u * pin + 1u)); /* the cores have no common rhythm */
    }
    done = 1;
}

#endif

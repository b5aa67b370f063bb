/*
 * How firmware waits: asleep between its ticks (-DWAY=IDLE), polling their count as HAL_Delay does (BUSY_WAIT), or
 * without any (FOREVER_LOOP).
 */
#include "machine.h"
#include "test_points.h"

enum { IDLE, BUSY_WAIT, FOREVER_LOOP };
enum { PERIOD = 50 }; /* milliseconds */

int main(void);

static uint32_t get_tick(void)
{
    return ticks;
}

static void delay(uint32_t milliseconds)
{
    const uint32_t start = get_tick();

    while (get_tick() - start < milliseconds) {
    }
}

int main(void)
{
    machine_start();
    if (WAY != FOREVER_LOOP) {
        start_ticks();
    }
    while (WAY == IDLE) {
        __asm volatile("wfi" ::: "memory");
    }
    while (WAY == BUSY_WAIT) {
        delay(PERIOD);
    }
    while (1) {
    }
}

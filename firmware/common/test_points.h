/* What a test looks at by name: the same variables and functions on both cores. */
#ifndef TEST_POINTS_H
#define TEST_POINTS_H

#include <stdint.h>

/*
 * How far a core has come. A value is written when its stage begins. RAM survives a reset: until a core has left
 * Reset_Handler, boot_stage still holds what the run before left there.
 */
enum boot_stage {
    BOOT_RESET = 0,    /* before main */
    BOOT_STARTED = 1,  /* in main */
    BOOT_WAITING = 2,  /* CM7: for CM4 to stop; CM4: for HSEM 0 to be released, mostly asleep */
    BOOT_CLOCKS = 3,   /* CM7 only: the clocks are set */
    BOOT_WOKEN = 3,    /* CM4 only: awake again */
    BOOT_RELEASED = 4, /* CM7 only: HSEM 0 is released */
    BOOT_READY = 5,    /* in the endless loop of main */
};

extern volatile uint32_t boot_stage;
extern volatile uint32_t ticks;           /* milliseconds since the core's SysTick was started */
extern volatile uint32_t exti_count;      /* presses of B1 (EXTI line 13) this core has served */
extern volatile uint32_t SystemCoreClock; /* clock of this core in Hz, as far as it knows */

/* Toggle this core's LED; called once for each press, from the interrupt. */
void exti_toggle_led(void);

/* Where a core ends that cannot go on. */
__attribute__((noreturn)) void Error_Handler(void);

#endif

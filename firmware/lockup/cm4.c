/*
 * A Cortex-M4 image that locks up: its first instruction is undefined, and the vector of the hard fault is what
 * erased flash reads as. A core that faults on its way into HardFault stops for good.
 */
#include "core.h"

extern uint32_t _estack[];

void Reset_Handler(void);

__attribute__((section(".isr_vector"), aligned(1024), used)) static void (*const vectors[])(void) = {
    (void (*)(void))_estack,
    Reset_Handler,
    (void (*)(void))0xFFFFFFFFu, /* NMI */
    (void (*)(void))0xFFFFFFFFu, /* HardFault */
};

__attribute__((naked)) void Reset_Handler(void)
{
    __asm volatile("udf #0");
}

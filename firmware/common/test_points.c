#include "test_points.h"

void SysTick_Handler(void);

volatile uint32_t boot_stage;
volatile uint32_t ticks;
volatile uint32_t exti_count;
volatile uint32_t SystemCoreClock = 64000000; /* HSI, after reset */

void SysTick_Handler(void)
{
    ticks = ticks + 1;
}

__attribute__((noinline)) void Error_Handler(void)
{
    for (;;) {
    }
}

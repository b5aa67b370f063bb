/* CM7 takes and releases semaphore 0 every 10 ms, which wakes CM4 out of CStop each time: see cm4.c. */
#include "power.h"

#define PROCESS 0u
#define TAKEN (1u << 31 | 3u << 8 | PROCESS) /* LOCK, COREID of CM7 */

volatile uint32_t released;

void SysTick_Handler(void)
{
    static uint32_t milliseconds;

    if (++milliseconds % 10u == 0) {
        HSEM_R0 = TAKEN;
        if (HSEM_R0 == TAKEN) {
            HSEM_R0 = TAKEN & ~(1u << 31);
            released = released + 1;
        }
    }
}

int main(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    start_systick(RESET_HZ);
    for (;;) {
        wfi();
    }
}

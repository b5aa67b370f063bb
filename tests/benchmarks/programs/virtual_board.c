/* The programs on the virtual board: CM7 at 400 MHz, CM4 at 200 MHz. */
#include "clocks.h"
#include "core.h"
#include "machine.h"

void SystemInit(void);

void SystemInit(void)
{
}

void machine_start(void)
{
#ifdef CORE_CM7
    clocks_start();
#endif
}

void start_ticks(void)
{
#ifdef CORE_CM7
    start_systick(CM7_HZ);
#else
    start_systick(CM4_HZ);
#endif
}

void stop(void)
{
    for (;;) {
        wfi();
    }
}

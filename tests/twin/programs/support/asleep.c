/* A core that has nothing to do: CM4 in CStop, which lets its domain stop, CM7 in CSleep, because CM4 runs from
 * flash, which is in CM7's domain. */
#include "example.h"

int main(void)
{
#ifdef CORE_CM4
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
#endif
    for (;;) {
        wfi();
    }
}

/* One core is held in reset by its option byte, BCM7 or BCM4; the other, FIRST, prepares a word and releases it by
 * RCC_GCR (RM0399 2.6, 9.7.50). */
#include "example.h"

#ifndef FIRST
#define FIRST 7
#endif

#ifdef CORE_CM7
#define THIS_CORE 7
#define RELEASE_OTHER RCC_GCR_BOOT_C2_Msk
#else
#define THIS_CORE 4
#define RELEASE_OTHER RCC_GCR_BOOT_C1_Msk
#endif

#define WORD (*(volatile uint32_t *)0x38000000)
#define PREPARED 0x600DB007u

volatile uint32_t found;

int main(void)
{
    if (THIS_CORE == FIRST) {
        pause(100000);
        WORD = PREPARED;
        dsb();
        RCC_GCR |= RELEASE_OTHER;
    }
    found = WORD;
    for (;;) {
        wfi();
    }
}

/* WWDG2 watches CM4, which hangs after a second of counting: the reset is only for CM4 (RCC_GCR.WW2RSC clear). */
#include "example.h"

#define REFRESHES 20u

volatile uint32_t refreshes;

int main(void)
{
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_WWDG2EN_Msk);
    WWDG2_CFR = 7u << WWDG2_CFR_WDGTB_Pos | 0x7Fu; /* steps of 8.2 ms */
    WWDG2_CR = WWDG2_CR_WDGA_Msk | 0x43u;
    for (refreshes = 0; refreshes < REFRESHES; refreshes = refreshes + 1) {
        WWDG2_CR = WWDG2_CR_WDGA_Msk | 0x43u;
        pause(100000);
    }
    for (;;) {
    }
}

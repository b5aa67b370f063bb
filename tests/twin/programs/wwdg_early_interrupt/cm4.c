/* WWDG2 resets the system, but its early interrupt comes before and refreshes it: REFRESHES times, then no more. A step
 * of the counter takes 4096 x 8 cycles of 64 MHz, 512 us: the interrupt comes 0x10 steps after a refresh. */
#include "example.h"

#ifndef REFRESHES
#define REFRESHES 5u
#endif

#define COUNTER 0x50u
#define BY_8 3u
#define ALIVE (WWDG2_CR_WDGA_Msk | COUNTER)

volatile uint32_t interrupts;

void WWDG2_IRQHandler(void)
{
    interrupts = interrupts + 1;
    write_pin('E', 1, interrupts & 1u);
    if (interrupts <= REFRESHES) {
        WWDG2_CR = ALIVE;
        WWDG2_SR = 0;
    } else {
        for (;;) { /* as a system that hangs */
        }
    }
}

int main(void)
{
    console_start(RESET_HZ);
    print(RCC_RSR & RCC_RSR_WWDG2RSTF_Msk ? "reset by WWDG2\r\n" : "no reset by WWDG2\r\n");
    RCC_RSR |= RCC_RSR_RMVF_Msk;
    RCC_RSR &= ~RCC_RSR_RMVF_Msk;
    configure_pin('E', 1, PIN_OUTPUT, 0);

    RCC_GCR |= RCC_GCR_WW2RSC_Msk;
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_WWDG2EN_Msk);
    WWDG2_CFR = WWDG2_CFR_EWI_Msk | BY_8 << WWDG2_CFR_WDGTB_Pos | COUNTER;
    enable_interrupt(WWDG2_IRQn, 0);
    WWDG2_CR = ALIVE;
    for (;;) {
        wfi();
    }
}

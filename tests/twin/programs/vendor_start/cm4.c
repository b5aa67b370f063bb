/* Stops until CM7 has set the clocks and releases semaphore 0, then starts its own part of the library. */
#include "tick.h"

int main(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    HSEM_C2IER |= 1;
    EXTI_C2EMR3 |= EXTI_C2EMR3_MR78_Msk;
    PWR_CPU2CR &= ~PWR_CPU2CR_PDDS_D2_Msk;
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    isb();
    sev();
    wfe();
    wfe();
    SCS_SCR &= ~SCS_SCR_SLEEPDEEP_Msk;
    HSEM_C2ICR |= 1;
    enable_clock(&RCC_AHB3ENR, RCC_AHB3ENR_FLASHEN_Msk);
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_ARTEN_Msk);
    ART_CTR = 0x08100000u >> 20 << ART_CTR_PCACHEADDR_Pos | ART_CTR_EN_Msk;
    start_systick(240000000u);
    configure_pin('E', 1, PIN_OUTPUT, 0);
    for (bool on = true;; on = !on) {
        write_pin('E', 1, on);
        delay(10);
    }
}

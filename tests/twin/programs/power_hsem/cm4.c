/* CM4 and its domain are stopped but for the moments in which a release of semaphore 0 has woken CM4: its interrupt is a
 * wake-up line of EXTI (RM0399 11.3.8, 21.3). CM4 toggles LD2 then. */
#include "power.h"

volatile uint32_t notified;

void HSEM2_IRQHandler(void)
{
    HSEM_C2ICR = HSEM_C2MISR;
    notified = notified + 1;
    write_pin('E', 1, notified & 1u);
}

int main(void)
{
    configure_pin('E', 1, PIN_OUTPUT, 0);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    HSEM_C2IER = 1;
    enable_interrupt(HSEM2_IRQn, 1);
    select_stop(true);
    for (;;) {
        wfi();
    }
}

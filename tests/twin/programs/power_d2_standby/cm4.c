/* Lets D2 go to DStandby; EXTI line 0 starts it again, from reset: see cm7.c. */
#include "shared.h"

#define MARK 0xD2D2D2D2u

void EXTI0_IRQHandler(void)
{
    EXTI_C2PR1 = WAKE_UP_LINE;
}

int main(void)
{
    volatile uint32_t *const kept = (volatile uint32_t *)0x30020000; /* in D2's SRAM2 */

    if (SHARED->magic != MAGIC) {
        SHARED->magic = MAGIC;
        SHARED->starts = 0;
    }
    SHARED->starts = SHARED->starts + 1;
    SHARED->sram2_kept = *kept == MARK;
    SHARED->reset_flags = RCC_RSR;
    RCC_RSR |= RCC_RSR_RMVF_Msk;
    *kept = MARK;

    EXTI_C2IMR1 |= WAKE_UP_LINE;
    enable_interrupt(EXTI0_IRQn, 1);
    PWR_CPU2CR = PWR_CPU2CR_PDDS_D2_Msk | PWR_CPU2CR_CSSF_Msk;
    select_stop(true);
    for (;;) {
        wfi();
    }
}

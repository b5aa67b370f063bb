/* Lets the chip go to Standby: see cm7.c. */
#include "power.h"

int main(void)
{
    PWR_CPU2CR = PWR_CPU2CR_PDDS_D1_Msk | PWR_CPU2CR_PDDS_D2_Msk | PWR_CPU2CR_PDDS_D3_Msk;
    select_stop(true);
    for (;;) {
        wfi();
    }
}

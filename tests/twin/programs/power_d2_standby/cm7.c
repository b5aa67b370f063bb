/* D2 is in DStandby, without supply, while CM7 works on; every 10 ms CM7 has CM4 started anew, which goes back there
 * (RM0399 7.7.9). CM7 notes what it sees of it at each start. */
#include "shared.h"

#define ROUNDS 3u
#define COUNTED(array, value) ((array)[round] = (value))

volatile uint32_t starts[ROUNDS], sram2_kept[ROUNDS], d2_flags[ROUNDS], d2_reset[ROUNDS], d2_clock[ROUNDS];
volatile uint32_t done;
static volatile uint32_t milliseconds;

void SysTick_Handler(void)
{
    milliseconds = milliseconds + 1;
}

static void delay(uint32_t duration)
{
    for (const uint32_t start = milliseconds; milliseconds - start < duration;) {
        wfi();
    }
}

int main(void)
{
    start_systick(RESET_HZ);
    PWR_CPUCR |= PWR_CPUCR_PDDS_D2_Msk;
    for (uint32_t round = 0; round < ROUNDS; ++round) {
        delay(10);
        COUNTED(starts, SHARED->starts);
        COUNTED(sram2_kept, SHARED->sram2_kept);
        COUNTED(d2_reset, !!(SHARED->reset_flags & RCC_RSR_D2RSTF_Msk));
        COUNTED(d2_flags, !!(PWR_CPUCR & PWR_CPUCR_SBF_D2_Msk));
        COUNTED(d2_clock, !!(RCC_CR & RCC_CR_D2CKRDY_Msk));
        EXTI_SWIER1 = WAKE_UP_LINE;
    }
    done = 1;
    for (;;) {
        wfi();
    }
}

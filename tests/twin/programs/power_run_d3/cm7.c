/* Both cores are in CStop. RUN_D3 decides whether D3 stops with them, and with it LPTIM5, which pulses PA3 every 100 ms
 * on the clock of its bus (RM0399 7.7.7, 9.5.9). The button ends the stop. */
#include "power.h"

#ifndef RUN_D3
#define RUN_D3 1u
#endif
#ifndef AUTONOMOUS
#define AUTONOMOUS 1u
#endif

#define DIVIDE_BY_128 7u
#define LPTIM_HZ (RESET_HZ / 128u)

volatile uint32_t system_stopped = 2;

void EXTI15_10_IRQHandler(void)
{
    button_clear();
}

static void start_pulses(void)
{
    configure_pin('A', 3, PIN_ALTERNATE, 3);
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_LPTIM5EN_Msk);
    SET_FIELD(RCC_D3AMR, LPTIM5AMEN, AUTONOMOUS);
    LPTIM5_CFGR = DIVIDE_BY_128 << LPTIM5_CFGR_PRESC_Pos;
    LPTIM5_CR = LPTIM5_CR_ENABLE_Msk;
    LPTIM5_ARR = LPTIM_HZ / 10u - 1u;
    wait_until_set(&LPTIM5_ISR, LPTIM5_ISR_ARROK_Msk);
    LPTIM5_CMP = LPTIM_HZ / 20u - 1u;
    LPTIM5_CR |= LPTIM5_CR_CNTSTRT_Msk;
}

int main(void)
{
    start_pulses();
    button_start();
    PWR_CPUCR = PWR_CPUCR_CSSF_Msk | RUN_D3 << PWR_CPUCR_RUN_D3_Pos;
    select_stop(true);
    wfi();
    system_stopped = !!(PWR_CPUCR & PWR_CPUCR_STOPF_Msk);
    select_stop(false);
    for (;;) {
        wfi();
    }
}

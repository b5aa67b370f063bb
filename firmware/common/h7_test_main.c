/*
 * A main for C tests, and for the companion that the other core runs meanwhile, which is the same without tests.
 *
 * The cores start as in the reference application: CM4 stops in D2 until CM7 releases HSEM 0. After that both have
 * the clock of reset, the HSI at 64 MHz, no interrupt is enabled, and CM7 has left all of D2's peripherals alone.
 */
#include "core.h"
#include "h7_test.h"
#include "test_points.h"

int main(void);
void SystemInit(void);

#ifdef CORE_CM7

#define POLLS 0xFFFFu /* of the other core's state, as in ST's dual-core template */
#define COREID_CM7 3u
#define HSEM_TAKEN (HSEM_RLR0_LOCK_Msk | COREID_CM7 << HSEM_RLR0_COREID_Pos)

/* Called by Reset_Handler: no variables exist yet. */
void SystemInit(void)
{
    /* HSEM's interrupt to CM4 (EXTI line 78) is to be an event for CM4, which waits in WFE. */
    EXTI_C2EMR3 |= EXTI_C2EMR3_MR78_Msk;
}

static void wait_until_d2(uint32_t running)
{
    for (uint32_t polls = POLLS; (RCC_CR & RCC_CR_D2CKRDY_Msk) != running; --polls) {
        if (!polls) {
            Error_Handler();
        }
    }
}

static void start_together(void)
{
    wait_until_d2(0);
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    if (HSEM_RLR0 != HSEM_TAKEN) {
        Error_Handler();
    }
    HSEM_R0 = COREID_CM7 << HSEM_R0_COREID_Pos;
    wait_until_d2(RCC_CR_D2CKRDY_Msk);
}

#else

/* Called by Reset_Handler: no variables exist yet. */
void SystemInit(void)
{
    /* An interrupt wakes WFE as soon as it is pending, enabled in the NVIC or not. */
    SCS_SCR |= SCS_SCR_SEVONPEND_Msk;
}

static void start_together(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    HSEM_C2IER |= HSEM_C2IER_ISE0_Msk;

    /* An event of the past would end the sleep at once: make sure that there is one, and consume it. */
    sev();
    wfe();

    PWR_CR1 &= ~PWR_CR1_LPDS_Msk;
    PWR_CPU2CR &= ~PWR_CPU2CR_PDDS_D2_Msk; /* DStop, not DStandby: RAM and registers of D2 are kept */
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    isb();
    wfe();

    /* Tests find the semaphore's interrupt as after a reset. */
    SCS_SCR &= ~(SCS_SCR_SLEEPDEEP_Msk | SCS_SCR_SEVONPEND_Msk);
    HSEM_C2IER = 0;
    HSEM_C2ICR = HSEM_C2ICR_ISC0_Msk;
    (&SCS_NVIC_ICPR0)[HSEM2_IRQn / 32] = 1u << (HSEM2_IRQn % 32);
}

#endif

int main(void)
{
    start_together();
    h7_test_run();
    return 0;
}

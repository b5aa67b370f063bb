/*
 * Reference application, Cortex-M4: the core that waits.
 *
 * It arms the notification of HSEM 0 and stops; with it stops its domain, D2. When CM7 has set the clocks it
 * releases HSEM 0, and CM4 goes on from its WFE (RM0399 sections 7.7 and 11.3).
 *
 * Afterwards: B1 (EXTI line 13) toggles LD2 (PE1); what CM4 has to say goes through the mailbox to CM7's console.
 */
#include "clocks.h"
#include "core.h"
#include "mailbox.h"
#include "test_points.h"
#include "text.h"

#define PIN_OUTPUT 1u

void SystemInit(void);
void EXTI15_10_IRQHandler(void);

#ifdef RELEASE_1_1
#define SETTLE_TURNS 60000u /* about two milliseconds at 200 MHz */
#define BOUNCE_MS 3u

static volatile uint32_t turns_left, pressed_at;

/* "To be on the safe side". */
static void settle(void)
{
    for (turns_left = SETTLE_TURNS; turns_left; turns_left = turns_left - 1) {
    }
}
#endif

/* Called by Reset_Handler: no variables exist yet. */
void SystemInit(void)
{
    /* An interrupt wakes WFE as soon as it is pending, enabled in the NVIC or not. */
    SCS_SCR |= SCS_SCR_SEVONPEND_Msk;
}

static void arm_semaphore_notification(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    HSEM_C2IER |= HSEM_C2IER_ISE0_Msk;
}

#ifndef NEVER_SLEEPS
static void stop_until_event(void)
{
    /* An event of the past would end the sleep at once: make sure that there is one, and consume it. */
    sev();
    wfe();

    PWR_CR1 &= ~PWR_CR1_LPDS_Msk;
    PWR_CPU2CR &= ~PWR_CPU2CR_PDDS_D2_Msk; /* DStop, not DStandby: RAM and registers of D2 are kept */
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    isb();
    wfe();

    SCS_SCR &= ~SCS_SCR_SLEEPDEEP_Msk;
    SystemCoreClock = CM4_HZ; /* CM7 has set the clocks meanwhile */
}
#endif

static void led_init(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOEEN_Msk);
    GPIOE_BSRR = GPIOE_BSRR_BR1_Msk;
    SET_FIELD(GPIOE_MODER, MODE1, PIN_OUTPUT);
}

/* Port and edge of the line are CM7's work. */
static void button_init(void)
{
    EXTI_C2IMR1 |= EXTI_C2IMR1_MR13_Msk;
    enable_interrupt(EXTI15_10_IRQn, 2);
}

__attribute__((noinline)) void exti_toggle_led(void)
{
    GPIOE_BSRR = GPIOE_ODR & GPIOE_ODR_OD1_Msk ? GPIOE_BSRR_BR1_Msk : GPIOE_BSRR_BS1_Msk;
}

void EXTI15_10_IRQHandler(void)
{
    EXTI_C2PR1 = EXTI_C2PR1_PR13_Msk;
    exti_toggle_led();
    exti_count = exti_count + 1;
#ifdef RELEASE_1_1
    EXTI_C2IMR1 &= ~EXTI_C2IMR1_MR13_Msk;
    pressed_at = ticks;
#endif
}

#ifdef RELEASE_1_1
/* What came while the contact may have bounced is dropped, be it a bounce or the next press. */
static void listen_again(void)
{
    if (!(EXTI_C2IMR1 & EXTI_C2IMR1_MR13_Msk) && ticks - pressed_at >= BOUNCE_MS) {
        EXTI_C2PR1 = EXTI_C2PR1_PR13_Msk;
        EXTI_C2IMR1 |= EXTI_C2IMR1_MR13_Msk;
    }
}
#endif

static bool report_press(uint32_t number)
{
    char line[MAILBOX_LINE_SIZE];

    append_number(append_text(line, "EXTI13 "), number);
    return mailbox_send(line);
}

int main(void)
{
    uint32_t reported = 0;
    bool announced = false;

    boot_stage = BOOT_STARTED;
    mailbox_close();
    arm_semaphore_notification();

    boot_stage = BOOT_WAITING;
#ifndef NEVER_SLEEPS
    stop_until_event();
#endif
#ifdef RELEASE_1_1
    settle();
#endif
    boot_stage = BOOT_WOKEN;
    HSEM_C2ICR = HSEM_C2ICR_ISC0_Msk;

    start_systick(SystemCoreClock);
    led_init();
    button_init();
    boot_stage = BOOT_READY;

    /* What CM7 had no room for is tried again at the next tick. */
    for (;;) {
        announced = announced || mailbox_send("ready");
        while (announced && reported != exti_count && report_press(reported + 1)) {
            ++reported;
        }
#ifdef RELEASE_1_1
        listen_again();
#endif
        wfi();
    }
}

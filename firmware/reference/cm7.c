/*
 * Reference application, Cortex-M7: the master of the start.
 *
 * It waits until CM4 has stopped in D2, sets the clocks, takes and releases HSEM 0 (which wakes CM4), and waits
 * until D2 runs again. Only then may it touch a peripheral of D2: a peripheral that one core has enabled keeps the
 * domain of the other running, and CM4 would never be seen to stop (RM0399 section 9.5.10).
 *
 * Afterwards: B1 (PC13, EXTI line 13, rising edge) toggles LD1 (PB0); USART3 is the console of both cores.
 */
#include "clocks.h"
#include "console.h"
#include "core.h"
#include "mailbox.h"
#include "test_points.h"
#include "text.h"

#define POLLS 0xFFFFu /* of the other core's state, as in ST's dual-core template */

#define COREID_CM7 3u
#define HSEM_TAKEN (HSEM_RLR0_LOCK_Msk | COREID_CM7 << HSEM_RLR0_COREID_Pos)

#define LD1 0u /* PB0, active high */
#define PIN_INPUT 0u
#define PIN_OUTPUT 1u
#define EXTICR_PORT_C 2u

void SystemInit(void);
void EXTI15_10_IRQHandler(void);

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

static void take_semaphore(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    if (HSEM_RLR0 != HSEM_TAKEN) {
        Error_Handler();
    }
}

static void release_semaphore(void)
{
    HSEM_R0 = COREID_CM7 << HSEM_R0_COREID_Pos;
}

static void led_init(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOBEN_Msk);
    GPIOB_BSRR = GPIOB_BSRR_BR0_Msk;
    SET_FIELD(GPIOB_MODER, MODE0, PIN_OUTPUT);
}

/* Port and edge of an EXTI line are common to both cores; each core unmasks the line for itself. */
static void button_init(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_GPIOCEN_Msk);
    SET_FIELD(GPIOC_MODER, MODE13, PIN_INPUT);

    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_SYSCFGEN_Msk);
    SET_FIELD(SYSCFG_EXTICR4, EXTI13, EXTICR_PORT_C);
    EXTI_RTSR1 |= EXTI_RTSR1_TR13_Msk;
    EXTI_FTSR1 &= ~EXTI_FTSR1_TR13_Msk;

    EXTI_C1IMR1 |= EXTI_C1IMR1_MR13_Msk;
    enable_interrupt(EXTI15_10_IRQn, 2);
}

__attribute__((noinline)) void exti_toggle_led(void)
{
    GPIOB_BSRR = GPIOB_ODR & GPIOB_ODR_OD0_Msk ? GPIOB_BSRR_BR0_Msk : GPIOB_BSRR_BS0_Msk;
}

void EXTI15_10_IRQHandler(void)
{
    EXTI_C1PR1 = EXTI_C1PR1_PR13_Msk;
    exti_toggle_led();
    exti_count = exti_count + 1;
}

#ifdef HARD_FAULT
/* Nothing answers there: a bus fault, and as those are not enabled, a hard fault. */
__attribute__((noinline)) static void read_reserved_address(void)
{
    (void)*(volatile uint32_t *)0x39000000u;
}
#endif

static void report_press(uint32_t number)
{
    char line[48];
    char *end = append_text(line, "[CM7] EXTI13 ");

    end = append_number(end, number);
    append_text(end, "\r\n");
    console_write(line);
#ifdef HARD_FAULT
    read_reserved_address();
#endif
}

static void report_cm4(const char *message)
{
    console_write("[CM4] ");
    console_write(message);
    console_write("\r\n");
}

static bool equal(const char *left, const char *right)
{
    while (*left && *left == *right) {
        ++left;
        ++right;
    }
    return *left == *right;
}

/* "ping" is answered by "pong", anything else comes back as it is. */
static void answer(const char *line)
{
    console_write("[CM7] ");
    console_write(equal(line, "ping") ? "pong" : line);
    console_write("\r\n");
}

int main(void)
{
    char from_cm4[MAILBOX_LINE_SIZE];
    char typed[CONSOLE_LINE_SIZE];
    uint32_t reported = 0;

    boot_stage = BOOT_STARTED;
    console_write("pytest-h7 reference firmware\r\n"); /* sent when USART3 may be used */

    boot_stage = BOOT_WAITING;
    wait_until_d2(0);
    mailbox_open();

    boot_stage = BOOT_CLOCKS;
    clocks_start();
    start_systick(SystemCoreClock);
    console_write("[CM7] clocks: 400 MHz / 200 MHz\r\n");

    take_semaphore();
#ifdef NEVER_RELEASES
    /* A deadlock: CM4 is to say that it is ready before it is woken. */
    boot_stage = BOOT_WAITING;
    while (!mailbox_receive(from_cm4)) {
        wfi();
    }
#endif
    release_semaphore();
    boot_stage = BOOT_RELEASED;
    console_write("[CM7] HSEM 0 released\r\n");

    wait_until_d2(RCC_CR_D2CKRDY_Msk);
    console_write("[CM7] CM4 is awake\r\n");
    console_start();
    led_init();
    button_init();

    boot_stage = BOOT_READY;
    console_write("[CM7] ready\r\n");

    /* Whatever happens between the last look and WFI is seen at the next tick, at the latest. */
    for (;;) {
        while (mailbox_receive(from_cm4)) {
            report_cm4(from_cm4);
        }
        while (reported != exti_count) {
            report_press(++reported);
        }
        while (console_read_line(typed)) {
            answer(typed);
        }
        wfi();
    }
}

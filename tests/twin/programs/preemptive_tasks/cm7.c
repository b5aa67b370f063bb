/* Both cores run a preemptive kernel. On CM7 one task sends a number to CM4 every 5 ms, one blinks every 10 ms, and one
 * computes in double precision, all the time but for a tick now and then, and notices if its registers have changed. */
#include "kernel.h"
#include "mail.h"

#define TERMS 200u

volatile uint32_t sent;
volatile uint32_t sums;
volatile uint32_t wrong;

static void send(void)
{
    for (uint32_t due = 5;; due += 5u) {
        wait_until(due);
        sent = sent + 1;
        MAIL = sent;
        dmb();
        (void)(&HSEM_RLR0)[MAIL_SEMAPHORE];
        (&HSEM_R0)[MAIL_SEMAPHORE] = 3u << HSEM_R0_COREID_Pos;
    }
}

static void blink(void)
{
    float phase = 0.0f;

    for (uint32_t due = 10;; due += 10u) {
        wait_until(due);
        phase = phase + 1.0f;
        if (phase >= 2.0f) {
            phase = phase - 2.0f;
        }
        write_pin('B', 0, phase > 0.5f);
    }
}

static double sum(void)
{
    double total = 0.0;

    for (uint32_t i = 1; i <= TERMS; ++i) {
        total = total + 1.0 / ((double)i * (double)i);
    }
    return total;
}

static void compute(void)
{
    critical_enter();
    const double expected = sum();
    critical_exit();

    for (;;) {
        for (uint32_t i = 0; i < 50u; ++i) {
            if (sum() != expected) {
                wrong = wrong + 1;
            }
            sums = sums + 1;
        }
        wait_until(ticks + 1u);
    }
}

static void idle(void)
{
    for (;;) {
        wfi();
    }
}

int main(void)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    configure_pin('B', 0, PIN_OUTPUT, 0);
    task_create(0, send);
    task_create(1, blink);
    task_create(2, compute);
    task_create(3, idle);
    kernel_start(RESET_HZ);
    return 0;
}

/* One task takes the numbers of CM7, when the interrupt says that there is one; two compute in single precision against
 * each other: see cm7.c. */
#include "kernel.h"
#include "mail.h"

volatile uint32_t received;
volatile uint32_t total;
volatile uint32_t wrong;
volatile uint32_t turns[2];

void HSEM2_IRQHandler(void)
{
    HSEM_C2ICR = 1u << MAIL_SEMAPHORE;
    notify(0);
}

static void receive(void)
{
    for (;;) {
        wait_until(FOREVER);
        received = received + 1;
        total = total + MAIL;
    }
}

/* A geometric series, exact in single precision, and its closed form. */
static void compute(uint32_t index, float base)
{
    for (;;) {
        float power = 1.0f, sum = 0.0f;

        for (uint32_t i = 0; i < 20u; ++i) {
            power = power * base;
            sum = sum + power;
        }
        if (sum != (power * base - base) / (base - 1.0f)) {
            wrong = wrong + 1;
        }
        turns[index] = turns[index] + 1;
        if (turns[index] % 200u == 0) {
            wait_until(ticks + 1u + index);
        }
    }
}

static void compute_twos(void)
{
    compute(0, 2.0f);
}

static void compute_halves(void)
{
    compute(1, 0.5f);
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
    HSEM_C2IER = 1u << MAIL_SEMAPHORE;
    enable_interrupt(HSEM2_IRQn, CRITICAL_PRIORITY);
    task_create(0, receive);
    task_create(1, compute_twos);
    task_create(2, compute_halves);
    task_create(3, idle);
    kernel_start(RESET_HZ);
    return 0;
}

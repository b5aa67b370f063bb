/* A preemptive kernel as small as one can be, in the way of those in use: SVC starts the first task, SysTick finds out
 * who is due, PendSV changes the task and its floating-point registers, BASEPRI makes critical sections. */
#ifndef KERNEL_H
#define KERNEL_H

#include "example.h"

#define TASKS 4u /* by priority; the last one never waits */
#define STACK_WORDS 256u
#define KERNEL_PRIORITY 15u
#define CRITICAL_PRIORITY 5u
#define TO_THREAD 0xFFFFFFFDu /* EXC_RETURN: thread mode, process stack, no floating-point frame */
#define FRAME_WORDS 17u /* R4 to R11 and EXC_RETURN, and what exception entry stacks */
#define XPSR_T (1u << 24)
#define FOREVER 0xFFFFFFFFu

struct task {
    uint32_t *stack_pointer; /* first: the assembly code relies on it */
    uint32_t due;
};

struct task *current;
volatile uint32_t ticks;
volatile uint32_t switches;
static struct task tasks[TASKS];
static uint32_t stacks[TASKS][STACK_WORDS] __attribute__((aligned(8)));

void SVC_Handler(void);
void PendSV_Handler(void);
void SysTick_Handler(void);
void select_task(void);

__attribute__((used)) void select_task(void)
{
    struct task *next = tasks;

    while (next->due > ticks) {
        ++next;
    }
    if (next != current) {
        switches = switches + 1;
    }
    current = next;
}

__attribute__((naked)) void SVC_Handler(void)
{
    __asm volatile(
        "ldr r1, =current\n"
        "ldr r1, [r1]\n"
        "ldr r0, [r1]\n"
        "ldmia r0!, {r4-r11, lr}\n"
        "msr psp, r0\n"
        "isb\n"
        "bx lr\n");
}

__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile(
        "mrs r0, psp\n"
        "isb\n"
        "tst lr, #0x10\n"
        "it eq\n"
        "vstmdbeq r0!, {s16-s31}\n"
        "stmdb r0!, {r4-r11, lr}\n"
        "ldr r1, =current\n"
        "ldr r2, [r1]\n"
        "str r0, [r2]\n"
        "mov r0, #0x50\n"
        "msr basepri, r0\n"
        "dsb\n"
        "isb\n"
        "bl select_task\n"
        "mov r0, #0\n"
        "msr basepri, r0\n"
        "ldr r1, =current\n"
        "ldr r1, [r1]\n"
        "ldr r0, [r1]\n"
        "ldmia r0!, {r4-r11, lr}\n"
        "tst lr, #0x10\n"
        "it eq\n"
        "vldmiaeq r0!, {s16-s31}\n"
        "msr psp, r0\n"
        "isb\n"
        "bx lr\n");
}

static inline void yield(void)
{
    SCS_ICSR = SCS_ICSR_PENDSVSET_Msk;
    dsb();
    isb();
}

void SysTick_Handler(void)
{
    ticks = ticks + 1;
    yield();
}

static inline void critical_enter(void)
{
    __asm volatile("msr basepri, %0\n dsb\n isb" ::"r"(CRITICAL_PRIORITY << 4) : "memory");
}

static inline void critical_exit(void)
{
    __asm volatile("msr basepri, %0" ::"r"(0) : "memory");
}

/* Wait until a tick; FOREVER waits for `notify`. */
static inline void wait_until(uint32_t due)
{
    critical_enter();
    current->due = due;
    yield();
    critical_exit();
}

/* Let a task be due; for interrupts, too. */
static inline void notify(uint32_t number)
{
    tasks[number].due = 0;
    yield();
}

static inline void task_create(uint32_t number, void (*entry)(void))
{
    uint32_t *frame = &stacks[number][STACK_WORDS - FRAME_WORDS];

    frame[8] = TO_THREAD;
    frame[15] = (uint32_t)entry;
    frame[16] = XPSR_T;
    tasks[number].stack_pointer = frame;
}

/* Never returns. */
static inline void kernel_start(uint32_t core_hz)
{
    volatile uint8_t *priorities = (volatile uint8_t *)0xE000ED18u; /* SHPR1: exceptions 4 to 15 */

    priorities[14 - 4] = priorities[15 - 4] = KERNEL_PRIORITY << 4;
    current = tasks;
    start_systick(core_hz);
    __asm volatile("cpsie i\n dsb\n isb\n svc 0");
}

#endif

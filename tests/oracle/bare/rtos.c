/* An RTOS in small: a privileged task and four unprivileged ones on process stacks; SysTick and SVC 0 (yield) pend
 * PendSV, which switches, with S16 to S31 of tasks that use floating point; critical sections by BASEPRI.
 * What it prints does not depend on when the ticks come. */
#include "bare.h"

enum { TASKS = 5, STACK = 512, ROUNDS = 300 };
static uint32_t stacks[TASKS][STACK] __attribute__((aligned(8)));
uint32_t *saved[TASKS];
uint32_t current, switches, ticks;
static volatile uint32_t done, shared, owner, given[TASKS], queue[8], head, tail;

void choose_next(void);
void choose_next(void) {
    switches++;
    current = (current + 1) % TASKS;
    __asm volatile("msr control, %0" : : "r"((READ_SPECIAL(control) & ~1u) | (current != 0)));
}

__attribute__((naked)) void pendsv(void) {
    __asm volatile(
        "mrs r0, psp\n tst lr, #0x10\n it eq\n vstmdbeq r0!, {s16-s31}\n stmdb r0!, {r4-r11, lr}\n"
        " ldr r4, =current\n ldr r5, =saved\n ldr r1, [r4]\n str r0, [r5, r1, lsl #2]\n"
        " movs r0, #0x40\n msr basepri, r0\n isb\n bl choose_next\n movs r0, #0\n msr basepri, r0\n"
        " ldr r1, [r4]\n ldr r0, [r5, r1, lsl #2]\n ldmia r0!, {r4-r11, lr}\n tst lr, #0x10\n it eq\n"
        " vldmiaeq r0!, {s16-s31}\n msr psp, r0\n isb\n bx lr");
}

void systick(void) {
    ticks++;
    ICSR = 1 << 28;
}

/* SVC 0 yields; 1 and 2 begin and end a critical section, of r0. */
void serve(uint32_t *frame, uint32_t exc_return);
void serve(uint32_t *frame, uint32_t exc_return) {
    (void)exc_return;
    switch (((const uint16_t *)frame[FRAME_PC])[-1] & 0xFF) {
    case 0: ICSR = 1 << 28; break;
    case 1: __asm volatile("msr basepri, %0" : : "r"(0x40)); break;
    default: __asm volatile("msr basepri, %0" : : "r"(0));
    }
}
HANDLER(svc, serve)

static void yield(void) { __asm volatile("svc 0" : : : "memory"); }
static void lock(void) { __asm volatile("svc 1" : : : "memory"); }
static void unlock(void) { __asm volatile("svc 2" : : : "memory"); }

static uint32_t results[TASKS];

static void finish_task(uint32_t task, uint32_t result) {
    results[task] = result;
    lock();
    done++;
    unlock();
    for (;;) {
        yield();
    }
}

/* Counts together with the others, in critical sections that a switch would break. */
static void count_together(uint32_t task) {
    lock();
    uint32_t value = shared;
    owner = task;
    for (volatile int i = 0; i < 20; i++) {
    }
    given[task]++;
    shared = value + (owner == task);
    unlock();
}

static void send(uint32_t word) {
    lock();
    while (tail - head == 8) {
        unlock();
        yield();
        lock();
    }
    queue[tail++ % 8] = word;
    unlock();
}

static uint32_t receive(void) {
    lock();
    while (head == tail) {
        unlock();
        yield();
        lock();
    }
    uint32_t word = queue[head++ % 8];
    unlock();
    return word;
}

static void integers(void) {
    uint32_t crc = 0xFFFFFFFF;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t byte = 0; byte < 64; byte++) {
            crc ^= byte * round;
            for (int bit = 0; bit < 8; bit++) {
                crc = crc >> 1 ^ (0xEDB88320 & -(crc & 1));
            }
        }
        count_together(1);
        send(crc);
    }
    finish_task(1, crc);
}

static void singles(void) {
    float sum = 0, term = 1;
    uint32_t bits;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        for (uint32_t i = 1; i < 60; i++) {
            term = term * 0.75f + 1.0f / (float)(i + round);
            sum += term - sum / (float)(i * 3);
        }
        count_together(2);
    }
    __builtin_memcpy(&bits, &sum, sizeof bits);
    finish_task(2, bits);
}

static void many_registers(void) {
    register float a = 1, b = 2, c = 3, d = 5, e = 7, f = 11, g = 13, h = 17;
    uint32_t bits, hash = 0;
    for (uint32_t round = 0; round < ROUNDS * 20; round++) {
        a = b * 0.5f + c;
        b = c - d * 0.25f;
        c = d + e / 3.0f;
        d = e * 0.125f - f;
        e = f * 0.5f + g;
        f = g - h * 0.0625f;
        g = h * 0.5f + a;
        h = a - b * 0.03125f;
        if (round % 20 == 0) {
            float all = a + b + c + d + e + f + g + h;
            __builtin_memcpy(&bits, &all, sizeof bits);
            hash = hash * 31 + bits;
            count_together(3);
            a = a > 1e6f || a < -1e6f ? 1 : a;
            g = g > 1e6f || g < -1e6f ? 1 : g;
            h = h > 1e6f || h < -1e6f ? 1 : h;
        }
    }
    finish_task(3, hash);
}

static void receiver(void) {
    uint64_t a = 0, b = 1;
    uint32_t hash = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 50; i++) {
            uint64_t next = a + b * 3;
            a = b;
            b = next / 7 + next % 1000003;
        }
        count_together(4);
        hash = hash * 31 ^ receive() ^ (uint32_t)b;
    }
    finish_task(4, hash);
}

static void (*const entries[TASKS])(void) = {0, integers, singles, many_registers, receiver};

static void start(uint32_t task) {
    uint32_t *frame = stacks[task] + STACK - 8;
    frame[FRAME_PC] = (uint32_t)entries[task] & ~1u;
    frame[FRAME_XPSR] = 0x01000000;
    frame -= 9; /* R4 to R11, EXC_RETURN */
    frame[8] = 0xFFFFFFFD;
    saved[task] = frame;
}

static void run(uint32_t reload) {
    lock();
    done = shared = head = tail = 0;
    for (uint32_t task = 1; task < TASKS; task++) {
        given[task] = 0;
        start(task);
    }
    SYST_RVR = reload;
    SYST_CVR = 0;
    SYST_CSR = 7;
    unlock();
    while (done < TASKS - 1) {
        yield();
    }
    lock();
    for (uint32_t task = 1; task < TASKS; task++) {
        say("task %u: %u rounds, %x\n", task, given[task], results[task]);
    }
    say("together %u%s%s\n", shared, ticks ? "" : ", no tick", switches < 4 ? ", no switch" : "");
    ticks = switches = 0;
    unlock();
}

#ifndef REPEAT
#define REPEAT 3
#endif

/* Goes on as task 0, on a stack of its own. */
int main(void) {
    SHPR(2) = 0x20u << 24;
    SHPR(3) = 0xF0u << 16 | 0x40u << 24;
    WRITE_SPECIAL(psp, stacks[0] + STACK);
    WRITE_SPECIAL(control, 2);
    for (uint32_t turn = 0; turn < REPEAT; turn++) {
        run(500 + turn % 7 * 333);
    }
    WRITE_SPECIAL(basepri, 0x40);
    finish(); /* `main` has no way back from the other stack */
}

/* Vector table with handlers to override, and the start of every test program. */
#include "support.h"

#define OVERRIDABLE __attribute__((weak, alias("unexpected")))

void unexpected(void) {
    uint32_t ipsr;
    __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    say("unexpected ");
    say_hex(ipsr);
    end();
}

void nmi(void) OVERRIDABLE;
void hard_fault(void) OVERRIDABLE;
void mem_manage(void) OVERRIDABLE;
void bus_fault(void) OVERRIDABLE;
void usage_fault(void) OVERRIDABLE;
void svcall(void) OVERRIDABLE;
void debug_monitor(void) OVERRIDABLE;
void pendsv(void) OVERRIDABLE;
void systick(void) OVERRIDABLE;
void irq0(void) OVERRIDABLE;
void irq1(void) OVERRIDABLE;
void irq2(void) OVERRIDABLE;
void irq3(void) OVERRIDABLE;

void enter(void) {
    CPACR = 0xFu << 20;
    __asm volatile("dsb\n isb");
    start();
    end();
}

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    (void *)0x20010000, enter, nmi, hard_fault, mem_manage, bus_fault, usage_fault, 0, 0, 0, 0,
    svcall, debug_monitor, 0, pendsv, systick, irq0, irq1, irq2, irq3,
};

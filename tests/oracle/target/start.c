/* What programs need on the MPS2 boards of QEMU and on ours (board.c): vectors, console, end. */
#include "target.h"

extern uint32_t stack_top[];
int main(void);

void put(char character) {
    while (REGISTER(UART + 4) & 1) {
    }
    REGISTER(UART) = (uint8_t)character;
}

/* The last character tells whoever reads the console that it is over. */
void finish(void) {
    put(END_OF_TRANSMISSION);
    for (;;) {
    }
}

void reset(void);
void reset(void) {
#ifdef __ARM_FP
    REGISTER(0xE000ED88) = 0xFu << 20; /* CPACR */
    __asm volatile("dsb\n isb");
#endif
    REGISTER(UART + 16) = 16; /* baud rate */
    REGISTER(UART + 8) = 1;   /* transmit */
    main();
    finish();
}

static void unexpected(void) {
    uint32_t number;
    __asm volatile("mrs %0, ipsr" : "=r"(number));
    say("unexpected exception %u, CFSR %x\n", number, REGISTER(0xE000ED28));
    finish();
}

#define WEAK __attribute__((weak, alias("unexpected")))
WEAK void nmi(void);
WEAK void hard_fault(void);
WEAK void mem_manage(void);
WEAK void bus_fault(void);
WEAK void usage_fault(void);
WEAK void svc(void);
WEAK void debug_monitor(void);
WEAK void pendsv(void);
WEAK void systick(void);
WEAK void irq(void);

__attribute__((section(".vectors"), used)) static const void *const vectors[16 + 32] = {
    stack_top,     reset, nmi,    hard_fault, mem_manage, bus_fault, usage_fault, 0,   0,   0,   0,   svc,
    debug_monitor, 0,     pendsv, systick,    irq,        irq,       irq,         irq, irq, irq, irq, irq,
    irq,           irq,   irq,    irq,        irq,        irq,       irq,         irq, irq, irq, irq, irq,
    irq,           irq,   irq,    irq,        irq,        irq,       irq,         irq, irq, irq, irq, irq,
};

/* ---- text ---- */

static void put_number(uint32_t value, uint32_t base) {
    char digits[12];
    int count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count) {
        put(digits[--count]);
    }
}

void say(const char *format, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        switch (*++format) {
        case 'u': put_number(__builtin_va_arg(arguments, uint32_t), 10); break;
        case 'x': put_number(__builtin_va_arg(arguments, uint32_t), 16); break;
        case 's':
            for (const char *text = __builtin_va_arg(arguments, const char *); *text; text++) {
                put(*text);
            }
            break;
        default: put(*format);
        }
    }
    __builtin_va_end(arguments);
}

/*
 * The side of pytest's C tests on the chip: it waits for the debugger to choose a test, runs it, and stops.
 *
 * Nothing is agreed upon through memory before the test, which may still hold what the run before has left: the
 * debugger finds the core halted at the breakpoint instruction of h7_test_ready, and writes the test and its
 * parameter to r0 and r1. At that of h7_test_end it finds the result in r0.
 */
#include "h7_test.h"

#include <stdarg.h>
#include <stdbool.h>

#if defined(CORE_CM7)
#define CORE 7u
#elif defined(CORE_CM4)
#define CORE 4u
#else
#error "define CORE_CM7 or CORE_CM4"
#endif

#ifndef H7_TEST_OUTPUT_SIZE
#define H7_TEST_OUTPUT_SIZE 2048u
#endif

#define DHCSR (*(volatile uint32_t *)0xE000EDF0u) /* Arm DDI0403E C1.6.2 */
#define C_DEBUGEN 1u

#define MAGIC 0x53543748u /* "H7TS" */
#define LAYOUT 1u

#define PASSED 1u
#define FAILED 2u
#define SKIPPED 3u

/* What a test leaves behind besides its result. The guards tell whether a test has written over it. */
struct h7_record {
    uint32_t guard;
    const struct h7_site *site; /* where and why it has failed or was skipped */
    uint64_t actual;
    uint64_t expected;
    uint32_t offset; /* of the byte that differs */
    uint32_t size;   /* bytes that were to be compared */
    uint32_t written; /* characters of output, those that did not fit too */
    uint32_t guard_after;
};

struct h7_suite {
    uint32_t magic;
    uint32_t layout;
    uint32_t core;
    const struct h7_test *const *tests;
    const struct h7_test *const *tests_end;
    const struct h7_record *record;
    const char *output;
    uint32_t output_size;
    uint64_t (*ready)(void);
    void (*end)(uint32_t result);
};

/* Made by the linker from the section's name; both are 0 where there is none. */
extern const struct h7_test *const __start_h7_tests[] __attribute__((weak));
extern const struct h7_test *const __stop_h7_tests[] __attribute__((weak));

extern const struct h7_suite h7_test_suite;

static struct h7_record h7_record;
static char h7_output[H7_TEST_OUTPUT_SIZE];

__attribute__((naked, noinline)) static uint64_t h7_test_ready(void)
{
    __asm volatile("bkpt #0\n\t"
                   "bx lr");
}

__attribute__((naked, noinline)) static void h7_test_end(uint32_t result)
{
    (void)result;
    __asm volatile("bkpt #0\n\t"
                   "bx lr");
}

/* What pytest looks for. */
__attribute__((used)) const struct h7_suite h7_test_suite = {
    MAGIC,      LAYOUT,    CORE,     __start_h7_tests,    __stop_h7_tests,
    &h7_record, h7_output, H7_TEST_OUTPUT_SIZE, h7_test_ready, h7_test_end,
};

/* Whether there is any is known to the linker alone: the compiler takes two arrays for two places. */
static bool has_tests(void)
{
    const struct h7_suite *suite = &h7_test_suite;

    __asm("" : "+r"(suite));
    return suite->tests != suite->tests_end;
}

void h7_test_run(void)
{
    while (!has_tests()) {
        __asm volatile("wfi" ::: "memory");
    }
    h7_record = (struct h7_record){.guard = MAGIC, .guard_after = MAGIC};
    /* Without a debugger a breakpoint instruction is a fault. */
    while (!(DHCSR & C_DEBUGEN)) {
    }
    const uint64_t chosen = h7_test_ready();
    const struct h7_test *const test = (const struct h7_test *)(uint32_t)chosen;

    test->function((const void *)(uint32_t)(chosen >> 32));
    for (;;) {
        h7_test_end(PASSED);
    }
}

/* -- Checks ------------------------------------------------------------------------------------------- */

/* Not known to be without return: its frame, and the way to its caller, are to be found by a debugger. */
__attribute__((noinline)) void h7_fail(const struct h7_site *site, uint64_t actual, uint64_t expected)
{
    h7_record.site = site;
    h7_record.actual = actual;
    h7_record.expected = expected;
    h7_test_end(FAILED);
}

__attribute__((noinline)) void h7_skip(const struct h7_site *site)
{
    h7_record.site = site;
    h7_test_end(SKIPPED);
}

static void fail_at(const struct h7_site *site, const char *actual, const char *expected, size_t offset)
{
    h7_record.offset = offset;
    h7_fail(site, (uint32_t)actual, (uint32_t)expected);
}

void h7_check_memory(const struct h7_site *site, const void *actual, const void *expected, size_t size)
{
    const char *const left = actual;
    const char *const right = expected;

    h7_record.size = size;
    for (size_t i = 0; i < size; ++i) {
        if (left[i] != right[i]) {
            fail_at(site, left, right, i);
            return;
        }
    }
}

void h7_check_text(const struct h7_site *site, const char *actual, const char *expected)
{
    for (size_t i = 0; actual[i] || expected[i]; ++i) {
        if (actual[i] != expected[i]) {
            fail_at(site, actual, expected, i);
            return;
        }
    }
}

/* -- Output ------------------------------------------------------------------------------------------- */

void h7_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; ++i) {
        if (h7_record.written < H7_TEST_OUTPUT_SIZE) {
            h7_output[h7_record.written] = text[i];
        }
        h7_record.written = h7_record.written + 1;
    }
}

/* How a value is to be written. */
struct layout {
    size_t width;
    bool left;
    bool zeros;
};

static void write_padded(const char *text, size_t length, struct layout layout)
{
    const size_t padding = layout.width > length ? layout.width - length : 0;

    for (size_t i = 0; i < padding && !layout.left; ++i) {
        h7_write(layout.zeros ? "0" : " ", 1);
    }
    h7_write(text, length);
    for (size_t i = 0; i < padding && layout.left; ++i) {
        h7_write(" ", 1);
    }
}

static void write_number(uint64_t value, bool negative, unsigned base, bool upper, struct layout layout)
{
    const char *const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[21];
    char *first = text + sizeof text;

    do {
        *--first = digits[value % base];
        value /= base;
    } while (value);
    if (negative && layout.zeros && !layout.left) {
        h7_write("-", 1);
        layout.width -= layout.width > 0;
    } else if (negative) {
        *--first = '-';
    }
    write_padded(first, (size_t)(text + sizeof text - first), layout);
}

static size_t length_of(const char *text)
{
    size_t length = 0;

    while (text[length]) {
        ++length;
    }
    return length;
}

void h7_printf(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    for (; *format; ++format) {
        struct layout layout = {0, false, false};
        bool is_long_long = false;

        if (*format != '%') {
            h7_write(format, 1);
            continue;
        }
        for (++format; *format == '-' || *format == '0'; ++format) {
            *(*format == '-' ? &layout.left : &layout.zeros) = true;
        }
        for (; *format >= '0' && *format <= '9'; ++format) {
            layout.width = 10 * layout.width + (size_t)(*format - '0');
        }
        for (; *format == 'l' || *format == 'z'; ++format) {
            is_long_long = format[0] == 'l' && format[-1] == 'l';
        }
        switch (*format) {
        case 'd':
        case 'i': {
            const int64_t value = is_long_long ? va_arg(values, long long) : va_arg(values, int);
            write_number(value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0, 10, false, layout);
            break;
        }
        case 'u':
        case 'x':
        case 'X': {
            const uint64_t value = is_long_long ? va_arg(values, unsigned long long) : va_arg(values, unsigned);
            write_number(value, false, *format == 'u' ? 10 : 16, *format == 'X', layout);
            break;
        }
        case 'p':
            h7_write("0x", 2);
            write_number((uint32_t)va_arg(values, void *), false, 16, false, (struct layout){8, false, true});
            break;
        case 's': {
            const char *const text = va_arg(values, const char *);
            write_padded(text, length_of(text), layout);
            break;
        }
        case 'c': {
            const char character = (char)va_arg(values, int);
            write_padded(&character, 1, layout);
            break;
        }
        case '\0':
            --format;
            break;
        default:
            h7_write(format, 1);
        }
    }
    va_end(values);
}

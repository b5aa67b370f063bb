/*
 * Tests in C that run on the chip and are collected by pytest from the ELF file they are linked into.
 *
 *     #include "h7_test.h"
 *
 *     H7_TEST(adds)
 *     {
 *         H7_CHECK_EQUAL(add(2, 2), 4);
 *     }
 *
 * Link h7_test.c with the tests, and call h7_test_run() from main when the chip is as the tests expect it
 * (h7_test_main.c has such a main). The preprocessor has to know CORE_CM7 or CORE_CM4. Every test begins with a
 * reset of the chip; the first check that fails ends it, wherever it is, in an interrupt handler too: the core
 * is halted there by a breakpoint instruction, with its stack as it was. It takes GCC, and a linker that keeps
 * a section which is named like an identifier: that of GNU.
 */
#ifndef H7_TEST_H
#define H7_TEST_H

#include <stddef.h>
#include <stdint.h>

/*
 * A test. What the user of H7_TEST may set is:
 *
 *   .timeout_ms  how long it may take, in milliseconds; 1000 if it is not set
 *   .skip        why it is not to be run: "needs a wire from PA5 to PE12"
 *   .fault       the fault it is to end with: a bit of CFSR or HFSR such as "DIVBYZERO", or "any"
 */
struct h7_test {
    const char *name;
    const char *file;
    uint32_t line;
    void (*function)(const void *param);
    const void *params; /* what it is run for, one after the other; each begins with the address of its name */
    uint32_t param_size;
    uint32_t param_count;
    uint32_t timeout_ms;
    const char *skip;
    const char *fault;
};

/* H7_TEST(name, .timeout_ms = 50) { ... } */
#define H7_TEST(name_, ...)                                                      \
    H7_BODY void h7_test_##name_(void);                                          \
    H7_DESCRIBE(name_, h7_test_##name_(), __VA_ARGS__)                           \
    H7_BODY void h7_test_##name_(void)

/*
 * A test that is run for each element of an array of structures, whose first member is `const char *name`:
 *
 *     static const struct { const char *name; int in, out; } squares[] = {{"zero", 0, 0}, {"two", 2, 4}};
 *
 *     H7_TEST_EACH(square, squares)
 *     {
 *         H7_CHECK_EQUAL(square(param->in), param->out);
 *     }
 */
#define H7_TEST_EACH(name_, table_, ...)                                                      \
    _Static_assert(offsetof(__typeof__((table_)[0]), name) == 0, "the name has to come first"); \
    H7_BODY void h7_test_##name_(const __typeof__((table_)[0]) *param);                       \
    H7_DESCRIBE(name_, h7_test_##name_(h7_param), .params = (table_), .param_size = sizeof(table_)[0], \
                .param_count = sizeof(table_) / sizeof(table_)[0], __VA_ARGS__)               \
    H7_BODY void h7_test_##name_(const __typeof__((table_)[0]) *param)

#define H7_BODY static inline __attribute__((always_inline))

/*
 * The function of a test has a name that all files of an image share, so that no two tests have the same. It does
 * not end with a jump into what the test calls last, so that it is found on the stack there.
 */
#define H7_DESCRIBE(name_, call_, ...)                                                        \
    void h7_call_##name_(const void *h7_param);                                               \
    void h7_call_##name_(const void *h7_param)                                                \
    {                                                                                         \
        (void)h7_param;                                                                       \
        call_;                                                                                \
        __asm volatile("");                                                                   \
    }                                                                                         \
    static const struct h7_test h7_describe_##name_ = {                                       \
        .name = #name_, .file = __FILE__, .line = __LINE__, .function = h7_call_##name_, __VA_ARGS__}; \
    __attribute__((section("h7_tests"), used)) static const struct h7_test *const             \
        h7_pointer_##name_ = &h7_describe_##name_;

/* -- Checks ------------------------------------------------------------------------------------------- */

#define H7_CHECK(condition)                                  \
    do {                                                     \
        if (!(condition)) {                                  \
            H7_SITE(H7_IS_CONDITION, #condition, 0);         \
            h7_fail(&h7_site, 0, 0);                      \
        }                                                    \
    } while (0)

/* Integers of any size and sign, compared by their values in 64 bits. */
#define H7_CHECK_EQUAL(actual, expected)                                                   \
    do {                                                                                   \
        const int64_t h7_actual = (int64_t)(actual);                                       \
        const int64_t h7_expected = (int64_t)(expected);                                   \
        if (h7_actual != h7_expected) {                                                    \
            H7_SITE(H7_IS_INTEGERS | (H7_UNSIGNED(actual) ? H7_ACTUAL_UNSIGNED : 0u) |     \
                        (H7_UNSIGNED(expected) ? H7_EXPECTED_UNSIGNED : 0u),               \
                    #actual, #expected);                                                   \
            h7_fail(&h7_site, (uint64_t)h7_actual, (uint64_t)h7_expected);              \
        }                                                                                  \
    } while (0)

/* `size` bytes at two places. */
#define H7_CHECK_MEMORY(actual, expected, size)               \
    do {                                                      \
        H7_SITE(H7_IS_MEMORY, #actual, #expected);            \
        h7_check_memory(&h7_site, (actual), (expected), (size)); \
    } while (0)

/* Two strings. */
#define H7_CHECK_TEXT(actual, expected)                \
    do {                                               \
        H7_SITE(H7_IS_TEXT, #actual, #expected);       \
        h7_check_text(&h7_site, (actual), (expected)); \
    } while (0)

/* End the test, which has failed for this reason. */
#define H7_FAIL(reason)                     \
    do {                                    \
        H7_SITE(H7_IS_MESSAGE, reason, 0);  \
        h7_fail(&h7_site, 0, 0);         \
    } while (0)

/* End the test, which turned out not to be possible for this reason. */
#define H7_SKIP(reason)                     \
    do {                                    \
        H7_SITE(H7_IS_MESSAGE, reason, 0);  \
        h7_skip(&h7_site);                  \
    } while (0)

/*
 * What the test has to say; pytest shows it as captured output. It knows %d %i %u %x %X %c %s %p %%, with l, ll, z,
 * a width, - and leading zeros. Of more than H7_TEST_OUTPUT_SIZE characters the first are kept.
 */
void h7_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what has been formatted already, to be called by _write of a C library, for example. */
void h7_write(const char *text, size_t length);

/* Run the test that pytest has chosen, and do not return. Without any test in the image the core sleeps. */
void h7_test_run(void);

/* -- What the checks are made of ------------------------------------------------------------------------ */

#define H7_IS_CONDITION 1u
#define H7_IS_INTEGERS 2u
#define H7_IS_MEMORY 3u
#define H7_IS_TEXT 4u
#define H7_IS_MESSAGE 5u
#define H7_ACTUAL_UNSIGNED 0x100u
#define H7_EXPECTED_UNSIGNED 0x200u

#define H7_UNSIGNED(value) ((__typeof__((value) + 0))-1 > 0)

struct h7_site {
    const char *file;
    uint32_t line;
    uint32_t kind;
    const char *actual;
    const char *expected;
};

#define H7_SITE(kind_, actual_, expected_) \
    static const struct h7_site h7_site = {__FILE__, __LINE__, (kind_), (actual_), (expected_)}

void h7_fail(const struct h7_site *site, uint64_t actual, uint64_t expected);
void h7_skip(const struct h7_site *site);
void h7_check_memory(const struct h7_site *site, const void *actual, const void *expected, size_t size);
void h7_check_text(const struct h7_site *site, const char *actual, const char *expected);

#endif

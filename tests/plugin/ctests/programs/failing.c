/* Tests that fail, each in its own way. What is expected of them is in test_running.py. */
#include "core.h"
#include "h7_test.h"

extern char _sdata[], _ebss[];

void PendSV_Handler(void);

H7_TEST(number)
{
    const int two = 2;

    h7_printf("two is %d\n", two);
    H7_CHECK_EQUAL(two + two, 5);
}

H7_TEST(large_number)
{
    H7_CHECK_EQUAL(UINT64_MAX, -4096);
}

H7_TEST(condition)
{
    H7_CHECK(sizeof(int) == 2);
}

__attribute__((noinline)) static void expect_sum(int left, int right, int sum)
{
    H7_CHECK(left > 0);
    H7_CHECK_EQUAL(left + right, sum);
}

H7_TEST(in_a_helper)
{
    expect_sum(1, 2, 3);
    expect_sum(1, 2, 4);
}

H7_TEST(text)
{
    const char line[] = "one\n";

    H7_CHECK_TEXT(line, "one");
}

H7_TEST(text_at_nowhere)
{
    H7_CHECK_TEXT("one", (const char *)0x39000000u);
}

H7_TEST(memory)
{
    static const uint8_t expected[] = {1, 2, 3, 4};
    const uint8_t found[] = {1, 2, 7, 4};

    H7_CHECK_MEMORY(found, expected, sizeof expected);
}

void PendSV_Handler(void)
{
    H7_FAIL("the interrupt has come");
}

H7_TEST(in_an_interrupt)
{
    SCS_ICSR = SCS_ICSR_PENDSVSET_Msk;
    for (;;) {
        wfi();
    }
}

H7_TEST(endless, .timeout_ms = 20)
{
    h7_printf("on its way\n");
    for (;;) {
    }
}

/* The CM7 sleeps in its domain, where nothing but its debug logic can be reached. */
H7_TEST(asleep, .timeout_ms = 20)
{
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    for (;;) {
        wfi();
    }
}

__attribute__((noinline)) static uint32_t peek(uint32_t address)
{
    return *(volatile uint32_t *)address;
}

H7_TEST(fault)
{
    H7_CHECK(peek(0x39000000u) == 0);
}

H7_TEST(other_fault, .fault = "DIVBYZERO")
{
    peek(0x39000000u);
}

H7_TEST(no_fault, .fault = "any")
{
}

H7_TEST(breakpoint)
{
    __asm volatile("bkpt #3");
}

H7_TEST(reset)
{
    SCS_AIRCR = 0x5FAu << SCS_AIRCR_VECTKEY_Pos | SCS_AIRCR_SYSRESETREQ_Msk;
    for (;;) {
    }
}

H7_TEST(overwrites_its_result)
{
    for (volatile char *at = _sdata; at < _ebss; ++at) {
        *at = 0x55;
    }
}

/* As if the record led to something else. */
H7_TEST(fails_at_no_check)
{
    h7_fail((const struct h7_site *)0x08000000u, 0, 0);
}

H7_TEST(fails_at_no_line)
{
    static const struct h7_site site = {__FILE__, 0xFFFFFFFFu, H7_IS_MESSAGE, "reason", 0};

    h7_fail(&site, 0, 0);
}

H7_TEST(overwrites_its_stack)
{
    volatile uint32_t *const at = __builtin_frame_address(0);

    for (int i = -4; i < 20; ++i) {
        at[i] = 0x55555555u;
    }
    h7_printf("so that there is a return address\n");
}

H7_TEST(writes_too_much)
{
    for (int i = 0; i < 300; ++i) {
        h7_printf("line %3d\n", i);
    }
    H7_FAIL("of all this");
}

H7_TEST(passes_after_all_that)
{
    h7_printf("|%5d|%-5d|%05d|%x|%X|%8x|%s|%c|%%|%lu|%llx|%zu|%-6s|", -42, 42, -42, 255u, 255u, 0xabcu, "text", 'c', 7ul,
              0x123456789abcdefull, sizeof(int), "end");
    H7_CHECK(1);
}

H7_TEST(skipped)
{
    H7_SKIP("there is no wire");
}

/* Tests of common/text.c, on the chip. */
#include "h7_test.h"
#include "text.h"

H7_TEST(text_is_appended)
{
    char line[16];
    char *const end = append_text(append_text(line, "EXTI13 "), "up");

    H7_CHECK_TEXT(line, "EXTI13 up");
    H7_CHECK_EQUAL(end - line, 9);
}

static const struct {
    const char *name;
    uint32_t number;
    const char *digits;
} numbers[] = {
    {"zero", 0, "0"},
    {"two digits", 42, "42"},
    {"largest", UINT32_MAX, "4294967295"},
};

H7_TEST_EACH(number_is_appended, numbers)
{
    char line[16];

    append_number(line, param->number);
    h7_printf("%u is \"%s\"\n", (unsigned)param->number, line);
    H7_CHECK_TEXT(line, param->digits);
}

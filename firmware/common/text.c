#include "text.h"

char *append_text(char *to, const char *text)
{
    while (*text) {
        *to++ = *text++;
    }
    *to = '\0';
    return to;
}

char *append_number(char *to, uint32_t number)
{
    char digits[11];
    char *first = &digits[10];

    *first = '\0';
    do {
        *--first = (char)('0' + number % 10u);
        number /= 10u;
    } while (number);
    return append_text(to, first);
}

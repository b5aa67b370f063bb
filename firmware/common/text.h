/* Putting lines of text together without a C library. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

/* Write text at `to`, closed by a zero; the end, where the next piece goes, is returned. */
char *append_text(char *to, const char *text);

/* Write a number in decimal, at most ten digits, likewise. */
char *append_number(char *to, uint32_t number);

#endif

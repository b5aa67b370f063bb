#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

static void reverse_words(char *text) {
    char *start = text;
    for (char *at = text;; at++) {
        if (*at == ' ' || !*at) {
            for (char *low = start, *high = at - 1; low < high; low++, high--) {
                char other = *low;
                *low = *high;
                *high = other;
            }
            start = at + 1;
        }
        if (!*at) {
            return;
        }
    }
}

static int distance(const char *a, const char *b) {
    int row[64], size = (int)strlen(b);
    for (int j = 0; j <= size; j++) {
        row[j] = j;
    }
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= size; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[size];
}

static int decode_utf8(const unsigned char *text, uint32_t *points) {
    int count = 0;
    while (*text) {
        uint32_t point = *text++;
        int more = point >= 0xF0 ? 3 : point >= 0xE0 ? 2 : point >= 0xC0 ? 1 : 0;
        point &= more ? 0x3Fu >> more : 0x7Fu;
        for (; more; more--) {
            point = point << 6 | (*text++ & 0x3F);
        }
        points[count++] = point;
    }
    return count;
}

void strings(void) {
    char text[200], copy[200];
    strcpy(text, "the quick brown fox jumps over the lazy dog");
    reverse_words(text);
    printf("%s\n", text);
    for (char *word = strtok(strcpy(copy, text), " "); word; word = strtok(NULL, " ")) {
        printf("[%s %u]", word, (unsigned)strlen(word));
    }
    printf("\n%d %d\n", distance("kitten", "sitting"), distance(text, "hte kciuq brown fox"));
    for (int offset = 0; offset < 8; offset++) {
        for (int to = 0; to < 8; to++) {
            strcpy(copy, "0123456789abcdefghijklmnopqrstuvwxyz");
            memmove(copy + to, copy + offset, 23);
            memset(copy + 30, '*', (size_t)offset);
            printf("%s ", copy);
        }
        printf("\n");
    }
    for (const char *at = text; (at = strstr(at, "o")); at++) {
        printf("%d ", (int)(at - text));
    }
    printf("%d %d %s %s\n", strcmp("abc", "abd") < 0, memcmp("\xff", "\x01", 1) > 0, strchr(text, 'q'),
           strrchr(text, 'e'));
    static const char *const numbers[] = {"0",      "-1",   "2147483647", "-2147483648",
                                          "0x7fff", "0777", "  42abc",    "99999999"};
    for (int i = 0; i < 8; i++) {
        printf("%ld %ld ", (long)(int32_t)strtol(numbers[i], NULL, 0),
               (long)(int32_t)strtol(numbers[i], NULL, 10));
    }
    static const char *const fractions[] = {"0.1",
                                            "-1e10",
                                            "3.141592653589793",
                                            "1e-310",
                                            "123456789012345678",
                                            "5e-324",
                                            "1.7976931348623157e308",
                                            "0.5e-3x"};
    for (int i = 0; i < 8; i++) {
        printf("\n%.17g %.6e %.3f %g", strtod(fractions[i], NULL), strtod(fractions[i], NULL),
               strtod(fractions[i], NULL) * 1e-290, (double)(float)(i + 0.1));
    }
    printf("\n%5d|%-5d|%05d|%+d|%x|%#X|%o|%c|%10s|%-10s|%.2s|%%|%lld|%8.3f|%e\n", 42, -42, 42, 7, 48879,
           48879, 8, 'x', "right", "left", "cut", -1234567890123LL, 3.14159, 6.02e23);
    uint32_t points[20];
    int count = decode_utf8((const unsigned char *)"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z", points);
    for (int i = 0; i < count; i++) {
        printf("%lx ", (unsigned long)points[i]);
    }
    for (char *at = strcpy(copy, text); *at; at++) {
        *at = (char)(isalpha((unsigned char)*at) ? (*at - 'a' + 13) % 26 + 'A' : *at);
    }
    printf("%s\n", copy);
}

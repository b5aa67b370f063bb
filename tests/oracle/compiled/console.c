/* newlib's output to the UART. */
#include "target.h"

int _write(int file, const char *text, int length);

int _write(int file, const char *text, int length) {
    (void)file;
    for (int index = 0; index < length; index++) {
        put(text[index]);
    }
    return length;
}

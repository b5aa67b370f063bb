/* See cm7.c. */
#include "toggle.h"

int main(void)
{
    toggle(5);
    for (;;) {
        wfi();
    }
}

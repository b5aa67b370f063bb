/* Counts as long as it can fetch instructions. */
#include "example.h"

volatile uint32_t count;

int main(void)
{
    for (;;) {
        count = count + 1;
    }
}

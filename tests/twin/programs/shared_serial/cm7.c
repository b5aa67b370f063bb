/* Both cores print lines on one USART, which CM7 has set up. With -DLOCKED=0 nobody keeps the other from printing in the
 * middle of a line. */
#include "lines.h"

int main(void)
{
    console_start(RESET_HZ);
    print_lines("this is CM7\r\n");
    for (;;) {
        wfi();
    }
}

/* Console of CM7 on USART3, the virtual COM port of the ST-LINK: 115200 baud, 8 data bits, no parity. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#define CONSOLE_LINE_SIZE 64u /* of a received line, with the closing zero; what is longer is cut */

/*
 * Queue text for transmission. It may be called before console_start: the text waits. Afterwards it sleeps while
 * the queue is full.
 */
void console_write(const char *text);

/* Start USART3. It is in domain D2: only call this while D2 runs and may be kept running. */
void console_start(void);

/* Take the received characters; true once a line is complete, then without its end. Empty lines do not count. */
bool console_read_line(char line[static CONSOLE_LINE_SIZE]);

#endif

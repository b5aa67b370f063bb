#ifndef TARGET_H
#define TARGET_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
enum { UART = 0x40004000, END_OF_TRANSMISSION = 4 };

void put(char character);
/* %u, %x and %s of words. */
void say(const char *format, ...);
__attribute__((noreturn)) void finish(void);

#endif

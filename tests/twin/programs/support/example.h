/* What the example programs share. A program defines `main` and the interrupt handlers it wants; a test reads its
 * variables by name. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdbool.h>

#include "core.h"
#include "text.h"

#define RESET_HZ 64000000u /* of the cores and all buses after reset: HSI */

int main(void);

/* Start the console on USART3 (PD8, PD9), the ST-LINK's serial port: 115200 baud, 8 data bits, no parity.
 * `kernel_hz` is the kernel clock of USART3, RESET_HZ while no clock has been changed. */
void console_start(uint32_t kernel_hz);

/* Print on the console, and wait until it has been sent. */
void print(const char *text);

/* Print "label=number" and the end of the line. */
void print_value(const char *label, uint32_t number);

/* Wait until all bits of a mask are set, or cleared, in a register. */
void wait_until_set(const volatile uint32_t *status, uint32_t mask);
void wait_until_clear(const volatile uint32_t *status, uint32_t mask);

/* Let some turns of a loop pass; no measure of time. */
void pause(uint32_t turns);

enum pin_mode { PIN_INPUT, PIN_OUTPUT, PIN_ALTERNATE, PIN_ANALOG };

/* Enable the clock of a pin's port and set its mode; the number of the alternate function only counts for
 * PIN_ALTERNATE: configure_pin('B', 0, PIN_ALTERNATE, 2). */
void configure_pin(char port, uint32_t pin, enum pin_mode mode, uint32_t function);
void write_pin(char port, uint32_t pin, bool high);
bool read_pin(char port, uint32_t pin);

#endif

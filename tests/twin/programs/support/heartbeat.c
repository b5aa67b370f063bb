/* The other core of a program about a peripheral: it counts milliseconds, and its LED blinks. */
#include "example.h"

#ifdef CORE_CM7
#define LED 'B', 0
#else
#define LED 'E', 1
#endif

volatile uint32_t beats;

void SysTick_Handler(void);

void SysTick_Handler(void)
{
    beats = beats + 1;
    write_pin(LED, beats / 50u & 1u);
}

int main(void)
{
    configure_pin(LED, PIN_OUTPUT, 0);
    start_systick(RESET_HZ);
    for (;;) {
        wfi();
    }
}

/* CM7 makes voltages with the DAC on PA4 and asks CM4 by a pin (PG9) to measure them over a wire on PC0. The two talk
 * through SRAM4. */
#include "example.h"

static volatile uint32_t *const measured = (volatile uint32_t *)0x38000000u;

int main(void)
{
    static const uint32_t codes[] = {0, 1024, 2048, 4095};

    console_start(RESET_HZ);
    configure_pin('G', 9, PIN_OUTPUT, 0);
    configure_pin('G', 12, PIN_INPUT, 0);
    configure_pin('A', 4, PIN_ANALOG, 0);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_DAC12EN_Msk);
    DAC1_CR = DAC1_CR_EN1_Msk;
    for (uint32_t i = 0; i < 4u; ++i) {
        DAC1_DHR12R1 = codes[i];
        write_pin('G', 9, true);
        while (!read_pin('G', 12)) {
        }
        write_pin('G', 9, false);
        while (read_pin('G', 12)) {
        }
        print_value("measured", *measured);
    }
    for (;;) {
        wfi();
    }
}

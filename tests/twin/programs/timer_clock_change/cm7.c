/* TIM2 goes on counting while the clock of the bus is divided: with an APB prescaler above 1 its clock is twice that
 * of the bus, with TIMPRE four times (RM0399 9.5.8). The console shows counts of 1 ms, timed by TIM5, which is
 * set anew for each. */
#include "example.h"

enum { DIV1 = 0, DIV2 = 4, DIV4 = 5, DIV8 = 6 };

static uint32_t count_of_1000_loops(void)
{
    const uint32_t start = TIM2_CNT;

    pause(1000);
    return TIM2_CNT - start;
}

static void show(const char *label, uint32_t prescaler, uint32_t timpre, uint32_t reference)
{
    uint32_t count;

    SET_FIELD(RCC_CFGR, TIMPRE, timpre);
    SET_FIELD(RCC_D2CFGR, D2PPRE1, prescaler);
    count = count_of_1000_loops();
    SET_FIELD(RCC_D2CFGR, D2PPRE1, DIV1);
    print_value(label, (reference + count / 2u) / count);
}

int main(void)
{
    uint32_t reference;

    console_start(RESET_HZ);
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM2EN_Msk);
    TIM2_CR1 = TIM2_CR1_CEN_Msk;
    reference = count_of_1000_loops();
    show("div2", DIV2, 0, reference);
    show("div4", DIV4, 0, reference);
    show("div8", DIV8, 0, reference);
    show("div4 timpre", DIV4, 1, reference);
    show("div8 timpre", DIV8, 1, reference);
    for (;;) {
        wfi();
    }
}

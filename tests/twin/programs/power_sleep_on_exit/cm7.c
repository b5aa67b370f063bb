/* CM7 lives in its interrupt handlers: with sleep on exit the main program only goes on when the button's handler says
 * so (Arm DDI0403E B1.5.17). TIM7's handler toggles LD1 every 5 ms. */
#include "power.h"

volatile uint32_t ticks;
volatile uint32_t turns;

void TIM7_IRQHandler(void)
{
    TIM7_SR = 0;
    ticks = ticks + 1;
    write_pin('B', 0, ticks & 1u);
}

void EXTI15_10_IRQHandler(void)
{
    button_clear();
    SCS_SCR &= ~SCS_SCR_SLEEPONEXIT_Msk;
}

int main(void)
{
    configure_pin('B', 0, PIN_OUTPUT, 0);
    button_start();
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_TIM7EN_Msk);
    TIM7_PSC = RESET_HZ / 1000000u - 1u;
    TIM7_ARR = 5000u - 1u;
    TIM7_EGR = TIM7_EGR_UG_Msk;
    TIM7_SR = 0;
    TIM7_DIER = TIM7_DIER_UIE_Msk;
    enable_interrupt(TIM7_IRQn, 2);
    TIM7_CR1 = TIM7_CR1_CEN_Msk;
    for (;;) {
        SCS_SCR |= SCS_SCR_SLEEPONEXIT_Msk;
        dsb();
        wfi();
        turns = turns + 1;
    }
}

/* Loops of accesses to registers. The debugger chooses one by setting `loop`. */
#include "core.h"

enum { ACCESSES = 1000 }; /* in a turn */

#define LOOP(name, access)                              \
    void name(void);                                    \
    __attribute__((used)) void name(void)               \
    {                                                   \
        for (uint32_t i = 0; i < ACCESSES; ++i) {       \
            access;                                     \
        }                                               \
    }

int main(void);

LOOP(nothing, __asm volatile(""))
LOOP(read_gpio_idr, (void)GPIOB_IDR)
LOOP(read_gpio_odr, (void)GPIOB_ODR)
LOOP(write_gpio_odr, GPIOB_ODR = i & ~1u)
LOOP(toggle_gpio_odr, GPIOB_ODR = i)
LOOP(read_rcc_cr, (void)RCC_CR)
LOOP(read_rcc_ahb4enr, (void)RCC_AHB4ENR)
LOOP(read_hsem_r0, (void)HSEM_R0)
LOOP(write_hsem_r0, HSEM_R0 = i)
LOOP(read_tim2_arr, (void)TIM2_ARR)
LOOP(write_tim2_arr, TIM2_ARR = i)
LOOP(read_usart3_isr, (void)USART3_ISR)
LOOP(write_usart3_icr, USART3_ICR = i)

volatile uint32_t turns;
void (*volatile loop)(void) = nothing;

int main(void)
{
    RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk | RCC_AHB4ENR_HSEMEN_Msk;
    RCC_APB1LENR |= RCC_APB1LENR_TIM2EN_Msk | RCC_APB1LENR_USART3EN_Msk;
    GPIOB_MODER = (GPIOB_MODER & ~GPIOB_MODER_MODE0_Msk) | 1u << GPIOB_MODER_MODE0_Pos;
    for (;;) {
        loop();
        ++turns;
    }
}

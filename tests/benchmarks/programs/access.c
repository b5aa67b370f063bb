/* Loops of accesses to registers. The debugger chooses the one that runs by setting `loop`. */
#include "core.h"

enum { ACCESSES = 1000 }; /* in a turn of a loop */

#define LOOP(name, access)                        \
    void name(void);                              \
    __attribute__((used)) void name(void)         \
    {                                             \
        for (uint32_t i = 0; i < ACCESSES; ++i) { \
            access;                               \
        }                                         \
    }

int main(void);

LOOP(nothing, __asm volatile(""))
LOOP(read_gpio_idr, (void)GPIOB_IDR)
LOOP(read_gpio_odr, (void)GPIOB_ODR)
LOOP(write_gpio_odr, GPIOB_ODR = i << 1)
LOOP(move_gpio_pin, GPIOB_ODR = i)
LOOP(read_rcc_cr, (void)RCC_CR)
LOOP(read_rcc_ahb4enr, (void)RCC_AHB4ENR)
LOOP(read_hsem_r0, (void)HSEM_R0)
LOOP(write_hsem_r0, HSEM_R0 = i)
LOOP(read_tim2_arr, (void)TIM2_ARR)
LOOP(read_usart3_isr, (void)USART3_ISR)
LOOP(read_dcmi_cwsize, (void)DCMI_CWSIZE)
LOOP(write_dcmi_cwsize, DCMI_CWSIZE = i)

volatile uint32_t turns;
void (*volatile loop)(void) = nothing;

/* PB0 is the only output, and nothing is connected to it but a LED. */
int main(void)
{
    RCC_AHB2ENR |= RCC_AHB2ENR_DCMIEN_Msk;
    RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk | RCC_AHB4ENR_HSEMEN_Msk;
    RCC_APB1LENR |= RCC_APB1LENR_TIM2EN_Msk | RCC_APB1LENR_USART3EN_Msk;
    GPIOB_MODER = (GPIOB_MODER & ~GPIOB_MODER_MODE0_Msk) | 1u << GPIOB_MODER_MODE0_Pos;
    for (;;) {
        loop();
        ++turns;
    }
}

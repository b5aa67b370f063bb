/* Goes on while WWDG2 resets CM4, learns of it by EXTI line 84, and prints the reset flags. */
#include "example.h"

volatile uint32_t resets_of_cm4;

void WWDG_RST_IRQHandler(void)
{
    EXTI_C1PR3 = EXTI_C1PR3_PR84_Msk;
    resets_of_cm4 = resets_of_cm4 + 1;
}

static void report_reset(void)
{
    print_value("reset", resets_of_cm4);
    print_value("WWDG2RSTF", (RCC_RSR & RCC_RSR_WWDG2RSTF_Msk) != 0);
    print_value("C1RSTF", (RCC_RSR & RCC_RSR_C1RSTF_Msk) != 0);
    print_value("C2RSTF", (RCC_RSR & RCC_RSR_C2RSTF_Msk) != 0);
}

int main(void)
{
    uint32_t reported = 0;

    RCC_RSR |= RCC_RSR_RMVF_Msk;
    RCC_RSR &= ~RCC_RSR_RMVF_Msk;
    console_start(RESET_HZ);
    EXTI_RTSR3 |= EXTI_RTSR3_TR84_Msk;
    EXTI_C1IMR3 |= EXTI_C1IMR3_MR84_Msk;
    enable_interrupt(WWDG_RST_IRQn, 1);
    for (;;) {
        wfi();
        if (resets_of_cm4 > reported) {
            ++reported;
            report_reset();
        }
    }
}

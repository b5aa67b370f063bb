/* CM7 has CM4 square numbers, and sleeps in WFE until the answer is there. */
#include "mail.h"

#define QUESTIONS 10u

volatile uint32_t sum;
volatile uint32_t done;

int main(void)
{
    MAIL->asked = MAIL->answered = 0;
    EXTI_C1EMR3 |= EXTI_C1EMR3_MR79_Msk; /* SEV of CM4 */
    for (uint32_t number = 1; number <= QUESTIONS; ++number) {
        pause(1000); /* the signal of a SEV lasts 512 cycles, in which another one is lost */
        MAIL->question = number;
        dmb();
        MAIL->asked = number;
        dsb();
        sev();
        while (MAIL->answered != number) {
            wfe();
        }
        sum = sum + MAIL->answer;
    }
    done = 1;
    for (;;) {
        wfi();
    }
}

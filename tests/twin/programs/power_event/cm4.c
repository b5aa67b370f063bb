/* CM4 stops with its domain until CM7's SEV, answers and stops again: an event, and no interrupt, wakes it. */
#include "mail.h"

volatile uint32_t answers;

int main(void)
{
    EXTI_C2EMR3 |= EXTI_C2EMR3_MR80_Msk; /* SEV of CM7 */
    select_stop(true);
    for (;;) {
        if (MAIL->asked != MAIL->answered) {
            MAIL->answer = MAIL->question * MAIL->question;
            dmb();
            MAIL->answered = MAIL->asked;
            answers = answers + 1;
            dsb();
            sev();
        } else {
            wfe();
        }
    }
}

#include "mailbox.h"

#include "core.h"

__attribute__((section(".shared"))) volatile struct mailbox mailbox;

void mailbox_open(void)
{
    /* Whole words: after power-on, the ECC of words that were never written is wrong. */
    volatile uint32_t *const words = (volatile uint32_t *)&mailbox;

    for (uint32_t i = 0; i < sizeof mailbox / sizeof *words; ++i) {
        words[i] = 0;
    }
    dmb();
    mailbox.magic = MAILBOX_MAGIC;
}

void mailbox_close(void)
{
    mailbox.magic = 0;
}

bool mailbox_send(const char *line)
{
    if (mailbox.magic != MAILBOX_MAGIC || mailbox.written - mailbox.read == MAILBOX_LINES) {
        return false;
    }
    volatile char *to = mailbox.lines[mailbox.written % MAILBOX_LINES];
    do {
        *to++ = *line;
    } while (*line++);
    dmb(); /* the line is there before it is announced */
    mailbox.written = mailbox.written + 1;
    return true;
}

bool mailbox_receive(char line[static MAILBOX_LINE_SIZE])
{
    if (mailbox.read == mailbox.written) {
        return false;
    }
    dmb();
    const volatile char *from = mailbox.lines[mailbox.read % MAILBOX_LINES];
    for (uint32_t i = 0; i < MAILBOX_LINE_SIZE; ++i) {
        line[i] = from[i];
    }
    dmb(); /* the line is copied before its place is free again */
    mailbox.read = mailbox.read + 1;
    return true;
}

/*
 * Lines of text from CM4 to CM7: a ring in SRAM4 with one writer and one reader, and therefore without a lock.
 *
 * Each index is written by one core only and counts on for ever; the difference is what is in the ring. CM7 opens
 * the mailbox while CM4 is still asleep; nothing is sent to a mailbox that is not open.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#define MAILBOX_MAGIC 0x4837BEEFu
#define MAILBOX_LINES 16u
#define MAILBOX_LINE_SIZE 32u /* with the closing zero */

struct mailbox {
    uint32_t magic;   /* MAILBOX_MAGIC while open */
    uint32_t written; /* lines CM4 has written */
    uint32_t read;    /* lines CM7 has read */
    char lines[MAILBOX_LINES][MAILBOX_LINE_SIZE];
};

extern volatile struct mailbox mailbox;

/* CM7: empty the mailbox and open it. */
void mailbox_open(void);

/* CM4, before it sleeps: SRAM4 survives a reset, so what the run before left must not look open. */
void mailbox_close(void);

/* CM4: send a line of less than MAILBOX_LINE_SIZE characters; false if the mailbox is full or not open. */
bool mailbox_send(const char *line);

/* CM7: take the oldest line; false if there is none. */
bool mailbox_receive(char line[static MAILBOX_LINE_SIZE]);

#endif

/* The mailbox of both cores in SRAM4; who has filled it releases semaphore 6, which interrupts the other. */
#ifndef MAIL_H
#define MAIL_H

#define MAIL (*(volatile uint32_t *)0x38000000u)
#define MAIL_SEMAPHORE 6u

#endif

/*
 * Looks at the flash and programs both banks at the same time, on CM7 after a reset, in RAM; a debugger tells it what
 * to do through the mailbox behind its code, and erases (RM0399 chapter 4). It is started at Serve and never returns.
 */
#include <stddef.h>

#include "banks.h"
#include "md5.h"

#define SECTOR_WORDS 4096u /* flash words of a sector */
#define SECTORS 16u        /* of both banks */
#define PIECES 64u

#define READ_ERRORS                                                                               \
    (FLASH_SR1_RDPERR_Msk | FLASH_SR1_RDSERR_Msk | FLASH_SR1_SNECCERR_Msk | FLASH_SR1_DBECCERR_Msk)
#define UNREADABLE (FLASH_SR1_RDPERR_Msk | FLASH_SR1_RDSERR_Msk | FLASH_SR1_DBECCERR_Msk)

#define RELOAD 0xAAAAu /* to IWDG_KR; without effect on a watchdog that is not running */

enum command { NOTHING, SURVEY, UNLOCK, LOCK };

/* Bytes of a bank from start to end - 1, within a sector. */
struct piece {
    uint32_t start, end;
};

/* Flash words to be programmed out of RAM. All of it moves on with the work. */
struct run {
    uint32_t address, buffer;
    uint32_t written;       /* whether the bank has got the first one of those that are left */
    uint32_t errors;        /* of FLASH_SRx, which end the run */
    volatile uint32_t left; /* bytes; what begins the run when it is written */
};

/* The debugger writes the last `count` of the pieces and what follows in one block, so that `command` comes last. */
struct mailbox {
    struct piece pieces[PIECES];
    uint32_t count;
    uint32_t sectors; /* to be looked at, a bit for each */
    volatile uint32_t command;
    uint32_t errors; /* of the command: flags of FLASH_SRx, or ERROR_LOCKED */
    struct run runs[BANKS];
    uint32_t results[]; /* of SURVEY: the digest of each piece, then struct sector for each sector */
};

struct sector {
    uint32_t blank[SECTOR_WORDS / 32u], unreadable[SECTOR_WORDS / 32u]; /* a bit for each flash word */
};

_Static_assert(offsetof(struct mailbox, command) == 520, "the debugger writes to fixed places");
_Static_assert(offsetof(struct mailbox, results) == 568, "the debugger reads at fixed places");

extern struct mailbox mailbox __attribute__((visibility("hidden"))); /* by the linker script */

void Serve(void);

/* The stack is at the end of the 128 KB of RAM that this is in. */
__attribute__((naked, noreturn, section(".text.first"))) void Serve(void)
{
    __asm volatile(
        "mov r0, pc\n"
        "lsrs r0, #17\n"
        "adds r0, #1\n"
        "lsls r0, #17\n"
        "mov sp, r0\n"
        "b serve\n");
}

/* Read the flags of a bank after all that was read from it before, and forget them. */
static uint32_t take_read_errors(struct bank *bank)
{
    dsb();
    const uint32_t found = bank->sr & READ_ERRORS;
    if (found) {
        bank->ccr = found;
    }
    return found & UNREADABLE;
}

/* The digest of the words of a piece that are not blank; what the piece does not cover of them counts as ones. */
static void digest(const struct piece *piece, struct md5 *md5)
{
    md5_begin(md5);
    for (uint32_t address = piece->start & ~(FLASH_WORD - 1u); address < piece->end; address += FLASH_WORD) {
        const uint32_t *const flash = (const uint32_t *)address;
        uint32_t *const words = md5_next(md5);

        if (is_blank(flash)) {
            continue;
        }
#pragma GCC unroll 8
        for (uint32_t i = 0; i < FLASH_WORD / 4u; ++i) {
            words[i] = flash[i];
        }
        for (uint32_t i = 0; address + i < piece->start; ++i) {
            ((uint8_t *)words)[i] = 0xFFu;
        }
        for (uint32_t i = FLASH_WORD; address + i > piece->end; --i) {
            ((uint8_t *)words)[i - 1u] = 0xFFu;
        }
        md5_add(md5);
    }
    md5_end(md5);
}

/* Look at 32 flash words; return the errors. */
static uint32_t look(const uint32_t *flash, uint32_t *blank, uint32_t *unreadable)
{
    struct bank *const bank = bank_of((uintptr_t)flash);
    uint32_t errors, all_errors = 0;

    *blank = *unreadable = 0;
    for (uint32_t i = 0; i < 32u; ++i) {
        *blank |= (uint32_t)is_blank(flash + i * FLASH_WORD / 4u) << i;
    }
    errors = take_read_errors(bank);
    for (uint32_t i = 0; errors && i < 32u; ++i) {
        const bool ones = is_blank(flash + i * FLASH_WORD / 4u);
        const uint32_t found = take_read_errors(bank);

        *unreadable |= (uint32_t)(found != 0) << i;
        *blank = (*blank & ~(1u << i)) | (uint32_t)(ones && !found) << i;
        all_errors |= found;
    }
    return all_errors;
}

static uint32_t survey(const struct piece *pieces, uint32_t count, uint32_t sectors, uint32_t *result)
{
    uint32_t errors = 0;

    take_read_errors(bank_registers(0));
    take_read_errors(bank_registers(1));
    for (; count; --count) {
        struct md5 md5;

        digest(pieces++, &md5);
        for (uint32_t i = 0; i < 4u; ++i) {
            *result++ = md5.state[i];
        }
        IWDG1_KR = RELOAD;
    }
    take_read_errors(bank_registers(0));
    take_read_errors(bank_registers(1));
    for (uint32_t index = 0; index < SECTORS; ++index) {
        const uint32_t *const flash = (const uint32_t *)(FLASH_START + index * SECTOR_WORDS * FLASH_WORD);
        struct sector *const sector = (struct sector *)result;

        if (!(sectors & 1u << index)) {
            continue;
        }
        for (uint32_t i = 0; i < SECTOR_WORDS / 32u; ++i) {
            errors |= look(flash + i * 32u * FLASH_WORD / 4u, &sector->blank[i], &sector->unreadable[i]);
        }
        result += sizeof *sector / sizeof *result;
        IWDG1_KR = RELOAD;
    }
    return errors;
}

static uint32_t execute(enum command command)
{
    switch (command) {
    case SURVEY:
        return survey(mailbox.pieces + PIECES - mailbox.count, mailbox.count, mailbox.sectors, mailbox.results);
    case UNLOCK:
        return unlock_banks();
    default:
        lock_banks();
        return 0;
    }
}

/* Go on with a run if its bank is idle. A blank flash word takes no time, and can still be programmed later. */
static void feed(struct bank *bank, struct run *run)
{
    uint32_t left = run->left;

    if (!left || is_busy(bank)) {
        return;
    }
    run->errors = bank->sr & ERRORS;
    if (run->errors) {
        left = 0;
    }
    while (left && (run->written || is_blank((const uint32_t *)run->buffer))) {
        run->written = 0;
        run->address += FLASH_WORD;
        run->buffer += FLASH_WORD;
        left -= FLASH_WORD;
    }
    if (left) {
        bank->cr = PSIZE_X64 | FLASH_CR1_PG_Msk;
        write_word(run->address, (const uint32_t *)run->buffer);
        run->written = 1;
        IWDG1_KR = RELOAD;
    } else {
        bank->cr = PSIZE_X64;
    }
    dmb();
    run->left = left;
}

__attribute__((used, noreturn)) static void serve(void)
{
    /* No interrupts; and where flash cannot be read, FLASH_SRx tells it, instead of a fault. */
    __asm volatile("cpsid f" ::: "memory");
    SCS_CCR |= SCS_CCR_BFHFNMIGN_Msk;

    for (;;) {
        while (!mailbox.command && !mailbox.runs[0].left && !mailbox.runs[1].left) {
        }
        if (mailbox.command) {
            mailbox.errors = execute(mailbox.command);
            dmb();
            mailbox.command = NOTHING;
        }
        for (uint32_t index = 0; index < BANKS; ++index) {
            feed(bank_registers(index), &mailbox.runs[index]);
        }
        pause();
    }
}

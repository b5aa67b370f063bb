/*
 * Erases and programs both flash banks; runs in RAM of CM7 and is called by a debugger.
 *
 * The functions are those of Arm's flash algorithms for CMSIS packs: 0 is success. A failure is reported as the
 * error bits of FLASH_SRx (bits 17 to 22), or as one of the small numbers below. Option bytes are never touched.
 * RM0399 chapter 4.
 */
#include <stdint.h>

#include "core.h"

enum {
    ERROR_ADDRESS = 1, /* not in flash, or not at the start of a flash word */
    ERROR_LOCKED = 2,  /* the bank does not unlock: after a wrong key only a reset helps */
};

#define FLASH_START 0x08000000u
#define FLASH_SIZE 0x00200000u
#define FLASH_WORD 32u /* bytes that are programmed together, with one ECC */
#define BANKS 2u

#define KEY1 0x45670123u
#define KEY2 0xCDEF89ABu
#define PSIZE_X64 (3u << FLASH_CR1_PSIZE_Pos) /* fastest; needs at least 1.8 V */

#define ERRORS                                                                                     \
    (FLASH_SR1_WRPERR_Msk | FLASH_SR1_PGSERR_Msk | FLASH_SR1_STRBERR_Msk | FLASH_SR1_INCERR_Msk | \
     FLASH_SR1_OPERR_Msk)
#define ALL_FLAGS (ERRORS | FLASH_SR1_EOP_Msk)

int Init(uint32_t address, uint32_t clock, uint32_t operation);
int UnInit(uint32_t operation);
int EraseSector(uint32_t address);
int ProgramPage(uint32_t address, uint32_t size, const uint8_t *buffer);

/* The registers of bank 2 (0) or 1 (1) that both banks have, at the places of bank 1's. */
struct bank {
    uint32_t unused;
    volatile uint32_t keyr;
    uint32_t not_of_a_bank;
    volatile uint32_t cr;
    const volatile uint32_t sr;
    volatile uint32_t ccr;
};

static struct bank *bank_registers(uint32_t index)
{
    return (struct bank *)((uintptr_t)&FLASH_ACR + index * ((uintptr_t)&FLASH_KEYR2 - (uintptr_t)&FLASH_KEYR1));
}

static struct bank *bank_of(uint32_t address)
{
    return bank_registers(address / (FLASH_SIZE / BANKS) % BANKS);
}

/* Wait for what was queued, without keeping the bus busy by asking; return the errors. */
static uint32_t finish(const struct bank *bank)
{
    dsb();
    while (bank->sr & FLASH_SR1_QW_Msk) {
        uint32_t pause = 150;
        __asm volatile("1: subs %0, #1\n bne 1b" : "+l"(pause) : : "cc");
    }
    return bank->sr & ERRORS;
}

int Init(uint32_t address, uint32_t clock, uint32_t operation)
{
    (void)address;
    (void)clock;
    (void)operation;

    /* The firmware that was stopped must not go on in its interrupts while its code is erased. */
    __asm volatile("cpsid i" ::: "memory");

    for (uint32_t index = 0; index < BANKS; ++index) {
        struct bank *const bank = bank_registers(index);

        /* A key too many would lock the register until the next reset. */
        if (bank->cr & FLASH_CR1_LOCK_Msk) {
            bank->keyr = KEY1;
            bank->keyr = KEY2;
        }
        if (bank->cr & FLASH_CR1_LOCK_Msk) {
            return ERROR_LOCKED;
        }
        finish(bank);
        bank->ccr = ALL_FLAGS;
    }
    return 0;
}

int UnInit(uint32_t operation)
{
    (void)operation;

    for (uint32_t index = 0; index < BANKS; ++index) {
        bank_registers(index)->cr = PSIZE_X64 | FLASH_CR1_LOCK_Msk;
    }
    return 0;
}

int EraseSector(uint32_t address)
{
    struct bank *const bank = bank_of(address);
    const uint32_t sector = address / 0x20000u % 8u;

    if (address - FLASH_START >= FLASH_SIZE) {
        return ERROR_ADDRESS;
    }
    const uint32_t erase = PSIZE_X64 | FLASH_CR1_SER_Msk | sector << FLASH_CR1_SNB_Pos;
    bank->ccr = ALL_FLAGS;
    bank->cr = erase;
    bank->cr = erase | FLASH_CR1_START_Msk;
    const uint32_t errors = finish(bank);
    bank->cr = PSIZE_X64;
    return (int)errors;
}

/* A whole flash word is left as it is if it is blank: that takes no time, and it can still be programmed later. */
static uint32_t program_word(const struct bank *bank, uint32_t address, const uint32_t *words)
{
    volatile uint32_t *const to = (volatile uint32_t *)address;
    uint32_t all = 0xFFFFFFFFu;

    for (uint32_t i = 0; i < FLASH_WORD / 4u; ++i) {
        all &= words[i];
    }
    if (all == 0xFFFFFFFFu) {
        return 0;
    }
    for (uint32_t i = 0; i < FLASH_WORD / 4u; ++i) {
        to[i] = words[i];
    }
    return finish(bank);
}

int ProgramPage(uint32_t address, uint32_t size, const uint8_t *buffer)
{
    struct bank *const bank = bank_of(address);
    uint32_t errors = 0;

    if (address % FLASH_WORD || address - FLASH_START >= FLASH_SIZE) {
        return ERROR_ADDRESS;
    }
    bank->ccr = ALL_FLAGS;
    bank->cr = PSIZE_X64 | FLASH_CR1_PG_Msk;
    for (uint32_t done = 0; done < size && !errors; done += FLASH_WORD) {
        union {
            uint8_t bytes[FLASH_WORD];
            uint32_t words[FLASH_WORD / 4u];
        } word;

        for (uint32_t i = 0; i < FLASH_WORD; ++i) {
            word.bytes[i] = done + i < size ? buffer[done + i] : 0xFFu;
        }
        errors = program_word(bank, address + done, word.words);
    }
    bank->cr = PSIZE_X64;
    return (int)errors;
}

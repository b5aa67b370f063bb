/* Both flash banks: unlocking, and programming a flash word (RM0399 chapter 4). Option bytes are never touched. */
#ifndef BANKS_H
#define BANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"

#define FLASH_START 0x08000000u
#define FLASH_SIZE 0x00200000u
#define FLASH_WORD 32u /* bytes that are programmed together, with one ECC */
#define BANKS 2u

#define PSIZE_X64 (3u << FLASH_CR1_PSIZE_Pos) /* fastest; needs at least 1.8 V */

#define ERRORS                                                                                     \
    (FLASH_SR1_WRPERR_Msk | FLASH_SR1_PGSERR_Msk | FLASH_SR1_STRBERR_Msk | FLASH_SR1_INCERR_Msk | \
     FLASH_SR1_OPERR_Msk)

enum {
    ERROR_ADDRESS = 1, /* not in flash, or not at the start of a flash word */
    ERROR_LOCKED = 2,  /* the bank does not unlock: after a wrong key only a reset helps */
};

/* The registers of bank 1 (0) or 2 (1) that both banks have, at the places of bank 1's. */
struct bank {
    uint32_t unused;
    volatile uint32_t keyr;
    uint32_t not_of_a_bank;
    volatile uint32_t cr;
    const volatile uint32_t sr;
    volatile uint32_t ccr;
};

struct bank *bank_registers(uint32_t index);
struct bank *bank_of(uint32_t address);

/* Whether operations run or wait; what was written to the bank before counts. */
bool is_busy(const struct bank *bank);

/* Make both banks programmable, with no errors left from before; return 0 or ERROR_LOCKED. */
uint32_t unlock_banks(void);
void lock_banks(void);

/* Whether a flash word, in flash or to be, is as erased: all ones. */
static inline bool is_blank(const uint32_t *words)
{
    uint32_t all = 0xFFFFFFFFu;

#pragma GCC unroll 8
    for (uint32_t i = 0; i < FLASH_WORD / 4u; ++i) {
        all &= words[i];
    }
    return all == 0xFFFFFFFFu;
}

/* Hand a flash word to an idle bank whose CR.PG is set. */
void write_word(uint32_t address, const uint32_t *words);

/* Let some microseconds pass, without keeping the bus busy by asking. */
void pause(void);

#endif

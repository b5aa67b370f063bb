/*
 * Erases and programs both flash banks; runs in RAM of CM7 and is called by a debugger.
 *
 * The functions are those of Arm's flash algorithms for CMSIS packs: 0 is success. A failure is reported as the
 * error bits of FLASH_SRx (bits 17 to 22), or as one of the small numbers of banks.h. Option bytes are never touched.
 * RM0399 chapter 4.
 */
#include "banks.h"

int Init(uint32_t address, uint32_t clock, uint32_t operation);
int UnInit(uint32_t operation);
int EraseSector(uint32_t address);
int ProgramPage(uint32_t address, uint32_t size, const uint8_t *buffer);

/* Wait for what was queued; return the errors. */
static uint32_t finish(const struct bank *bank)
{
    while (is_busy(bank)) {
        pause();
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

    return (int)unlock_banks();
}

int UnInit(uint32_t operation)
{
    (void)operation;

    lock_banks();
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
    bank->ccr = ERRORS | FLASH_SR1_EOP_Msk;
    bank->cr = erase;
    bank->cr = erase | FLASH_CR1_START_Msk;
    const uint32_t errors = finish(bank);
    bank->cr = PSIZE_X64;
    return (int)errors;
}

/* A blank flash word is left as it is: that takes no time, and it can still be programmed later. */
static uint32_t program_word(const struct bank *bank, uint32_t address, const uint32_t *words)
{
    if (is_blank(words)) {
        return 0;
    }
    write_word(address, words);
    return finish(bank);
}

int ProgramPage(uint32_t address, uint32_t size, const uint8_t *buffer)
{
    struct bank *const bank = bank_of(address);
    uint32_t errors = 0;

    if (address % FLASH_WORD || address - FLASH_START >= FLASH_SIZE) {
        return ERROR_ADDRESS;
    }
    bank->ccr = ERRORS | FLASH_SR1_EOP_Msk;
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

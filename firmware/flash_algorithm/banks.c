#include "banks.h"

#define KEY1 0x45670123u
#define KEY2 0xCDEF89ABu

struct bank *bank_registers(uint32_t index)
{
    return (struct bank *)((uintptr_t)&FLASH_ACR + index * ((uintptr_t)&FLASH_KEYR2 - (uintptr_t)&FLASH_KEYR1));
}

struct bank *bank_of(uint32_t address) { return bank_registers(address / (FLASH_SIZE / BANKS) % BANKS); }

bool is_busy(const struct bank *bank)
{
    dsb();
    return bank->sr & FLASH_SR1_QW_Msk;
}

uint32_t unlock_banks(void)
{
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
        while (is_busy(bank)) {
            pause();
        }
        bank->ccr = ERRORS | FLASH_SR1_EOP_Msk;
    }
    return 0;
}

void lock_banks(void)
{
    for (uint32_t index = 0; index < BANKS; ++index) {
        bank_registers(index)->cr = PSIZE_X64 | FLASH_CR1_LOCK_Msk;
    }
}

void write_word(uint32_t address, const uint32_t *words)
{
    volatile uint32_t *const to = (volatile uint32_t *)address;

    dsb(); /* PG first: stores to memory do not wait for those to registers */
    for (uint32_t i = 0; i < FLASH_WORD / 4u; ++i) {
        to[i] = words[i];
    }
}

void pause(void)
{
    uint32_t turns = 150;
    __asm volatile("1: subs %0, #1\n bne 1b" : "+l"(turns) : : "cc");
}

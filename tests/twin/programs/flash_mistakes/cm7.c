/* What happens to one who does not keep to the rules of programming (RM0399 4.3.8 to 4.3.10, 4.7). CM4 executes from
 * bank 2, whose last sector this is about. */
#include "example.h"

#define PLACE 0x081E0000u
#define FLASH_WORD 32u
#define FLASH_KEY1 0x45670123u
#define FLASH_KEY2 0xCDEF89ABu
#define PSIZE_64 3u
#define MISTAKES (FLASH_SR2_WRPERR_Msk | FLASH_SR2_PGSERR_Msk | FLASH_SR2_STRBERR_Msk | FLASH_SR2_INCERR_Msk)

volatile uint32_t bus_faults;

/* A wrong key is a bus error of the store that has written it, which is over. */
void BusFault_Handler(void)
{
    bus_faults = bus_faults + 1;
    SCS_CFSR = SCS_CFSR;
}

static void program(uint32_t index, uint32_t value)
{
    volatile uint32_t *words = (volatile uint32_t *)(PLACE + FLASH_WORD * index);

    for (uint32_t i = 0; i < FLASH_WORD / 4u; ++i) {
        words[i] = value;
    }
    dsb();
    wait_until_clear(&FLASH_SR2, FLASH_SR2_QW_Msk);
}

static void report(const char *what, uint32_t index)
{
    print(what);
    print_value(" errors", (FLASH_SR2 & MISTAKES) / FLASH_SR2_WRPERR_Msk);
    FLASH_CCR2 = MISTAKES;
    print_value("  blank", *(volatile uint32_t *)(PLACE + FLASH_WORD * index) == 0xFFFFFFFFu);
}

int main(void)
{
    console_start(RESET_HZ);
    SCS_SHCSR |= SCS_SHCSR_BUSFAULTENA_Msk;

    program(0, 0x11111111u);
    report("without keys", 0);

    FLASH_KEYR1 = FLASH_KEY1;
    FLASH_KEYR1 = FLASH_KEY2;
    FLASH_CR1 = FLASH_CR1_PG_Msk | PSIZE_64 << FLASH_CR1_PSIZE_Pos;
    program(0, 0x22222222u);
    report("with the keys of the other bank", 0);

    FLASH_KEYR2 = FLASH_KEY1;
    FLASH_KEYR2 = FLASH_KEY2;
    program(0, 0x33333333u);
    report("without PG", 0);

    FLASH_CR2 = FLASH_CR2_SER_Msk | PSIZE_64 << FLASH_CR2_PSIZE_Pos | 7u << FLASH_CR2_SNB_Pos;
    FLASH_CR2 |= FLASH_CR2_START_Msk;
    FLASH_CR2 = FLASH_CR2_PG_Msk | PSIZE_64 << FLASH_CR2_PSIZE_Pos;
    program(1, 0x44444444u);
    report("while the bank is busy", 1);

    FLASH_CR2 |= FLASH_CR2_LOCK_Msk;
    FLASH_KEYR2 = 0x12345678u;
    dsb();
    print_value("wrong key: faults", bus_faults);
    FLASH_KEYR2 = FLASH_KEY1;
    dsb();
    FLASH_KEYR2 = FLASH_KEY2;
    dsb();
    print_value("  locked", FLASH_CR2 & FLASH_CR2_LOCK_Msk);
    for (;;) {
        wfi();
    }
}

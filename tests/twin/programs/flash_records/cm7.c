/* Each press of the button appends a record to the last sector of bank 2. A loss of power may leave a record half
 * programmed: reading one is a bus error, which the program ignores with BFHFNMIGN (RM0399 4.7.7; Arm DDI0403E
 * B1.5.14). A full sector is erased. */
#include "power.h"

#define SECTOR 0x081E0000u
#define SECTOR_NUMBER 7u
#define FLASH_WORD 32u
#define RECORDS 4u /* "full" comes soon */
#define FLASH_KEY1 0x45670123u
#define FLASH_KEY2 0xCDEF89ABu
#define PSIZE_64 3u
#define BLANK 0xFFFFFFFFu

enum state { FREE, VALID, BROKEN };

volatile uint32_t sequence; /* of the last record */
static volatile bool pressed;

void EXTI15_10_IRQHandler(void)
{
    button_clear();
    pressed = true;
}

static volatile uint32_t *record(uint32_t index)
{
    return (volatile uint32_t *)(SECTOR + FLASH_WORD * index);
}

/* Read a word of flash; return whether that was no bus error. */
static bool read_safely(volatile uint32_t *from, uint32_t *value)
{
    bool fault;

    SCS_CCR |= SCS_CCR_BFHFNMIGN_Msk;
    __asm volatile("cpsid f" ::: "memory");
    *value = *from;
    dsb();
    fault = SCS_CFSR & SCS_CFSR_PRECISERR_Msk;
    SCS_CFSR = SCS_CFSR_PRECISERR_Msk | SCS_CFSR_BFARVALID_Msk;
    __asm volatile("cpsie f" ::: "memory");
    SCS_CCR &= ~SCS_CCR_BFHFNMIGN_Msk;
    return !fault;
}

static enum state look_at(uint32_t index)
{
    uint32_t number;

    if (!read_safely(record(index), &number)) {
        FLASH_CCR2 = FLASH_CCR2_CLR_DBECCERR_Msk;
        return BROKEN;
    }
    if (number == BLANK) {
        return FREE;
    }
    sequence = number;
    return VALID;
}

static void unlock(void)
{
    if (FLASH_CR2 & FLASH_CR2_LOCK_Msk) {
        FLASH_KEYR2 = FLASH_KEY1;
        FLASH_KEYR2 = FLASH_KEY2;
    }
}

static void finish(void)
{
    wait_until_clear(&FLASH_SR2, FLASH_SR2_QW_Msk);
    FLASH_CR2 |= FLASH_CR2_LOCK_Msk;
}

static void erase(void)
{
    unlock();
    FLASH_CR2 = FLASH_CR2_SER_Msk | PSIZE_64 << FLASH_CR2_PSIZE_Pos | SECTOR_NUMBER << FLASH_CR2_SNB_Pos;
    FLASH_CR2 |= FLASH_CR2_START_Msk;
    finish();
}

static void append(uint32_t index)
{
    unlock();
    FLASH_CR2 = FLASH_CR2_PG_Msk | PSIZE_64 << FLASH_CR2_PSIZE_Pos;
    dsb();
    for (uint32_t i = 0; i < FLASH_WORD / 4u; ++i) {
        record(index)[i] = sequence + 1u;
    }
    dsb();
    finish();
    sequence = sequence + 1;
}

/* Return the index of the first free record, RECORDS if there is none. */
static uint32_t survey(void)
{
    uint32_t counts[3] = {0, 0, 0};
    uint32_t used = 0;

    for (uint32_t index = 0; index < RECORDS; ++index) {
        const enum state state = look_at(index);

        counts[state] = counts[state] + 1;
        if (state != FREE) {
            used = index + 1;
        }
    }
    print_value("valid", counts[VALID]);
    print_value("broken", counts[BROKEN]);
    return used;
}

int main(void)
{
    uint32_t next;

    console_start(RESET_HZ);
    button_start();
    next = survey();
    for (;;) {
        while (!pressed) {
            wfe(); /* an interrupt is an event */
        }
        pressed = false;
        if (next == RECORDS) {
            print("erase\r\n");
            erase();
            next = 0;
        }
        append(next++);
        print_value("record", sequence);
    }
}

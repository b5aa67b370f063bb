/* An update by bank swap: the version that runs says who it is; when the button is pressed it exchanges the banks and
 * resets (RM0399 4.3.13). BCM4 is to be 0, as bank 2 holds another version of this program, and nothing for CM4. */
#include "power.h"

#ifndef VERSION
#define VERSION 1u
#endif

#define OPTION_KEY1 0x08192A3Bu
#define OPTION_KEY2 0x4C5D6E7Fu
#define RESET_REQUEST (0x05FAu << 16 | 1u << 2)

static volatile bool pressed;

void EXTI15_10_IRQHandler(void)
{
    button_clear();
    pressed = true;
}

__attribute__((noreturn)) static void swap_banks(void)
{
    FLASH_OPTKEYR = OPTION_KEY1;
    FLASH_OPTKEYR = OPTION_KEY2;
    FLASH_OPTSR_PRG ^= FLASH_OPTSR_PRG_SWAP_BANK_OPT_Msk;
    FLASH_OPTCR |= FLASH_OPTCR_OPTSTART_Msk;
    wait_until_clear(&FLASH_OPTSR_CUR, FLASH_OPTSR_CUR_OPT_BUSY_Msk);
    dsb();
    SCS_AIRCR = RESET_REQUEST;
    for (;;) {
    }
}

int main(void)
{
    console_start(RESET_HZ);
    print_value("version", VERSION);
    print_value("swapped", !!(FLASH_OPTCR & FLASH_OPTCR_SWAP_BANK_Msk));
    button_start();
    while (!pressed) {
        wfe(); /* an interrupt is an event */
    }
    swap_banks();
}

/* The chip is in Standby until the button, which is a wake-up pin, is pressed; then it starts from reset. A counter in
 * the backup SRAM lives on, which the backup regulator supplies meanwhile (RM0399 7.4.4, 7.7.10). */
#include "power.h"

#ifndef BACKUP_REGULATOR
#define BACKUP_REGULATOR 1
#endif

#define ALLOW_STANDBY (PWR_CPUCR_PDDS_D1_Msk | PWR_CPUCR_PDDS_D2_Msk | PWR_CPUCR_PDDS_D3_Msk)
#define BUTTON_WAKES (1u << 3) /* WKUP4 is PC13 */
#define STARTS (*(volatile uint32_t *)0x38800000)

static uint32_t volatile_in_ram = 1;

static void open_backup_domain(void)
{
    PWR_CR1 |= PWR_CR1_DBP_Msk;
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_BKPRAMEN_Msk);
#if BACKUP_REGULATOR
    PWR_CR2 |= PWR_CR2_BREN_Msk;
    wait_until_set(&PWR_CR2, PWR_CR2_BRRDY_Msk);
#endif
}

int main(void)
{
    const uint32_t wake_up_flags = PWR_WKUPFR;
    const bool from_standby = PWR_CPUCR & PWR_CPUCR_SBF_Msk;

    open_backup_domain();
    STARTS = STARTS + 1;
    console_start(RESET_HZ);
    print_value("start", STARTS);
    print_value("from Standby", from_standby);
    print_value("wake-up flags", wake_up_flags);
    print_value("RAM", volatile_in_ram);
    volatile_in_ram = volatile_in_ram + 1;

    RCC_APB1LENR = 0; /* USART3 would keep D2 awake */
    PWR_WKUPEPR = BUTTON_WAKES;
    PWR_WKUPCR = BUTTON_WAKES;
    PWR_CPUCR = ALLOW_STANDBY | PWR_CPUCR_CSSF_Msk;
    select_stop(true);
    for (;;) {
        wfi();
    }
}

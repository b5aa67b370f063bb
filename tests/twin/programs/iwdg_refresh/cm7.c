/* IWDG1 with a time-out of 100 ms (RELOAD + 1 periods of 1 ms), refreshed every REFRESH_MS by SysTick while the button
 * (PC13) is up. The window opens at WINDOW. What caused the last reset is printed at the start. */
#include "example.h"

#ifndef REFRESH_MS
#define REFRESH_MS 50u
#endif
#ifndef WINDOW
#define WINDOW 0xFFFu /* always open */
#endif

#define RELOAD 99u
#define KEY_START 0xCCCCu
#define KEY_WRITE 0x5555u
#define KEY_REFRESH 0xAAAAu
#define UPDATES (IWDG1_SR_PVU_Msk | IWDG1_SR_RVU_Msk | IWDG1_SR_WVU_Msk)
#define LSI_BY_32 3u

volatile uint32_t refreshes;
static volatile uint32_t ticks;

void SysTick_Handler(void)
{
    ticks = ticks + 1;
    if (ticks % REFRESH_MS == 0 && !read_pin('C', 13)) {
        IWDG1_KR = KEY_REFRESH;
        refreshes = refreshes + 1;
    }
}

static void watchdog_start(void)
{
    IWDG1_KR = KEY_START;
    IWDG1_KR = KEY_WRITE;
    IWDG1_PR = LSI_BY_32;
    IWDG1_RLR = RELOAD;
    wait_until_clear(&IWDG1_SR, UPDATES);
    if (IWDG1_WINR != WINDOW) {
        IWDG1_WINR = WINDOW; /* refreshes, too */
    } else {
        IWDG1_KR = KEY_REFRESH;
    }
}

static void report_reset(void)
{
    print(RCC_RSR & RCC_RSR_IWDG1RSTF_Msk ? "reset by IWDG1\r\n" : "no reset by IWDG1\r\n");
    RCC_RSR |= RCC_RSR_RMVF_Msk;
    RCC_RSR &= ~RCC_RSR_RMVF_Msk;
}

int main(void)
{
    console_start(RESET_HZ);
    report_reset();
    configure_pin('C', 13, PIN_INPUT, 0);
    watchdog_start();
    start_systick(RESET_HZ);
    for (;;) {
        wfi();
    }
}

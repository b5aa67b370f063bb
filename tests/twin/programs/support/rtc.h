/* Starting the RTC, as every example that uses it does (RM0399 sections 9.5.8 and 49.3.8). */
#ifndef RTC_H
#define RTC_H

#include "example.h"

#define RTCSEL_LSE 1u
#define LSE_HZ 32768u

/* Of BCD registers: rtc_time(0x23, 0x59, 0x58), and rtc_date(year, month, day, weekday 1 for Monday to 7). */
static inline uint32_t rtc_time(uint32_t hours, uint32_t minutes, uint32_t seconds)
{
    return hours << RTC_TR_HU_Pos | minutes << RTC_TR_MNU_Pos | seconds;
}

static inline uint32_t rtc_date(uint32_t year, uint32_t month, uint32_t day, uint32_t weekday)
{
    return year << RTC_DR_YU_Pos | weekday << RTC_DR_WDU_Pos | month << RTC_DR_MU_Pos | day;
}

/* Let the backup domain be written, and the RTC's registers. */
static inline void rtc_unlock(void)
{
    PWR_CR1 |= PWR_CR1_DBP_Msk;
    RTC_WPR = 0xCA;
    RTC_WPR = 0x53;
}

static inline void rtc_lock(void)
{
    RTC_WPR = 0xFF;
}

/* Give an RTC that was never started its clock: LSE. */
static inline void rtc_start_clock(void)
{
    PWR_CR1 |= PWR_CR1_DBP_Msk;
    RCC_BDCR |= RCC_BDCR_LSEON_Msk;
    wait_until_set(&RCC_BDCR, RCC_BDCR_LSERDY_Msk);
    SET_FIELD(RCC_BDCR, RTCSEL, RTCSEL_LSE);
    RCC_BDCR |= RCC_BDCR_RTCEN_Msk;
}

/* Set time and date in an RTC that is unlocked; the prescalers make seconds of LSE. */
static inline void rtc_set(uint32_t time, uint32_t date)
{
    RTC_ISR |= RTC_ISR_INIT_Msk;
    wait_until_set(&RTC_ISR, RTC_ISR_INITF_Msk);
    RTC_PRER = 255u;
    RTC_PRER |= 127u << RTC_PRER_PREDIV_A_Pos;
    RTC_TR = time;
    RTC_DR = date;
    RTC_ISR &= ~RTC_ISR_INIT_Msk;
    RTC_ISR &= ~RTC_ISR_RSF_Msk;
    wait_until_set(&RTC_ISR, RTC_ISR_RSF_Msk);
}

/* Clear flags in ISR, which takes zeros, and leave the others alone. */
static inline void rtc_clear(uint32_t flags)
{
    RTC_ISR = ~(flags | RTC_ISR_INIT_Msk) | (RTC_ISR & RTC_ISR_INIT_Msk);
}

#endif

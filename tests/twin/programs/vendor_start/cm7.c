/* The start of a project out of a vendor's generator, with everything that its library polls: MPU and caches, the other
 * core, supply and boost to 480 MHz, all oscillators and PLLs, and then one peripheral after the other. Each wait has
 * a time-out in milliseconds, and the console names the first that has not been met. */
#include "rtc.h"
#include "tick.h"

#define CCSIDR (*(volatile uint32_t *)0xE000ED80u)
#define CSSELR (*(volatile uint32_t *)0xE000ED84u)
#define ICIALLU (*(volatile uint32_t *)0xE000EF50u)
#define DCISW (*(volatile uint32_t *)0xE000EF60u)
#define DCCISW (*(volatile uint32_t *)0xE000EF74u)
#define MPU_CTRL (*(volatile uint32_t *)0xE000ED94u)
#define MPU_RNR (*(volatile uint32_t *)0xE000ED98u)
#define MPU_RBAR (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_RASR (*(volatile uint32_t *)0xE000EDA0u)
#define POLLS 0xFFFFu
#define PRIORITY_GROUPING (0x05FA0000u | 3u << 8)
#define FAST 4u /* flash wait states */
#define KERNEL_HZ 120000000u

static bool d2_becomes(bool running)
{
    for (uint32_t polls = POLLS; polls; --polls) {
        if (((RCC_CR & RCC_CR_D2CKRDY_Msk) != 0) == running) {
            return true;
        }
    }
    return false;
}

/* Visit each line of the data cache, by set and way. */
static void for_each_line(volatile uint32_t *operation)
{
    uint32_t sets, ways;

    CSSELR = 0;
    dsb();
    sets = CCSIDR >> 13 & 0x7FFFu;
    do {
        ways = CCSIDR >> 3 & 0x3FFu;
        do {
            *operation = sets << 5 | ways << 30;
        } while (ways-- != 0);
    } while (sets-- != 0);
    dsb();
    isb();
}

static bool caches(void)
{
    MPU_CTRL = 0;
    MPU_RNR = 0;
    MPU_RBAR = 0;
    MPU_RASR = 0x10000000u | 0x8700u | 31u << 1 | 1u; /* no access to 4 GB, but for the eighths 0, 1, 2 and 7 */
    MPU_CTRL = 5;
    ICIALLU = 0;
    dsb();
    SCS_CCR |= SCS_CCR_IC_Msk;
    for_each_line(&DCISW);
    SCS_CCR |= SCS_CCR_DC_Msk;
    for_each_line(&DCCISW);
    return SCS_CCR & SCS_CCR_DC_Msk;
}

static bool supply(void)
{
    PWR_CR3 = (PWR_CR3 & ~(PWR_CR3_LDOEN_Msk | PWR_CR3_BYPASS_Msk)) | PWR_CR3_SMPSEN_Msk;
    if (!wait_for(&PWR_CSR1, PWR_CSR1_ACTVOSRDY_Msk, true, 1000)) {
        return false;
    }
    SET_FIELD(PWR_D3CR, VOS, 3);
    if (!wait_for(&PWR_D3CR, PWR_D3CR_VOSRDY_Msk, true, 1000)) {
        return false;
    }
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_SYSCFGEN_Msk);
    SYSCFG_PWRCR |= SYSCFG_PWRCR_ODEN_Msk;
    return wait_for(&PWR_D3CR, PWR_D3CR_VOSRDY_Msk, true, 1000);
}

static bool oscillators(void)
{
    static const struct { uint32_t on, ready, milliseconds; } sources[] = {
        {RCC_CR_HSEBYP_Msk | RCC_CR_HSEON_Msk, RCC_CR_HSERDY_Msk, 100},
        {RCC_CR_CSION_Msk, RCC_CR_CSIRDY_Msk, 2},
        {RCC_CR_HSI48ON_Msk, RCC_CR_HSI48RDY_Msk, 2},
    };

    for (uint32_t i = 0; i < sizeof(sources) / sizeof(sources[0]); ++i) {
        RCC_CR |= sources[i].on;
        if (!wait_for(&RCC_CR, sources[i].ready, true, sources[i].milliseconds)) {
            return false;
        }
    }
    RCC_CSR |= RCC_CSR_LSION_Msk;
    PWR_CR1 |= PWR_CR1_DBP_Msk;
    RCC_BDCR |= RCC_BDCR_LSEON_Msk;
    return wait_for(&RCC_CSR, RCC_CSR_LSIRDY_Msk, true, 2) && wait_for(&RCC_BDCR, RCC_BDCR_LSERDY_Msk, true, 5000);
}

/* PLL1 960 MHz / 2, PLL2 and PLL3 400 MHz / 4, all of 2 MHz out of HSE. */
static bool plls(void)
{
    RCC_CR &= ~(RCC_CR_PLL1ON_Msk | RCC_CR_PLL2ON_Msk | RCC_CR_PLL3ON_Msk);
    if (!wait_for(&RCC_CR, RCC_CR_PLL1RDY_Msk | RCC_CR_PLL2RDY_Msk | RCC_CR_PLL3RDY_Msk, false, 2)) {
        return false;
    }
    RCC_PLLCKSELR = 2u | 4u << RCC_PLLCKSELR_DIVM1_Pos | 4u << RCC_PLLCKSELR_DIVM2_Pos | 4u << RCC_PLLCKSELR_DIVM3_Pos;
    RCC_PLL1DIVR = (480u - 1u) | 1u << RCC_PLL1DIVR_P1_Pos | 7u << RCC_PLL1DIVR_Q1_Pos | 1u << RCC_PLL1DIVR_R1_Pos;
    RCC_PLL2DIVR = (200u - 1u) | 3u << RCC_PLL1DIVR_P1_Pos | 3u << RCC_PLL1DIVR_Q1_Pos | 3u << RCC_PLL1DIVR_R1_Pos;
    RCC_PLL3DIVR = RCC_PLL2DIVR;
    RCC_PLLCFGR = 0x1FF0000u | 1u << RCC_PLLCFGR_PLL1RGE_Pos | 1u << RCC_PLLCFGR_PLL2RGE_Pos | 1u << RCC_PLLCFGR_PLL3RGE_Pos;
    RCC_CR |= RCC_CR_PLL1ON_Msk | RCC_CR_PLL2ON_Msk | RCC_CR_PLL3ON_Msk;
    return wait_for(&RCC_CR, RCC_CR_PLL1RDY_Msk, true, 2) && wait_for(&RCC_CR, RCC_CR_PLL2RDY_Msk, true, 2) &&
           wait_for(&RCC_CR, RCC_CR_PLL3RDY_Msk, true, 2);
}

static bool clocks(void)
{
    FLASH_ACR = 2u << FLASH_ACR_WRHIGHFREQ_Pos | FAST;
    if ((FLASH_ACR & FLASH_ACR_LATENCY_Msk) != FAST) {
        return false;
    }
    RCC_D1CFGR = 8u << RCC_D1CFGR_HPRE_Pos | 4u << RCC_D1CFGR_D1PPRE_Pos;
    RCC_D2CFGR = 4u << RCC_D2CFGR_D2PPRE1_Pos | 4u << RCC_D2CFGR_D2PPRE2_Pos;
    RCC_D3CFGR = 4u << RCC_D3CFGR_D3PPRE_Pos;
    SET_FIELD(RCC_CFGR, SW, 3);
    for (const uint32_t start = tick; (RCC_CFGR & RCC_CFGR_SWS_Msk) >> RCC_CFGR_SWS_Pos != 3u;) {
        if (tick - start > 5000u) {
            return false;
        }
    }
    start_systick(480000000u);
    return true;
}

static bool calendar(void)
{
    SET_FIELD(RCC_BDCR, RTCSEL, RTCSEL_LSE);
    RCC_BDCR |= RCC_BDCR_RTCEN_Msk;
    enable_clock(&RCC_APB4ENR, RCC_APB4ENR_RTCAPBEN_Msk);
    rtc_unlock();
    RTC_ISR = ~0u;
    if (!wait_for(&RTC_ISR, RTC_ISR_INITF_Msk, true, 1000)) {
        return false;
    }
    RTC_CR &= ~(RTC_CR_FMT_Msk | RTC_CR_OSEL_Msk | RTC_CR_POL_Msk);
    RTC_PRER = 255u;
    RTC_PRER |= 127u << RTC_PRER_PREDIV_A_Pos;
    RTC_ISR &= ~RTC_ISR_INIT_Msk;
    RTC_OR &= ~3u;
    rtc_lock();
    return wait_for(&RTC_ISR, RTC_ISR_RSF_Msk, true, 1000);
}

static bool random_numbers(void)
{
    SET_FIELD(RCC_D2CCIP2R, RNGSEL, 0); /* HSI48 */
    enable_clock(&RCC_AHB2ENR, RCC_AHB2ENR_RNGEN_Msk);
    RNG_CR |= RNG_CR_RNGEN_Msk;
    return wait_for(&RNG_SR, RNG_SR_DRDY_Msk, true, 2) && RNG_DR != RNG_DR;
}

static bool analog(void)
{
    SET_FIELD(RCC_D3CCIPR, ADCSEL, 0); /* PLL2 P */
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_ADC3EN_Msk);
    SET_FIELD(ADC3_COMMON_CCR, PRESC, 4);
    ADC3_CR &= ~ADC3_CR_DEEPPWD_Msk;
    ADC3_CR |= ADC3_CR_ADVREGEN_Msk;
    if (!wait_for(&ADC3_ISR, ADC3_ISR_LDORDY_Msk, true, 2)) {
        return false;
    }
    ADC3_CR |= ADC3_CR_ADCAL_Msk | ADC3_CR_ADCALLIN_Msk;
    if (!wait_for(&ADC3_CR, ADC3_CR_ADCAL_Msk, false, 100)) {
        return false;
    }
    ADC3_ISR = ADC3_ISR_ADRDY_Msk;
    ADC3_CR |= ADC3_CR_ADEN_Msk;
    if (!wait_for(&ADC3_ISR, ADC3_ISR_ADRDY_Msk, true, 2)) {
        return false;
    }
    ADC3_PCSEL = 1;
    ADC3_CR |= ADC3_CR_ADSTART_Msk;
    return wait_for(&ADC3_ISR, ADC3_ISR_EOC_Msk, true, 10);
}

static bool low_power_timer(void)
{
    SET_FIELD(RCC_D2CCIP2R, LPTIM1SEL, 3); /* LSE */
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_LPTIM1EN_Msk);
    LPTIM1_CFGR = 0;
    LPTIM1_CR = 1;
    LPTIM1_ARR = 1000;
    if (!wait_for(&LPTIM1_ISR, LPTIM1_ISR_ARROK_Msk, true, 1000)) {
        return false;
    }
    LPTIM1_CMP = 500;
    return wait_for(&LPTIM1_ISR, LPTIM1_ISR_CMPOK_Msk, true, 1000);
}

static bool watchdog(void)
{
    IWDG1_KR = 0xCCCC;
    IWDG1_KR = 0x5555;
    IWDG1_PR = 6;
    IWDG1_RLR = 0xFFF;
    if (!wait_for(&IWDG1_SR, IWDG1_SR_PVU_Msk | IWDG1_SR_RVU_Msk | IWDG1_SR_WVU_Msk, false, 48)) {
        return false;
    }
    IWDG1_KR = 0xAAAA;
    return true;
}

/* A stream that was running is disabled before it is set up. */
static bool stream(void)
{
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_DMA1EN_Msk);
    DMA1_S0CR |= 1;
    DMA1_S0CR &= ~1u;
    return wait_for(&DMA1_S0CR, 1, false, 5);
}

static bool i2c(void)
{
    enable_clock(&RCC_APB1LENR, RCC_APB1LENR_I2C1EN_Msk);
    I2C1_CR1 = 0;
    I2C1_TIMINGR = 0x307075B1u;
    I2C1_CR1 = 1;
    return wait_for(&I2C1_ISR, I2C1_ISR_BUSY_Msk, false, 25);
}

static bool memory(void)
{
    enable_clock(&RCC_AHB3ENR, RCC_AHB3ENR_QSPIEN_Msk);
    if (!wait_for(&QUADSPI_SR, QUADSPI_SR_BUSY_Msk, false, 5000)) {
        return false;
    }
    QUADSPI_CR = 1u << QUADSPI_CR_PRESCALER_Pos | 1u;
    return true;
}

static bool usb(void)
{
    SET_FIELD(RCC_D2CCIP2R, USBSEL, 3); /* HSI48 */
    PWR_CR3 |= PWR_CR3_USB33DEN_Msk;
    if (!wait_for(&PWR_CR3, PWR_CR3_USB33RDY_Msk, true, 1000)) {
        return false;
    }
    enable_clock(&RCC_AHB1ENR, RCC_AHB1ENR_USB2OTGFSEN_Msk);
    USB2_OTG_FS_GUSBCFG |= 1u << 6;
    if (!wait_for(&USB2_OTG_FS_GRSTCTL, 1u << 31, true, 200)) {
        return false;
    }
    USB2_OTG_FS_GRSTCTL |= 1;
    return wait_for(&USB2_OTG_FS_GRSTCTL, 1, false, 200);
}

int main(void)
{
    static const struct { const char *name; bool (*start)(void); } peripherals[] = {
        {"RTC", calendar}, {"RNG", random_numbers}, {"ADC3", analog}, {"LPTIM1", low_power_timer},
        {"IWDG1", watchdog}, {"DMA1", stream}, {"I2C1", i2c}, {"QUADSPI", memory}, {"USB2_OTG_FS", usb},
    };

    bool ready = caches() && d2_becomes(false);

    SCS_AIRCR = PRIORITY_GROUPING;
    start_systick(RESET_HZ);
    ready = ready && supply() && oscillators() && plls() && clocks();
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    (void)HSEM_RLR0;
    HSEM_R0 = 3u << HSEM_R0_COREID_Pos;
    ready = d2_becomes(true) && ready;
    console_start(KERNEL_HZ);
    print(ready ? "start: ready\r\n" : "start: time-out\r\n");
    for (uint32_t i = 0; i < sizeof(peripherals) / sizeof(peripherals[0]); ++i) {
        print(peripherals[i].name);
        print(peripherals[i].start() ? ": ready\r\n" : ": time-out\r\n");
    }
    configure_pin('B', 0, PIN_OUTPUT, 0);
    for (bool on = true;; on = !on) {
        write_pin('B', 0, on);
        IWDG1_KR = 0xAAAA;
        delay(10);
    }
}

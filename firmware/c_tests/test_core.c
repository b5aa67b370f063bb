/* Tests of what the core and the chip do: the tick, faults, and whose semaphore it is. */
#include "core.h"
#include "h7_test.h"
#include "test_points.h"

#define CORE_HZ 64000000u /* HSI, after reset */

#ifdef CORE_CM7
#define COREID 3u
#else
#define COREID 1u
#endif

H7_TEST(tick_counts_milliseconds, .timeout_ms = 50)
{
    start_systick(CORE_HZ);
    while (ticks < 10) {
        wfi();
    }
}

H7_TEST(semaphore_belongs_to_this_core)
{
    enable_clock(&RCC_AHB4ENR, RCC_AHB4ENR_HSEMEN_Msk);
    H7_CHECK_EQUAL(HSEM_RLR1, HSEM_RLR1_LOCK_Msk | COREID << HSEM_RLR1_COREID_Pos);
}

/* Nothing answers there. */
H7_TEST(reserved_address_faults, .fault = "PRECISERR")
{
    (void)*(volatile uint32_t *)0x39000000u;
}

static volatile uint32_t zero;

H7_TEST(division_by_zero_faults, .fault = "DIVBYZERO")
{
    SCS_CCR |= SCS_CCR_DIV_0_TRP_Msk;
    h7_printf("%u\n", (unsigned)(10u / zero));
}

H7_TEST(pins_are_connected, .skip = "needs a wire from PA5 to PE12")
{
    H7_FAIL("nobody has written this test yet");
}

H7_TEST(has_double_precision)
{
    /* SINGLE and DOUBLE of MVFR0 (Arm DDI0403E B4.7.1). */
    if (!(*(volatile uint32_t *)0xE000EF40u & 0xF00u)) {
        H7_SKIP("this core computes in single precision");
    }
    H7_CHECK(1.0 + 0x1p-52 > 1.0);
}

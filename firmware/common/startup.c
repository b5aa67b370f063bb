/*
 * Vector table and the way from reset to main, for both cores.
 *
 * Handlers are weak: an application replaces one by defining a function of that name. Each fault has a loop
 * of its own, so that the program counter of a stopped core tells which fault it was.
 */
#include "core.h"
#include "test_points.h"

extern uint32_t _sidata[], _sdata[], _edata[], _sbss[], _ebss[], _estack[];

int main(void);
void SystemInit(void);
void Reset_Handler(void);
void select_supply(void);
void start(void);

#define WEAK_LOOP(name)                       \
    void name(void);                          \
    __attribute__((weak)) void name(void)     \
    {                                         \
        for (;;) {                            \
        }                                     \
    }

WEAK_LOOP(NMI_Handler)
WEAK_LOOP(HardFault_Handler)
WEAK_LOOP(MemManage_Handler)
WEAK_LOOP(BusFault_Handler)
WEAK_LOOP(UsageFault_Handler)
WEAK_LOOP(SVC_Handler)
WEAK_LOOP(DebugMon_Handler)
WEAK_LOOP(PendSV_Handler)
WEAK_LOOP(SysTick_Handler)
WEAK_LOOP(Default_Handler)

#define DECLARE_LINE(number, name) \
    void name##_IRQHandler(void) __attribute__((weak, alias("Default_Handler")));
INTERRUPT_LINES(DECLARE_LINE)

#define VECTOR_OF_LINE(number, name) [16 + (number)] = name##_IRQHandler,

/* 166 entries: VTOR wants the table aligned to the next power of two, 1024 bytes (Arm DDI0403E B1.5.3). */
__attribute__((section(".isr_vector"), aligned(1024), used)) static void (*const vectors[])(void) = {
    (void (*)(void))_estack,
    Reset_Handler,
    NMI_Handler,
    HardFault_Handler,
    MemManage_Handler,
    BusFault_Handler,
    UsageFault_Handler,
    0,
    0,
    0,
    0,
    SVC_Handler,
    DebugMon_Handler,
    0,
    PendSV_Handler,
    SysTick_Handler,
    INTERRUPT_LINES(VECTOR_OF_LINE)
};

/*
 * The board is wired for direct SMPS supply. The choice can be made once after power-on and must be made before
 * RAM is written (RM0399 sections 7.4.1 and 7.8.4); both cores run this, the later write changes nothing.
 */
void select_supply(void)
{
    PWR_CR3 &= ~PWR_CR3_LDOEN_Msk;
    while (!(PWR_CSR1 & PWR_CSR1_ACTVOSRDY_Msk)) {
    }
}

void start(void)
{
    SCS_VTOR = (uint32_t)vectors;
    SCS_CPACR |= SCS_CPACR_CP10_Msk | SCS_CPACR_CP11_Msk;
    dsb();
    isb();
    SystemInit();

    for (uint32_t *from = _sidata, *to = _sdata; to < _edata;) {
        *to++ = *from++;
    }
    for (uint32_t *to = _sbss; to < _ebss;) {
        *to++ = 0;
    }
    main();
    Error_Handler();
}

/* Naked, because a compiled function may begin by saving registers: the stack is RAM, see select_supply. */
__attribute__((naked)) void Reset_Handler(void)
{
    __asm volatile("bl select_supply\n\t"
                   "b start");
}

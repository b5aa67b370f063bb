/* Vector table, start and bus fault handler of the small programs. */
#include "program.h"

#define BUS_FAULT_ENABLED (1u << 17)
#define UNEXPECTED 15

extern uint32_t _stack[];

void Reset_Handler(void);
void unexpected(void);

/* The last result tells the exception that a program has no handler for. */
void unexpected(void)
{
    uint32_t ipsr;

    __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    result[UNEXPECTED] = ipsr;
    for (;;) {
    }
}

#define OVERRIDABLE __attribute__((weak, alias("unexpected")))

void NMI_Handler(void) OVERRIDABLE;
void HardFault_Handler(void) OVERRIDABLE;
void MemManage_Handler(void) OVERRIDABLE;
void BusFault_Handler(void);
void UsageFault_Handler(void) OVERRIDABLE;
void SVC_Handler(void) OVERRIDABLE;
void PendSV_Handler(void) OVERRIDABLE;
void SysTick_Handler(void) OVERRIDABLE;

#define DECLARE(number, name) void name##_IRQHandler(void) OVERRIDABLE;
INTERRUPT_LINES(DECLARE)

#define ENTRY(number, name) name##_IRQHandler,

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    _stack, Reset_Handler, NMI_Handler, HardFault_Handler, MemManage_Handler, BusFault_Handler,
    UsageFault_Handler, 0, 0, 0, 0, SVC_Handler, 0, 0, PendSV_Handler, SysTick_Handler,
    INTERRUPT_LINES(ENTRY)
};

static volatile bool faulted;

void skip_faulting_instruction(uint32_t *frame);

void skip_faulting_instruction(uint32_t *frame)
{
    const uint32_t first = *(const volatile uint16_t *)frame[6];

    if (SCS_CFSR & SCS_CFSR_IMPRECISERR_Msk) { /* it is behind the store already */
        SCS_CFSR = SCS_CFSR_IMPRECISERR_Msk;
    } else {
        frame[6] += first >> 11 >= 0x1D ? 4u : 2u;
    }
    faulted = true;
}

__attribute__((naked)) void BusFault_Handler(void)
{
    __asm volatile("mov r0, sp\n\t"
                   "b skip_faulting_instruction");
}

bool read_faults(uint32_t address)
{
    faulted = false;
    (void)REGISTER(address);
    dsb();
    return faulted;
}

bool write_faults(uint32_t address)
{
    faulted = false;
    REGISTER(address) = 0;
    dsb();
    return faulted;
}

void Reset_Handler(void)
{
    SCS_CPACR = 0xFu << 20;
    SCS_SHCSR |= BUS_FAULT_ENABLED;
    dsb();
    isb();
    program();
    for (;;) {
    }
}

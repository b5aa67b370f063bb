"""Firmware that is broken, each in its own way: small programs, the same for both cores."""

from __future__ import annotations

from dataclasses import dataclass

START = """
#define CYCLES 20000u
__attribute__((noinline)) void give_up(void);
void HardFault_Handler(void) { for (;;) { } }
void escalate(void);
void escalate(void)
{
    SCS_SHCSR = 0;                                                /* every fault is a HardFault */
    dsb();
}
static volatile uint32_t zero, sink;
"""

WAITS = """
void idle(void);
__attribute__((noinline)) void idle(void)
{
    for (;;) {
        __asm volatile("nop");                                    /* here: idle */
    }
}
void program(void) { idle(); sink = 1; }
"""

HARD_FAULT_IN_ISR = """
void read_sensor(uint32_t address);
__attribute__((noinline)) void read_sensor(uint32_t address)
{
    sink = REGISTER(address);                                     /* here: read_sensor */
    zero = 1;
}
void EXTI0_IRQHandler(void) { read_sensor(0x3FFFFF00u); sink = 2; }
__attribute__((noinline)) void wait_for_it(void);
void wait_for_it(void) { for (;;) { __asm volatile("nop"); } }
void program(void)
{
    escalate();
    (&SCS_NVIC_ISER0)[0] = 1u << 6;
    (&SCS_NVIC_ISPR0)[0] = 1u << 6;
    wait_for_it();
    sink = 3;
}
"""

DIVIDE_BY_ZERO = """
uint32_t divide(uint32_t dividend, uint32_t divisor);
__attribute__((noinline)) uint32_t divide(uint32_t dividend, uint32_t divisor)
{
    return dividend / divisor + sink;                             /* here: divide */
}
void program(void)
{
    escalate();
    SCS_CCR |= 1u << 4;
    dsb();
    sink = divide(7, zero);
    sink = 3;
}
"""

STACK_OVERFLOW = """
uint32_t recurse(uint32_t depth);
__attribute__((noinline)) uint32_t recurse(uint32_t depth)
{
    volatile uint32_t local[64];

    local[depth & 63u] = depth;
    return recurse(depth + 1u) + local[(depth + 1u) & 63u];       /* here: recurse */
}
void program(void) { escalate(); sink = recurse(1); sink = 3; }
"""

LOCKUP = """
void break_it(void);
__attribute__((noinline)) void break_it(void)
{
    __asm volatile("udf 0");                                      /* here: break_it */
    sink = 4;
}
void program(void)
{
    escalate();
    SCS_VTOR = BLANK;                                             /* erased flash */
    dsb();
    break_it();
    sink = 3;
}
"""

IMPRECISE = """
void send(uint32_t address, uint32_t value);
__attribute__((noinline)) void send(uint32_t address, uint32_t value)
{
    REGISTER(address) = value;
    __asm volatile("dsb");                                        /* here: send */
    sink = 4;
}
void program(void) { escalate(); send(0x60000000u, 7); sink = 3; }
"""

FLOATS = """
volatile float ratio;
void fail(float value);
__attribute__((noinline)) void fail(float value)
{
    ratio = value * 1.5f;
    __asm volatile("udf 1");                                      /* here: fail */
    sink = 4;
}
void program(void) { escalate(); fail(2.5f); sink = 3; }
"""

PROCESS_STACK = """
static uint32_t stack_of_task[128] __attribute__((aligned(8)));
void task(void);
__attribute__((noinline)) void task(void)
{
    __asm volatile("udf 2");                                      /* here: task */
    sink = 4;
}
__attribute__((noinline)) void run_task(void);
void run_task(void) { task(); sink = 5; }
__attribute__((naked)) void on_process_stack(uint32_t *top, void (*function)(void));
void on_process_stack(uint32_t *top, void (*function)(void))
{
    __asm volatile("msr psp, r0\\n movs r0, #2\\n msr control, r0\\n isb\\n blx r1\\n b .");
}
void program(void) { escalate(); on_process_stack(stack_of_task + 128, run_task); sink = 3; }
"""

WATCHDOG_SOURCE = """
void hang(void);
__attribute__((noinline)) void hang(void)
{
    for (;;) {
        __asm volatile("nop");                                    /* here: hang */
    }
}
void program(void)
{
    IWDG2_KR = 0xCCCCu;                                           /* 512 ms, unless fed */
    hang();
    sink = 3;
}
"""


JUMP_SOURCE = """
void jump(void (*where)(void));
__attribute__((noinline)) void jump(void (*where)(void))
{
    where();                                                      /* here: jump */
    sink = 4;
}
void program(void) { escalate(); jump((void (*)(void))0x60000001u); sink = 3; }
"""


@dataclass(frozen=True)
class Broken:
    """A broken program: its source, the function at fault, and a word of the fault; None for no fault."""

    source: str
    function: str
    fault: str | None
    state: str = "running"

    @property
    def text(self) -> str:
        return START + self.source

    @property
    def line(self) -> int:
        """Line of ``program.c`` in which it breaks."""
        lines = self.text.splitlines()
        return next(number for number, line in enumerate(lines, 1) if f"/* here: {self.function}" in line)


IDLE = Broken(WAITS, "idle", None)
WATCHDOG = Broken(WATCHDOG_SOURCE, "hang", None)
JUMP = Broken(JUMP_SOURCE, "jump", "IBUSERR")

BROKEN = {
    "hard fault in an ISR": Broken(HARD_FAULT_IN_ISR, "read_sensor", "PRECISERR"),
    "division by zero": Broken(DIVIDE_BY_ZERO, "divide", "DIVBYZERO"),
    "stack overflow": Broken(STACK_OVERFLOW, "recurse", "STKERR"),
    "lockup": Broken(LOCKUP, "break_it", "UNDEFINSTR", "locked up"),
    "imprecise bus fault": Broken(IMPRECISE, "send", "IMPRECISERR"),
    "with floats": Broken(FLOATS, "fail", "UNDEFINSTR"),
    "on the process stack": Broken(PROCESS_STACK, "task", "UNDEFINSTR"),
}

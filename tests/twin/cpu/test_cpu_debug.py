"""The core through its debug registers, as a debugger uses them."""

import pytest

FLASH, RAM = 0x0800_0000, 0x2000_0000
DHCSR, DCRSR, DCRDR, DEMCR, DFSR = 0xE000_EDF0, 0xE000_EDF4, 0xE000_EDF8, 0xE000_EDFC, 0xE000_ED30
AIRCR = 0xE000_ED0C
FP_CTRL, FP_COMP0 = 0xE000_2000, 0xE000_2008
DWT_CTRL, DWT_PCSR = 0xE000_1000, 0xE000_101C
COMP0, MASK0, FUNCTION0 = 0xE000_1020, 0xE000_1024, 0xE000_1028

DEBUGEN, HALT, STEP, MASKINTS = 1, 2, 4, 8
KEY = 0xA05F_0000
S_REGRDY, S_HALT, S_RETIRE_ST, S_RESET_ST = 1 << 16, 1 << 17, 1 << 24, 1 << 25
HALTED, BKPT, DWTTRAP, VCATCH = 1, 2, 4, 8
TRCENA = 1 << 24

COUNT_UP = """
volatile uint32_t counter;
__attribute__((noipa)) void bump(void) { counter++; }
void start(void) { for (;;) bump(); }
"""


def control(chip, bits):
    chip.core.write_debug(DHCSR, KEY | DEBUGEN | bits)


def read_selected(core, selector):
    core.write_debug(DCRSR, selector)
    assert core.read_debug(DHCSR) & S_REGRDY
    return core.read_debug(DCRDR)


def write_selected(core, selector, value):
    core.write_debug(DCRDR, value)
    core.write_debug(DCRSR, 1 << 16 | selector)


def reason(chip):
    """Return and clear DFSR."""
    value = chip.core.read_debug(DFSR)
    chip.core.write_debug(DFSR, value)
    return value


def symbol_halfword(chip, halfword):
    """Return the first address in flash of an instruction with this encoding."""
    return FLASH + bytes(chip.flash).index(halfword.to_bytes(2, "little"))


def set_breakpoint(chip, address, comparator=0):
    core = chip.core
    value = address | 1
    if core.name == "cm4":
        value = (2 if address & 2 else 1) << 30 | address & 0x1FFF_FFFC | 1
    core.write_debug(FP_COMP0 + 4 * comparator, value)
    core.write_debug(FP_CTRL, 3)


def test_halting_needs_the_key_and_stops_time(load):
    chip = load(COUNT_UP)
    chip.core.run(1000)
    chip.core.write_debug(DHCSR, 0x1234_0003)
    assert not chip.core.halted
    control(chip, HALT)
    assert chip.core.halted
    assert chip.core.read_debug(DHCSR) & S_HALT
    assert reason(chip) == HALTED
    before = chip.core.cycles
    chip.core.run(1000)
    assert chip.core.cycles == before
    control(chip, 0)
    chip.core.run(1000)
    assert chip.core.cycles == before + 1000


def test_chip_learns_of_debug_state(load):
    chip = load('void start(void) { for (;;) __asm volatile("bkpt 0"); }')
    chip.core.run(1000)
    control(chip, HALT)
    assert chip.halts == [True]
    control(chip, 0)
    assert chip.halts == [True, False]
    chip.core.run(1000)
    assert chip.halts == [True, False, True]
    chip.core.reset(FLASH, debug=True)
    assert chip.halts == [True, False, True, False]


def test_sticky_status_bits_are_cleared_by_reading(load):
    chip = load(COUNT_UP)
    core = chip.core
    assert core.read_debug(DHCSR) & (S_RESET_ST | S_RETIRE_ST) == S_RESET_ST
    core.run(10)
    assert core.read_debug(DHCSR) & (S_RESET_ST | S_RETIRE_ST) == S_RETIRE_ST
    assert core.read_debug(DHCSR) & (S_RESET_ST | S_RETIRE_ST) == 0


def test_registers_go_through_dcrsr(load):
    chip = load("""
    void start(void) {
        __asm volatile("cpsid i\\n msr basepri, %0\\n msr psp, %1\\n vmov.f32 s5, #1.0\\n mov r7, #77\\n bkpt 0"
                       :: "r"(0x40), "r"(0x20008000) : "r7", "s5");
    }""")
    chip.run()
    core = chip.core
    assert read_selected(core, 7) == 77
    assert read_selected(core, 15) == core.read_register("pc")
    assert read_selected(core, 16) & 0x0100_01FF == 0x0100_0000
    assert read_selected(core, 13) == read_selected(core, 17)
    assert read_selected(core, 18) == 0x2000_8000
    assert read_selected(core, 20) == 0x0400_4001
    assert read_selected(core, 64 + 5) == 0x3F80_0000
    for selector, value in ((0, 0x1111_1111), (12, 0x2222_2222), (14, 0x3333_3333), (64 + 31, 0x4444_4444)):
        write_selected(core, selector, value)
        assert read_selected(core, selector) == value
    write_selected(core, 18, 0x2000_9003)
    write_selected(core, 20, 0x0200_0000)
    assert read_selected(core, 20) == 0x0200_0000
    assert read_selected(core, 13) == read_selected(core, 18)


def test_registers_of_unprivileged_code_are_all_visible(load):
    chip = load("""
    void start(void) {
        __asm volatile("cpsid i\\n msr psp, %0\\n mov r1, #3\\n msr control, r1\\n isb\\n bkpt 0"
                       :: "r"(0x20008000) : "r1");
    }""")
    chip.run()
    core = chip.core
    assert read_selected(core, 20) == 0x0300_0001
    assert read_selected(core, 13) == read_selected(core, 18) == 0x2000_8000
    assert RAM < read_selected(core, 17) <= 0x2001_0000
    write_selected(core, 20, 0)
    assert read_selected(core, 20) == 0
    assert read_selected(core, 13) == read_selected(core, 17)


def test_a_register_transfer_does_not_happen_while_running(load):
    chip = load(COUNT_UP)
    chip.core.write_debug(DCRSR, 15)
    assert not chip.core.read_debug(DHCSR) & S_REGRDY


def test_code_called_by_the_debugger_runs_from_any_state(load):
    """As a flash algorithm does: xPSR, PC and SP are written, then the core runs into a BKPT."""
    chip = load("""
    void irq0(void) { end(); }
    void start(void) { NVIC_ISER0 = 1; PULSE_IRQ = 0; }""")
    chip.run()
    core = chip.core
    assert core.read_register("xpsr") & 0x1FF == 16
    chip.ram[0x100:0x106] = bytes.fromhex("4018704700be")
    core.invalidate(RAM + 0x100, 6)
    for selector, value in (
        (0, 30),
        (1, 12),
        (13, RAM + 0x1000),
        (14, RAM + 0x105),
        (15, RAM + 0x100),
        (16, 0x0100_0000),
    ):
        write_selected(core, selector, value)
    control(chip, 0)
    core.run(100)
    assert core.halted
    assert read_selected(core, 0) == 42
    assert read_selected(core, 15) == RAM + 0x104


def test_single_steps_execute_one_instruction_each(load):
    chip = load("""
    NAKED void start(void) {
        __asm volatile("movs r0, #0\\n movw r1, #0x1234\\n adds r0, #1\\n b 1f\\n nop\\n"
                       "1: adds r0, #2\\n bkpt 0");
    }""")
    core = chip.core
    set_breakpoint(chip, symbol_halfword(chip, 0x2000))
    chip.run()
    first = core.read_register("pc")
    core.write_debug(FP_CTRL, 2)
    places = []
    for _ in range(5):
        before = core.cycles
        control(chip, STEP)
        core.run(1000)
        assert core.halted
        assert core.cycles == before + 1
        places.append(core.read_register("pc") - first)
    assert places == [2, 6, 8, 12, 14]
    assert core.read_register("r0") == 3


def test_single_steps_stop_inside_an_it_block(load):
    chip = load("""
    NAKED void start(void) {
        __asm volatile("movs r0, #0\\n cmp r0, #0\\n itete eq\\n addeq r0, #1\\n addne r0, #2\\n"
                       "addeq r0, #4\\n addne r0, #8\\n adds r0, #16\\n bkpt 0");
    }""")
    core = chip.core
    set_breakpoint(chip, symbol_halfword(chip, 0x2000))
    chip.run()
    first = core.read_register("pc")
    core.write_debug(FP_CTRL, 2)
    seen = []
    for _ in range(8):
        control(chip, STEP)
        core.run(1000)
        seen.append((core.read_register("pc") - first, core.read_register("r0")))
    assert [place for place, _ in seen] == [2, 4, 6, 8, 10, 12, 14, 16]
    assert seen[-1][1] == 21


def test_a_step_enters_a_pending_interrupt_unless_it_is_masked(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) { NVIC_ISER0 = 1; for (;;) __asm volatile("nop\\n nop"); }""")
    core = chip.core
    core.run(200)
    control(chip, HALT)
    core.pulse_irq(0)
    control(chip, HALT | MASKINTS)
    control(chip, STEP | MASKINTS)
    core.run(100)
    assert core.read_register("xpsr") & 0x1FF == 0
    control(chip, HALT)
    control(chip, STEP)
    core.run(100)
    assert core.read_register("xpsr") & 0x1FF == 16
    assert chip.output == ""


def test_a_step_over_svc_ends_at_its_handler(load):
    chip = load("""
    void svcall(void) { put('S'); }
    void start(void) { __asm volatile("bkpt 0\\n svc 0"); put('a'); }""")
    core = chip.core
    chip.run()
    core.write_register("pc", core.read_register("pc") + 2)
    control(chip, STEP)
    core.run(100)
    assert core.halted
    assert core.read_register("xpsr") & 0x1FF == 11
    control(chip, 0)
    assert chip.run() == "Sa"


def test_a_step_over_wfi_does_not_sleep(load):
    chip = load('void start(void) { __asm volatile("bkpt 0\\n wfi\\n nop"); }')
    core = chip.core
    chip.run()
    at = core.read_register("pc") + 2
    core.write_register("pc", at)
    control(chip, STEP)
    core.run(100)
    assert core.halted
    assert core.read_register("pc") == at + 2


def test_a_bkpt_instruction_halts_on_itself(load):
    chip = load("void start(void) { put('a'); __asm volatile(\"bkpt 3\"); put('b'); }")
    core = chip.core
    assert chip.run() == "a"
    assert reason(chip) == BKPT
    place = core.read_register("pc")
    assert place == symbol_halfword(chip, 0xBE03)
    control(chip, 0)
    core.run(10)
    assert core.halted
    assert core.read_register("pc") == place
    core.write_register("pc", place + 2)
    control(chip, 0)
    assert chip.run() == "ab"


@pytest.mark.parametrize("name", ["cm7", "cm4"])
@pytest.mark.parametrize("half", [0, 2])
def test_hardware_breakpoints_stop_before_the_instruction(load, name, half):
    chip = load(
        """
    NAKED void start(void) {
        __asm volatile("movs r0, #0\\n .align 2\\n 1: adds r0, #1\\n adds r0, #1\\n b 1b");
    }""",
        name,
    )
    core = chip.core
    loop = symbol_halfword(chip, 0x3001)
    assert loop % 4 == 0
    set_breakpoint(chip, loop + half)
    chip.run()
    assert core.halted
    assert reason(chip) == BKPT
    assert core.read_register("pc") == loop + half
    assert core.read_register("r0") == half // 2
    control(chip, 0)
    chip.run()
    assert core.read_register("r0") == half // 2
    core.write_debug(FP_COMP0, 0)
    control(chip, STEP)
    core.run(10)
    set_breakpoint(chip, loop + half)
    control(chip, 0)
    chip.run()
    assert core.read_register("r0") == half // 2 + 2


def test_both_halves_of_a_word_can_have_breakpoints_on_the_cm4(load):
    chip = load(
        """
    NAKED void start(void) {
        __asm volatile("movs r0, #0\\n .align 2\\n 1: adds r0, #1\\n adds r0, #1\\n b 1b");
    }""",
        "cm4",
    )
    loop = symbol_halfword(chip, 0x3001)
    chip.core.write_debug(FP_COMP0, 3 << 30 | loop | 1)
    chip.core.write_debug(FP_CTRL, 3)
    chip.run()
    assert chip.core.read_register("pc") == loop
    chip.core.write_register("pc", loop + 4)
    control(chip, 0)
    chip.run()
    assert chip.core.read_register("pc") == loop
    control(chip, 0)


def test_breakpoints_need_the_unit_and_the_debugger(load):
    chip = load('void start(void) { __asm volatile("movs r4, #1" ::: "r4"); put(\'a\'); for (;;) {} }')
    place = symbol_halfword(chip, 0x2401)
    set_breakpoint(chip, place)
    chip.core.write_debug(FP_CTRL, 2)
    chip.run(1000)
    assert chip.output == "a"
    chip.core.write_debug(FP_CTRL, 3)
    chip.core.write_debug(DHCSR, KEY)
    chip.core.reset(FLASH)
    chip.run(1000)
    assert chip.output == "aa"
    control(chip, 0)
    chip.core.reset(FLASH)
    chip.run(1000)
    assert chip.core.read_register("pc") == place


def test_identification_of_the_breakpoint_units(load):
    assert load(COUNT_UP, "cm7").core.read_debug(FP_CTRL) == 0x1000_0080
    cm4 = load(COUNT_UP, "cm4").core
    assert cm4.read_debug(FP_CTRL) == 0x260
    assert cm4.read_debug(0xE000_2004) == 0x2000_0000


@pytest.mark.parametrize(
    ("function", "expected"),
    [(5, "read"), (6, "write"), (7, "read")],
)
def test_watchpoints_stop_behind_the_access(load, function, expected):
    chip = load("""
    volatile uint32_t cell[4];
    void start(void) {
        __asm volatile("nop\\n movs r3, #9\\n ldrb r4, [%0, #6]\\n .inst.n 0xbf00\\n strh r3, [%0, #6]\\n"
                       "nop\\n bkpt 7"
                       :: "r"(cell) : "r3", "r4");
    }""")
    core = chip.core
    core.write_debug(DEMCR, TRCENA)
    core.write_debug(COMP0, RAM + 4)
    core.write_debug(MASK0, 2)
    core.write_debug(FUNCTION0, function)
    chip.run()
    assert reason(chip) == DWTTRAP
    read_at = symbol_halfword(chip, 0x2309) + 2
    assert core.read_register("pc") - read_at == (2 if expected == "read" else 6)
    assert core.read_debug(FUNCTION0) & 1 << 24
    assert not core.read_debug(FUNCTION0) & 1 << 24
    core.write_debug(FUNCTION0, 0)
    control(chip, 0)
    chip.run()
    assert reason(chip) == BKPT


def test_a_watchpoint_in_an_it_block_does_not_derail_the_core(load):
    chip = load("""
    volatile uint32_t cell;
    void start(void) {
        __asm volatile("movs r3, #9\\n cmp r3, r3\\n itt eq\\n streq r3, [%0]\\n cmpeq r3, #1\\n adds r3, #1\\n"
                       "adds r3, #1\\n adds r3, #1\\n bkpt 7" :: "r"(&cell) : "r3", "cc");
    }""")
    core = chip.core
    core.write_debug(DEMCR, TRCENA)
    core.write_debug(COMP0, RAM)
    core.write_debug(FUNCTION0, 6)
    chip.run()
    assert reason(chip) == DWTTRAP
    control(chip, 0)
    chip.run()
    assert reason(chip) == BKPT
    assert core.read_register("r3") == 12


def test_a_watchpoint_on_a_peripheral(load):
    chip = load("void start(void) { put('a'); put('b'); for (;;) {} }")
    chip.core.write_debug(DEMCR, TRCENA)
    chip.core.write_debug(COMP0, 0x4000_0000)
    chip.core.write_debug(FUNCTION0, 6)
    assert chip.run() == "a"
    assert chip.core.halted
    control(chip, 0)
    assert chip.run() == "ab"


@pytest.mark.parametrize(
    ("catch", "enable", "number"),
    [(1 << 10, 0, 3), (1 << 8, 1 << 17, 5), (1 << 7, 1 << 18, 6), (1 << 4, 1 << 16, 4)],
)
def test_vector_catch_of_faults(load, catch, enable, number):
    cause = {
        3: '__asm volatile("udf #0")',
        4: "((void (*)(void))0x40001001)()",
        5: "(void)NOWHERE",
        6: '__asm volatile("udf #0")',
    }
    chip = load(f"void start(void) {{ SHCSR = {enable}; {cause[number]}; }}")
    chip.core.write_debug(DEMCR, catch)
    assert chip.run() == ""
    assert reason(chip) == VCATCH
    assert chip.core.read_register("xpsr") & 0x1FF == number


def test_vector_catch_of_errors_on_entry(load):
    chip = load("""
    void start(void) {
        NVIC_ISER0 = 1; __asm volatile("mov sp, %0" :: "r"(0x60000100)); PULSE_IRQ = 0; for (;;) {}
    }""")
    chip.core.write_debug(DEMCR, 1 << 9)
    chip.run()
    assert reason(chip) == VCATCH
    assert chip.core.read_register("xpsr") & 0x1FF == 3


def test_reset_catch_and_what_survives_a_reset(load):
    chip = load("void start(void) { put('a'); end(); }")
    core = chip.core
    chip.run()
    set_breakpoint(chip, FLASH + 0x100)
    core.write_debug(DEMCR, TRCENA | 1)
    core.write_debug(COMP0, 0x1234)
    core.reset(FLASH)
    assert core.halted
    assert reason(chip) == BKPT | VCATCH
    assert core.read_register("pc") == int.from_bytes(chip.flash[4:8], "little") & ~1
    assert core.read_register("msp") == core.read_register("sp") == 0x2001_0000
    assert core.read_register("lr") == 0xFFFF_FFFF
    assert core.read_debug(FP_CTRL) & 1
    assert core.read_debug(DEMCR) == TRCENA | 1
    assert core.read_debug(COMP0) == 0x1234
    core.reset(FLASH, debug=True)
    assert not core.halted
    assert core.read_debug(DHCSR) & 0xF == 0
    assert core.read_debug(DEMCR) == 0
    assert core.read_debug(FP_CTRL) & 1 == 0
    assert core.read_debug(FP_COMP0) == core.read_debug(COMP0) == 0


def test_a_reset_clears_what_belongs_to_the_program(load):
    chip = load("""
    void start(void) {
        NVIC_ISER0 = 7; SCR = 4; SYST_CSR = 1; SHCSR = 7 << 16;
        __asm volatile("cpsid i");
        end();
    }""")
    chip.run()
    core = chip.core
    core.set_irq(1, True)
    core.set_irq(2, True)
    core.set_irq(2, False)
    core.reset(FLASH)
    assert core.read_debug(0xE000_E100) == 0
    assert core.read_debug(0xE000_E200) == 2
    assert core.read_debug(0xE000_ED10) == 0
    assert core.read_debug(0xE000_E010) == 0
    assert core.read_debug(0xE000_ED24) == 0
    assert core.read_register("primask") == 0


def test_requests_of_a_system_reset_reach_the_chip(load):
    chip = load("void start(void) { AIRCR = 0x05FA0004; put('a'); }")
    chip.core.run(1000)
    assert chip.calls == ["reset"]
    assert chip.output == ""
    chip.core.write_debug(AIRCR, 0x1234_0004)
    assert chip.calls == ["reset"]
    chip.core.write_debug(AIRCR, 0x05FA_0004)
    assert chip.calls == ["reset", "reset"]


def test_vectreset_restarts_a_halted_core(load):
    chip = load("void start(void) { put('a'); end(); }")
    chip.run()
    chip.core.write_debug(AIRCR, 0x05FA_0001)
    assert not chip.core.halted
    assert chip.core.read_debug(DHCSR) & 0xF == DEBUGEN
    assert chip.run() == "aa"


def test_vectclractive_returns_to_thread_mode(load):
    chip = load("void irq0(void) { end(); } void start(void) { NVIC_ISER0 = 1; PULSE_IRQ = 0; }")
    chip.run()
    chip.core.write_debug(AIRCR, 0x05FA_0002)
    assert chip.core.read_register("xpsr") & 0x1FF == 0
    assert chip.core.read_debug(0xE000_E300) == 0


def test_pc_samples(load):
    chip = load(COUNT_UP)
    chip.core.run(1000)
    assert FLASH < chip.core.read_debug(DWT_PCSR) < FLASH + 0x200
    control(chip, HALT)
    assert chip.core.read_debug(DWT_PCSR) == 0xFFFF_FFFF


def test_software_cannot_enable_the_debugger(load):
    chip = load("void start(void) { REGISTER(0xE000EDF0) = 0xA05F0003; put('a'); for (;;) {} }")
    chip.core.write_debug(DHCSR, KEY)
    chip.run(1000)
    assert chip.output == "a"
    assert not chip.core.halted


def test_a_callback_can_halt_its_own_core(load):
    chip = load("void start(void) { REGISTER(0x40001000) = 1; put('a'); }")
    chip.on_write[0x4000_1000] = lambda value: control(chip, HALT)
    chip.run()
    assert chip.core.halted
    assert chip.output == ""
    control(chip, 0)
    assert chip.run() == "a"

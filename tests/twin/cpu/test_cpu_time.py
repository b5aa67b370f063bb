"""Time: one instruction is one cycle, wherever the runs are cut."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from single_core_chip import Chip

BUSY = """
volatile uint32_t ticks, work, flips;
void systick(void) { ticks++; if (!(ticks & 15)) put('t'); ICSR = PENDSVSET; }
void pendsv(void) { PULSE_IRQ = 1; flips ^= work; }
void irq0(void) { say_hex(DWT_CYCCNT); work = work * 3 + 1; }
void irq1(void) { for (int i = 0; i < 5; i++) work += i & 1 ? ticks : flips; }
static int conditional(uint32_t x) { return x & 1 ? x > 100 ? 3 : 5 : x > 50 ? 7 : 9; }
void start(void) {
    DEMCR = 1 << 24; DWT_CYCCNT = 0; DWT_CTRL = 1;
    NVIC_IPR[0] = 0x20; NVIC_IPR[1] = 0x60; SHPR3 = 0x40F00000; NVIC_ISER0 = 3;
    SYST_RVR = 310; SYST_CVR = 0; SYST_CSR = 7;
    for (int i = 0; i < 400; i++) {
        work += conditional(work + i);
        __asm volatile("cpsid i");
        if (i % 37 == 0) PULSE_IRQ = 0;
        work ^= work << 3;
        __asm volatile("cpsie i");
        if (i % 50 == 49) { __asm volatile("sev\\n wfe\\n wfi"); put('.'); }
        __asm volatile("svc 0");
    }
    SYST_CSR = 0;
    say_hex(work); say_hex(ticks); say_hex(DWT_CYCCNT);
}
NAKED void svcall(void) { __asm volatile("bx lr"); }
"""

QUANTA = [10, 137, 1000, 100_000]


def outcome(chip, quantum):
    core = chip.core
    while not core.halted and core.cycles < 1_000_000:
        core.run(quantum)
    return chip.output, core.cycles, core.registers()


@pytest.fixture(scope="module")
def busy(compile_program):
    return {name: compile_program(BUSY, name) for name in ("cm7", "cm4")}


@pytest.fixture(scope="module")
def expected(busy):
    results = {}
    for name, image in busy.items():
        chip = Chip(name)
        chip.load(image)
        results[name] = outcome(chip, 1_000_000)
    return results


@pytest.mark.parametrize("quantum", QUANTA)
@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_the_outcome_does_not_depend_on_the_quantum(busy, expected, core, quantum):
    assert "t" in expected[core][0]
    chip = Chip(core)
    chip.load(busy[core])
    assert outcome(chip, quantum) == expected[core]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=30))
def test_the_outcome_does_not_depend_on_any_cuts(busy, expected, cuts):
    chip = Chip("cm7")
    chip.load(busy["cm7"])
    for cut in cuts:
        chip.core.run(cut)
    assert outcome(chip, 5000) == expected["cm7"]


def test_a_run_goes_as_far_as_it_was_told(load):
    chip = load('void start(void) { for (;;) __asm volatile("nop"); }')
    for cycles in (1, 2, 3, 10, 1000, 99_999):
        before = chip.core.cycles
        chip.core.run(cycles)
        assert chip.core.cycles - before == cycles


def test_a_run_ends_at_most_four_cycles_late(load):
    chip = load("""
    void start(void) {
        for (;;) __asm volatile("cmp r0, r0\\n itttt eq\\n nopeq\\n nopeq\\n nopeq\\n nopeq" ::: "cc");
    }""")
    chip.core.run(20)
    for _ in range(20):
        before = chip.core.cycles
        chip.core.run(3)
        assert 3 <= chip.core.cycles - before <= 7


def test_callbacks_see_the_cycle_of_their_instruction(load):
    chip = load("""
    void start(void) {
        __asm volatile("ldr r1, [%0]\\n nop\\n nop\\n ldr r1, [%0]\\n ldr r1, [%0]" :: "r"(0x40001000) : "r1");
    }""")
    seen = []

    def read():
        seen.append(chip.core.cycles)
        return 0

    chip.on_read[0x4000_1000] = read
    chip.run()
    assert [after - seen[0] for after in seen] == [0, 3, 4]


def test_stop_after_instruction_ends_the_run_right_there(load):
    chip = load("void start(void) { REGISTER(0x40001000) = 1; put('a'); }")
    chip.on_write[0x4000_1000] = lambda value: chip.core.stop_after_instruction()
    chip.core.run(100_000)
    assert chip.output == ""
    assert chip.core.cycles < 50
    assert chip.run() == "a"


def test_cyccnt_counts_instructions_and_stands_still_without_its_enables(load):
    source = """
    void start(void) {
        DEMCR = 1 << 24; DWT_CYCCNT = 100;
        say_hex(DWT_CYCCNT);
        DWT_CTRL |= 1;
        uint32_t a, b;
        __asm volatile("ldr %0, [%2]\\n nop\\n nop\\n nop\\n ldr %1, [%2]"
                       : "=&r"(a), "=&r"(b) : "r"(0xE0001004));
        say_hex(b - a);
        DEMCR = 0;
        a = DWT_CYCCNT; b = DWT_CYCCNT;
        say_hex(b - a);
    }"""
    assert load(source).run() == "00000064 00000004 00000000 "


def test_cyccnt_stands_still_in_sleep_unless_the_debugger_keeps_the_clock_on(load):
    source = """
    void systick(void) {}
    void start(void) {
        DEMCR = 1 << 24; DWT_CTRL |= 1;
        SYST_RVR = 9999; SYST_CVR = 0; SYST_CSR = 7;
        uint32_t before = DWT_CYCCNT;
        __asm volatile("wfi");
        say_hex((DWT_CYCCNT - before) >> 10);
        end();
    }"""
    for clocked, expected in ((False, "00000000 "), (True, "00000009 ")):
        chip = load(source)
        chip.core.clocked_in_sleep = clocked
        assert outcome(chip, 1000)[0] == expected


def test_systick_counts_down_by_one_each_cycle_and_reloads(load):
    source = """
    void start(void) {
        SYST_RVR = 9; SYST_CVR = 0; SYST_CSR = 5;
        uint32_t v[6];
        __asm volatile("ldr %0, [%6]\\n ldr %1, [%6]\\n ldr %2, [%6]\\n nop\\n nop\\n nop\\n nop\\n nop\\n"
                       "ldr %3, [%6]\\n ldr %4, [%6]\\n ldr %5, [%6]"
                       : "=&r"(v[0]), "=&r"(v[1]), "=&r"(v[2]), "=&r"(v[3]), "=&r"(v[4]), "=&r"(v[5])
                       : "r"(0xE000E018));
        for (int i = 0; i < 6; i++) put('0' + v[i]);
        say_hex(SYST_CSR); say_hex(SYST_CVR < 10);
    }"""
    output = load(source).run()
    first = int(output[0])
    assert output[:6] == "".join(str((first - step) % 10) for step in (0, 1, 2, 8, 9, 10))
    assert output[6:] == "00010005 00000001 "


def test_systick_on_the_external_clock_is_eight_times_slower(load):
    source = """
    void systick(void) { put('t'); }
    void start(void) { SYST_RVR = 99; SYST_CVR = 0; SYST_CSR = %d; for (;;) {} }"""
    counts = []
    for control in (7, 3):
        chip = load(source % control)
        chip.core.run(16_000)
        counts.append(chip.output.count("t"))
    assert counts == [159, 19]

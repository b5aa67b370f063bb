"""The FPB of the Cortex-M4 replaces words of the code region; the DWT compares the cycle counter."""

import pytest

DHCSR, DEMCR, DFSR = 0xE000_EDF0, 0xE000_EDFC, 0xE000_ED30
FP_CTRL, FP_REMAP, FP_COMP0, FP_COMP6 = 0xE000_2000, 0xE000_2004, 0xE000_2008, 0xE000_2020
DWT_CTRL, CYCCNT, COMP0, FUNCTION0, COMP1, FUNCTION1 = (
    0xE000_1000 + n for n in (0, 4, 0x20, 0x28, 0x30, 0x38)
)
CYCMATCH, WATCHPOINT, MATCHED = 1 << 7, 4, 1 << 24
DWTTRAP = 1 << 2

PRELUDE = """
#define FP_CTRL REGISTER(0xE0002000)
#define FP_REMAP REGISTER(0xE0002004)
#define FP_COMP(n) REGISTER(0xE0002008 + 4 * (n))
static volatile uint32_t table[8] __attribute__((aligned(32)));
extern char here[];
const uint32_t constants[2] = {0x11111111, 0x22222222};
#define literals ((volatile uint32_t *)constants)
static inline void patch(uint32_t n, const volatile void *at, uint32_t word) {
    table[n] = word;
    FP_REMAP = (uint32_t)table;
    FP_COMP(n) = ((uint32_t)at & 0x1FFFFFFC) | 1;
    FP_CTRL = 3;
    __asm volatile("dsb\\n isb");
}
/* Adds 1, 2, 4, 8; the second is of 32 bits and lies in two words. */
NAKED uint32_t add(void) {
    __asm volatile(".balign 4\\n .global here\\n here: movs r0, #0\\n adds r0, #1\\n adds r0, #4\\n"
                   "add.w r0, r0, #2\\n adds r0, #8\\n bx lr");
}
"""


@pytest.fixture
def run(load):
    def run_source(source, name="cm4"):
        chip = load(PRELUDE + source, name)
        chip.core.write_debug(DHCSR, 0xA05F_0000)
        run_source.chip = chip
        chip.run(50_000)
        return chip.output.split()

    return run_source


WAIT = 'for (;;) __asm volatile("wfi");'


def test_an_instruction_is_replaced_while_its_comparator_is_enabled(run):
    source = f"""
    void start(void) {{
        say_hex(add());
        patch(2, here, 0x30202000); /* movs r0, #0; adds r0, #0x20 */
        say_hex(add());
        table[2] = 0x30402000;
        say_hex(add());
        FP_COMP(2) &= ~1u; say_hex(add());
        FP_COMP(2) |= 1; FP_CTRL = 2; say_hex(add());
        say_hex(*(volatile uint32_t *)here);
        {WAIT}
    }}"""
    assert run(source) == ["0000000F", "0000002E", "0000004E", "0000000F", "0000000F", "30012000"]


@pytest.mark.parametrize(
    ("offset", "word", "expected"),
    [(4, "0xF1003004", "0000000F"), (4, "0xF1A03004", "0000000B"), (8, "0x30080042", "0000004F")],
    ids=["the same", "its first half", "its second half"],
)
def test_an_instruction_of_which_one_half_is_replaced(run, offset, word, expected):
    """F1A0 is SUB; the second half has the constant."""
    source = f"""
    void start(void) {{ patch(5, here + {offset}, {word}); say_hex(add()); {WAIT} }}"""
    assert run(source) == [expected]


def test_loads_of_a_replaced_literal(run):
    """Aligned ones of any width; the debugger sees what is there."""
    source = f"""
    void start(void) {{
        uint32_t unaligned;
        say_hex(literals[0]); say_hex(literals[1]);
        patch(7, &literals[1], 0xAABBCCDD);
        say_hex(literals[0]); say_hex(literals[1]);
        say_hex(((volatile uint16_t *)literals)[3]); say_hex(((volatile uint8_t *)literals)[4]);
        __asm volatile("ldr %0, [%1, #2]" : "=r"(unaligned) : "r"(literals)); say_hex(unaligned);
        table[7] = 0x12345678; say_hex(literals[1]);
        FP_CTRL = 2; say_hex(literals[1]);
        {WAIT}
    }}"""
    assert run(source) == [
        *("11111111", "22222222"),
        *("11111111", "AABBCCDD", "0000AABB", "000000DD", "22221111"),
        *("12345678", "22222222"),
    ]


def test_code_comparators_leave_loads_alone_and_literal_comparators_code(run):
    source = f"""
    void start(void) {{
        patch(0, &literals[0], 0xAABBCCDD); say_hex(literals[0]);
        patch(6, here, 0x30202000); say_hex(add());
        {WAIT}
    }}"""
    assert run(source) == ["11111111", "0000000F"]


def test_the_cortex_m7_replaces_nothing(run):
    source = f"""
    void start(void) {{
        patch(2, here, 0x30202000); say_hex(add()); say_hex(FP_REMAP);
        {WAIT}
    }}"""
    assert run(source, "cm7") == ["0000000F", "00000000"]


def test_a_patch_in_place_of_code_that_is_not_there(run):
    source = f"""
    void start(void) {{
        patch(0, (void *)0x08100000, 0x47702015); /* movs r0, #0x15; bx lr */
        say_hex(((uint32_t (*)(void))0x08100001)());
        {WAIT}
    }}"""
    assert run(source) == ["00000015"]


# CYCMATCH


def watch(core, cycles, comp=COMP0, function=FUNCTION0):
    core.write_debug(DEMCR, 1 << 24)
    core.write_debug(DWT_CTRL, 1)
    core.write_debug(CYCCNT, 0)
    core.write_debug(comp, cycles)
    core.write_debug(function, CYCMATCH | WATCHPOINT)


@pytest.fixture(params=["cm7", "cm4"])
def waiting(load, request):
    return load("void start(void) { for (;;) {} }", request.param).core


@pytest.mark.parametrize("cycles", [1, 100, 4711, 1_000_000])
@pytest.mark.parametrize("slice_", [7, 100_000])
def test_a_core_halts_at_a_count(waiting, cycles, slice_):
    watch(waiting, cycles)
    for _ in range(cycles // slice_ + 2):
        waiting.run(slice_)
    assert waiting.halted
    assert waiting.read_debug(CYCCNT) == cycles
    assert waiting.read_debug(DFSR) & DWTTRAP
    assert waiting.read_debug(FUNCTION0) == CYCMATCH | WATCHPOINT | MATCHED
    assert waiting.read_debug(FUNCTION0) == CYCMATCH | WATCHPOINT


def test_it_goes_on_behind_the_match_and_halts_at_the_next(waiting):
    watch(waiting, 100)
    waiting.run(1000)
    waiting.write_debug(DHCSR, 0xA05F_0001)
    waiting.run(1000)
    assert not waiting.halted
    assert waiting.read_debug(CYCCNT) == 1100
    waiting.write_debug(CYCCNT, 0)
    waiting.run(1000)
    assert waiting.read_debug(CYCCNT) == 100


def test_only_the_first_comparator_has_it(waiting):
    watch(waiting, 100, COMP1, FUNCTION1)
    waiting.run(1000)
    assert not waiting.halted
    assert not waiting.read_debug(FUNCTION1) & CYCMATCH


def test_a_counter_that_stands_still_matches_nothing(waiting):
    watch(waiting, 100)
    waiting.write_debug(DWT_CTRL, 0)
    waiting.run(1000)
    assert not waiting.halted
    waiting.write_debug(DWT_CTRL, 1)
    waiting.run(1000)
    assert waiting.halted
    assert waiting.read_debug(CYCCNT) == 100


@pytest.mark.parametrize("clocked", [True, False])
def test_a_sleeping_core(load, clocked):
    core = load('void start(void) { for (;;) __asm volatile("wfi"); }').core
    core.run(100)
    assert core.asleep
    core.clocked_in_sleep = clocked
    watch(core, 5000)
    core.run(4000)
    assert not core.halted
    core.run(4000)
    assert core.halted == clocked
    assert core.read_debug(CYCCNT) == (5000 if clocked else 0)


def test_without_a_debugger_the_monitor_comes(load):
    chip = load("""
    void debug_monitor(void) { put('M'); say_hex(DWT_CYCCNT); }
    void start(void) {
        DEMCR = 1 << 24 | 1 << 16;
        DWT_CTRL = 1; DWT_CYCCNT = 0;
        REGISTER(0xE0001020) = 500; REGISTER(0xE0001028) = 1 << 7 | 4;
        for (;;) {}
    }""")
    chip.core.write_debug(DHCSR, 0xA05F_0000)
    chip.run(20_000)
    (said,) = chip.output.split()
    assert said[0] == "M"
    assert 500 <= int(said[1:], 16) < 520

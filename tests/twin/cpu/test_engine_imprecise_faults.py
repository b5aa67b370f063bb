"""Bus errors of stores, which the cores do not wait for: IMPRECISERR, behind the store, whatever the priority."""

import pytest
from test_engine_faults import PRELUDE

SOURCE = (
    PRELUDE
    + """
#define ACTLR REGISTER(0xE000E008)
#define ABFSR REGISTER(0xE000EFA8)
extern const char here[];
/* Say what happened and how far behind `here`, clear the status, go on. */
#define REPORTS(HANDLER, LETTER) \\
    NAKED void HANDLER(void) { \\
        __asm volatile("tst lr, #4\\n ite eq\\n mrseq r0, msp\\n mrsne r0, psp\\n movs r1, %0\\n b report" \\
                       :: "i"(LETTER)); \\
    }
void report(uint32_t *frame, char letter) {
    put(letter); say_hex(CFSR); say_hex(frame[6] - (uint32_t)here);
    if (HFSR) { put('F'); say_hex(HFSR); }
    CFSR = CFSR; HFSR = HFSR;
}
REPORTS(bus_fault, 'B')
"""
)
HARD = "REPORTS(hard_fault, 'H')"
BEHIND = ["B00000400", "00000004"]
AT = ["B00008200", "00000000"]


@pytest.fixture(params=["cm7", "cm4"])
def core(request):
    return request.param


@pytest.fixture
def run(load, core):
    def run_source(source):
        chip = load(SOURCE + source, core)
        run_source.chip = chip
        return chip.run(50_000).split()

    return run_source


def store_to(address, width=""):
    """Code of a store in 32 bits at `here`."""
    return (
        f'__asm volatile(".global here\\n here: str{width}.w %0, [%1]\\n nop"'
        f':: "r"(1), "r"({address}) : "memory");'
    )


@pytest.mark.parametrize("width", ["", "h", "b"])
def test_the_exception_is_taken_behind_the_store(run, width):
    assert run(f"void start(void) {{ SHCSR = 7 << 16; {store_to('0x60000000', width)} put('.'); }}") == [
        *BEHIND,
        ".",
    ]


def test_the_store_itself_is_done(run):
    """The base is written back, the IT block goes on, and all words come to one exception."""
    source = """
    void start(void) {
        uint32_t at = 0x60000000;
        SHCSR = 7 << 16;
        __asm volatile("cmp r0, r0\\n itt eq\\n .global here\\n here: stmiaeq.w %0!, {r4, r5, r6}\\n"
                       "addeq.w %0, #1" : "+l"(at) :: "cc", "memory");
        say_hex(at);
    }"""
    assert run(source) == [*BEHIND, "6000000D"]


def test_a_load_stays_precise(run):
    load = '__asm volatile(".global here\\n here: ldr r1, [%0]" :: "r"(0x60000000) : "r1");'
    assert run(f"void start(void) {{ SHCSR = 7 << 16; {load} }}")[:2] == AT


def test_without_its_enable_bit_it_is_a_hard_fault(run):
    assert run(f"{HARD} void start(void) {{ {store_to('0x60000000')} put('.'); }}") == [
        *("H00000400", "00000004", "F40000000"),
        ".",
    ]


def test_it_waits_for_the_priority(run):
    source = f"""
    void start(void) {{
        SHCSR = 7 << 16; SHPR1 = 0x8000;
        __asm volatile("msr basepri, %0" :: "r"(0x40));
        {store_to("0x60000000")}
        put('.'); put(SHCSR & 1 << 14 ? 'p' : '-'); put(' ');
        __asm volatile("msr basepri, %0" :: "r"(0));
        put('a');
    }}"""
    said = run(source)
    assert said[:2] == [".p", "B00000400"]
    assert said[-1] == "a"


def test_a_mistake_that_is_taken_back_in_time_never_shows(run):
    """As flash drivers lock a register by a wrong key: under FAULTMASK, with BUSFAULTPENDED cleared."""
    source = """
    void start(void) {
        SHCSR = 7 << 16;
        __asm volatile("cpsid f\\n .global here\\n here:");
        store(0x60000000, 1);
        SHCSR &= ~(1u << 14);
        __asm volatile("dsb\\n cpsie f");
        put('.');
    }"""
    assert run(source) == ["."]


def test_in_a_hard_fault_handler_it_comes_afterwards_and_never_locks_up(run):
    source = """
    static int times;
    void second(void) {
        say_hex(CFSR);
        if (!times++) {
            CCR |= 1 << 8; /* BFHFNMIGN is about precise faults */
            store(0x60000000, 1);
            put('.');
        } else {
            CFSR = CFSR; end();
        }
    }
    NAKED void hard_fault(void) {
        __asm volatile("push {r4, lr}\\n bl second\\n ldr r0, [sp, #32]\\n adds r0, #2\\n str r0, [sp, #32]\\n"
                       "pop {r4, pc}");
    }
    void start(void) { __asm volatile(".global here\\n here: udf #0\\n nop"); put('x'); }"""
    assert run(source) == ["00010000", ".00010400"]
    assert not run.chip.core.lockup


def test_what_a_peripheral_refuses_is_imprecise_too(run):
    assert run(f"void start(void) {{ SHCSR = 7 << 16; {store_to('0x40002000')} put('.'); }}") == [
        *BEHIND,
        ".",
    ]


def test_disdefwbuf_makes_the_cortex_m4_wait(run, core):
    source = f"void start(void) {{ ACTLR = 2; SHCSR = 7 << 16; {store_to('0x60000000')} put('.'); }}"
    assert run(source)[:2] == (AT if core == "cm4" else BEHIND)


@pytest.mark.parametrize(
    ("attributes", "kind"), [(0, "strongly ordered"), (1, "device"), (0x10, "device"), (8, "normal")]
)
@pytest.mark.parametrize("disdefwbuf", [0, 2])
def test_the_cortex_m4_waits_for_strongly_ordered_memory(run, core, attributes, kind, disdefwbuf):
    """ACTLR is about the default memory map alone; the Cortex-M7 never waits."""
    source = f"""
    void start(void) {{
        ACTLR = {disdefwbuf};
        SHCSR = 7 << 16;
        region(0, 0x60000000, 20, FULL, 0); MPU_RASR |= {attributes} << 16;
        MPU_CTRL = 5;
        {store_to("0x60000000")}
        put('.');
    }}"""
    waits = core == "cm4" and kind == "strongly ordered"
    assert run(source)[:2] == (AT if waits else BEHIND)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("0x48000000", "00000004"), ("0x60000000", "00000308"), ("0x50000000", "00000208")],
    ids=["AHBP", "AXIM, nobody", "AXIM, a slave"],
)
def test_abfsr_tells_the_interface(load, address, expected):
    source = f"""
    void bus_fault(void) {{
        say_hex(ABFSR); ABFSR = 0xFFFFFFFF; say_hex(ABFSR); end();
    }}
    void start(void) {{ SHCSR = 7 << 16; {store_to(address)} }}"""
    assert load(SOURCE.replace("REPORTS(bus_fault, 'B')", "") + source).run().split() == [
        expected,
        "00000000",
    ]


def test_a_debugger_steps_from_the_store_into_the_handler(run):
    run(f'void start(void) {{ SHCSR = 7 << 16; __asm volatile("bkpt"); {store_to("0x60000000")} }}')
    core = run.chip.core
    core.write_register("pc", core.read_register("pc") + 2)
    while core.read_register("xpsr") & 0x1FF == 0:
        core.write_debug(0xE000_EDF0, 0xA05F_0005)
        core.run(1)
    assert core.read_register("xpsr") & 0x1FF == 5
    assert core.read_debug(0xE000_ED28) == 0x400

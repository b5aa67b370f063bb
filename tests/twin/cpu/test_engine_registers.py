"""Registers of the private bus one by one, SysTick's corners, and hosts that give up amid an exception."""

import itertools

import pytest
from test_engine_faults import PRELUDE, run  # noqa: F401

FLASH, RAM = 0x0800_0000, 0x2000_0000


@pytest.mark.parametrize(
    ("address", "written", "cm7", "cm4"),
    [
        (0xE000_E008, 0x1234, 0x1234, 0x1234),
        (0xE000_ED08, 0xFFFF_FFFF, 0xFFFF_FF80, 0xFFFF_FF80),
        (0xE000_ED0C, 0x05FA_0300, 0xFA05_0300, 0xFA05_0300),
        (0xE000_ED10, 0xFFFF_FFFF, 0x16, 0x16),
        (0xE000_ED14, 0xFFFF_FFFF, 0x0007_031B, 0x31B),
        (0xE000_ED14, 0, 0x0004_0200, 0),
        (0xE000_ED18, 0xFFFF_FFFF, 0x00F0_F0F0, 0x00F0_F0F0),
        (0xE000_ED1C, 0xFFFF_FFFF, 0xF000_0000, 0xF000_0000),
        (0xE000_ED24, 0x0007_0000, 0x0007_0000, 0x0007_0000),
        (0xE000_ED34, 0x12345678, 0x12345678, 0x12345678),
        (0xE000_ED38, 0x12345678, 0x12345678, 0x12345678),
        (0xE000_ED3C, 0xFFFF_FFFF, 0, 0),
        (0xE000_ED78, 0, 0x0900_0003, 0),
        (0xE000_ED7C, 0, 0x8303_C003, 0),
        (0xE000_ED84, 0xFF, 0xF, 0),
        (0xE000_ED88, 0xFFFF_FFFF, 0x00F0_0000, 0x00F0_0000),
        (0xE000_ED40, 0, 0x30, 0x30),
        (0xE000_EF34, 0xFFFF_FFFF, 0xC000_017B, 0xC000_017B),
        (0xE000_EF38, 0xFFFF_FFFF, 0xFFFF_FFF8, 0xFFFF_FFF8),
        (0xE000_EF9C, 0x5, 0x5, 0),
        (0xE000_E014, 0xFFFF_FFFF, 0x00FF_FFFF, 0x00FF_FFFF),
        (0xE000_E110, 0xFFFF_FFFF, 0x003F_FFFF, 0x003F_FFFF),
        (0xE000_E494, 0xFFFF_FFFF, 0x0000_F0F0, 0x0000_F0F0),
        (0xE000_E4F0, 0xFFFF_FFFF, 0, 0),
        (0xE000_E380, 0xFFFF_FFFF, 0, 0),
        (0xE000_1024, 0xFFFF_FFFF, 0x1F, 0x1F),
        (0xE000_1008, 0xFFFF_FFFF, 0xFF, 0xFF),
        (0xE000_1038, 0, 0x200, 0x200),
        (0xE000_2004, 0xFFFF_FFFF, 0, 0x3FFF_FFE0),
    ],
)
def test_what_a_register_keeps(load, address, written, cm7, cm4):
    for name, expected in (("cm7", cm7), ("cm4", cm4)):
        core = load("void start(void) {}", name).core
        core.write_debug(address, written)
        assert core.read_debug(address) == expected, name
        core.reset(FLASH, debug=True)
        reset = {
            0xE000_ED08: FLASH,
            0xE000_ED0C: 0xFA05_0000,
            0xE000_ED14: 0x0004_0200 if core.name == "cm7" else 0x200,
        }
        if written == 0xFFFF_FFFF and address not in reset and address != 0xE000_EF34:
            assert core.read_debug(address) in (0, 0x2000_0000), name


def test_bytes_and_halfwords(run):  # noqa: F811
    source = """
    void start(void) {
        volatile uint8_t *shpr = (uint8_t *)0xE000ED18, *ipr = (uint8_t *)0xE000E400;
        volatile uint16_t *ccr = (uint16_t *)0xE000ED14;
        shpr[1] = 0x40; shpr[2] = 0x80; say_hex(SHPR1); say_hex(shpr[2]);
        ipr[5] = 0xFF; say_hex(REGISTER(0xE000E404)); say_hex(ipr[5]);
        *ccr |= 0x10; say_hex(*ccr & 0x218);
    }"""
    assert run(source) == ["00804000", "00000080", "0000F000", "000000F0", "00000210"]


def test_interrupts_can_be_disabled_and_made_unpending(run):  # noqa: F811
    source = """
    void irq0(void) { put('0'); } void irq1(void) { put('1'); }
    void pendsv(void) { put('P'); } void systick(void) { put('S'); }
    void start(void) {
        NVIC_ISER0 = 3; NVIC_ICER0 = 1; say_hex(NVIC_ISER0); say_hex(NVIC_ICER0);
        PULSE_IRQ = 0; PULSE_IRQ = 1; NVIC_ICPR0 = 1; NVIC_ISER0 = 1; put(' ');
        __asm volatile("cpsid i");
        ICSR = 1u << 26; ICSR = PENDSVSET; say_hex(ICSR & 0x14000000);
        ICSR = 1u << 25; ICSR = 1u << 27; say_hex(ICSR & 0x14000000);
        __asm volatile("cpsie i");
        ICSR = 1u << 26;
    }"""
    assert run(source) == ["00000002", "00000002", "1", "14000000", "00000000", "S"]


def test_the_stimulus_ports_that_are_kept_from_unprivileged_code(run):  # noqa: F811
    source = """
    void bus_fault(void) { say_hex(BFAR); end(); }
    void start(void) {
        SHCSR = 7 << 16;
        REGISTER(0xE0000E40) = 2; REGISTER(0xE0000E80) = 1; REGISTER(0xE0000E00) = ~0u;
        become_unprivileged(0x20008000);
        store(0xE000001C, 1); put(load(0xE000001C) ? 'r' : '-'); put(' ');
        store(0xE0000020, 1);
    }"""
    assert run(source) == ["r", "E0000020"]


def test_systick_stops_at_zero_if_there_is_nothing_to_reload(run):  # noqa: F811
    source = """
    void systick(void) { put('t'); }
    void start(void) {
        SYST_RVR = 99; SYST_CVR = 0; SYST_CSR = 7; SYST_RVR = 0;
        for (int i = 0; i < 1000; i++) __asm volatile("nop");
        say_hex(SYST_CVR); say_hex(SYST_CSR); say_hex(SYST_RVR);
        SYST_RVR = 50;
        for (int i = 0; i < 60; i++) __asm volatile("nop");
        SYST_CSR = 0;
    }"""
    output = run(source)
    assert output[0] == "00000000" or output[0] == "t00000000"
    assert output[1:3] == ["00010007", "00000000"]
    assert output[3].count("t") >= 1


def test_tickint_can_be_set_later_without_moving_the_count(run):  # noqa: F811
    source = """
    void systick(void) { put('t'); SYST_CSR = 0; }
    void start(void) {
        SYST_RVR = 9999; SYST_CVR = 0; SYST_CSR = 5;
        uint32_t before = SYST_CVR; SYST_CSR = 7; say_hex(before - SYST_CVR < 10);
        while (SYST_CSR & 1) {}
    }"""
    assert run(source) == ["00000001", "t"]


def test_a_smaller_reload_value_counts_from_the_next_period_on(run):  # noqa: F811
    source = """
    void start(void) {
        SYST_RVR = 50; SYST_CVR = 0; SYST_CSR = 5; SYST_RVR = 4;
        for (int i = 0; i < 100; i++) __asm volatile("nop");
        uint32_t v[6];
        __asm volatile("ldr %0, [%6]\\n ldr %1, [%6]\\n ldr %2, [%6]\\n"
                       "ldr %3, [%6]\\n ldr %4, [%6]\\n ldr %5, [%6]"
                       : "=&r"(v[0]), "=&r"(v[1]), "=&r"(v[2]), "=&r"(v[3]), "=&r"(v[4]), "=&r"(v[5])
                       : "r"(0xE000E018));
        for (int i = 0; i < 6; i++) put('0' + v[i]);
    }"""
    (values,) = run(source)
    assert values in "432104321043210"


def test_a_count_of_the_external_clock_lasts_eight_cycles(run):  # noqa: F811
    loads = "\\n".join(f"ldr r4, [%0]\\n strb r4, [%1, #{i}]" for i in range(32))
    source = f"""
    static volatile char v[32];
    void start(void) {{
        SYST_RVR = 9; SYST_CVR = 0; SYST_CSR = 1;
        __asm volatile("{loads}" :: "r"(0xE000E018), "r"(v) : "r4", "memory");
        for (int i = 0; i < 32; i++) put('0' + v[i]);
    }}"""
    (values,) = run(source)
    runs = [len(list(group)) for _, group in itertools.groupby(values)]
    assert set(runs[1:-1]) == {4}
    assert values[0] == "0"
    assert values[8] in "98"


def test_a_hard_fault_vector_outside_of_memory_locks_up(run):  # noqa: F811
    run('void start(void) { VTOR = 0x10000000; __asm volatile("udf #0"); }')
    core = run.chip.core
    assert core.lockup
    assert core.read_register("xpsr") & 0x1FF == 3
    assert core.read_debug(0xE000_ED2C) == 0x4000_0002


def test_an_nmi_whose_stacking_fails_is_taken_all_the_same(run):  # noqa: F811
    """BusFault cannot preempt NMI: it waits."""
    source = """
    NAKED void nmi(void) { __asm volatile("ldr r0, =0x20010000\\n mov sp, r0\\n b first\\n .ltorg"); }
    void first(void) { put('N'); say_hex(CFSR); __asm volatile("mvn r0, #6\\n bx r0"); }
    void bus_fault(void) { put('B'); end(); }
    void start(void) {
        SHCSR = 7 << 16;
        __asm volatile("mov sp, %0" :: "r"(0x60000100));
        ICSR = 1u << 31;
        for (;;) {}
    }"""
    assert run(source) == ["N00001000", "B"]


def test_an_nmi_in_a_hard_fault_whose_stacking_fails_locks_up(run):  # noqa: F811
    source = """
    NAKED void hard_fault(void) { __asm volatile("ldr r0, =0x60000100\\n mov sp, r0\\n ldr r0, =0xE000ED04\\n"
                                                 "mov r1, #0x80000000\\n str r1, [r0]\\n b .\\n .ltorg"); }
    void nmi(void) { put('N'); }
    void start(void) { __asm volatile("udf #0"); }"""
    assert run(source) == []
    assert run.chip.core.lockup
    assert run.chip.core.read_register("xpsr") & 0x1FF == 2


def test_a_lazy_save_that_fails_for_code_of_the_highest_priority_locks_up(run):  # noqa: F811
    source = """
    void hard_fault(void) { __asm volatile("vmov.f32 s0, #1.0"); ICSR = 1u << 31; put('x'); }
    void nmi(void) { FPCAR = 0x60000000; __asm volatile("vmov.f32 s0, #1.0"); put('N'); }
    void start(void) { __asm volatile("udf #0"); }"""
    assert run(source) == []
    assert run.chip.core.lockup
    assert run.chip.core.read_debug(0xE000_ED28) & 0x2000


def test_eager_saving_needs_access(run):  # noqa: F811
    source = """
    void usage_fault(void) { say_hex(CFSR); end(); }
    void irq0(void) { put('0'); }
    void start(void) {
        SHCSR = 7 << 16; NVIC_ISER0 = 1; NVIC_IPR[0] = 0x40; FPCCR = 1u << 31;
        __asm volatile("vmov.f32 s0, #1.0");
        CPACR = 0; PULSE_IRQ = 0;
    }"""
    assert run(source) == ["00080000"]


ON_A_PERIPHERAL = """
void irq0(void) { __asm volatile("cpsid f"); put('0'); }
void start(void) {
    NVIC_ISER0 = 1;
    __asm volatile("msr psp, %0\\n msr control, %1\\n isb" :: "r"(0x40001040), "r"(2));
    PULSE_IRQ = 0;
    put('x');
    for (;;) __asm volatile("bkpt 0");
}"""


@pytest.mark.parametrize("on_entry", [True, False])
def test_a_host_that_gives_up_while_the_core_stacks(load, on_entry):
    chip = load(PRELUDE + ON_A_PERIPHERAL)
    words = {}
    tries = [0, 0]

    def write(address, value):
        tries[0] += 1
        if on_entry and tries[0] == 3:
            raise ValueError("broken")
        words[address] = value

    def read(address):
        tries[1] += 1
        if not on_entry and tries[1] == 3:
            raise ValueError("broken")
        return words[address]

    for address in range(0x4000_1000, 0x4000_1080, 4):
        chip.on_write[address] = lambda value, address=address: write(address, value)
        chip.on_read[address] = lambda address=address: read(address)
    with pytest.raises(ValueError, match="broken"):
        chip.core.run(1000)
    assert chip.output == ("" if on_entry else "0")
    active = 0 if on_entry else 16
    assert chip.core.read_register("xpsr") & 0x1FF == active
    assert chip.core.read_register("faultmask") == (0 if on_entry else 1)
    assert chip.run() == "0x"
    assert chip.core.read_register("faultmask") == 0
    assert chip.core.read_register("psp") == 0x4000_1040

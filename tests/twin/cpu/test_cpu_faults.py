"""Faults: what CFSR, HFSR and the frame say, escalation, lockup."""

import pytest

FLASH = 0x0800_0000

REPORT = """
NAKED void %s(void) {
    __asm volatile("tst lr, #4\\n ite eq\\n mrseq r0, msp\\n mrsne r0, psp\\n b report");
}
extern const char here[];
void report(uint32_t *frame) {
    uint32_t ipsr;
    __asm volatile("mrs %%0, ipsr" : "=r"(ipsr));
    say_hex(ipsr); say_hex(CFSR); say_hex(HFSR);
    if (CFSR & 0x8000) say_hex(BFAR);
    say_hex(frame[6] - (uint32_t)here);
    end();
}
"""


def report(handler):
    return REPORT % handler


def test_a_bus_fault_of_a_load_is_precise(load):
    source = (
        report("bus_fault")
        + """
    void start(void) {
        SHCSR = 1 << 17;
        __asm volatile("mov r1, #5\\n .global here\\n here: ldr r1, [%0, #8]" :: "r"(0x48000000) : "r1");
        end();
    }"""
    )
    chip = load(source)
    assert chip.run().split() == ["00000005", "00008200", "00000000", "48000008", "00000000"]


def test_a_failed_load_leaves_its_register(load):
    source = """
    NAKED void bus_fault(void) {
        __asm volatile("ldr r0, [sp, #24]\\n add r0, #2\\n str r0, [sp, #24]\\n bx lr");
    }
    void start(void) {
        uint32_t value;
        SHCSR = 1 << 17;
        __asm volatile("mov %0, #5\\n ldr %0, [%1]" : "=&l"(value) : "l"(0x60000000));
        say_hex(value);
    }"""
    assert load(source).run() == "00000005 "


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("ldrh r1, [%0]", ["00000005", "00008200", "00000000", "60000000", "00000000"]),
        ("strh r1, [%0]", ["00000005", "00000400", "00000000", "00000002"]),
    ],
)
def test_a_data_access_to_a_hole_is_a_bus_fault(load, instruction, expected):
    """Of a load it is precise; of a store it comes behind it, and tells no address."""
    source = (
        report("bus_fault")
        + f"""
    void start(void) {{
        SHCSR = 1 << 17;
        __asm volatile(".global here\\n here: {instruction}" :: "l"(0x60000000) : "r1");
        end();
    }}"""
    )
    assert load(source).run().split() == expected


def test_without_its_enable_bit_a_fault_escalates(load):
    source = (
        report("hard_fault")
        + """
    void start(void) {
        __asm volatile(".global here\\n here: ldr r1, [%0]" :: "l"(0x60000000) : "r1");
        end();
    }"""
    )
    assert load(source).run().split() == ["00000003", "00008200", "40000000", "60000000", "00000000"]


def test_a_fault_that_cannot_preempt_escalates(load):
    source = (
        report("hard_fault")
        + """
    void irq0(void) {
        __asm volatile(".global here\\n here: udf #0");
        end();
    }
    void start(void) { SHCSR = 7 << 16; NVIC_ISER0 = 1; PULSE_IRQ = 0; end(); }"""
    )
    assert load(source).run().split() == ["00000003", "00010000", "40000000", "00000000"]


def test_an_undefined_instruction_is_a_usage_fault(load):
    source = (
        report("usage_fault")
        + """
    void start(void) { SHCSR = 1 << 18; __asm volatile(".global here\\n here: udf #0"); end(); }"""
    )
    assert load(source).run().split() == ["00000006", "00010000", "00000000", "00000000"]


def test_a_double_precision_instruction_is_undefined_on_the_cm4_only(load, compile_program):
    source = (
        report("usage_fault")
        + """
    void start(void) {
        SHCSR = 1 << 18;
        __asm volatile(".global here\\n here: .inst.w 0xee300b01");  /* vadd.f64 d0, d0, d1 */
        say("added");
        end();
    }"""
    )
    assert load(source, "cm7").run() == "added"
    assert load(source, "cm4").run().split() == ["00000006", "00010000", "00000000", "00000000"]


def test_a_branch_to_an_even_address_leaves_thumb_state(load):
    source = (
        report("usage_fault")
        + """
    void start(void) {
        SHCSR = 1 << 18;
        __asm volatile("ldr r0, =here\\n bic r0, #1\\n bx r0\\n .ltorg\\n .align 2\\n .global here\\n here: nop");
        end();
    }"""
    )
    assert load(source).run().split() == ["00000006", "00020000", "00000000", "00000000"]


def test_execution_from_a_peripheral_is_a_memory_fault(load):
    source = (
        report("mem_manage").replace("frame[6] - (uint32_t)here", "frame[6]")
        + """
    void start(void) { SHCSR = 1 << 16; ((void (*)(void))0x40001001)(); end(); }"""
    )
    assert load(source).run().split() == ["00000004", "00000001", "00000000", "40001000"]


def test_execution_from_a_hole_is_a_bus_fault(load):
    source = (
        report("bus_fault").replace("frame[6] - (uint32_t)here", "frame[6]")
        + """
    void start(void) { SHCSR = 1 << 17; ((void (*)(void))0x10000001)(); end(); }"""
    )
    assert load(source).run().split() == ["00000005", "00000100", "00000000", "10000000"]


def test_svc_in_a_critical_section_escalates(load):
    source = (
        report("hard_fault")
        + """
    void start(void) { __asm volatile("cpsid i\\n svc 0\\n .global here\\n here: nop"); end(); }"""
    )
    assert load(source).run().split() == ["00000003", "00000000", "40000000", "00000000"]


def test_bkpt_without_a_debugger_is_a_hard_fault(load):
    source = """
    void hard_fault(void) { say_hex(HFSR); say_hex(REGISTER(0xE000ED30)); for (;;) __asm volatile("wfi"); }
    void start(void) { __asm volatile("bkpt 1"); }"""
    chip = load(source)
    chip.core.write_debug(0xE000_EDF0, 0xA05F_0000)
    chip.run()
    assert chip.output == "80000000 00000002 "


def test_bkpt_without_a_debugger_goes_to_the_monitor_that_is_enabled(load):
    source = """
    void debug_monitor(void) { put('M'); for (;;) __asm volatile("wfi"); }
    void start(void) { DEMCR = 1 << 16; __asm volatile("bkpt 1"); }"""
    chip = load(source)
    chip.core.write_debug(0xE000_EDF0, 0xA05F_0000)
    chip.run()
    assert chip.output == "M"


def test_a_bad_exception_return_is_a_usage_fault(load):
    source = """
    void usage_fault(void) { say_hex(CFSR); end(); }
    NAKED void svcall(void) { __asm volatile("mvn r0, #14\\n bx r0"); }  /* 0xFFFFFFF1: to a handler */
    void start(void) { SHCSR = 1 << 18; __asm volatile("svc 0"); end(); }"""
    assert load(source).run() == "00040000 "


def test_a_stack_in_a_hole_is_a_stacking_error(load):
    source = """
    NAKED void bus_fault(void) { __asm volatile("ldr r0, =0x20010000\\n mov sp, r0\\n b report\\n .ltorg"); }
    void report(void) { say_hex(CFSR); say_hex(HFSR); end(); }
    void start(void) {
        SHCSR = 1 << 17; NVIC_IPR[0] = 0x10; NVIC_ISER0 = 1;
        __asm volatile("mov sp, %0" :: "r"(0x60000100));
        PULSE_IRQ = 0;
        for (;;) {}
    }"""
    assert load(source).run() == "00001000 00000000 "


def test_a_fault_in_the_hard_fault_handler_locks_up(load):
    source = """
    void hard_fault(void) { put('H'); __asm volatile("udf #0"); }
    void start(void) { __asm volatile("udf #0"); }"""
    chip = load(source)
    assert chip.run() == "H"
    core = chip.core
    assert core.lockup
    assert not core.running
    assert core.read_register("pc") == 0xFFFF_FFFE
    assert core.read_register("xpsr") & 0x1FF == 3
    assert core.read_debug(0xE000_EDF0) & 1 << 19
    before = core.cycles
    core.run(1000)
    assert core.cycles == before


def test_blank_flash_locks_up(load):
    chip = load("void start(void) {}")
    chip.flash[:] = b"\xff" * len(chip.flash)
    chip.core.invalidate(FLASH, len(chip.flash))
    chip.core.reset(FLASH)
    chip.core.run(1000)
    assert chip.core.lockup
    assert chip.core.read_register("pc") == 0xFFFF_FFFE
    assert chip.core.read_debug(0xE000_ED2C) == 0x4000_0000


def test_a_vector_table_in_a_hole_locks_up(load):
    chip = load("void start(void) {}")
    chip.core.reset(0x1000_0000)
    chip.core.run(10)
    assert chip.core.lockup


def test_a_debugger_can_rescue_a_core_from_lockup(load):
    chip = load('void start(void) { say("alive"); end(); }')
    start = chip.core.read_register("pc")
    chip.core.reset(0x1000_0000)
    chip.core.run(10)
    chip.core.write_debug(0xE000_EDF0, 0xA05F_0003)
    assert not chip.core.read_debug(0xE000_EDF0) & 1 << 19
    chip.core.write_register("xpsr", 0x0100_0000)
    chip.core.write_register("sp", 0x2001_0000)
    chip.core.write_register("pc", start)
    chip.core.write_debug(0xE000_EDF0, 0xA05F_0001)
    assert chip.run() == "alive"


def test_an_error_of_the_chip_surfaces_with_the_place_in_the_code(load):
    chip = load('void start(void) { (void)REGISTER(0x40001000); say("on"); }')

    def broken() -> int:
        raise ValueError("the model is wrong")

    chip.on_read[0x4000_1000] = broken
    with pytest.raises(ValueError, match="the model is wrong") as caught:
        chip.core.run(1000)
    assert f"0x{chip.core.read_register('pc'):08X}" in caught.value.__notes__[0]
    chip.on_read[0x4000_1000] = lambda: 0
    assert chip.run() == "on"


def test_faults_are_cleared_by_writing_ones(load):
    source = """
    void usage_fault(void) {
        say_hex(CFSR); ((volatile uint16_t *)&CFSR)[1] = 0xFFFF; say_hex(CFSR); end();
    }
    void start(void) { SHCSR = 1 << 18; __asm volatile("udf #0"); }"""
    assert load(source).run() == "00010000 00000000 "

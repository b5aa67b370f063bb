"""Exceptions as firmware sees them: order, nesting, masks, stacks, floating-point context."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from single_core_chip import Chip

both_cores = pytest.mark.parametrize("core", ["cm7", "cm4"])

PRIORITIES = """
static void set_priorities(int p0, int p1, int p2) {
    NVIC_IPR[0] = p0; NVIC_IPR[1] = p1; NVIC_IPR[2] = p2;
    NVIC_ISER0 = 7;
}
void irq0(void) { say("(0 "); PULSE_IRQ = 1; say("0)"); }
void irq1(void) { say("(1 "); PULSE_IRQ = 2; say("1)"); }
void irq2(void) { say("(2)"); }
"""


@both_cores
def test_higher_priorities_preempt_exactly_behind_the_store(load, core):
    chip = load(
        PRIORITIES + 'void start(void) { set_priorities(0x80, 0x40, 0x20); PULSE_IRQ = 0; say("."); }', core
    )
    assert chip.run() == "(0 (1 (2)1)0)."


@both_cores
def test_equal_and_lower_priorities_wait_and_tail_chain(load, core):
    chip = load(
        PRIORITIES + 'void start(void) { set_priorities(0x20, 0x20, 0x40); PULSE_IRQ = 0; say("."); }', core
    )
    assert chip.run() == "(0 0)(1 1)(2)."


@both_cores
def test_only_the_upper_four_priority_bits_count(load, core):
    source = """
    void start(void) {
        set_priorities(0x2F, 0x21, 0xFF);
        say_hex(NVIC_IPR[0]);
        say_hex(NVIC_IPR[2]);
        SHPR3 = 0xFFFFFFFF;
        say_hex(SHPR3);
        PULSE_IRQ = 0;
    }"""
    assert load(PRIORITIES + source, core).run() == "00000020 000000F0 F0F000F0 (0 0)(1 1)(2)"


@both_cores
def test_grouping_turns_preemption_into_order(load, core):
    source = """
    void irq0(void) { say("(0 "); PULSE_IRQ = 2; PULSE_IRQ = 1; say("0)"); }
    void irq1(void) { say("(1)"); }
    void irq2(void) { say("(2)"); }
    void start(void) {
        AIRCR = 0x05FA0500;  /* two bits of priority preempt */
        NVIC_IPR[0] = 0x30; NVIC_IPR[1] = 0x10; NVIC_IPR[2] = 0x20;
        NVIC_ISER0 = 7;
        PULSE_IRQ = 0;
        say_hex(AIRCR);
    }"""
    assert load(source, core).run() == "(0 0)(1)(2)FA050500 "


@both_cores
def test_the_lowest_number_goes_first_among_equals(load, core):
    source = """
    void irq0(void) { put('0'); } void irq1(void) { put('1'); } void irq2(void) { put('2'); }
    void start(void) { NVIC_ISPR0 = 6; NVIC_ISPR0 = 1; NVIC_ISER0 = 7; put('.'); }"""
    assert load(source, core).run() == "012."


@both_cores
def test_primask_and_basepri_hold_interrupts_back_until_they_are_cleared(load, core):
    source = """
    void irq0(void) { put('0'); } void irq1(void) { put('1'); } void irq2(void) { put('2'); }
    void start(void) {
        NVIC_IPR[0] = 0x40; NVIC_IPR[1] = 0x80;
        NVIC_ISER0 = 7;
        __asm volatile("cpsid i");
        PULSE_IRQ = 0;
        say("[i]");
        __asm volatile("cpsie i");
        put('.');
        __asm volatile("msr basepri, %0" :: "r"(0x80));
        PULSE_IRQ = 1; PULSE_IRQ = 0;
        say("[b]");
        __asm volatile("msr basepri, %0" :: "r"(0));
        put('.');
        __asm volatile("cpsid f");
        PULSE_IRQ = 2;
        say("[f]");
        __asm volatile("cpsie f");
        put('.');
    }"""
    assert load(source, core).run() == "[i]0.0[b]1.[f]2."


@both_cores
def test_a_conditional_unmask_lets_the_interrupt_in_right_there(load, core):
    """The block with the unmasking instruction also has an IT block with conditions that fail."""
    source = """
    NAKED void irq0(void) { __asm volatile("mov r4, r5\\n bx lr"); }
    NAKED void start(void) {
        __asm volatile(
            "push {r4, r5, lr}\\n movs r5, #0\\n movs r4, #99\\n"
            "ldr r0, =0xE000E100\\n movs r1, #1\\n str r1, [r0]\\n"
            "ldr r0, =0x40000004\\n movs r1, #0\\n cpsid i\\n str r1, [r0]\\n"
            "cmp r1, #1\\n itttt eq\\n addeq r5, #1\\n addeq r5, #1\\n addeq r5, #1\\n addeq r5, #1\\n"
            "adds r5, #1\\n cpsie i\\n adds r5, #1\\n adds r5, #1\\n adds r5, #1\\n"
            "ldr r0, =0x40000000\\n add r4, #48\\n str r4, [r0]\\n pop {r4, r5, pc}\\n .ltorg");
    }"""
    assert load(source, core).run() == "1"


@both_cores
def test_a_long_critical_section_costs_nothing_of_exactness(load, core):
    source = """
    volatile uint32_t before, inside;
    void irq0(void) { inside = DWT_CYCCNT; }
    void start(void) {
        DEMCR = 1 << 24; DWT_CYCCNT = 0; DWT_CTRL = 1;
        NVIC_ISER0 = 1;
        __asm volatile("cpsid i");
        PULSE_IRQ = 0;
        for (volatile int i = 0; i < 5000; i++) {}
        before = DWT_CYCCNT;
        __asm volatile("cpsie i");
        say_hex(before); say_hex(inside);
    }"""
    before, inside = (int(word, 16) for word in load(source, core).run().split())
    assert before > 20_000
    assert 0 < inside - before < 10


@both_cores
def test_svc_uses_the_stack_of_its_caller(load, core):
    source = """
    static uint64_t stack[32];
    NAKED void svcall(void) {
        __asm volatile("tst lr, #4\\n ite eq\\n mrseq r0, msp\\n mrsne r0, psp\\n mov r1, lr\\n b report");
    }
    void report(uint32_t *frame, uint32_t exc_return) {
        say_hex(exc_return);
        say_hex(frame[0]);
        say_hex(((uint16_t *)frame[6])[-1]);
        uint32_t control;
        __asm volatile("mrs %0, control" : "=r"(control));
        say_hex(control);
        frame[0] = 7;
    }
    static uint32_t call(uint32_t argument) {
        register uint32_t r0 __asm("r0") = argument;
        __asm volatile("svc 5" : "+r"(r0));
        return r0;
    }
    void start(void) {
        say_hex(call(1));
        __asm volatile("msr psp, %0\\n msr control, %1\\n isb" :: "r"(stack + 32), "r"(2));
        say_hex(call(2));
        __asm volatile("msr control, %0\\n isb" :: "r"(0));
    }"""
    assert load(source, core).run().split() == [
        *("FFFFFFF9", "00000001", "0000DF05", "00000000", "00000007"),
        *("FFFFFFFD", "00000002", "0000DF05", "00000000", "00000007"),
    ]


@both_cores
def test_unprivileged_code_on_its_own_stack_calls_the_supervisor(load, core):
    source = """
    static uint64_t stack[32];
    void svcall(void) {
        uint32_t control;
        __asm volatile("mrs %0, control" : "=r"(control));
        say_hex(control);
        __asm volatile("msr control, %0" :: "r"(control & ~1));
    }
    void irq0(void) { put('0'); }
    void start(void) {
        NVIC_ISER0 = 1;
        __asm volatile("msr psp, %0\\n msr control, %1\\n isb" :: "r"(stack + 32), "r"(3));
        __asm volatile("cpsid i");
        PULSE_IRQ = 0;
        put('.');
        __asm volatile("svc 0");
        uint32_t control;
        __asm volatile("mrs %0, control" : "=r"(control));
        say_hex(control);
        PULSE_IRQ = 0;
    }"""
    assert load(source, core).run() == "0.00000001 00000002 0"


@both_cores
def test_primask_holds_for_unprivileged_code_too(load, core):
    source = """
    static uint64_t stack[32];
    void irq0(void) { put('0'); }
    void start(void) {
        NVIC_ISER0 = 1;
        __asm volatile("cpsid i\\n msr psp, %0\\n msr control, %1\\n isb" :: "r"(stack + 32), "r"(3));
        PULSE_IRQ = 0;
        put('.');
    }"""
    assert load(source, core).run() == "."


@both_cores
def test_a_tail_chained_handler_starts_with_the_registers_of_the_first(load, core):
    source = """
    uint32_t seen;
    NAKED void irq0(void) { __asm volatile("ldr r0, =1234\\n bx lr\\n .ltorg"); }
    NAKED void irq1(void) { __asm volatile("ldr r1, =seen\\n str r0, [r1]\\n bx lr\\n .ltorg"); }
    void start(void) { NVIC_ISPR0 = 3; NVIC_ISER0 = 3; say(seen == 1234 ? "chained" : "not"); }"""
    assert load(source, core).run() == "chained"


@both_cores
def test_frames_are_aligned_to_eight_bytes_and_undone(load, core):
    source = """
    static uint32_t frame_at;
    NAKED void svcall(void) { __asm volatile("ldr r0, =frame_at\\n str sp, [r0]\\n bx lr\\n .ltorg"); }
    void start(void) {
        uint32_t before, after;
        __asm volatile("mov r4, sp\\n bic r5, r4, #7\\n sub r5, #4\\n mov sp, r5\\n mov %0, sp\\n"
                       "svc 0\\n mov %1, sp\\n mov sp, r4"
                       : "=&r"(before), "=&r"(after) :: "r0", "r4", "r5", "memory");
        say_hex(before - after);
        say_hex(before & 7);
        say_hex(frame_at & 7);
    }"""
    assert load("extern uint32_t frame_at;" + source.replace("static ", ""), core).run() == (
        "00000000 00000004 00000000 "
    )


@both_cores
def test_floating_point_registers_survive_interrupts_that_use_them(load, core):
    source = """
    volatile float sink;
    volatile int ticks;
    void systick(void) {
        float x = 1.5f + ticks++;
        for (int i = 0; i < 5; i++) x = x * 1.25f + 3.0f;
        __asm volatile("vmov.f32 s0, #1.0\\n vmov.f32 s7, #2.0\\n vmov.f32 s15, #3.0" ::: "s0", "s7", "s15");
        sink = x;
    }
    __attribute__((noipa)) static float sum(int count) {
        float a = 0.5f, b = 0.25f;
        for (int i = 0; i < count; i++) { a = a * 0.75f + b; b = b + 0.125f * a - 0.0625f; }
        return a + b;
    }
    static uint32_t bits(float x) { union { float f; uint32_t u; } v = {x}; return v.u; }
    void start(void) {
        uint32_t undisturbed = bits(sum(20000));
        SYST_RVR = 96; SYST_CVR = 0; SYST_CSR = 7;
        uint32_t disturbed = bits(sum(20000));
        SYST_CSR = 0;
        say(undisturbed == disturbed ? "same" : "different");
        say(ticks > 500 ? " often" : " seldom");
    }"""
    assert load(source, core).run(cycles=3_000_000) == "same often"


@both_cores
def test_exc_return_tells_of_a_floating_point_frame(load, core):
    source = """
    NAKED void svcall(void) { __asm volatile("mov r0, lr\\n bx lr"); }
    NAKED void pendsv(void) { __asm volatile("ldr r0, =seen\\n str lr, [r0]\\n bx lr\\n .ltorg"); }
    uint32_t seen;
    void start(void) {
        ICSR = PENDSVSET; __asm volatile("isb"); say_hex(seen);
        __asm volatile("vmov.f32 s1, #1.0" ::: "s1");
        ICSR = PENDSVSET; __asm volatile("isb"); say_hex(seen);
    }"""
    assert load(source, core).run() == "FFFFFFF9 FFFFFFE9 "


@both_cores
def test_a_line_that_stays_high_interrupts_again(load, core):
    source = """
    volatile int count;
    void irq0(void) { put('0'); if (++count == 3) LOWER_IRQ = 0; }
    void start(void) { NVIC_ISER0 = 1; RAISE_IRQ = 0; put('.'); NVIC_ICPR0 = 1; say_hex(NVIC_ISPR0); }"""
    assert load(source, core).run() == "000.00000000 "


@both_cores
def test_a_pending_interrupt_cannot_be_cleared_while_its_line_is_high(load, core):
    source = """
    void start(void) {
        RAISE_IRQ = 3; NVIC_ICPR0 = 8; say_hex(NVIC_ISPR0);
        LOWER_IRQ = 3; say_hex(NVIC_ISPR0); NVIC_ICPR0 = 8; say_hex(NVIC_ISPR0);
    }"""
    assert load(source, core).run() == "00000008 00000008 00000000 "


@both_cores
def test_icsr_tells_active_and_pending(load, core):
    source = """
    void irq1(void) { say_hex(ICSR); say_hex(NVIC_IABR0); }
    void irq0(void) { NVIC_ISPR0 = 2; say_hex(ICSR); }
    void start(void) { NVIC_IPR[1] = 0x80; NVIC_ISER0 = 3; say_hex(ICSR); PULSE_IRQ = 0; }"""
    assert load(source, core).run().split() == ["00000800", "00411810", "00000811", "00000002"]


@both_cores
def test_pendsv_comes_behind_the_interrupt_that_asks_for_it(load, core):
    source = """
    void pendsv(void) { put('P'); }
    void irq0(void) { ICSR = PENDSVSET; say("(0)"); }
    void start(void) { SHPR3 = 0x00F00000; NVIC_ISER0 = 1; PULSE_IRQ = 0; put('.'); }"""
    assert load(source, core).run() == "(0)P."


@both_cores
def test_stir_triggers_an_interrupt(load, core):
    source = """
    void irq2(void) { put('2'); }
    void start(void) { NVIC_ISER0 = 4; REGISTER(0xE000EF00) = 2; put('.'); }"""
    assert load(source, core).run() == "2."


@both_cores
def test_nmi_comes_through_every_mask(load, core):
    source = """
    void nmi(void) { put('N'); }
    void start(void) { __asm volatile("cpsid i\\n cpsid f"); ICSR = 1u << 31; put('.'); }"""
    assert load(source, core).run() == "N."


@both_cores
def test_faultmask_ends_with_the_handler(load, core):
    source = """
    void irq0(void) { __asm volatile("cpsid f"); }
    void irq1(void) { put('1'); }
    void start(void) {
        uint32_t faultmask;
        NVIC_ISER0 = 3; PULSE_IRQ = 0;
        __asm volatile("mrs %0, faultmask" : "=r"(faultmask));
        say_hex(faultmask); PULSE_IRQ = 1;
    }"""
    assert load(source, core).run() == "00000000 1"


@pytest.fixture(scope="module")
def race(compile_program):
    return compile_program("""
    volatile struct { uint8_t priorities[4]; uint32_t pending, grouping; } setting;
    void irq0(void) { put('0'); }
    void irq1(void) { put('1'); }
    void irq2(void) { put('2'); }
    void irq3(void) { put('3'); }
    void start(void) {
        __asm volatile("bkpt 0\\n cpsid i");
        AIRCR = 0x05FA0000 | setting.grouping << 8;
        for (int i = 0; i < 4; i++) NVIC_IPR[i] = setting.priorities[i];
        NVIC_ISER0 = 15;
        NVIC_ISPR0 = setting.pending;
        __asm volatile("cpsie i");
        put('.');
    }""")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=4, max_size=4), st.integers(1, 15), st.integers(0, 7))
def test_simultaneous_interrupts_come_by_priority_then_number(race, priorities, pending, grouping):
    chip = Chip()
    chip.load(race)
    chip.run()
    chip.ram[:12] = bytes(priorities) + pending.to_bytes(4, "little") + grouping.to_bytes(4, "little")
    chip.core.write_register("pc", chip.core.read_register("pc") + 2)
    chip.core.write_debug(0xE000_EDF0, 0xA05F_0001)
    numbers = [number for number in range(4) if pending >> number & 1]
    numbers.sort(key=lambda number: (priorities[number] & 0xF0, number))
    assert chip.run() == "".join(map(str, numbers)) + "."

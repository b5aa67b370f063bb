"""Floating-point context over exceptions: lazy and eager saving, FPCA, faults of a lazy save."""

import pytest
from test_engine_faults import PRELUDE, run  # noqa: F401

HOLE = 0x6000_0000

HELPERS = """
static inline uint32_t control(void) { uint32_t c; __asm volatile("mrs %0, control" : "=r"(c)); return c; }
#define SET_S(N, VALUE) __asm volatile("vmov s" #N ", %0" :: "r"(VALUE))
#define GET_S(N) ({ uint32_t v; __asm volatile("vmov %0, s" #N : "=r"(v)); v; })
#define SET_FPSCR(VALUE) __asm volatile("vmsr fpscr, %0" :: "r"(VALUE))
#define GET_FPSCR() ({ uint32_t v; __asm volatile("vmrs %0, fpscr" : "=r"(v)); v; })
"""


def test_the_frame_is_filled_only_when_the_handler_uses_floating_point(run):  # noqa: F811
    source = """
    NAKED void svcall(void) { __asm volatile("mov r0, sp\\n push {r4, lr}\\n bl look\\n pop {r4, pc}"); }
    void look(uint32_t *frame) {
        say_hex(FPCCR & 1); say_hex(FPCAR - (uint32_t)frame); say_hex(control()); say_hex(frame[8]);
        SET_S(0, 7);
        say_hex(FPCCR & 1); say_hex(control()); say_hex(frame[8]); say_hex(frame[8 + 15]); say_hex(frame[24]);
    }
    void start(void) {
        for (uint32_t *p = (uint32_t *)0x20018000; p < (uint32_t *)0x20018400; p++) *p = 0xDEADBEEF;
        __asm volatile("msr psp, %0\\n msr control, %1\\n isb" :: "r"(0x20018400), "r"(2));
        SET_FPSCR(0x40000010); SET_S(0, 0x1000); SET_S(15, 0x100F);
        __asm volatile("msr msp, %0" :: "r"(0x20010000));
        __asm volatile("svc 0");
        say_hex(GET_S(0)); say_hex(GET_S(15)); say_hex(GET_FPSCR()); say_hex(control()); say_hex(FPCCR & 1);
    }"""
    source = source.replace("mov r0, sp", "mrs r0, psp")
    assert run(HELPERS + source) == [
        *("00000001", "00000020", "00000000", "DEADBEEF"),
        *("00000000", "00000004", "00001000", "0000100F", "40000010"),
        *("00001000", "0000100F", "40000010", "00000006", "00000000"),
    ]


def test_a_handler_without_floating_point_costs_no_save(run):  # noqa: F811
    source = """
    static volatile uint32_t seen;
    void svcall(void) { seen = FPCCR & 1; }
    void start(void) {
        SET_S(3, 33);
        __asm volatile("svc 0");
        say_hex(seen); say_hex(FPCCR & 1); say_hex(GET_S(3)); say_hex(control());
    }"""
    assert run(HELPERS + source) == ["00000001", "00000000", "00000021", "00000004"]


def test_eager_saving(run):  # noqa: F811
    source = """
    NAKED void svcall(void) { __asm volatile("mov r0, sp\\n push {r4, lr}\\n bl look\\n pop {r4, pc}"); }
    void look(uint32_t *frame) { say_hex(FPCCR & 1); say_hex(frame[8 + 5]); SET_S(5, 1); }
    void start(void) {
        FPCCR &= ~(1u << 30);
        SET_S(5, 55);
        __asm volatile("svc 0");
        say_hex(GET_S(5));
    }"""
    assert run(HELPERS + source) == ["00000000", "00000037", "00000037"]


def test_without_aspen_nothing_is_kept(run):  # noqa: F811
    source = """
    NAKED void svcall(void) { __asm volatile("mov r0, lr\\n push {r4, lr}\\n bl look\\n pop {r4, pc}"); }
    void look(uint32_t lr) { say_hex(lr); SET_S(5, 1); }
    void start(void) {
        FPCCR = 0;
        SET_S(5, 55);
        say_hex(control());
        __asm volatile("svc 0");
        say_hex(GET_S(5));
    }"""
    assert run(HELPERS + source) == ["00000000", "FFFFFFF9", "00000001"]


def test_a_new_context_starts_with_the_modes_of_fpdscr(run):  # noqa: F811
    source = """
    void svcall(void) { uint32_t f = GET_FPSCR(); say_hex(f & 0x07C00000); }
    void start(void) {
        FPDSCR = 0xFFFFFFFF; say_hex(FPDSCR);
        SET_FPSCR(0x00400000);
        __asm volatile("svc 0");
        say_hex(GET_FPSCR());
        __asm volatile("msr control, %0\\n isb" :: "r"(0));
        say_hex(GET_FPSCR());
    }"""
    assert run(HELPERS + source) == ["07C00000", "07C00000", "00400000", "07C00000"]


def test_nested_handlers_keep_each_others_context(run):  # noqa: F811
    source = """
    void irq0(void) { PULSE_IRQ = 1; say_hex(GET_S(2)); SET_S(2, 100); PULSE_IRQ = 1; say_hex(GET_S(2)); }
    void irq1(void) { SET_S(2, 200); }
    void start(void) {
        NVIC_ISER0 = 3; NVIC_IPR[0] = 0x80; NVIC_IPR[1] = 0x40;
        SET_S(2, 22); SET_S(20, 20);
        PULSE_IRQ = 0;
        say_hex(GET_S(2)); say_hex(GET_S(20));
    }"""
    output = run(HELPERS + source)
    assert output[1:] == ["00000064", "00000016", "00000014"]


def test_tail_chaining_keeps_the_lazy_frame(run):  # noqa: F811
    source = """
    void irq0(void) { NVIC_ISPR0 = 2; }
    void irq1(void) { say_hex(FPCCR & 1); SET_S(2, 200); }
    void start(void) {
        NVIC_ISER0 = 3;
        SET_S(2, 22);
        PULSE_IRQ = 0;
        say_hex(GET_S(2));
    }"""
    assert run(HELPERS + source) == ["00000001", "00000016"]


def test_the_state_that_a_lazy_save_remembers(run):  # noqa: F811
    source = """
    static volatile uint32_t seen;
    void svcall(void) { seen = FPCCR; }
    void irq0(void) { __asm volatile("svc 0"); }
    void start(void) {
        SHPR1 = 0x00002040; SHCSR = 7 << 16; REGISTER(0xE000ED1C) = 0x10u << 24; DEMCR = 1 << 16;
        NVIC_ISER0 = 1; NVIC_IPR[0] = 0x30;
        SET_S(0, 1);
        __asm volatile("svc 0"); say_hex(seen & 0x1FF);
        __asm volatile("cpsid i"); SET_S(0, 1); ICSR = 1u << 31; say_hex(seen & 0x1FF); __asm volatile("cpsie i");
        __asm volatile("msr basepri, %0" :: "r"(0x30)); SET_S(0, 1);
        __asm volatile("svc 0"); say_hex(seen & 0x1FF);
        __asm volatile("msr basepri, %0" :: "r"(0));
        become_unprivileged(0x20018000);
        SET_S(0, 1);
        __asm volatile("svc 0"); say_hex(seen & 0x1FF);
        end();
    }
    void nmi(void) { seen = FPCCR; }"""
    # MONRDY, BFRDY, MMRDY, HFRDY, THREAD, USER, LSPACT
    assert run(HELPERS + source) == ["00000179", "00000019", "00000159", "0000017B"]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_failed_lazy_save_is_a_bus_fault(run, enabled):  # noqa: F811
    source = f"""
    void bus_fault(void) {{ put('B'); say_hex(CFSR); say_hex(FPCCR & 1); end(); }}
    void hard_fault(void) {{ put('H'); say_hex(CFSR); say_hex(HFSR); end(); }}
    void irq0(void) {{ FPCAR = 0x60000000; SET_S(0, 1); put('x'); }}
    void start(void) {{
        SHCSR = {int(enabled)} << 17; NVIC_ISER0 = 1; NVIC_IPR[0] = 0x40;
        SET_S(0, 1); PULSE_IRQ = 0;
    }}"""
    expected = ["B00002000", "00000001"] if enabled else ["H00002000", "40000000"]
    assert run(HELPERS + source) == expected


def test_a_failed_lazy_save_that_cannot_preempt_waits(run):  # noqa: F811
    source = """
    void bus_fault(void) { put('B'); say_hex(CFSR); end(); }
    void irq0(void) { FPCAR = 0x60000000; SET_S(0, 1); put('x'); }
    void start(void) {
        SHCSR = 1 << 17; SHPR1 = 0x8000; NVIC_ISER0 = 1; NVIC_IPR[0] = 0x40;
        SET_S(0, 1); PULSE_IRQ = 0;
    }"""
    assert run(HELPERS + source) == ["xB00002000"]


def test_a_lazy_save_obeys_the_mpu_with_the_rights_of_the_interrupted_code(run):  # noqa: F811
    source = """
    void mem_manage(void) { put('M'); say_hex(CFSR); end(); }
    void svcall(void) {
        region(2, 0x20018000, 10, PRIV, 0);
        SET_S(0, 1); put('x');
    }
    void start(void) {
        SHCSR = 7 << 16; REGISTER(0xE000ED1C) = 0x40u << 24;
        region(0, 0x20000000, 17, FULL, 0); region(1, 0x08000000, 17, RO, 0);
        MPU_CTRL = 5;
        SET_S(0, 1);
        become_unprivileged(0x20018400);
        SET_S(0, 1);
        __asm volatile("svc 0");
    }"""
    assert run(HELPERS + source) == ["M00000020"]


def test_without_access_to_the_unit_a_saved_context_cannot_be_restored(run):  # noqa: F811
    source = """
    void usage_fault(void) { say_hex(CFSR); end(); }
    void svcall(void) { SET_S(0, 1); CPACR = 0; }
    void start(void) { SHCSR = 7 << 16; SET_S(0, 1); __asm volatile("svc 0"); put('x'); }"""
    assert run(HELPERS + source) == ["00080000"]


def test_frames_of_four_byte_alignment_on_the_cm4(load):
    source = """
    NAKED void svcall(void) { __asm volatile("mov r0, sp\\n push {r4, lr}\\n bl look\\n pop {r4, pc}"); }
    void look(uint32_t *frame) { say_hex((uint32_t)frame & 7); say_hex(frame[7] & 0x200); }
    void start(void) {
        CCR = 0; say_hex(CCR & 0x200);
        __asm volatile("mov r4, sp\\n bic r5, r4, #7\\n sub r5, #4\\n mov sp, r5\\n svc 0\\n mov r6, sp\\n"
                       "mov sp, r4\\n subs r0, r6, r5\\n b after" ::: "r0", "r4", "r5", "r6", "memory");
        __builtin_unreachable();
    }
    void after(uint32_t difference) { say_hex(difference); end(); }
    """
    source = "void after(uint32_t difference);" + source
    assert load(PRELUDE + source, "cm4").run().split() == ["00000000", "00000004", "00000000", "00000000"]
    assert load(PRELUDE + source, "cm7").run().split() == ["00000200", "00000000", "00000200", "00000000"]

"""What the native cores do and Unicorn could not: traps, MPU, coprocessor access, derived faults, lockup."""

import pytest

FLASH, RAM, HOLE = 0x0800_0000, 0x2000_0000, 0x6000_0000
DHCSR, DEMCR, DFSR = 0xE000_EDF0, 0xE000_EDFC, 0xE000_ED30

PRELUDE = """
#define CCR REGISTER(0xE000ED14)
#define VTOR REGISTER(0xE000ED08)
#define SHPR1 REGISTER(0xE000ED18)
#define MMFAR REGISTER(0xE000ED34)
#define FPCCR REGISTER(0xE000EF34)
#define FPCAR REGISTER(0xE000EF38)
#define FPDSCR REGISTER(0xE000EF3C)
#define MPU_CTRL REGISTER(0xE000ED94)
#define MPU_RNR REGISTER(0xE000ED98)
#define MPU_RBAR REGISTER(0xE000ED9C)
#define MPU_RASR REGISTER(0xE000EDA0)
#define STIR REGISTER(0xE000EF00)
enum { NONE = 0, PRIV = 1, USER_RO = 2, FULL = 3, PRIV_RO = 5, RO = 6, XN = 16 };
static inline void region(uint32_t n, uint32_t base, uint32_t log2, uint32_t ap, uint32_t srd) {
    MPU_RNR = n; MPU_RBAR = base; MPU_RASR = ap << 24 | srd << 8 | (log2 - 1) << 1 | 1;
}
static inline void become_unprivileged(uint32_t stack_top) {
    __asm volatile("msr psp, %0\\n msr control, %1\\n isb" :: "r"(stack_top), "r"(3));
}
static inline uint32_t load(uint32_t address) {
    uint32_t value;
    __asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}
static inline void store(uint32_t address, uint32_t value) {
    __asm volatile("str %0, [%1]" :: "r"(value), "r"(address) : "memory");
}
"""

# Say what happened, skip the 16-bit or 32-bit instruction, clear the status, go on.
SKIP = """
NAKED void %s(void) {
    __asm volatile("tst lr, #4\\n ite eq\\n mrseq r0, msp\\n mrsne r0, psp\\n b report");
}
void report(uint32_t *frame) {
    uint32_t ipsr;
    __asm volatile("mrs %%0, ipsr" : "=r"(ipsr));
    say_hex(ipsr); say_hex(CFSR);
    if (CFSR & 0x80) say_hex(MMFAR);
    if (CFSR & 0x8000) say_hex(BFAR);
    if (HFSR) say_hex(HFSR);
    CFSR = CFSR; HFSR = HFSR;
    frame[6] += *(uint16_t *)frame[6] >> 11 >= 0x1D ? 4 : 2;
}
"""


@pytest.fixture(params=["cm7", "cm4"])
def run(load, request):
    def run_source(source, **kwargs):
        chip = load(PRELUDE + source, request.param)
        run_source.chip = chip
        return chip.run(**kwargs).split()

    run_source.name = request.param
    return run_source


def skip(handler):
    return SKIP % handler


# Traps


def test_division_by_zero(run):
    source = """
    void start(void) {
        uint32_t q = 1;
        SHCSR = 7 << 16;
        __asm volatile("udiv %0, %1, %2" : "=r"(q) : "r"(5), "r"(0)); say_hex(q);
        CCR |= 1 << 4;
        q = 7;
        __asm volatile("udiv %0, %1, %2" : "+r"(q) : "r"(5), "r"(0)); say_hex(q);
        __asm volatile("sdiv %0, %1, %2" : "+r"(q) : "r"(5), "r"(0)); say_hex(q);
    }"""
    assert run(skip("usage_fault") + source) == [
        "00000000",
        *("00000006", "02000000", "00000007"),
        *("00000006", "02000000", "00000007"),
    ]


def test_unaligned_accesses(run):
    source = """
    uint32_t cells[4];
    void start(void) {
        SHCSR = 7 << 16;
        uint32_t at = (uint32_t)cells + 1;
        store(at, 0x12345678); say_hex(load(at));
        __asm volatile("ldrd r2, r3, [%0]" :: "r"(at) : "r2", "r3");
        __asm volatile("ldm %0, {r2, r3}" :: "r"(at) : "r2", "r3");
        __asm volatile("ldrex r2, [%0]" :: "r"(at) : "r2");
        CCR |= 1 << 3;
        (void)load(at);
        __asm volatile("strh r2, [%0]" :: "r"(at));
        __asm volatile("ldrb r2, [%0]" :: "r"(at) : "r2");
        put('.');
    }"""
    assert run(skip("usage_fault") + source) == ["12345678"] + ["00000006", "01000000"] * 5 + ["."]


# Floating-point access


def test_the_coprocessor_must_be_enabled(run):
    source = """
    void start(void) {
        SHCSR = 7 << 16;
        CPACR = 0;
        __asm volatile("vmov.f32 s0, #1.0");
        __asm volatile("vmrs r0, fpscr" ::: "r0");
        CPACR = 5 << 20;
        __asm volatile("vmov.f32 s0, #1.0");
        put('p'); put(' ');
        become_unprivileged(0x20008000);
        __asm volatile("vmov.f32 s0, #1.0");
        put('u');
    }"""
    assert run(skip("usage_fault") + source) == [
        *("00000006", "00080000", "00000006", "00080000", "p", "00000006", "00080000", "u")
    ]


# MPU


def test_without_a_region_only_the_privileged_default_map_is_left(run):
    source = """
    void mem_manage(void) { MPU_CTRL = 0; put('M'); say_hex(CFSR); say_hex(MMFAR); }
    void start(void) {
        SHCSR = 7 << 16;
        region(0, 0x08000000, 17, RO, 0);
        region(1, 0x20000000, 17, FULL, 0);
        MPU_CTRL = 5;
        put('a');
        MPU_CTRL = 1;
        (void)load(0x20000000);
        put('b');
        put('c');
    }"""
    assert run(source) == ["aM00000082", "40000000", "bc"]


def test_access_permissions(run):
    source = """
    void start(void) {
        SHCSR = 7 << 16;
        static const uint8_t permissions[] = {0, 1, 2, 3, 5, 6, 7};
        for (uint32_t i = 0; i < sizeof permissions; i++) region(i, 0x20010000 + (i << 10), 10, permissions[i], 0);
        region(7, 0x40000000, 10, FULL, 0);
        MPU_CTRL = 5;
        for (uint32_t i = 0; i < 7; i++) { say("R"); (void)load(0x20010000 + (i << 10)); }
        for (uint32_t i = 0; i < 7; i++) { say("W"); store(0x20010000 + (i << 10), i); }
    }"""
    text = "".join(
        run(skip("mem_manage").replace("say_hex(ipsr); say_hex(CFSR);", 'put("!?"[!(CFSR & 2)]);') + source)
    )
    faults = [part[:1] == "!" for part in text.replace("W", "R").split("R")[1:]]
    assert faults[:7] == [True, False, False, False, False, False, False]
    assert faults[7:] == [True, False, False, False, True, True, True]


def test_access_permissions_of_unprivileged_code(run):
    source = """
    void start(void) {
        SHCSR = 7 << 16;
        static const uint8_t permissions[] = {0, 1, 2, 3, 5, 6};
        for (uint32_t i = 0; i < sizeof permissions; i++) region(i, 0x20010000 + (i << 10), 10, permissions[i], 0);
        MPU_RBAR = 0x08000010 | 6; MPU_RASR = 6 << 24 | 16 << 1 | 1;
        region(7, 0x20000000, 16, FULL, 0);
        MPU_CTRL = 5;
        become_unprivileged(0x20008000);
        for (uint32_t i = 0; i < 6; i++) { (void)load(0x20010000 + (i << 10)); store(0x20010000 + (i << 10), i); }
        uint32_t value;
        __asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(0x40000000));
        for (;;) __asm volatile("bkpt 0");
    }"""
    text = run(skip("mem_manage") + source)
    addresses = [int(word, 16) for word in text[2::3]]
    base = 0x2001_0000
    assert addresses == [
        *(base, base, base + 0x400, base + 0x400, base + 0x800),
        *(base + 0x1000, base + 0x1000, base + 0x1400, 0x4000_0000),
    ]


def test_unprivileged_loads_and_stores_of_privileged_code(run):
    source = """
    void start(void) {
        SHCSR = 7 << 16;
        region(0, 0x20010000, 10, PRIV, 0);
        MPU_CTRL = 5;
        store(0x20010000, 5);
        __asm volatile("ldrt r2, [%0]" :: "r"(0x20010000) : "r2");
        __asm volatile("strt r2, [%0, #4]" :: "r"(0x20010000) : "r2");
        say_hex(load(0x20010000));
    }"""
    assert run(skip("mem_manage") + source) == [
        *("00000004", "00000082", "20010000", "00000004", "00000082", "20010004", "00000005")
    ]


def test_the_highest_region_wins_and_subregions_open_windows(run):
    source = """
    void start(void) {
        SHCSR = 7 << 16;
        region(0, 0x20010000, 13, NONE, 0);
        region(3, 0x20010000, 13, FULL, 0xA5);
        MPU_CTRL = 5;
        for (uint32_t i = 0; i < 8; i++) { put('0' + i); (void)load(0x20010000 + (i << 10) + 0x3FC); }
    }"""
    handler = (
        skip("mem_manage")
        .replace("say_hex(ipsr); say_hex(CFSR);", "")
        .replace("say_hex(MMFAR);", "put('!');")
    )
    assert run(handler + source) == ["0!12!345!67!"]


def test_regions_smaller_than_a_page_of_translations(run):
    source = """
    void start(void) {
        SHCSR = 7 << 16;
        for (uint32_t i = 0; i < 64; i++) store(0x20010000 + 4 * i, i);
        region(0, 0x20010020, 5, RO, 0);
        region(1, 0x20010080, 8 - 1, NONE, 0);
        MPU_CTRL = 5;
        for (uint32_t i = 0; i < 64; i++) store(0x20010000 + 4 * i, 100);
        MPU_CTRL = 0;
        for (uint32_t i = 0; i < 64; i += 4) put('A' + (load(0x20010000 + 4 * i) == 100));
    }"""
    handler = skip("mem_manage").replace("say_hex(ipsr); say_hex(CFSR);", "").replace("say_hex(MMFAR);", "")
    assert run(handler + source) == ["BBAABBBBAAAAAAAA"]


def test_execute_never(run):
    source = """
    static uint16_t code[2];
    void mem_manage(void) { say_hex(CFSR); end(); }
    void start(void) {
        SHCSR = 7 << 16;
        code[0] = 0x4770;
        ((void (*)(void))((uint32_t)code | 1))();
        put('x'); put(' ');
        region(0, 0x20000000, 17, FULL | XN, 0);
        MPU_CTRL = 5;
        ((void (*)(void))((uint32_t)code | 1))();
    }"""
    assert run(source) == ["x", "00000001"]


def test_fault_handlers_run_without_the_mpu_unless_hfnmiena(run):
    source = """
    void mem_manage(void) { put('M'); }
    void hard_fault(void) {
        put('H');
        say_hex(load(0x20010000));
        if (MPU_CTRL & 2) end();
        end();
    }
    void start(void) {
        store(0x20010000, 42);
        region(0, 0x20010000, 10, NONE, 0);
        MPU_CTRL = %d;
        (void)load(0x20010000);
    }"""
    assert run(source % 5) == ["H0000002A"]
    assert run(source % 7) == ["H"]
    assert run.chip.core.lockup


def test_faultmask_switches_the_mpu_off(run):
    source = """
    void mem_manage(void) { put('M'); end(); }
    void start(void) {
        SHCSR = 7 << 16;
        store(0x20010000, 42);
        region(0, 0x20010000, 10, NONE, 0);
        MPU_CTRL = 5;
        __asm volatile("cpsid f");
        say_hex(load(0x20010000));
        __asm volatile("cpsie f");
        (void)load(0x20010000);
    }"""
    assert run(source) == ["0000002A", "M"]


def test_the_number_of_regions(load):
    source = """
    void start(void) {
        MPU_RNR = 7; MPU_RNR = 8; say_hex(MPU_RNR); MPU_RNR = 15; say_hex(MPU_RNR); MPU_RNR = 16; say_hex(MPU_RNR);
        MPU_CTRL = 0;
    }"""
    assert load(PRELUDE + source, "cm7").run() == "00000008 0000000F 0000000F "
    assert load(PRELUDE + source, "cm4").run() == "00000007 00000007 00000007 "


def test_a_stack_guard_catches_the_exception_entry(run):
    """MSTKERR has no address; the frame was not written, and the handler runs on the other stack."""
    source = """
    void mem_manage(void) {
        uint32_t psp;
        say_hex(CFSR); __asm volatile("mrs %0, psp" : "=r"(psp)); say_hex(psp); end();
    }
    void irq0(void) { put('0'); }
    void start(void) {
        SHCSR = 7 << 16; NVIC_ISER0 = 1; NVIC_IPR[0] = 0x40;
        region(0, 0x20010000, 10, NONE, 0);
        MPU_CTRL = 5;
        __asm volatile("msr psp, %0\\n msr control, %1\\n isb" :: "r"(0x20010410), "r"(2));
        PULSE_IRQ = 0;
        put('x');
    }"""
    assert run(source) == ["00000010", "200103F0"]


def test_an_unstacking_error(run):
    source = """
    void mem_manage(void) { say_hex(CFSR); end(); }
    void svcall(void) { MPU_CTRL = 5; }
    void start(void) {
        SHCSR = 7 << 16;
        region(0, 0x20010000, 10, NONE, 0);
        __asm volatile("msr psp, %0\\n msr control, %1\\n isb\\n svc 0" :: "r"(0x20010400), "r"(2));
        put('x');
    }"""
    assert run(source) == ["00000008"]


def test_the_way_back_from_a_hard_fault_is_checked_by_the_mpu_again(run):
    """HardFault runs without the MPU and has used the frame (often: translated); it is read with the MPU on."""
    source = """
    void mem_manage(void) { say_hex(CFSR); end(); }
    void hard_fault(void) {
        uint32_t psp;
        __asm volatile("mrs %0, psp" : "=r"(psp));
        SHCSR = 7 << 16;
        MPU_CTRL = 5;
        uint32_t sum = 0;
        for (uint32_t i = 0; i < 20000; i++) sum += i * load(psp + 28);
        say_hex(sum == 0);
    }
    void start(void) {
        region(0, 0x20010000, 10, NONE, 0);
        __asm volatile("msr psp, %0\\n msr control, %1\\n isb\\n udf #0" :: "r"(0x20010400), "r"(2));
        put('x');
    }"""
    assert run(source) == ["00000000", "00010008"]


def test_the_system_space_never_executes(run):
    source = """
    void mem_manage(void) { say_hex(CFSR); end(); }
    void start(void) {
        SHCSR = 7 << 16;
        region(0, 0xE0000000, 29, FULL, 0);
        MPU_CTRL = 5;
        ((void (*)(void))0xE0200001)();
    }"""
    assert run(source) == ["00000001"]


def test_the_private_bus_is_not_for_unprivileged_code(run):
    source = """
    void irq1(void) { put('1'); }
    void start(void) {
        SHCSR = 7 << 16; NVIC_ISER0 = 2;
        __asm volatile("svc 0");
        become_unprivileged(0x20008000);
        (void)load(0xE000ED00);
        store(0xE000EF00, 1);
        __asm volatile("svc 0");
        store(0xE000EF00, 1);
    }
    void svcall(void) { CCR |= 2; }
    """
    first, second = ("00000005", "00008200", "E000ED00"), ("00000005", "00008200", "E000EF00")
    handler = skip("bus_fault")
    assert run(handler + source.replace('__asm volatile("svc 0");', "", 1)) == [*first, *second, "1"]


# Derived faults, escalation, lockup


def test_a_stacking_error_of_lower_priority_waits_behind_the_interrupt(run):
    source = """
    NAKED void irq0(void) { __asm volatile("ldr r0, =0x20010000\\n mov sp, r0\\n b first\\n .ltorg"); }
    void first(void) { put('0'); say_hex(CFSR); say_hex(SHCSR & 0xF000); __asm volatile("mvn r0, #6\\n bx r0"); }
    NAKED void bus_fault(void) { __asm volatile("b second"); }
    void second(void) { say("B"); end(); }
    void start(void) {
        SHCSR = 7 << 16; SHPR1 = 0x4000; NVIC_ISER0 = 1;
        __asm volatile("mov sp, %0" :: "r"(0x60000100));
        PULSE_IRQ = 0;
        for (;;) {}
    }"""
    assert run(source) == ["000001000", "00004000", "B"]


def test_a_vector_outside_of_memory_is_a_hard_fault(run):
    source = """
    void hard_fault(void) { put('H'); say_hex(HFSR); end(); }
    void start(void) {
        uint32_t *table = (uint32_t *)0x2001FF80;
        for (int i = 0; i < 32; i++) table[i] = ((uint32_t *)0x08000000)[i];
        VTOR = 0x2001FF80;
        NVIC_ISER0 = 1 << 16;
        PULSE_IRQ = 16;
        for (;;) {}
    }"""
    assert run(source) == ["H00000002"]


def test_a_vector_without_the_thumb_bit(run):
    source = """
    void usage_fault(void) { say_hex(CFSR); end(); }
    void start(void) {
        uint32_t *table = (uint32_t *)0x20018000;
        for (int i = 0; i < 32; i++) table[i] = ((uint32_t *)0x08000000)[i];
        table[16] &= ~1u;
        VTOR = 0x20018000;
        SHCSR = 7 << 16; NVIC_ISER0 = 1; NVIC_IPR[0] = 0x40;
        PULSE_IRQ = 0;
    }"""
    assert run(source) == ["00020000"]


def test_a_fault_under_faultmask_locks_up(run):
    run("""
    void hard_fault(void) { put('H'); }
    void start(void) { __asm volatile("cpsid f\\n udf #0"); }""")
    core = run.chip.core
    assert core.lockup
    assert run.chip.output == ""
    assert core.read_register("xpsr") & 0x1FF == 0


def test_nmi_gets_a_core_out_of_lockup(run):
    assert (
        run("""
    void hard_fault(void) { __asm volatile("udf #0"); }
    NAKED void nmi(void) { __asm volatile("mov r0, sp\\n b report"); }
    void report(uint32_t *frame) { put('N'); say_hex(frame[6]); end(); }
    void start(void) { __asm volatile("udf #0"); }""")
        == []
    )
    core, calls = run.chip.core, run.chip.calls
    assert core.lockup
    assert calls == ["locked up"]
    core.write_debug(0xE000_ED04, 1 << 31)
    assert core.running
    assert run.chip.run() == "NFFFFFFFE "
    assert not core.lockup
    assert calls == ["locked up", "exception"]


def test_handlers_may_ignore_bus_faults(run):
    source = """
    void hard_fault(void) {
        CCR |= 1 << 8;
        (void)load(0x60000000); store(0x60000000, 1);
        put('i'); end();
    }
    void start(void) { __asm volatile("udf #0"); }"""
    assert run(source) == ["i"]


@pytest.mark.parametrize("value", ["0xFFFFFFF1", "0xFFFFFFF5", "0xFFFFFFFB", "0xFF0000F9", "0xF0000001"])
def test_bad_exception_returns(run, value):
    """To a handler although there is none; reserved; ones missing."""
    source = f"""
    NAKED void usage_fault(void) {{ __asm volatile("mov r0, lr\\n b report"); }}
    void report(uint32_t lr) {{ say_hex(CFSR); say_hex(lr); end(); }}
    NAKED void svcall(void) {{ __asm volatile("ldr r0, ={value}\\n bx r0\\n .ltorg"); }}
    void start(void) {{ SHCSR = 7 << 16; __asm volatile("svc 0"); }}"""
    assert run(source) == ["00040000", f"{int(value, 16):08X}"]


def test_returning_to_thread_mode_from_a_nested_handler(run):
    source = """
    void usage_fault(void) { say_hex(CFSR); end(); }
    NAKED void irq0(void) {
        __asm volatile("push {lr}\\n ldr r0, =0x40000004\\n movs r1, #1\\n str r1, [r0]\\n bkpt 0\\n"
                       "pop {pc}\\n .ltorg");
    }
    NAKED void irq1(void) {
        __asm volatile("ldr r0, [sp, #28]\\n lsrs r0, r0, #9\\n lsls r0, r0, #9\\n str r0, [sp, #28]\\n"
                       "mvn r0, #6\\n bx r0");
    }
    void start(void) {
        SHCSR = 7 << 16; NVIC_ISER0 = 3; NVIC_IPR[0] = 0x80; NVIC_IPR[1] = 0x40;
        CCR = CCR | %d;
        PULSE_IRQ = 0;
        end();
    }"""
    assert run(source % 0) == ["00040000"]
    run(source % 1)
    core = run.chip.core
    assert core.halted
    assert core.read_register("xpsr") & 0x1FF == 0
    assert core.read_debug(0xE000_E300) == 1


@pytest.mark.parametrize("ipsr", [1, 16, 255, 511])
def test_a_forged_frame_that_returns_to_thread_with_an_exception_number(run, ipsr):
    source = f"""
    void usage_fault(void) {{ say_hex(CFSR); end(); }}
    NAKED void svcall(void) {{
        __asm volatile("ldr r0, [sp, #28]\\n ldr r1, ={ipsr}\\n orr r0, r1\\n str r0, [sp, #28]\\n"
                       "bx lr\\n .ltorg");
    }}
    void start(void) {{ SHCSR = 7 << 16; __asm volatile("svc 0"); }}"""
    assert run(source) == ["00040000"]


def test_a_forged_frame_that_returns_to_a_handler_that_does_not_exist(run):
    """The bad number is found out when that handler returns."""
    source = """
    void usage_fault(void) { say_hex(CFSR); end(); }
    void irq0(void) { PULSE_IRQ = 1; }
    NAKED void irq1(void) {
        __asm volatile("ldr r0, [sp, #28]\\n ldr r1, =511\\n orr r0, r1\\n str r0, [sp, #28]\\n bx lr\\n .ltorg");
    }
    void start(void) {
        SHCSR = 7 << 16; NVIC_ISER0 = 3; NVIC_IPR[0] = 0x80; NVIC_IPR[1] = 0x40; PULSE_IRQ = 0; put('x'); end();
    }"""
    run(source)
    assert "x" not in run.chip.output


# Debug events


@pytest.mark.parametrize(
    ("catch", "cause"),
    [
        (1 << 5, 'CPACR = 0; __asm volatile("vmov.f32 s0, #1.0")'),
        (1 << 6, 'CCR |= 1 << 4; __asm volatile("udiv r0, r1, %0" :: "r"(0) : "r0")'),
        (1 << 7, '__asm volatile("udf #0")'),
    ],
)
def test_vector_catch_tells_usage_faults_apart(load, catch, cause):
    for caught in (1 << 5, 1 << 6, 1 << 7):
        chip = load(
            PRELUDE
            + f"void usage_fault(void) {{ put('U'); end(); }} void start(void) {{ SHCSR = 7 << 16; {cause}; }}"
        )
        chip.core.write_debug(DEMCR, caught)
        chip.run()
        assert chip.output == ("" if caught == catch else "U")


def test_the_monitor_takes_breakpoints_and_steps(run):
    source = """
    static volatile int stops;
    static uint32_t places[8];
    NAKED void debug_monitor(void) { __asm volatile("mov r0, sp\\n b monitor"); }
    void monitor(uint32_t *frame) {
        places[stops++] = frame[6];
        DEMCR = stops < 4 ? 1 << 16 | 1 << 18 : 1 << 16;
        REGISTER(0xE0002008) = 0;
    }
    extern const char here[];
    void start(void) {
        uint32_t at = (uint32_t)here & ~1u;
        DEMCR = 1 << 16;
        REGISTER(0xE0002008) = REGISTER(0xE000ED00) == 0x410FC241
            ? (at & 2 ? 2u : 1u) << 30 | (at & ~3u) | 1 : at | 1;
        REGISTER(0xE0002000) = 3;
        __asm volatile("movs r4, #0\\n .global here\\n here: adds r4, #1\\n adds r4, #1\\n"
                       "b 1f\\n nop\\n 1: adds r4, #1\\n adds r4, #1" ::: "r4");
        for (int i = 0; i < stops; i++) say_hex(places[i] - at);
    }"""
    assert detached(run, source) == ["00000000", "00000002", "00000004", "00000008"]


def detached(run, source):
    """Run a program without a debugger."""
    run(source, cycles=0)
    run.chip.core.write_debug(DHCSR, 0xA05F_0000)
    return run.chip.run(20_000).split()


def test_a_local_reset_switches_the_monitor_off(load):
    chip = load("void start(void) { DEMCR = 1 << 24 | 1 << 16 | 1 << 18 | 1 << 10; end(); }")
    chip.run()
    assert chip.core.read_debug(DEMCR) == 0x0105_0400
    chip.core.reset(FLASH)
    assert chip.core.read_debug(DEMCR) == 0x0100_0400


def test_the_monitor_takes_watchpoints(run):
    source = """
    volatile uint32_t cell;
    void debug_monitor(void) { put('M'); say_hex(REGISTER(0xE000ED30)); REGISTER(0xE000ED30) = 0x1F; }
    void start(void) {
        DEMCR = 1 << 24 | 1 << 16;
        REGISTER(0xE0001020) = (uint32_t)&cell; REGISTER(0xE0001024) = 2; REGISTER(0xE0001028) = 6;
        (void)cell; cell = 1; put('a');
        for (;;) __asm volatile("wfi");
    }"""
    assert detached(run, source) == ["M00000004", "a"]


def test_the_monitor_passes_a_watched_instruction(run):
    source = """
    void debug_monitor(void) { put('M'); }
    extern const char here[];
    void start(void) {
        DEMCR = 1 << 24 | 1 << 16;
        REGISTER(0xE0001020) = (uint32_t)here & ~1u; REGISTER(0xE0001028) = 4;
        __asm volatile(".global here\\n here: nop\\n nop");
        put('a');
        for (;;) __asm volatile("wfi");
    }"""
    assert detached(run, source) == ["Ma"]


def test_a_watchpoint_on_a_value(load):
    chip = load("""
    volatile uint32_t cell;
    void start(void) { for (uint32_t i = 0; i < 100; i++) cell = i; end(); }""")
    core = chip.core
    core.write_debug(DEMCR, 1 << 24)
    core.write_debug(0xE000_1020, RAM)
    core.write_debug(0xE000_1030, 42)
    core.write_debug(0xE000_1038, 1 << 8 | 2 << 10 | 6)
    chip.run()
    assert core.read_debug(DFSR) == 4
    assert chip.ram[0] == 42


def test_itm_ports_are_ready_when_they_are_enabled(run):
    source = """
    void start(void) {
        REGISTER(0xE0000E80) = 0; say_hex(REGISTER(0xE0000000));
        REGISTER(0xE0000E80) = 1; REGISTER(0xE0000E00) = 1;
        REGISTER(0xE0000000) = 'x';
        say_hex(REGISTER(0xE0000000)); say_hex(REGISTER(0xE0000004));
    }"""
    assert run(source) == ["00000000", "00000001", "00000000"]


def test_a_debuggers_reading_leaves_countflag(load):
    chip = load(
        'void start(void) { SYST_RVR = 9; SYST_CVR = 0; SYST_CSR = 5; for (;;) __asm volatile("nop"); }'
    )
    chip.core.run(200)
    assert chip.core.read_debug(0xE000_E010) & 1 << 16
    assert chip.core.read_debug(0xE000_E010) & 1 << 16


# -- probing ---------------------------------------------------------------------------------------------


def test_fault_that_is_ignored_leaves_its_flags(run):
    """With BFHFNMIGN under FAULTMASK, as software asks whether there is anything at an address."""
    source = """
    static void probe(uint32_t address) {
        CCR |= 1 << 8;
        __asm volatile("cpsid f" ::: "memory");
        load(address);
        say_hex(CFSR);
        if (CFSR & 0x8000) say_hex(BFAR);
        CFSR = CFSR;
        __asm volatile("cpsie f" ::: "memory");
        put('.');
    }
    void start(void) { probe(0x60000004); probe(0x20000000); }"""
    assert run(source) == ["00008200", "60000004", ".00000000", "."]

"""WFI, WFE, events and what wakes a core."""

import pytest

from pytest_h7.twin.cpu import Sleep

DHCSR = 0xE000_EDF0


def test_wfi_sleeps_until_an_enabled_interrupt(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) { NVIC_ISER0 = 1; put('a'); __asm volatile("wfi"); put('b'); }""")
    core = chip.core
    assert chip.run() == "a"
    assert core.sleep is Sleep.SLEEP
    assert chip.calls == ["sleep"]
    core.pulse_irq(1)
    assert not core.wake_pending()
    core.pulse_irq(0)
    assert core.running
    assert chip.calls == ["sleep", "woke"]
    assert chip.run() == "a0b"


def test_run_returns_when_the_core_falls_asleep(load):
    chip = load('void start(void) { __asm volatile("wfi"); }')
    chip.core.run(1_000_000)
    assert chip.core.cycles < 100


def test_wfi_ignores_primask_and_goes_on_behind_it(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) {
        NVIC_ISER0 = 1;
        __asm volatile("cpsid i\\n wfi");
        put('a');
        __asm volatile("cpsie i");
        put('b');
    }""")
    chip.run()
    chip.core.set_irq(0, True)
    chip.core.set_irq(0, False)
    assert chip.run() == "a0b"


def test_wfi_does_not_wake_for_what_basepri_masks(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void irq1(void) { put('1'); }
    void start(void) {
        NVIC_IPR[0] = 0x80; NVIC_IPR[1] = 0x20; NVIC_ISER0 = 3;
        __asm volatile("msr basepri, %0\\n wfi" :: "r"(0x80));
        put('a');
    }""")
    chip.run()
    chip.core.pulse_irq(0)
    assert not chip.core.running
    chip.core.pulse_irq(1)
    assert chip.run() == "1a"


def test_wfi_with_an_interrupt_pending_does_not_sleep(load):
    chip = load("""
    void start(void) {
        NVIC_ISER0 = 1;
        __asm volatile("cpsid i");
        PULSE_IRQ = 0;
        __asm volatile("wfi");
        put('a');
    }""")
    assert chip.run() == "a"
    assert chip.calls == []


def test_deep_sleep_wakes_when_the_chip_says_so(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) { SCR = 4; NVIC_ISER0 = 1; __asm volatile("wfi"); put('a'); }""")
    core = chip.core
    chip.run()
    assert core.sleep is Sleep.DEEP
    core.pulse_irq(0)
    assert core.sleep is Sleep.DEEP
    assert core.wake_pending()
    core.wake_if_pending()
    assert chip.run() == "0a"
    assert chip.calls == ["deep sleep", "woke"]


def test_sev_wfe_wfe_clears_the_event_and_then_sleeps(load):
    chip = load("""
    void start(void) {
        __asm volatile("sev\\n wfe"); put('a');
        __asm volatile("wfe"); put('b');
        __asm volatile("wfe"); put('c');
    }""")
    core = chip.core
    assert chip.run() == "a"
    assert chip.calls == ["event", "sleep"]
    core.set_event()
    assert core.running
    assert chip.run() == "ab"
    core.set_event()
    assert chip.run() == "abc"


def test_an_event_before_wfe_is_remembered(load):
    chip = load(
        "void start(void) { put('a'); for (int i = 0; i < 2; i++) __asm volatile(\"wfe\"); put('b'); }"
    )
    chip.core.set_event()
    chip.run()
    assert chip.core.sleep is Sleep.SLEEP
    chip.core.set_event()
    assert chip.run() == "ab"


def test_wfe_does_not_wake_for_a_masked_interrupt(load):
    chip = load("""
    void start(void) { NVIC_ISER0 = 1; __asm volatile("cpsid i\\n wfe"); put('a'); }""")
    chip.run()
    chip.core.pulse_irq(0)
    assert not chip.core.running


@pytest.mark.parametrize("enabled", [0, 1])
def test_sevonpend_makes_an_interrupt_an_event_even_if_disabled(load, enabled):
    chip = load(f"""
    void start(void) {{
        SCR = 0x10; NVIC_ISER0 = {enabled};
        __asm volatile("cpsid i\\n wfe"); put('a');
        __asm volatile("wfe"); put('b');
    }}""")
    chip.run()
    chip.core.set_irq(0, True)
    assert chip.run() == "a"
    assert chip.core.sleep is Sleep.SLEEP
    chip.core.set_irq(0, False)
    chip.core.set_irq(0, True)
    assert chip.run() == "a"


def test_an_exception_leaves_an_event_behind(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) { NVIC_ISER0 = 1; PULSE_IRQ = 0; __asm volatile("wfe"); put('a'); }""")
    assert chip.run() == "0a"


def test_an_interrupt_wakes_wfe(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) { NVIC_ISER0 = 1; __asm volatile("wfe"); put('a'); }""")
    chip.run()
    chip.core.pulse_irq(0)
    assert chip.run() == "0a"


def test_sev_in_ram_is_noticed_at_the_wfe(load):
    chip = load(
        """
    static uint16_t code[] __attribute__((section(".bss"), aligned(4)));
    static uint16_t code[4];
    void start(void) {
        code[0] = 0xBF40; code[1] = 0xBF20; code[2] = 0x4770;
        ((void (*)(void))((uint32_t)code | 1))();
        put('a');
        ((void (*)(void))((uint32_t)code | 1))();
        put('b');
    }""".replace('    static uint16_t code[] __attribute__((section(".bss"), aligned(4)));\n', "")
    )
    assert chip.run() == "ab"
    assert chip.calls == ["event", "event"]


def test_a_conditional_sev_is_seen(load):
    chip = load("""
    void start(void) {
        __asm volatile("cmp r0, r0\\n itt eq\\n seveq\\n moveq r1, #1\\n wfe" ::: "r1", "cc");
        put('a');
    }""")
    assert chip.run() == "a"
    assert "event" in chip.calls


def test_sleep_on_exit_never_returns_to_the_thread(load):
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) { SCR = 2; NVIC_ISER0 = 1; PULSE_IRQ = 0; put('a'); }""")
    assert chip.run() == "0"
    assert chip.core.sleep is Sleep.SLEEP
    chip.core.pulse_irq(0)
    assert chip.run() == "00"


def test_systick_counts_and_wakes_in_sleep(load):
    chip = load("""
    void systick(void) { put('t'); }
    void start(void) { SYST_RVR = 9999; SYST_CVR = 0; SYST_CSR = 7; for (;;) __asm volatile("wfi"); }""")
    core = chip.core
    chip.run()
    start = core.cycles
    assert 9_900 < core.cycles_to_tick() < 10_000
    while core.cycles < start + 105_000:
        core.run(start + 105_000 - core.cycles)
    assert chip.output == "t" * 10
    assert core.sleep is Sleep.SLEEP


def test_a_tick_at_the_very_end_of_a_run_wakes_the_core(load):
    chip = load("""
    void systick(void) { put('t'); }
    void start(void) { SYST_RVR = 9999; SYST_CVR = 0; SYST_CSR = 7; for (;;) __asm volatile("wfi"); }""")
    chip.run()
    chip.core.run(chip.core.cycles_to_tick())
    assert chip.core.running
    assert chip.core.cycles_to_tick() == 10_000


def test_without_tickint_systick_does_not_wake(load):
    chip = load("""
    void start(void) { SYST_RVR = 99; SYST_CVR = 0; SYST_CSR = 5; for (;;) __asm volatile("wfi"); }""")
    chip.run()
    assert chip.core.cycles_to_tick() is None
    chip.core.run(10_000)
    assert chip.core.sleep is Sleep.SLEEP


def test_halting_wakes_a_sleeping_core(load):
    chip = load("void start(void) { put('a'); __asm volatile(\"wfi\\n nop\"); put('b'); }")
    core = chip.core
    chip.run()
    sleeping_at = core.read_register("pc")
    assert core.read_debug(DHCSR) & 1 << 18
    core.write_debug(DHCSR, 0xA05F_0003)
    assert core.halted
    assert core.read_register("pc") == sleeping_at
    assert core.read_debug(DHCSR) & (1 << 18 | 1 << 17) == 1 << 17
    core.write_debug(DHCSR, 0xA05F_0001)
    assert chip.run() == "ab"


def test_a_breakpoint_behind_wfi_does_not_end_the_sleep(load):
    """The engine stops the same way for both."""
    chip = load("""
    void irq0(void) { put('0'); }
    void start(void) { NVIC_ISER0 = 1; __asm volatile("wfi\\n nop"); put('b'); }""")
    core = chip.core
    chip.run()
    behind = core.read_register("pc")
    core.reset(0x0800_0000)
    core.write_debug(0xE000_2000, 3)
    core.write_debug(0xE000_2008, behind | 1)
    chip.run()
    assert core.sleep is Sleep.SLEEP
    core.pulse_irq(0)
    assert chip.run() == "0"
    assert core.halted
    assert core.read_register("pc") == behind


def test_yield_is_nothing(load):
    chip = load(
        "void start(void) { __asm volatile(\"yield\"); put('a'); __asm volatile(\"nop\\n yield\"); put('b'); }"
    )
    assert chip.run() == "ab"


def test_a_loop_of_wfe_is_not_taken_for_an_undefined_instruction(load):
    chip = load('void start(void) { for (;;) { __asm volatile("wfe"); } }')
    for _ in range(5):
        chip.run()
        assert chip.core.sleep is Sleep.SLEEP
        chip.core.set_event()
    assert chip.output == ""

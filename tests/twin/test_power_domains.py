"""Domains: run, stop and standby by what the cores do (RM0399 7.6 to 7.8, 9.5.10 to 9.5.12)."""

from __future__ import annotations

import pytest

from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.twin.bus import Master
from pytest_h7.twin.core_modes import CpuMode

DHCSR, DEBUG, HALT, S_HALT = 0xE000_EDF0, 0xA05F_0001, 0xA05F_0003, 1 << 17
FP_CTRL, FP_COMP0 = 0xE000_2000, 0xE000_2008
SLEEP_D2, STOP_D2, STANDBY_D2 = 1 << 3, 1 << 4, 1 << 5

IDLE = "void program(void) {}"

DEEP = """
/* Sleep deeply, count how often it woke; result 2 shows that variables are kept. */
static uint32_t kept;

void program(void)
{
    ++kept;
    SETUP
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    for (;;) {
        result[0] = result[0] + 1;
        INSTRUCTION();
        result[1] = result[1] + 1;
        result[2] = ++kept;
    }
}

void EXTI0_IRQHandler(void)
{
    EXTI_PENDING = 1;
    result[3] = result[3] + 1;
}
"""


def deep(core: str, setup: str = "", instruction: str = "wfe") -> str:
    pending = "EXTI_C1PR1" if core == "cm7" else "EXTI_C2PR1"
    return DEEP.replace("SETUP", setup).replace("INSTRUCTION", instruction).replace("EXTI_PENDING", pending)


def ready(desk) -> tuple[int, int]:
    return desk.field("RCC.CR.D1CKRDY", Master.AP1), desk.field("RCC.CR.D2CKRDY", Master.AP1)


def states(desk) -> tuple[str, str, str]:
    return tuple(desk.mcu.domain_state(domain) for domain in ("D1", "D2", "D3"))


def trigger(desk, line: int = 0) -> None:
    desk.write("EXTI.SWIER1", 1 << line, Master.AP1)


def allow_event(desk, core: str, line: int = 0) -> None:
    register = "EXTI.C1EMR1" if core == "cm7" else "EXTI.C2EMR1"
    desk.write(register, 1 << line, Master.AP1)


# -- stop ----------------------------------------------------------------------------------------------


def test_all_domains_run_after_reset(desk) -> None:
    assert states(desk) == ("run", "run", "run")
    assert ready(desk) == (1, 1)


def test_cm4_in_deep_sleep_takes_d2_to_stop(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4"))
    assert desk.mcu.mode("cm4") is CpuMode.STOP
    assert states(desk) == ("run", "stop", "run")
    assert ready(desk) == (1, 0)
    assert not desk.mcu.core_clocked("cm4")
    assert desk.mcu.core_clocked("cm7")


def test_plain_sleep_stops_no_domain(run) -> None:
    desk = run(cm7=IDLE, cm4="void program(void) { for (;;) wfi(); }")
    assert desk.mcu.mode("cm4") is CpuMode.SLEEP
    assert states(desk) == ("run", "run", "run")


def test_cm7_in_deep_sleep_takes_d1_to_stop(run) -> None:
    desk = run(cm7=deep("cm7"), cm4="void program(void) { for (;;) ++result[0]; }")
    assert states(desk) == ("stop", "run", "run")
    assert ready(desk) == (0, 1)
    counted = desk.result("cm4")
    desk.run(100)
    assert desk.result("cm4") > counted


def test_stopped_core_executes_nothing_and_its_tick_stands_still(run) -> None:
    tick = "SCS_SYST_RVR = 640; SCS_SYST_CVR = 0; SCS_SYST_CSR = 7;"
    desk = run(cm4=deep("cm4", tick))
    cycles = desk.mcu.cores["cm4"].cycles
    desk.run(100_000)
    assert desk.mcu.cores["cm4"].cycles == cycles
    assert (desk.result("cm4", 0), desk.result("cm4", 1)) == (1, 0)


# -- allocation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("register", "bit"),
    [("AHB1ENR", 0), ("AHB2ENR", 6), ("AHB2ENR", 29), ("APB1LENR", 18), ("APB1HENR", 8), ("APB2ENR", 0)],
)
def test_d2_runs_on_for_a_peripheral_of_the_cm7(run, register: str, bit: int) -> None:
    desk = run(cm7=f"void program(void) {{ RCC_{register} |= 1u << {bit}; }}", cm4=deep("cm4"))
    assert desk.mcu.mode("cm4") is CpuMode.STOP
    assert states(desk) == ("run", "run", "run")
    # The bus runs, the core does not (RM0399 table 66).
    assert not desk.mcu.core_clocked("cm4")
    assert desk.result("cm4", 1) == 0


@pytest.mark.parametrize("register", ["AHB4ENR", "APB4ENR", "AHB3ENR", "APB3ENR"])
def test_peripherals_of_other_domains_do_not_keep_d2(run, register: str) -> None:
    desk = run(cm7=f"void program(void) {{ RCC_{register} |= 1u << 4; }}", cm4=deep("cm4"))
    assert desk.mcu.domain_state("D2") == "stop"


def test_own_peripherals_do_not_keep_the_domain(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", "RCC_APB1LENR |= RCC_APB1LENR_USART3EN_Msk;"))
    assert desk.mcu.domain_state("D2") == "stop"


def test_allocation_brings_a_stopped_domain_back_and_freeing_stops_it_again(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4"))
    desk.set("RCC_C1.APB1LENR", USART3EN=1)
    assert ready(desk) == (1, 1)
    desk.set("RCC_C1.APB1LENR", USART3EN=0)
    assert ready(desk) == (1, 0)
    assert desk.result("cm4", 1) == 0


@pytest.mark.parametrize("bit", ["FLASHEN", "AXISRAMEN", "MDMAEN"])
def test_d1_runs_on_for_what_the_cm4_has_enabled(run, bit: str) -> None:
    keep = f"void program(void) {{ RCC_AHB3ENR |= RCC_AHB3ENR_{bit}_Msk; for (;;) wfi(); }}"
    desk = run(cm7=deep("cm7"), cm4=keep)
    assert states(desk) == ("run", "run", "run")
    desk.write("RCC_C2.AHB3ENR", 0)
    assert states(desk) == ("stop", "run", "run")


def test_allocation_of_a_core_that_is_stopped_itself_does_not_count(run) -> None:
    keep = "RCC_AHB3ENR |= RCC_AHB3ENR_FLASHEN_Msk;"
    desk = run(cm7=deep("cm7"), cm4=deep("cm4", keep))
    assert states(desk) == ("stop", "stop", "stop")


def test_code_in_a_domain_without_clock_is_a_mistake(run) -> None:
    """On the chip the CM4 would wait for D1 at its next fetch; here it runs on."""
    count = "void program(void) { PREPARE for (;;) result[0] = result[0] + 1; }"
    desk = run(cm7=deep("cm7"), cm4=count.replace("PREPARE", ""))
    assert list(desk.mcu.warnings) == [
        "The CM4 executes from flash bank 2 while D1 is in DStop: nothing that this core has enabled in RCC keeps "
        "that domain running (RM0399 9.5.9)."
    ]
    assert desk.result("cm4") > 0
    enable = "RCC_AHB3ENR |= RCC_AHB3ENR_FLASHEN_Msk; for (int i = 0; i < 1000; ++i) result[1] = i;"
    cm7 = "void program(void) { for (int i = 0; i < 2000; ++i) result[1] = i; SCS_SCR |= 4; for (;;) wfi(); }"
    desk = run(cm7=cm7, cm4=count.replace("PREPARE", enable))
    assert desk.mcu.mode("cm7") is CpuMode.STOP
    assert not desk.mcu.warnings


def test_sleeping_core_is_warned_of_when_it_wakes_up(run) -> None:
    cm4 = "void program(void) { SCS_SCR |= 16; for (;;) wfe(); }"
    desk = run(cm7=deep("cm7"), cm4=cm4)
    desk.mcu.warnings.clear()
    desk.run(1_000)
    assert not desk.mcu.warnings
    desk.mcu.send_event("cm4")
    desk.run(10)
    assert len(desk.mcu.warnings) == 1


def test_flash_that_is_busy_keeps_d1_running(run) -> None:
    erase = """
    FLASH_KEYR2 = 0x45670123;
    FLASH_KEYR2 = 0xCDEF89AB;
    FLASH_CR2 = 0x30 | FLASH_CR2_SER_Msk | 7u << FLASH_CR2_SNB_Pos | FLASH_CR2_START_Msk;
    """
    desk = run(cm7=deep("cm7", erase), cm4="void program(void) { for (;;) wfi(); }")
    assert desk.mcu.mode("cm7") is CpuMode.STOP
    assert desk.mcu.domain_state("D1") == "run"
    desk.run(3_000_000)
    assert desk.mcu.domain_state("D1") == "stop"


# -- clocks of peripherals ---------------------------------------------------------------------------------


def test_peripheral_loses_its_clock_with_the_core_that_enables_it(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", "RCC_AHB4ENR |= RCC_AHB4ENR_HSEMEN_Msk; HSEM_C2IER = 1;"))
    assert not desk.mcu.clocked("HSEM")
    assert desk.read("HSEM.C2IER", Master.AP1) == 0
    desk.set("RCC_C1.AHB4ENR", HSEMEN=1)
    assert desk.read("HSEM.C2IER", Master.AP1) == 1


@pytest.mark.parametrize(("low_power_bit", "clocked"), [(1, True), (0, False)])
def test_low_power_enable_decides_in_sleep(run, low_power_bit: int, clocked: bool) -> None:
    source = f"""
    void program(void)
    {{
        RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk;
        SET_FIELD(RCC_AHB4LPENR, GPIOBLPEN, {low_power_bit});
        GPIOB_ODR = 0x1234;
        for (;;) wfi();
    }}
    """
    desk = run(cm7=source)
    assert desk.mcu.mode("cm7") is CpuMode.SLEEP
    assert desk.mcu.clocked("GPIOB") is clocked
    assert desk.read("GPIOB.ODR", Master.AP1) == (0x1234 if clocked else 0)


@pytest.mark.parametrize(("autonomous", "clocked"), [(0, False), (1, True)])
def test_autonomous_peripheral_of_d3_goes_on_while_d3_runs(run, autonomous: int, clocked: bool) -> None:
    setup = f"RCC_APB4ENR |= RCC_APB4ENR_LPTIM2EN_Msk; RCC_D3AMR = {autonomous} << RCC_D3AMR_LPTIM2AMEN_Pos;"
    desk = run(cm7=deep("cm7", setup), cm4="void program(void) { for (;;) wfi(); }")
    assert states(desk) == ("stop", "run", "run")
    assert desk.mcu.clocked("LPTIM2") is clocked


def test_autonomous_peripheral_has_no_bus_clock_in_system_stop(run) -> None:
    setup = "RCC_APB4ENR |= RCC_APB4ENR_LPTIM2EN_Msk; RCC_D3AMR = RCC_D3AMR_LPTIM2AMEN_Msk;"
    desk = run(cm7=deep("cm7", setup), cm4=deep("cm4"))
    assert states(desk)[2] == "stop"
    assert not desk.mcu.clocked("LPTIM2")


@pytest.mark.parametrize(("bits", "clocked"), [(0, False), (SLEEP_D2, False), (STOP_D2, True)])
def test_stop_that_the_debugger_emulates_keeps_the_bus_clock(run, bits: int, clocked: bool) -> None:
    """RM0399 63.3.3: the domain still counts as stopped, with its clocks on."""
    desk = run(us=10, cm7=IDLE, cm4=deep("cm4", "RCC_APB1LENR |= RCC_APB1LENR_USART3EN_Msk;"))
    desk.write("DBGMCU.CR", bits)
    desk.run(500)
    assert desk.mcu.domain_state("D2") == "stop"
    assert desk.mcu.clocked("USART3") is clocked


# -- leaving stop ------------------------------------------------------------------------------------------


def test_event_ends_the_stop_of_a_core_in_wfe(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4"))
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(2)
    assert desk.result("cm4", 1) == 0
    desk.run(20)
    assert desk.result("cm4", 1) == 1
    # It has gone to sleep again.
    assert (desk.result("cm4", 0), states(desk)) == (2, ("run", "stop", "run"))


def test_event_for_the_other_core_does_not_wake(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4"))
    allow_event(desk, "cm7")
    trigger(desk)
    desk.run(1_000)
    assert desk.result("cm4", 1) == 0


INTERRUPT_OF_LINE_0 = "EXTI_C{0}IMR1 |= 1; enable_interrupt(EXTI0_IRQn, 1);"


@pytest.mark.parametrize(("core", "number"), [("cm7", 1), ("cm4", 2)])
def test_interrupt_ends_the_stop_of_a_core_in_wfi(run, core: str, number: int) -> None:
    other = "cm4" if core == "cm7" else "cm7"
    sources = {core: deep(core, INTERRUPT_OF_LINE_0.format(number), "wfi"), other: IDLE}
    desk = run(**sources)
    trigger(desk)
    desk.run(50)
    assert (desk.result(core, 3), desk.result(core, 1)) == (1, 1)
    assert desk.mcu.mode(core) is CpuMode.STOP


def test_masked_line_does_not_wake(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", "enable_interrupt(EXTI0_IRQn, 1);", "wfi"))
    trigger(desk)
    desk.run(1_000)
    assert (desk.result("cm4", 1), desk.mcu.domain_state("D2")) == (0, "stop")


def test_line_that_the_nvic_does_not_enable_does_not_end_wfi(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", "EXTI_C2IMR1 |= 1;", "wfi"))
    trigger(desk)
    desk.run(1_000)
    assert desk.result("cm4", 1) == 0


def test_wake_up_that_is_pending_keeps_a_core_out_of_stop(run) -> None:
    """RM0399 table 38: CStop needs all wake-up sources of EXTI cleared."""
    desk = run(cm7=IDLE, cm4=deep("cm4", "EXTI_C2IMR1 |= 1; EXTI_SWIER1 = 1;", "wfi"))
    assert (desk.mcu.mode("cm4"), desk.mcu.domain_state("D2")) == (CpuMode.SLEEP, "run")
    assert desk.result("cm4", 1) == 0
    desk.write("EXTI.C2PR1", 1)
    assert (desk.mcu.mode("cm4"), desk.mcu.domain_state("D2")) == (CpuMode.STOP, "stop")


def test_interrupt_wakes_a_core_that_was_kept_out_of_stop(run) -> None:
    setup = "EXTI_C2IMR1 |= 3; EXTI_SWIER1 = 2; enable_interrupt(EXTI0_IRQn, 1);"
    desk = run(cm7=IDLE, cm4=deep("cm4", setup, "wfi"))
    assert desk.mcu.mode("cm4") is CpuMode.SLEEP
    trigger(desk)
    desk.run(10)
    assert (desk.result("cm4", 3), desk.result("cm4", 1)) == (1, 1)


def test_pending_interrupt_is_an_event_with_sevonpend(run) -> None:
    setup = "EXTI_C2IMR1 |= 1; SCS_SCR |= SCS_SCR_SEVONPEND_Msk;"
    desk = run(cm7=IDLE, cm4=deep("cm4", setup))
    trigger(desk)
    desk.run(50)
    assert (desk.result("cm4", 1), desk.result("cm4", 3)) == (1, 0)


def test_stop_keeps_memory(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4"))
    allow_event(desk, "cm4")
    for _ in range(3):
        trigger(desk)
        desk.run(50)
    assert (desk.result("cm4", 0), desk.result("cm4", 2)) == (4, 4)


# -- standby ---------------------------------------------------------------------------------------------------

BOTH_ALLOW = "PWR_CPUCR |= PWR_CPUCR_PDDS_D2_Msk; PWR_CPU2CR |= PWR_CPU2CR_PDDS_D2_Msk;"


@pytest.mark.parametrize("register", ["CPUCR", "CPU2CR"])
def test_standby_needs_the_wish_of_both_cores(run, register: str) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", f"PWR_{register} |= PWR_{register}_PDDS_D2_Msk;"))
    assert desk.mcu.domain_state("D2") == "stop"
    assert desk.field(f"PWR.{register}.SBF_D2") == 0


def test_standby_of_d2_loses_what_d2_holds(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", BOTH_ALLOW))
    assert states(desk) == ("run", "standby", "run")
    assert ready(desk) == (1, 0)
    for address in (0x3000_0000, 0x2400_0000, 0x3800_8000):
        desk.mcu.write(address, 4, 0x600D_F00D, Master.CM7)
    desk.write("RCC_C2.RSR", 1 << 16)
    desk.write("RCC_C2.RSR", 0)
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(50)
    kept = [desk.mcu.read(address, 4, Master.CM7) for address in (0x3000_0000, 0x2400_0000, 0x3800_8000)]
    assert kept == [0, 0x600D_F00D, 0x600D_F00D]
    # The CM4 started from its reset vector again: its variable is new each time.
    assert (desk.result("cm4", 0), desk.result("cm4", 1)) == (2, 0)
    assert (desk.field("RCC_C2.RSR.D2RSTF"), desk.field("RCC_C2.RSR.C2RSTF")) == (1, 0)
    assert desk.field("PWR.CPUCR.SBF_D2") == desk.field("PWR.CPU2CR.SBF_D2") == 1


def test_standby_resets_the_peripherals_of_the_domain_only(run) -> None:
    setup = "RCC_APB1LENR |= RCC_APB1LENR_USART3EN_Msk; USART3_BRR = 100;" + BOTH_ALLOW
    desk = run(cm7="void program(void) { RCC_AHB4ENR |= 2; GPIOB_ODR = 5; }", cm4=deep("cm4", setup))
    assert desk.mcu.domain_state("D2") == "standby"
    desk.set("RCC_C1.APB1LENR", USART3EN=1)
    assert desk.read("USART3.BRR") == 0
    assert desk.read("GPIOB.ODR") == 5


def test_allocation_ends_standby_but_does_not_wake_the_core(run) -> None:
    """RM0399 7.7.4; what wakes the core then starts it from its reset vector."""
    desk = run(cm7=IDLE, cm4=deep("cm4", BOTH_ALLOW))
    desk.set("RCC_C1.AHB1ENR", DMA1EN=1)
    assert desk.mcu.domain_state("D2") == "run"
    assert desk.field("RCC_C1.RSR.D2RSTF") == 1
    desk.run(50)
    assert desk.result("cm4", 0) == 1
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(50)
    assert (desk.result("cm4", 0), desk.result("cm4", 1)) == (2, 0)


@pytest.mark.parametrize(("bits", "kept"), [(0, 0), (STOP_D2, 0), (STANDBY_D2, 0x600D_F00D)])
def test_standby_that_the_debugger_emulates_keeps_the_ram(run, bits: int, kept: int) -> None:
    """RM0399 63.3.3: the domain keeps its supply, and is reset at the end all the same."""
    desk = run(us=10, cm7=IDLE, cm4=deep("cm4", BOTH_ALLOW))
    desk.write("DBGMCU.CR", bits)
    desk.run(500)
    desk.mcu.write(0x3000_0000, 4, 0x600D_F00D, Master.CM7)
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(50)
    assert desk.mcu.read(0x3000_0000, 4, Master.CM7) == kept
    assert desk.field("RCC_C1.RSR.D2RSTF") == 1


def test_wake_up_flag_keeps_the_supply_of_a_domain(run) -> None:
    """RM0399 table 45."""
    setup = "PWR_WKUPEPR = 1u << 3 | 1u << 11;" + BOTH_ALLOW  # PC13 is low: a wake-up at once
    mask = "EXTI_C2IMR2 &= ~(0x3Fu << 23);"
    desk = run(cm7=IDLE, cm4=deep("cm4", mask + setup))
    assert desk.mcu.domain_state("D2") == "stop"
    desk.write("PWR.WKUPCR", 1 << 3)
    assert desk.mcu.domain_state("D2") == "standby"


@pytest.mark.parametrize(("setup", "kept"), [("", True), (BOTH_ALLOW, False)])
def test_breakpoints_survive_stop_but_not_standby(run, setup: str, kept: bool) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", setup))
    core = desk.mcu.cores["cm4"]
    core.write_debug(FP_COMP0, 0x0810_0001 | 1 << 30)
    before = core.read_debug(FP_COMP0)
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(50)
    assert (core.read_debug(FP_COMP0) == before) is kept


# -- system stop ---------------------------------------------------------------------------------------------


PLL = """
    RCC_CR |= RCC_CR_HSEBYP_Msk;
    RCC_CR |= RCC_CR_HSEON_Msk;
    while (!(RCC_CR & RCC_CR_HSERDY_Msk)) {}
    RCC_PLLCKSELR = 0x42;
    RCC_PLL1DIVR = 0x0103038F;
    RCC_CR |= RCC_CR_PLL1ON_Msk;
    while (!(RCC_CR & RCC_CR_PLL1RDY_Msk)) {}
    RCC_D1CFGR = 0x48;
    RCC_CFGR = 3 WAKE_UP_CLOCK;
"""


def pll(wake_up_clock: str = "") -> str:
    return PLL.replace("WAKE_UP_CLOCK", wake_up_clock)


def test_both_cores_in_deep_sleep_stop_the_system(run) -> None:
    desk = run(cm7=deep("cm7", pll()), cm4=deep("cm4"))
    assert states(desk) == ("stop", "stop", "stop")
    assert desk.field("PWR.CPUCR.STOPF") == desk.field("PWR.CPU2CR.STOPF") == 1


def test_clock_tree_after_system_stop(run) -> None:
    desk = run(cm7=deep("cm7", pll()), cm4=deep("cm4"))
    allow_event(desk, "cm7")
    trigger(desk)
    desk.run(10)
    assert desk.result("cm7", 1) == 1
    bits = {
        name: desk.field(f"RCC.CR.{name}")
        for name in ("HSION", "HSIRDY", "HSEON", "HSERDY", "PLL1ON", "PLL1RDY")
    }
    assert bits == {"HSION": 1, "HSIRDY": 1, "HSEON": 0, "HSERDY": 0, "PLL1ON": 0, "PLL1RDY": 0}
    assert (desk.field("RCC.CFGR.SW"), desk.field("RCC.CFGR.SWS")) == (0, 0)
    # Dividers stay: the CM4's clock is half of the CM7's, of the internal oscillator now.
    assert (desk.mcu.clock_hz("cm7"), desk.mcu.clock_hz("cm4")) == (64_000_000, 32_000_000)


@pytest.mark.parametrize(
    ("system", "kernel", "hsi", "csi"), [(0, 0, 1, 0), (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1)]
)
def test_oscillators_after_system_stop(run, system: int, kernel: int, hsi: int, csi: int) -> None:
    """RM0399 table 60; what was on of them comes on again, too, so HSI is switched off here."""
    sources = f"""
    RCC_CR |= RCC_CR_CSION_Msk;
    while (!(RCC_CR & RCC_CR_CSIRDY_Msk)) {{}}
    RCC_CFGR = 1 | {system} << RCC_CFGR_STOPWUCK_Pos | {kernel} << RCC_CFGR_STOPKERWUCK_Pos;
    while ((RCC_CFGR >> 3 & 7) != 1) {{}}
    RCC_CR &= ~RCC_CR_HSION_Msk;
    """
    if not csi:
        sources = sources.replace("RCC_CFGR = 1 |", "RCC_CFGR = 0 |").replace("!= 1", "!= 0")
        sources = sources.replace("~RCC_CR_HSION_Msk", "~RCC_CR_CSION_Msk")
    desk = run(cm7=deep("cm7", sources), cm4=deep("cm4"))
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(40)
    assert desk.result("cm4", 1) == 1
    assert desk.field("RCC.CFGR.SWS") == desk.field("RCC.CFGR.SW") == system
    assert desk.mcu.clock_hz("cm7") == (4_000_000 if system else 64_000_000)
    assert (desk.field("RCC.CR.HSION"), desk.field("RCC.CR.HSIRDY")) == (hsi, hsi)
    assert (desk.field("RCC.CR.CSION"), desk.field("RCC.CR.CSIRDY")) == (csi, csi)


def test_voltage_scale_after_system_stop(run) -> None:
    faster = "PWR_D3CR = 3u << PWR_D3CR_VOS_Pos; while (!(PWR_D3CR & PWR_D3CR_VOSRDY_Msk)) {}"
    desk = run(cm7=deep("cm7", faster), cm4=deep("cm4"))
    assert desk.field("PWR.CSR1.ACTVOS") == 3
    allow_event(desk, "cm7")
    trigger(desk)
    desk.run(10)
    assert desk.result("cm7", 1) == 1
    assert (desk.field("PWR.D3CR.VOS"), desk.field("PWR.D3CR.VOSRDY")) == (1, 1)
    assert desk.field("PWR.CSR1.ACTVOS") == 1


def wake_up_time(desk, core: str) -> float:
    """Return the microseconds from an event to the first thing a core does."""
    allow_event(desk, core)
    trigger(desk)
    for steps in range(1_000):
        if desk.result(core, 1):
            return steps / 10
        desk.run(0.1)
    raise AssertionError("it does not wake up")


def test_deeper_stop_voltages_take_longer_to_leave(run) -> None:
    """RM0399 table 41: SVOS3 adds nothing, with LPDS the regulator, SVOS4 and 5 the voltage too."""
    times = []
    for scale, low_power in ((3, 0), (3, 1), (2, 0), (1, 0)):
        setup = f"PWR_CR1 = 0xF0000000 | {scale}u << PWR_CR1_SVOS_Pos | {low_power};"
        desk = run(cm7=deep("cm7", setup), cm4=deep("cm4"))
        times.append(wake_up_time(desk, "cm7"))
    assert times == sorted(set(times))
    # They only count when the whole system was in Stop.
    setup = "PWR_CR1 = 0xF0000000 | 1u << PWR_CR1_SVOS_Pos;"
    desk = run(cm7=f"void program(void) {{ {setup} }}", cm4=deep("cm4"))
    assert wake_up_time(desk, "cm4") == pytest.approx(times[0], abs=0.2)


@pytest.mark.parametrize("register", ["CPUCR", "CPU2CR"])
def test_d3_can_be_kept_running_and_the_clocks_with_it(run, register: str) -> None:
    keep = f"PWR_{register} |= PWR_{register}_RUN_D3_Msk;"
    desk = run(cm7=deep("cm7", pll() + keep), cm4=deep("cm4", keep))
    assert states(desk) == ("stop", "stop", "run")
    assert desk.field("PWR.CPUCR.STOPF") == 0
    allow_event(desk, "cm7")
    trigger(desk)
    desk.run(20)
    assert desk.result("cm7", 1) == 1
    assert desk.mcu.clock_hz("cm7") == 400_000_000


@pytest.mark.parametrize(("line", "kept"), [(0, True), (16, False)])
def test_pending_request_of_a_line_keeps_d3_running(run, line: int, kept: bool) -> None:
    """RM0399 21.5.4: line 0 can wake D3 alone, line 16 cannot; D3PMR ends it, too."""
    desk = run(cm7=deep("cm7"), cm4=deep("cm4"))
    desk.write("EXTI.D3PMR1", 1 << line)
    trigger(desk, line)
    desk.run(100)
    assert states(desk) == ("stop", "stop", "run" if kept else "stop")
    assert (desk.result("cm7", 1), desk.result("cm4", 1)) == (0, 0)
    desk.write("EXTI.D3PMR1", 0)
    assert states(desk)[2] == "stop"


def test_pending_request_of_d3_is_cleared_by_its_source(run) -> None:
    desk = run(cm7=deep("cm7"), cm4=deep("cm4"))
    desk.write("EXTI.D3PMR1", 1 << 9)
    desk.write("EXTI.D3PCR1L", 2 << 2 * 9)  # LPTIM4
    trigger(desk, 9)
    desk.mcu.exti.clear_d3_pending(3)
    assert states(desk)[2] == "run"
    desk.mcu.exti.clear_d3_pending(2)
    assert states(desk)[2] == "stop"


@pytest.mark.parametrize(("source", "timer", "other"), [(2, "LPTIM4", "LPTIM5"), (3, "LPTIM5", "LPTIM4")])
def test_low_power_timer_sends_d3_back_to_stop(run, source: int, timer: str, other: str) -> None:
    desk = run(cm7=deep("cm7"), cm4=deep("cm4"))
    desk.write("EXTI.D3PMR1", 1 << 9)
    desk.write("EXTI.D3PCR1L", source << 2 * 9)
    assert not desk.mcu.triggers.heard(f"{timer}_OUT")
    trigger(desk, 9)
    desk.mcu.triggers.set(f"{other}_OUT", True)
    assert states(desk)[2] == "run"
    desk.mcu.triggers.set(f"{timer}_OUT", True)
    assert states(desk)[2] == "stop"
    assert not desk.mcu.triggers.heard(f"{timer}_OUT")


def test_flash_that_is_busy_delays_system_stop(run) -> None:
    erase = """
    FLASH_KEYR2 = 0x45670123;
    FLASH_KEYR2 = 0xCDEF89AB;
    FLASH_CR2 = 0x30 | FLASH_CR2_SER_Msk | 7u << FLASH_CR2_SNB_Pos | FLASH_CR2_START_Msk;
    """
    desk = run(cm7=deep("cm7", erase), cm4=deep("cm4"))
    desk.run(3_000_000)
    assert states(desk) == ("stop", "stop", "stop")


def test_stop_in_the_boosted_voltage_scale_is_a_mistake(run) -> None:
    boost = """
    PWR_CR3 = 4;
    while (!(PWR_CSR1 & PWR_CSR1_ACTVOSRDY_Msk)) {}
    PWR_D3CR = 3u << PWR_D3CR_VOS_Pos;
    while (!(PWR_D3CR & PWR_D3CR_VOSRDY_Msk)) {}
    RCC_APB4ENR |= RCC_APB4ENR_SYSCFGEN_Msk;
    SYSCFG_PWRCR = 1;
    while (!(PWR_D3CR & PWR_D3CR_VOSRDY_Msk)) {}
    """
    desk = run(cm7=deep("cm7", boost), cm4=deep("cm4"))
    assert list(desk.mcu.warnings) == [
        "The system entered Stop in VOS0, which is to be left before (RM0399 7.7.8)."
    ]


# -- resets by low power ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("core", "option", "setup", "flag"),
    [
        ("cm7", "nRST_STOP_D1", "", "LPWR1RSTF"),
        ("cm4", "nRST_STOP_D2", "", "LPWR2RSTF"),
        ("cm7", "nRST_STBY_D1", "PWR_CPUCR |= 1; PWR_CPU2CR |= 1;", "LPWR1RSTF"),
        ("cm4", "nRST_STBY_D2", "PWR_CPUCR |= 2; PWR_CPU2CR |= 2;", "LPWR2RSTF"),
    ],
)
def test_option_bytes_can_make_a_reset_of_low_power(
    run, core: str, option: str, setup: str, flag: str
) -> None:
    """RM0399 9.4.5; a domain that only stops does not mind the option of Standby."""
    once = "if (result[0] > 1) {{ for (;;) wfi(); }} {0}"
    desk = run(us=0, **{core: deep(core, once.format(setup))})
    words = desk.mcu.flash.save()
    option_byte = OPTION_BYTES[option]
    desk.mcu.flash.load({"OPTSR": words["OPTSR"] & ~option_byte.mask})
    desk.run(1_000)
    assert desk.result(core, 0) == 2
    assert desk.field(f"RCC_C1.RSR.{flag}") == desk.field("RCC_C1.RSR.PINRSTF") == 1
    assert states(desk) == ("run", "run", "run")


def test_one_core_in_stop_leaves_the_clocks_alone(run) -> None:
    desk = run(cm7=f"void program(void) {{ {pll()} }}", cm4=deep("cm4"))
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(20)
    assert desk.result("cm4", 1) == 1
    assert (desk.mcu.clock_hz("cm7"), desk.field("PWR.CPU2CR.STOPF")) == (400_000_000, 0)


# -- the debugger ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "bits", "clocked"),
    [
        ("void program(void) { for (;;) wfi(); }", 0, False),
        ("void program(void) { for (;;) wfi(); }", SLEEP_D2, True),
        ("void program(void) { for (;;) wfi(); }", STOP_D2 | STANDBY_D2, False),
        (deep("cm4"), 0, False),
        (deep("cm4"), SLEEP_D2 | STANDBY_D2, False),
        (deep("cm4"), STOP_D2, True),
        (deep("cm4", BOTH_ALLOW), SLEEP_D2 | STOP_D2, False),
        (deep("cm4", BOTH_ALLOW), STANDBY_D2, True),
    ],
    ids=[
        "sleep", "sleep kept", "sleep with other bits", "stop", "stop with other bits", "stop kept",
        "standby with other bits", "standby kept",
    ],
)  # fmt: skip
def test_debug_clock_by_the_bit_of_the_mode(run, source: str, bits: int, clocked: bool) -> None:
    desk = run(us=10, cm7=IDLE, cm4=source)
    desk.write("DBGMCU.CR", bits)
    desk.run(500)
    assert desk.mcu.core_clocked("cm4") is clocked
    assert desk.mcu.core_clocked("cm7")


def test_debug_clock_after_the_stop_is_a_choice_of_the_model(run) -> None:
    # Whether a bit that is set too late helps is not known of the hardware.
    desk = run(cm7=IDLE, cm4=deep("cm4"))
    desk.write("DBGMCU.CR", STOP_D2)
    assert desk.mcu.core_clocked("cm4")
    desk.mcu.debug_stop_retroactive = False
    assert not desk.mcu.core_clocked("cm4")


def test_core_halted_out_of_stop_runs_on(run) -> None:
    desk = run(us=10, cm7=IDLE, cm4=deep("cm4"))
    desk.write("DBGMCU.CR", STOP_D2)
    desk.run(500)
    core = desk.mcu.cores["cm4"]
    core.write_debug(DHCSR, HALT)
    assert core.read_debug(DHCSR) & S_HALT
    assert ready(desk) == (1, 1)
    core.write_debug(DHCSR, DEBUG)
    desk.run(100)
    # Halting ends the WFE; the program goes round and stops again.
    assert (desk.result("cm4", 0), desk.result("cm4", 1)) == (2, 1)
    assert states(desk) == ("run", "stop", "run")


def test_reset_brings_every_domain_back(run) -> None:
    desk = run(cm7=deep("cm7"), cm4=deep("cm4", BOTH_ALLOW))
    assert "run" not in states(desk)
    desk.mcu.set_nrst(True)
    assert states(desk) == ("run", "run", "run")
    desk.mcu.set_nrst(False)
    desk.run(1_000)
    assert desk.result("cm4", 0) == 2

"""Domains: run, stop and standby by what the cores do (RM0399 7.6 to 7.8, 9.5.10 to 9.5.12)."""

from __future__ import annotations

import pytest

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


def test_allocation_ends_standby_and_the_core_starts_again(run) -> None:
    desk = run(cm7=IDLE, cm4=deep("cm4", BOTH_ALLOW))
    desk.set("RCC_C1.AHB1ENR", DMA1EN=1)
    assert desk.mcu.domain_state("D2") == "run"
    desk.run(50)
    assert desk.result("cm4", 0) == 2


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


def test_wake_up_clock_can_be_the_low_power_oscillator(run) -> None:
    desk = run(cm7=deep("cm7", pll("| RCC_CFGR_STOPWUCK_Msk")), cm4=deep("cm4"))
    allow_event(desk, "cm4")
    trigger(desk)
    desk.run(40)
    assert desk.result("cm4", 1) == 1
    assert desk.field("RCC.CFGR.SWS") == 1
    assert (desk.mcu.clock_hz("cm7"), desk.field("RCC.CR.CSIRDY"), desk.field("RCC.CR.HSION")) == (
        4_000_000,
        1,
        0,
    )


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

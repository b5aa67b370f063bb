"""System Standby and the wake-up pins (RM0399 7.4.4, 7.7.10, 7.8.8 to 7.8.10; tables 46, 47 and 56)."""

from __future__ import annotations

import pytest

from pytest_h7.twin.access_port import create_access_ports
from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.core_modes import CpuMode
from pytest_h7.twin.debug_port import CDBGPWRUPREQ, CTRL_STAT, DPIDR, DebugPort, NoAnswer
from pytest_h7.twin.pins import Pull
from pytest_h7.twin.resets import STANDBY_WAKE_UP_TIME
from pytest_h7.twin.timeline import PS_PER_US

ALL_PDDS, CSSF, RUN_D3 = 7, 1 << 9, 1 << 11
FP_COMP0 = 0xE000_2008
WAKE_UP_US = STANDBY_WAKE_UP_TIME / PS_PER_US

BACKUP = """
static volatile uint32_t *const marks = (volatile uint32_t *)0x38800000;

/* What survives: the backup SRAM counts the starts, the flags are kept for the test. */
static void count_start(void)
{
    RCC_AHB4ENR |= RCC_AHB4ENR_BKPRAMEN_Msk;
    PWR_CR1 |= PWR_CR1_DBP_Msk;
    BACKUP_REGULATOR
    marks[0] = marks[0] + 1;
}
"""
REGULATOR = "PWR_CR2 |= 1; while (!(PWR_CR2 & PWR_CR2_BRRDY_Msk)) {}"

SLEEP_ONCE = (
    BACKUP
    + """
void program(void)
{
    count_start();
    result[0] = result[0] + 1;
    result[1] = PWR_CPUCR;
    result[2] = PWR_WKUPFR;
    SETUP
    if (PWR_CPUCR & PWR_CPUCR_SBF_Msk) {
        for (;;) wfi();
    }
    PWR_CPUCR = 7;
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    for (;;) wfi();
}
"""
)
STANDBY_CM4 = """
void program(void)
{
    PWR_CPU2CR = 7;
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    for (;;) wfi();
}
"""


def cm7(setup: str = "", regulator: str = REGULATOR) -> str:
    return SLEEP_ONCE.replace("SETUP", setup).replace("BACKUP_REGULATOR", regulator)


def wake_up_pin(number: int, *, falling: bool = False, pull: int = 0) -> str:
    """Return C that enables a wake-up pin and clears its flag."""
    polarity = int(falling) << 8 + number - 1
    value = 1 << number - 1 | polarity | pull << 16 + 2 * (number - 1)
    return f"PWR_WKUPEPR = {value:#x}u; PWR_WKUPCR = 0x3F;"


@pytest.fixture
def asleep(run):
    """Put the system into Standby: ``asleep(setup)`` is the chip there."""

    def start(setup: str = "", regulator: str = REGULATOR, us: float = 1_000):
        return run(us=us, cm7=cm7(setup, regulator), cm4=STANDBY_CM4)

    return start


def states(desk) -> tuple[str, str, str]:
    return tuple(desk.mcu.domain_state(domain) for domain in ("D1", "D2", "D3"))


STANDBY = ("standby",) * 3


def starts(desk) -> int:
    """Return how often the CM7 has started, as the backup SRAM has counted."""
    return int.from_bytes(desk.mcu.memory("backup SRAM")[:4], "little")


def press(desk, pin: str = "PC13") -> None:
    desk.mcu.pins.drive(pin, True)
    desk.run(1)
    desk.mcu.pins.release(pin)


# -- entry -------------------------------------------------------------------------------------------------


def test_all_wishes_together_take_the_core_voltage_away(asleep) -> None:
    desk = asleep()
    assert states(desk) == STANDBY
    assert desk.mcu.standby
    assert not desk.mcu.powered
    assert [desk.mcu.mode(core) for core in ("cm7", "cm4")] == [CpuMode.HELD] * 2
    cycles = desk.mcu.cores["cm7"].cycles
    desk.run(100_000)
    assert desk.mcu.cores["cm7"].cycles == cycles


@pytest.mark.parametrize("core", ["cm7", "cm4"])
@pytest.mark.parametrize("domain", [0, 1, 2])
def test_one_missing_wish_keeps_the_system_in_stop(run, core: str, domain: int) -> None:
    """RM0399 table 35."""
    wishes = {"cm7": ALL_PDDS, "cm4": ALL_PDDS}
    wishes[core] &= ~(1 << domain)
    sources = {
        "cm7": cm7().replace("PWR_CPUCR = 7", f"PWR_CPUCR = {wishes['cm7']}"),
        "cm4": STANDBY_CM4.replace("PWR_CPU2CR = 7", f"PWR_CPU2CR = {wishes['cm4']}"),
    }
    desk = run(**sources)
    assert not desk.mcu.standby
    expected = ["standby", "standby", "stop"]
    if domain < 2:
        expected[domain] = "stop"
    assert states(desk) == tuple(expected)


def test_d3_that_is_kept_running_keeps_the_system(run) -> None:
    desk = run(cm7=cm7().replace("PWR_CPUCR = 7", f"PWR_CPUCR = {7 | RUN_D3}"), cm4=STANDBY_CM4)
    assert states(desk) == ("standby", "standby", "run")


def test_wake_up_flag_keeps_the_system_out_of_standby(asleep) -> None:
    """RM0399 table 47: all flags of WKUPFR are to be cleared; enabling a pin that is active sets one."""
    setup = "EXTI_C1IMR2 &= ~(0x3Fu << 23); EXTI_C2IMR2 &= ~(0x3Fu << 23); PWR_WKUPEPR = 0x808;"
    desk = asleep(setup)  # PC13 is low, its active level here
    assert states(desk) == ("stop", "stop", "stop")
    desk.write("PWR.WKUPCR", 8, Master.AP1)
    assert states(desk) == STANDBY


# -- wake-up -----------------------------------------------------------------------------------------------


def test_wake_up_is_a_start_from_the_boot_address_with_the_flags_that_tell(asleep) -> None:
    desk = asleep(wake_up_pin(4))
    for address in (0x2000_0000, 0x2400_0000, 0x3000_0000):
        desk.mcu.memory({0x2000_0000: "DTCM", 0x2400_0000: "AXI SRAM", 0x3000_0000: "SRAM1"}[address])[:4] = (
            b"lost"
        )
    press(desk)
    desk.run(WAKE_UP_US - 10)
    assert starts(desk) == 1
    desk.run(500)
    assert starts(desk) == 2
    assert not desk.mcu.standby
    assert desk.field("PWR.CPUCR.SBF") == desk.field("PWR.CPU2CR.SBF") == 1
    assert desk.field("PWR.CPUCR.STOPF") == desk.field("PWR.CPUCR.SBF_D1") == 0
    assert desk.result("cm7", 2) == 1 << 3
    assert desk.read("PWR.CPUCR") & ALL_PDDS == 0
    assert desk.field("RCC_C1.RSR.D1RSTF") == desk.field("RCC_C1.RSR.D2RSTF") == 1


def test_each_core_clears_its_own_standby_flag(asleep) -> None:
    desk = asleep(wake_up_pin(4))
    press(desk)
    desk.run(1_000)
    desk.write("PWR.CPUCR", CSSF)
    assert (desk.field("PWR.CPUCR.SBF"), desk.field("PWR.CPU2CR.SBF")) == (0, 1)


def test_standby_flag_outlives_a_system_reset_but_not_a_power_cycle(asleep) -> None:
    desk = asleep(wake_up_pin(4))
    press(desk)
    desk.run(1_000)
    desk.mcu.system_reset()
    desk.run(1_000)
    assert desk.field("PWR.CPUCR.SBF") == 1
    desk.mcu.power_off()
    desk.mcu.power_on()
    desk.run(100)
    assert desk.field("PWR.CPU2CR.SBF") == 0


@pytest.mark.parametrize(
    ("number", "pin"), [(1, "PA0"), (2, "PA2"), (3, "PI8"), (4, "PC13"), (5, "PI11"), (6, "PC1")]
)
def test_pins_that_wake(asleep, number: int, pin: str) -> None:
    desk = asleep(wake_up_pin(number))
    press(desk, "PB5")
    desk.run(1_000)
    assert states(desk) == STANDBY
    press(desk, pin)
    desk.run(1_000)
    assert starts(desk) == 2
    assert desk.result("cm7", 2) == 1 << number - 1


def test_falling_edge_wakes_where_it_is_chosen_and_the_pull_holds_the_pin(asleep) -> None:
    desk = asleep(wake_up_pin(1, falling=True, pull=1))
    assert desk.mcu.pins.level("PA0")
    desk.mcu.pins.drive("PA0", True)
    desk.run(1_000)
    assert states(desk) == STANDBY
    desk.mcu.pins.drive("PA0", False)
    desk.run(1_000)
    assert starts(desk) == 2


def test_pin_that_is_not_enabled_does_not_wake(asleep) -> None:
    desk = asleep()
    press(desk)
    desk.run(10_000)
    assert states(desk) == STANDBY


def test_nrst_wakes_with_its_own_flag(asleep) -> None:
    desk = asleep(wake_up_pin(4))
    desk.mcu.set_nrst(True)
    desk.run(1_000)
    assert starts(desk) == 1
    desk.mcu.set_nrst(False)
    desk.run(1_000)
    assert starts(desk) == 2
    assert desk.field("RCC_C1.RSR.PINRSTF") == desk.field("PWR.CPUCR.SBF") == 1
    assert desk.read("PWR.WKUPEPR") == 1 << 3  # enabled by the new start: the reset had cleared it


@pytest.mark.parametrize("line", [17, 18, 19])
def test_rtc_wakes_without_any_exti_set_up(asleep, line: int) -> None:
    """RM0399 7.7.10: alarms, tamper and time stamp, wake-up timer."""
    desk = asleep()
    desk.mcu.exti.edge(line, False)
    assert states(desk) == STANDBY
    desk.mcu.exti.edge(line, True)
    desk.run(1_000)
    assert starts(desk) == 2


def test_boot0_is_read_anew(asleep) -> None:
    desk = asleep(wake_up_pin(4))
    desk.mcu.boot0 = True
    press(desk)
    desk.run(1_000)
    assert starts(desk) == 1
    assert desk.mcu.cores["cm7"].read_register("pc") & 0xFFF0_0000 == 0x1FF0_0000


def test_standby_can_be_entered_again_and_again(run) -> None:
    again = cm7(wake_up_pin(4)).replace(
        "if (PWR_CPUCR & PWR_CPUCR_SBF_Msk) {\n        for (;;) wfi();\n    }", ""
    )
    desk = run(cm7=again, cm4=STANDBY_CM4)
    for count in range(2, 6):
        press(desk)
        desk.run(1_000)
        assert starts(desk) == count
        assert states(desk) == STANDBY


# -- what is lost and what is kept ---------------------------------------------------------------------------


@pytest.mark.parametrize(("regulator", "kept"), [(REGULATOR, 2), ("", 1)], ids=["regulator", "none"])
def test_backup_sram_needs_its_regulator(asleep, regulator: str, kept: int) -> None:
    """RM0399 7.4.4: without BREN the content is lost in Standby."""
    desk = asleep(wake_up_pin(4), regulator)
    press(desk)
    desk.run(1_000)
    assert starts(desk) == kept
    assert desk.field("PWR.CR2.BRRDY") == int(kept == 2)


def test_every_other_ram_is_lost(asleep) -> None:
    desk = asleep(wake_up_pin(4))
    for name in ("ITCM", "DTCM", "AXI SRAM", "SRAM1", "SRAM2", "SRAM3", "SRAM4"):
        assert not any(desk.mcu.memory(name)), name


def test_registers_are_lost_but_for_those_of_the_backup_domain_and_the_supply(run) -> None:
    setup = "PWR_CR3 = 4; RCC_APB4ENR |= RCC_APB4ENR_SYSCFGEN_Msk; EXTI_RTSR1 = 1; RTC_BKP3R = 0x1234;"
    desk = run(
        cm7=cm7("if (result[0] == 1 && !(PWR_CPUCR & 0x40)) {" + setup + "}" + wake_up_pin(4)),
        cm4=STANDBY_CM4,
    )
    press(desk)
    desk.run(1_000)
    assert desk.read("EXTI.RTSR1") == 0
    assert desk.field("RCC_C1.APB4ENR.SYSCFGEN") == 0
    assert desk.read("PWR.CR3") & 0x3F == 4
    assert desk.read("RTC.BKP3R") == 0x1234


def test_supply_cannot_be_chosen_again_after_standby(asleep) -> None:
    desk = asleep("PWR_CR3 = 4;" + wake_up_pin(4))
    press(desk)
    desk.run(1_000)
    desk.write("PWR.CR3", 2)
    assert desk.read("PWR.CR3") & 0x3F == 4
    assert desk.mcu.powered


def test_outputs_float(asleep) -> None:
    """RM0399 7.7.10: pins are high impedance, so an external pull decides."""
    setup = "RCC_AHB4ENR |= RCC_AHB4ENR_GPIOBEN_Msk; GPIOB_MODER &= ~2u; GPIOB_ODR = 1;"
    desk = asleep(setup, us=100)
    desk.mcu.pins.set_external_pull("PB0", Pull.DOWN)
    assert not desk.mcu.pins.level("PB0")


def test_breakpoints_are_lost(asleep) -> None:
    desk = asleep(wake_up_pin(4), us=0)
    core = desk.mcu.cores["cm7"]
    after_power_on = core.read_debug(FP_COMP0)
    core.write_debug(FP_COMP0, 0x0800_0001)
    desk.run(1_000)
    press(desk)
    desk.run(1_000)
    assert core.read_debug(FP_COMP0) == after_power_on


# -- the debugger --------------------------------------------------------------------------------------------


def test_debug_port_is_dead_in_standby_and_new_after_it(asleep) -> None:
    desk = asleep(wake_up_pin(4), us=0)
    port = DebugPort(desk.mcu)
    port.switch_to_swd()
    desk.run(1_000)
    for access in (lambda: port.read(DPIDR), port.switch_to_swd):
        with pytest.raises(NoAnswer):
            access()
    press(desk)
    desk.run(1_000)
    with pytest.raises(NoAnswer):  # JTAG is selected again
        port.read(DPIDR)
    port.switch_to_swd()
    assert port.read(DPIDR) == 0x6BA0_2477


def test_connected_debugger_keeps_d3_reachable(asleep) -> None:
    """RM0399 63.3.3: D3 counts as on while a debugger is connected."""
    desk = asleep(wake_up_pin(4), us=0)
    port = DebugPort(desk.mcu)
    port.switch_to_swd()
    port.write(CTRL_STAT, CDBGPWRUPREQ)
    desk.write("DBGMCU.CR", 1, Master.AP2)
    desk.run(1_000)
    assert states(desk) == STANDBY
    ap0, ap1, ap2, ap3 = port.access_ports
    assert ap1.load(0x5802_4810, 4) >> 6 & 1 == 1  # SBF
    assert ap2.load(0xE00E_1000, 4) & 0xFFF == 0x450
    for closed in (ap0, ap3):
        with pytest.raises(BusFault):
            closed.load(0xE000_ED00, 4)
    press(desk)
    desk.run(1_000)
    assert starts(desk) == 2
    assert ap0.load(0xE000_ED00, 4) == 0x411F_C271


@pytest.mark.parametrize(
    ("state", "bits", "answering"),
    [
        ("run", 0, {0, 1, 2, 3}),
        ("sleep", 0, {1, 2}),
        ("sleep", 0x09, {0, 1, 2, 3}),
        ("stop", 0, {1, 2}),
        ("stop", 0x12, {0, 1, 2, 3}),
        ("stop", 0x02, {0, 1, 2}),
        ("standby", 0x1B, {1, 2}),
    ],
)
def test_access_ports_in_every_state_of_both_cores(run, state: str, bits: int, answering: set[int]) -> None:
    """RM0399 63.3.3 with 9.5.12: a core's port needs the core's clock, or its emulation."""
    body = {
        "run": "for (;;) ++result[0];",
        "sleep": "for (;;) wfi();",
        "stop": "SCS_SCR |= 4; for (;;) wfi();",
        "standby": "PWR_CPUCR |= 3; PWR_CPU2CR |= 3; SCS_SCR |= 4; for (;;) wfi();",
    }[state]
    source = f"void program(void) {{ for (volatile int i = 0; i < 1000; ++i) {{}} {body} }}"
    desk = run(us=10, cm7=source, cm4=source)
    desk.write("DBGMCU.CR", bits, Master.AP2)
    desk.run(1_000)
    ports = create_access_ports(desk.mcu)
    addresses = {0: 0xE000_ED00, 1: 0x5802_4400, 2: 0xE00E_1000, 3: 0xE000_ED00}
    answers = set()
    for port in ports:
        try:
            port.load(addresses[port.apsel], 4)
        except BusFault:
            continue
        answers.add(port.apsel)
    assert answers == answering

"""IWDG1, IWDG2, WWDG1 and WWDG2 (RM0399 chapters 46 to 48), and what their resets leave (section 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.chip.registers import peripheral
from pytest_h7.twin.bus import Master

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Desk

LSI_US = 1e6 / 32_000
LSI_START_UP_US = 100
START, RELOAD, UNLOCK = 0xCCCC, 0xAAAA, 0x5555
CORES = {"IWDG1": "cm7", "IWDG2": "cm4", "WWDG1": "cm7", "WWDG2": "cm4"}
PCLK_US = 1 / 64
STEP_US = 4096 * PCLK_US
"""A step of a window watchdog after reset: 4096 cycles of 64 MHz."""

IDLE = "void program(void) { for (;;) {} }"
COUNT_STARTS = "void program(void) { result[0] = result[0] + 1; for (;;) ++result[1]; }"
SLEEP_DEEP = 'void program(void) { SCS_SCR = 4; for (;;) __asm volatile("wfi"); }'


STANDBY_WHEN_TOLD = """
void program(void)
{
    while (!result[15]) {}
    PWR_CPUCR = 7;
    SCS_SCR = 4;
    for (;;) __asm volatile("wfi");
}"""


def clear_option(desk: Desk, bit: int) -> None:
    """Program a bit of the option bytes OPTSR to 0."""
    options = desk.mcu.flash.save()
    options["OPTSR"] &= ~(1 << bit)
    desk.mcu.flash.load(options)


def flags(desk: Desk, core: str = "cm7") -> set[str]:
    bank = {"cm7": "RCC_C1", "cm4": "RCC_C2"}[core]
    value = desk.read(f"{bank}.RSR")
    return {name for name, field in peripheral(bank).registers["RSR"].fields.items() if value & field.mask}


def forget_flags(desk: Desk) -> None:
    for bank in ("RCC_C1", "RCC_C2"):
        desk.write(f"{bank}.RSR", 1 << 16)
        desk.write(f"{bank}.RSR", 0)


@pytest.fixture
def chip(desk: Desk) -> Desk:
    """The chip, its reset flags removed."""
    forget_flags(desk)
    return desk


def was_reset(desk: Desk) -> bool:
    return bool(flags(desk))


def halt(desk: Desk, core: str) -> None:
    desk.mcu.cores[core].write_debug(0xE000_EDF0, 0xA05F_0003)


def resume(desk: Desk, core: str) -> None:
    desk.mcu.cores[core].write_debug(0xE000_EDF0, 0xA05F_0001)


# -- independent watchdogs --------------------------------------------------------------------------------


def start_iwdg(desk: Desk, name: str = "IWDG1", *, prescaler: int = 0, reload: int = 0xFFF) -> None:
    """Start as a HAL does: it waits for SR and reloads."""
    desk.write(f"{name}.KR", START)
    desk.write(f"{name}.KR", UNLOCK)
    desk.write(f"{name}.PR", prescaler)
    desk.write(f"{name}.RLR", reload)
    desk.run(LSI_START_UP_US + 6 * LSI_US)
    assert desk.read(f"{name}.SR") == 0
    desk.write(f"{name}.KR", RELOAD)


@pytest.mark.parametrize("name", ["IWDG1", "IWDG2"])
def test_iwdg_that_is_not_reloaded_resets_the_system(chip: Desk, name: str) -> None:
    start_iwdg(chip, name, reload=31)
    chip.write("GPIOB.ODR", 0)
    chip.set("RCC_C1.AHB4ENR", GPIOBEN=1)
    chip.run(128 * LSI_US - 1)
    assert not was_reset(chip)
    chip.run(2)
    for core in ("cm7", "cm4"):
        assert flags(chip, core) == {f"{name}RSTF", "PINRSTF", "C1RSTF", "C2RSTF"}
    assert chip.field("RCC_C1.AHB4ENR.GPIOBEN") == 0
    chip.run(1_000_000)
    forget_flags(chip)
    chip.run(1_000_000)
    assert not was_reset(chip)  # it was stopped by the reset


@pytest.mark.parametrize(("code", "divider"), [*enumerate((4, 8, 16, 32, 64, 128, 256)), (7, 256)])
def test_prescaler_of_the_iwdg(chip: Desk, code: int, divider: int) -> None:
    start_iwdg(chip, prescaler=code, reload=9)
    chip.run(10 * divider * LSI_US - 1)
    assert not was_reset(chip)
    chip.run(2)
    assert was_reset(chip)


def test_prescaler_that_changes_leaves_the_iwdg_counter(chip: Desk) -> None:
    start_iwdg(chip, reload=99)
    chip.run(75 * 4 * LSI_US)
    chip.write("IWDG1.KR", UNLOCK)
    chip.write("IWDG1.PR", 1)
    chip.run((5 + 24 * 8) * LSI_US - 10)  # 24 steps are left, one went by while PR was taken over
    assert not was_reset(chip)
    chip.run(9 * LSI_US)
    assert was_reset(chip)


def test_longest_time_of_the_iwdg_is_that_of_the_data_sheet(chip: Desk) -> None:
    start_iwdg(chip, prescaler=6)
    chip.run(32_768_000 - 1)
    assert not was_reset(chip)
    chip.run(2)
    assert was_reset(chip)


def test_reloads_keep_the_iwdg_quiet(chip: Desk) -> None:
    start_iwdg(chip, reload=31)
    for _ in range(5):
        chip.run(127 * LSI_US)
        chip.write("IWDG1.KR", RELOAD)
    assert not was_reset(chip)
    chip.run(128 * LSI_US + 1)
    assert was_reset(chip)


def test_reload_of_the_other_iwdg_does_not_help(chip: Desk) -> None:
    start_iwdg(chip, reload=31)
    chip.run(100 * LSI_US)
    chip.write("IWDG2.KR", RELOAD)
    chip.run(30 * LSI_US)
    assert was_reset(chip)


def test_registers_of_the_iwdg_need_their_key(chip: Desk) -> None:
    chip.set("RCC.CSR", LSION=1)
    chip.write("IWDG1.PR", 3)
    chip.write("IWDG1.KR", UNLOCK)
    chip.write("IWDG1.KR", RELOAD)
    chip.write("IWDG1.RLR", 1)
    chip.run(1_000)
    assert (chip.read("IWDG1.PR"), chip.read("IWDG1.RLR"), chip.read("IWDG1.KR")) == (0, 0xFFF, 0)
    chip.write("IWDG1.KR", UNLOCK)
    chip.write("IWDG1.PR", 3)
    chip.run(1_000)
    assert chip.read("IWDG1.PR") == 3


@pytest.mark.parametrize(("register", "flag"), [("PR", 1), ("RLR", 2), ("WINR", 4)])
def test_update_flags_of_the_iwdg(chip: Desk, register: str, flag: int) -> None:
    chip.set("RCC.CSR", LSION=1)
    chip.run(200)
    before = chip.read(f"IWDG1.{register}")
    chip.write("IWDG1.KR", UNLOCK)
    chip.write(f"IWDG1.{register}", 5)
    assert (chip.read("IWDG1.SR"), chip.read(f"IWDG1.{register}")) == (flag, before)
    chip.write(f"IWDG1.{register}", 6)
    chip.run(6 * LSI_US)
    assert (chip.read("IWDG1.SR"), chip.read(f"IWDG1.{register}")) == (0, 5)


def test_without_its_oscillator_the_iwdg_never_takes_new_values(chip: Desk) -> None:
    chip.write("IWDG1.KR", UNLOCK)
    chip.write("IWDG1.RLR", 5)
    chip.run(1_000_000)
    assert chip.read("IWDG1.SR") == 2
    chip.write("IWDG1.KR", START)
    chip.run(LSI_START_UP_US + 6 * LSI_US)
    assert (chip.read("IWDG1.SR"), chip.read("IWDG1.RLR")) == (0, 5)


def test_started_iwdg_keeps_its_oscillator(chip: Desk) -> None:
    chip.write("IWDG1.KR", START)
    chip.run(200)
    assert (chip.field("RCC.CSR.LSION"), chip.field("RCC.CSR.LSIRDY")) == (0, 1)
    chip.set("RCC.CSR", LSION=1)
    chip.set("RCC.CSR", LSION=0)
    chip.run(200)
    assert chip.field("RCC.CSR.LSIRDY") == 1
    chip.run(600_000)
    assert was_reset(chip)
    assert chip.field("RCC.CSR.LSIRDY") == 0


def test_settings_made_before_the_start_count(chip: Desk) -> None:
    """The order of ST's older library: unlock, prescaler, reload value, reload, start."""
    chip.write("IWDG1.KR", UNLOCK)
    chip.write("IWDG1.PR", 1)
    chip.write("IWDG1.RLR", 99)
    chip.write("IWDG1.KR", RELOAD)
    chip.write("IWDG1.KR", START)
    chip.run(LSI_START_UP_US + (5 + 800) * LSI_US - 1)
    assert not was_reset(chip)
    chip.run(LSI_US + 2)
    assert was_reset(chip)


def start_window(desk: Desk, window: int) -> None:
    """Reload value 31, steps of 4 cycles; writing the window reloads."""
    start_iwdg(desk, reload=31)
    desk.write("IWDG1.KR", UNLOCK)
    desk.write("IWDG1.WINR", window)
    desk.run(6 * LSI_US)
    desk.write("IWDG1.KR", 0)


def test_writing_the_window_reloads_the_iwdg(chip: Desk) -> None:
    start_iwdg(chip, reload=31)
    chip.run(100 * LSI_US)
    chip.write("IWDG1.KR", UNLOCK)
    chip.write("IWDG1.WINR", 20)
    chip.run((6 + 120) * LSI_US)
    assert not was_reset(chip)
    chip.run(8 * LSI_US)
    assert was_reset(chip)


@pytest.mark.parametrize(("steps", "bites"), [(5, True), (10, True), (11, False), (20, False)])
def test_reload_above_the_window_resets(chip: Desk, steps: int, bites: bool) -> None:
    start_window(chip, 20)
    chip.run((4 * steps + 1) * LSI_US)
    chip.write("IWDG1.KR", RELOAD)
    chip.run(100)
    assert was_reset(chip) is bites


@pytest.mark.parametrize(("option", "starts"), [(1, False), (0, True)])
def test_option_byte_starts_the_iwdg_with_each_reset(chip: Desk, option: int, starts: bool) -> None:
    if not option:
        clear_option(chip, 4)
    chip.mcu.power_off()
    chip.mcu.power_on()
    forget_flags(chip)
    chip.run(511_000)
    assert not was_reset(chip)
    for _ in range(2):
        chip.run(513_000)
        assert was_reset(chip) is starts
        forget_flags(chip)


def test_watchdog_does_not_run_while_the_chip_is_held_in_reset(chip: Desk) -> None:
    clear_option(chip, 4)
    chip.mcu.set_nrst(True)
    chip.run(2_000_000)
    assert flags(chip) == {"PINRSTF", "C1RSTF", "C2RSTF"}
    chip.mcu.set_nrst(False)
    chip.run(500_000)
    assert "IWDG1RSTF" not in flags(chip)
    chip.run(20_000)
    assert "IWDG1RSTF" in flags(chip)


@pytest.mark.parametrize(("frozen_in_stop", "bites"), [(False, True), (True, False)])
def test_iwdg_in_cstop(run: Callable[..., Desk], frozen_in_stop: bool, bites: bool) -> None:
    chip = run(cm7=SLEEP_DEEP, cm4=IDLE)
    if frozen_in_stop:
        clear_option(chip, 17)
    forget_flags(chip)
    start_iwdg(chip, "IWDG1", reload=31)
    chip.run(1_000_000)
    assert was_reset(chip) is bites


@pytest.mark.parametrize(("frozen_in_standby", "bites"), [(False, True), (True, False)])
def test_iwdg_in_standby(run: Callable[..., Desk], frozen_in_standby: bool, bites: bool) -> None:
    chip = run(cm7=STANDBY_WHEN_TOLD, cm4=STANDBY_WHEN_TOLD.replace("CPUCR", "CPU2CR"))
    if frozen_in_standby:
        clear_option(chip, 18)
    forget_flags(chip)
    start_iwdg(chip, "IWDG2", prescaler=4, reload=499)  # 1 s
    for address in (0x3800_003C, 0x3800_103C):
        chip.mcu.write(address, 4, 1, Master.CM7)
    chip.run(900_000)
    assert chip.mcu.domain_state("D3") == "standby"
    chip.run(200_000)
    assert (chip.mcu.domain_state("D3") != "standby") is bites
    assert ("IWDG2RSTF" in flags(chip)) is bites


@pytest.mark.parametrize("core", ["cm7", "cm4"])
@pytest.mark.parametrize("frozen", [0, 1])
def test_iwdg_under_a_halted_core(chip: Desk, core: str, frozen: int) -> None:
    chip.set("DBGMCU.APB4FZ1" if core == "cm7" else "DBGMCU.APB4FZ2", DBG_IWDG1=frozen)
    start_iwdg(chip, reload=31)
    chip.run(64 * LSI_US)
    halt(chip, core)
    chip.run(1_000_000)
    assert was_reset(chip) is not bool(frozen)
    if frozen:
        resume(chip, core)
        chip.run(62 * LSI_US)
        assert not was_reset(chip)
        chip.run(3 * LSI_US)
        assert was_reset(chip)


# -- window watchdogs -------------------------------------------------------------------------------------


def start_wwdg(
    desk: Desk, name: str, *, counter: int = 0x7F, window: int = 0x7F, base: int = 0, **cfr: int
) -> None:
    """Start one that resets the system, at the beginning of a step."""
    desk.set("RCC.GCR", WW1RSC=1, WW2RSC=1)
    enable_wwdg(desk, name)
    desk.write(f"{name}.CFR", window | base << 11)
    desk.set(f"{name}.CFR", **cfr)
    begin_step(desk, name)
    desk.write(f"{name}.CR", 1 << 7 | counter)


def enable_wwdg(desk: Desk, name: str) -> None:
    if name == "WWDG1":
        desk.set("RCC_C1.APB3ENR", WWDG1EN=1)
    else:
        desk.set("RCC_C2.APB1LENR", WWDG2EN=1)


def begin_step(desk: Desk, name: str) -> None:
    """Run to where the counter has just been decremented."""
    before = desk.read(f"{name}.CR") & 0x7F
    while desk.read(f"{name}.CR") & 0x7F == before:
        desk.run(0.25)


@pytest.mark.parametrize("name", ["WWDG1", "WWDG2"])
def test_wwdg_that_is_not_refreshed_resets_the_system(chip: Desk, name: str) -> None:
    start_wwdg(chip, name, counter=0x50)
    chip.run(0x11 * STEP_US - 2)
    assert not was_reset(chip)
    chip.run(3)
    for core in ("cm7", "cm4"):
        assert flags(chip, core) == {f"{name}RSTF", "PINRSTF", "C1RSTF", "C2RSTF"}
    chip.run(1_000)
    assert (chip.read(f"{name}.CFR"), chip.field("RCC.GCR.WW1RSC")) == (0, 0)  # no clock, nothing to read


@pytest.mark.parametrize("base", range(8))
def test_time_base_of_the_wwdg(chip: Desk, base: int) -> None:
    start_wwdg(chip, "WWDG1", counter=0x41, base=base)
    chip.run(2 * STEP_US * (1 << base) - 2)
    assert not was_reset(chip)
    chip.run(3)
    assert was_reset(chip)


def test_time_base_that_changes_leaves_the_counter(chip: Desk) -> None:
    start_wwdg(chip, "WWDG1", counter=0x60)
    chip.run(0x10 * STEP_US + 10)
    chip.write("WWDG1.CFR", 0x7F | 1 << 11)
    assert chip.read("WWDG1.CR") == 0xD0
    chip.run(0x10 * 2 * STEP_US - 20)
    assert not was_reset(chip)
    chip.run(2 * STEP_US)
    assert was_reset(chip)


@pytest.mark.parametrize(
    ("name", "register", "field"), [("WWDG1", "D1CFGR", "D1PPRE"), ("WWDG2", "D2CFGR", "D2PPRE1")]
)
def test_clock_of_the_wwdg(chip: Desk, name: str, register: str, field: str) -> None:
    chip.set(f"RCC.{register}", **{field: 5})
    start_wwdg(chip, name, counter=0x40)
    chip.run(4 * STEP_US - 2)
    assert not was_reset(chip)
    chip.run(3)
    assert was_reset(chip)


def test_wwdg_counts_without_being_activated_and_does_nothing_then(chip: Desk) -> None:
    enable_wwdg(chip, "WWDG1")
    chip.run(10.5 * STEP_US)
    assert chip.read("WWDG1.CR") == 0x7F - 10
    chip.run(128 * STEP_US)
    assert chip.read("WWDG1.CR") == 0x7F - 10
    assert (was_reset(chip), chip.read("WWDG1.SR")) == (False, 0)


def test_wwdg_cannot_be_stopped(chip: Desk) -> None:
    start_wwdg(chip, "WWDG1", counter=0x60)
    chip.write("WWDG1.CR", 0x60)
    chip.set("RCC_C1.APB3ENR", WWDG1EN=0)
    assert chip.field("RCC_C1.APB3ENR.WWDG1EN") == 1
    chip.run(0x21 * STEP_US)
    assert was_reset(chip)


def test_refreshes_keep_the_wwdg_quiet(chip: Desk) -> None:
    start_wwdg(chip, "WWDG2", counter=0x50, window=0x50)
    for _ in range(10):
        chip.run(0x10 * STEP_US)
        chip.write("WWDG2.CR", 0xD0)
    assert not was_reset(chip)


@pytest.mark.parametrize(("steps", "bites"), [(0, True), (0xF, True), (0x10, False), (0x1F, False)])
def test_refresh_outside_of_the_window_resets(chip: Desk, steps: int, bites: bool) -> None:
    start_wwdg(chip, "WWDG1", counter=0x60, window=0x50)
    chip.run(steps * STEP_US + 10)
    chip.write("WWDG1.CR", 0xE0)
    chip.run(100)
    assert was_reset(chip) is bites


def test_window_does_not_count_for_the_activation(chip: Desk) -> None:
    start_wwdg(chip, "WWDG1", counter=0x50, window=0x41)
    chip.run(100)
    assert not was_reset(chip)


def test_software_resets_by_a_counter_without_its_upper_bit(chip: Desk) -> None:
    start_wwdg(chip, "WWDG1", counter=0x3F)
    chip.run(100)
    assert "WWDG1RSTF" in flags(chip)


@pytest.mark.parametrize(("name", "core"), [("WWDG1", "cm7"), ("WWDG2", "cm4")])
def test_early_interrupt_comes_a_step_before_the_reset(chip: Desk, name: str, core: str) -> None:
    start_wwdg(chip, name, counter=0x42, EWI=1)
    chip.run(2 * STEP_US - 2)
    assert (chip.read(f"{name}.SR"), irq_0_pending(chip, core)) == (0, False)
    chip.run(3)
    assert (chip.read(f"{name}.SR"), irq_0_pending(chip, core)) == (1, True)
    assert not irq_0_pending(chip, {"cm7": "cm4", "cm4": "cm7"}[core])
    chip.write(f"{name}.CR", 0xC2)
    chip.write(f"{name}.SR", 1)
    assert chip.read(f"{name}.SR") == 1
    chip.write(f"{name}.SR", 0)
    assert chip.read(f"{name}.SR") == 0
    chip.run(2 * STEP_US)
    assert (was_reset(chip), chip.read(f"{name}.SR")) == (False, 1)


def irq_0_pending(desk: Desk, core: str) -> bool:
    return bool(desk.mcu.cores[core].read_debug(0xE000_E200) & 1)


def test_early_flag_is_set_without_its_interrupt(chip: Desk) -> None:
    start_wwdg(chip, "WWDG1", counter=0x41)
    chip.run(STEP_US + 2)
    assert (chip.read("WWDG1.SR"), irq_0_pending(chip, "cm7")) == (1, False)
    chip.set("WWDG1.CFR", EWI=1)
    chip.set("WWDG1.CFR", EWI=0)
    assert (chip.field("WWDG1.CFR.EWI"), irq_0_pending(chip, "cm7")) == (1, True)


@pytest.mark.parametrize(
    ("name", "core", "other", "line"), [("WWDG1", "cm7", "cm4", 82), ("WWDG2", "cm4", "cm7", 84)]
)
def test_wwdg_of_small_scope_resets_its_core_and_tells_the_other(
    run: Callable[..., Desk], name: str, core: str, other: str, line: int
) -> None:
    chip = run(cm7=COUNT_STARTS, cm4=COUNT_STARTS)
    forget_flags(chip)
    enable_wwdg(chip, name)
    prefix = {"cm7": "C1", "cm4": "C2"}[other]
    chip.set("EXTI.RTSR3", **{f"TR{line}": 1})
    chip.write(f"EXTI.{prefix}IMR3", 1 << line - 64)
    counted = chip.result(other, 1)
    chip.write(f"{name}.CR", 1 << 7 | 0x41)
    chip.run(2 * STEP_US + 50)
    assert (chip.result(core), chip.result(other)) == (2, 1)
    assert chip.result(other, 1) > counted
    own = {"cm7": "C1RSTF", "cm4": "C2RSTF"}[core]
    assert flags(chip, "cm7") == flags(chip, "cm4") == {f"{name}RSTF", own}
    assert chip.read(f"EXTI.{prefix}PR3") == 1 << line - 64
    assert chip.read(f"{name}.CR") & 1 << 7 == 0
    chip.run(1_000_000)
    assert chip.result(core) == 2


@pytest.mark.parametrize("frozen", [0, 1])
def test_wwdg_under_a_halted_core(chip: Desk, frozen: int) -> None:
    chip.set("DBGMCU.APB3FZ1", DBG_WWDG1=frozen)
    start_wwdg(chip, "WWDG1", counter=0x50)
    chip.run(8 * STEP_US)
    halt(chip, "cm7")
    chip.run(1_000_000)
    assert was_reset(chip) is not bool(frozen)
    if frozen:
        resume(chip, "cm7")
        chip.run(9 * STEP_US - 10)
        assert not was_reset(chip)
        chip.run(20)
        assert was_reset(chip)


def test_wwdg_stands_still_while_its_core_is_stopped(run: Callable[..., Desk]) -> None:
    chip = run(cm7=SLEEP_DEEP, cm4=IDLE)
    forget_flags(chip)
    chip.set("RCC.GCR", WW1RSC=1, WW2RSC=1)
    for name in ("WWDG1", "WWDG2"):
        chip.set("RCC_C2.APB3ENR", WWDG1EN=1)
        enable_wwdg(chip, name)
        chip.write(f"{name}.CR", 0xC5, Master.CM4)
    chip.run(20 * STEP_US)
    assert flags(chip) == {"WWDG2RSTF", "PINRSTF", "C1RSTF", "C2RSTF"}

"""The watchdogs (RM0399 chapters 46 to 48) as programs use them, or fail to."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from pytest_h7.chip.registers import peripheral
from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    Start = Callable[..., RunningProgram]

BUTTON = "PC13"
DHCSR, HALT, GO = 0xE000_EDF0, 0xA05F_0003, 0xA05F_0001
NO_RESET, RESET = "no reset by IWDG1\r\n", "reset by IWDG1\r\n"


def test_refreshed_watchdog_does_not_bite(start_program: Start) -> None:
    program = start_program("iwdg_refresh")
    program.run(ms=2000)
    assert program.console == NO_RESET
    assert program.variable("cm7", "refreshes") in (39, 40)


def test_watchdog_bites_while_the_button_keeps_it_from_being_refreshed(start_program: Start) -> None:
    program = start_program("iwdg_refresh")
    program.run(ms=220)
    program.mcu.pins.drive(BUTTON, level=True)
    program.run(ms=50)
    assert program.console == NO_RESET
    program.run(ms=50)
    assert program.console == NO_RESET + RESET
    program.mcu.pins.release(BUTTON)
    program.run(ms=1000)
    assert program.console == NO_RESET + RESET


@pytest.mark.parametrize(("window", "bites"), [(50, False), (40, True)])
def test_refresh_before_the_window_opens_resets(start_program: Start, window: int, bites: bool) -> None:
    """A refresh every 52 ms finds the counter, which starts at 99 and steps every ms, below 50."""
    program = start_program("iwdg_refresh", f"-DWINDOW={window}", "-DREFRESH_MS=52")
    program.run(ms=300)
    assert (RESET in program.console.removeprefix(NO_RESET)) is bites


@pytest.mark.parametrize("frozen", [False, True])
def test_watchdog_under_a_halted_core(start_program: Start, frozen: bool) -> None:
    program = start_program("iwdg_refresh")
    program.run(ms=500)
    freeze = peripheral("DBGMCU").registers["APB4FZ1"]
    program.mcu.write(freeze.address, 4, freeze.fields["DBG_IWDG1"].mask if frozen else 0, Master.AP2)
    program.mcu.cores["cm7"].write_debug(DHCSR, HALT)
    program.run(ms=1000)
    program.mcu.cores["cm7"].write_debug(DHCSR, GO)
    program.run(ms=500)
    assert program.console == (NO_RESET if frozen else NO_RESET + RESET)


def test_early_interrupt_refreshes_the_window_watchdog(start_program: Start) -> None:
    program = start_program("wwdg_early_interrupt", "-DREFRESHES=1000000")
    edges = program.edges("PE1")
    program.run(ms=500)
    assert program.console == "no reset by WWDG2\r\n"
    times = [time / PS_PER_MS for time, _ in edges]
    periods = [after - before for before, after in itertools.pairwise(times)]
    assert len(periods) > 50
    assert periods == pytest.approx([0x10 * 0.512] * len(periods), abs=0.001)


def test_window_watchdog_resets_a_system_that_hangs(start_program: Start) -> None:
    program = start_program("wwdg_early_interrupt")
    edges = program.edges("PE1")
    program.expect("\nreset by WWDG2\r\n", ms=200)
    times = [time / PS_PER_MS for time, level in edges]
    assert len(times) == 6  # five refreshes, and the one that is left out
    assert times[-1] - times[0] == pytest.approx(5 * 0x10 * 0.512, abs=0.01)


def test_window_watchdog_resets_its_core_alone(start_program: Start) -> None:
    program = start_program("wwdg_one_core")
    program.expect("reset=2", ms=1000)
    lines = program.console.splitlines()
    assert lines[:4] == ["reset=1", "WWDG2RSTF=1", "C1RSTF=0", "C2RSTF=1"]
    assert program.variable("cm7", "resets_of_cm4") == 2

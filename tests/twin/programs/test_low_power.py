"""Low power (RM0399 chapter 7, 9.5.7 to 9.5.12) as programs use it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.core_modes import CpuMode
from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    Start = Callable[..., RunningProgram]

BUTTON, LED1, LED2, PULSES = "PC13", "PB0", "PE1", "PA3"


def press(program: RunningProgram) -> None:
    program.mcu.pins.drive(BUTTON, level=True)
    program.run(ms=1)
    program.mcu.pins.release(BUTTON)


def states(program: RunningProgram) -> list[str]:
    return [program.mcu.domain_state(domain) for domain in ("D1", "D2", "D3")]


def wake_ups(edges: list[tuple[int, bool]]) -> list[float]:
    """Return the milliseconds between edges."""
    times = [time / PS_PER_MS for time, _ in edges]
    return [round(after - before, 2) for before, after in itertools.pairwise(times)]


# -- sleep -------------------------------------------------------------------------------------------------


def test_sleep_on_exit_lets_the_main_program_go_on_when_a_handler_says_so(start_program: Start) -> None:
    program = start_program("power_sleep_on_exit")
    edges = program.edges(LED1)
    program.run(ms=52)
    assert (program.variable("cm7", "ticks"), program.variable("cm7", "turns")) == (10, 0)
    assert wake_ups(edges) == [5] * 9
    assert program.mcu.mode("cm7") is CpuMode.SLEEP
    for presses in (1, 2):
        press(program)
        program.run(ms=20)
        assert program.variable("cm7", "turns") == presses
    assert wake_ups(edges) == [5] * 17


# -- stop --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flags", "clock", "hz"), [((), 0, 64_000_000), (("-DSTOPWUCK=1",), 1, 4_000_000)])
def test_button_wakes_from_stop_and_the_pll_is_off(
    start_program: Start, flags: tuple[str, ...], clock: int, hz: int
) -> None:
    program = start_program("power_stop", *flags)
    program.expect("stop\r\n")
    program.run(ms=5)
    assert states(program) == ["stop"] * 3
    assert program.mcu.clock_hz("sys") == 200_000_000, "as the registers have it until then"
    for presses in (1, 2, 3):
        program.console = ""
        program.mcu.pins.drive(BUTTON, level=True)
        program.run_until(lambda: program.mcu.mode("cm7") is CpuMode.RUN, ms=1)
        program.mcu.pins.release(BUTTON)
        program.run(ms=15)
        assert program.console == f"presses={presses}\r\nwas in Stop=1\r\nclock={clock}\r\nPLL=0\r\nstop\r\n"
        assert states(program) == ["stop"] * 3
    assert not program.mcu.warnings


def test_time_in_stop_costs_no_cycles(start_program: Start) -> None:
    program = start_program("power_stop")
    program.expect("stop\r\n")
    program.run(ms=5)
    cycles = [core.cycles for core in program.mcu.cores.values()]
    program.run(ms=10_000)
    assert [core.cycles for core in program.mcu.cores.values()] == cycles
    press(program)
    program.expect("presses=1")


@pytest.mark.parametrize(
    ("flags", "pulses", "stopped"),
    [((), True, 0), (("-DRUN_D3=0",), False, 1), (("-DAUTONOMOUS=0",), False, 0)],
    ids=["D3 runs", "D3 stops", "LPTIM5 stops"],
)
def test_d3_works_on_for_itself(
    start_program: Start, flags: tuple[str, ...], pulses: bool, stopped: int
) -> None:
    program = start_program("power_run_d3", *flags)
    edges = program.edges(PULSES)
    program.run(ms=1_010)
    assert states(program) == ["stop", "stop", "stop" if stopped else "run"]
    assert [program.mcu.mode(core) for core in ("cm7", "cm4")] == [CpuMode.STOP] * 2
    assert (len(edges) > 18) is pulses
    if pulses:
        assert set(wake_ups(edges[1:])) <= {49.99, 50.0, 50.01}
    press(program)
    assert program.variable("cm7", "system_stopped") == stopped
    edges.clear()
    program.run(ms=500)
    assert len(edges) in (9, 10, 11), "awake it pulses in any case"


def test_release_of_a_semaphore_wakes_the_other_core(start_program: Start) -> None:
    program = start_program("power_hsem")
    edges = program.edges(LED2)
    program.run(ms=105)
    assert program.variable("cm7", "released") == program.variable("cm4", "notified") == 10
    assert wake_ups(edges) == [10] * 9
    assert states(program) == ["run", "stop", "run"]


def test_event_wakes_the_other_core(start_program: Start) -> None:
    program = start_program("power_event")
    program.run(ms=10)
    assert program.variable("cm7", "done") == 1
    assert program.variable("cm7", "sum") == sum(number * number for number in range(11))
    assert program.variable("cm4", "answers") == 10
    assert program.mcu.mode("cm4") is CpuMode.STOP


@pytest.mark.parametrize(
    ("flags", "clock"), [((), 3), (("-DHOLD=0",), 0)], ids=["held until the PLL runs", "not held"]
)
def test_hold_keeps_a_core_from_running_on_the_wrong_clock(
    start_program: Start, flags: tuple[str, ...], clock: int
) -> None:
    program = start_program("power_hold", *flags)
    program.run(ms=10)
    assert states(program) == ["stop"] * 3
    press(program)
    program.run(ms=5)
    assert program.variable("cm4", "clock") == clock
    assert program.variable("cm7", "held") == (clock == 3)
    assert (program.console == "clock=3\r\n") is (clock == 3), "the baud rate is right on the PLL only"
    program.run(ms=10)
    assert states(program)[2] == "stop"
    press(program)
    program.run(ms=5)
    assert program.variable("cm7", "held") == 2 * (clock == 3)


# -- standby -----------------------------------------------------------------------------------------------


def test_d2_goes_to_standby_and_its_core_starts_anew(start_program: Start) -> None:
    program = start_program("power_d2_standby")
    program.run(ms=8)
    assert states(program) == ["run", "standby", "run"]
    program.run_until(lambda: bool(program.variable("cm7", "done")), ms=40)

    def seen(name: str) -> list[int]:
        return [program.variable("cm7", name, index) for index in range(3)]

    assert seen("starts") == [1, 2, 3]
    assert seen("sram2_kept") == [0, 0, 0]
    assert seen("d2_reset") == [1, 1, 1], "power-on, then DStandby"
    assert seen("d2_flags") == [1, 1, 1]
    assert seen("d2_clock") == [0, 0, 0]
    program.run(ms=5)
    assert states(program) == ["run", "standby", "run"]


@pytest.mark.parametrize(("flags", "kept"), [((), True), (("-DBACKUP_REGULATOR=0",), False)])
def test_button_starts_the_chip_out_of_standby(
    start_program: Start, flags: tuple[str, ...], kept: bool
) -> None:
    program = start_program("power_standby_pin", *flags)
    program.run(ms=20)
    assert program.console == "start=1\r\nfrom Standby=0\r\nwake-up flags=0\r\nRAM=1\r\n"
    assert states(program) == ["standby"] * 3
    for start in (2, 3):
        program.console = ""
        press(program)
        program.run(ms=20)
        count = start if kept else 1
        assert program.console == f"start={count}\r\nfrom Standby=1\r\nwake-up flags=8\r\nRAM=1\r\n"
        assert states(program) == ["standby"] * 3
    program.mcu.power_off()
    program.console = ""
    program.power_on()
    program.run(ms=20)
    assert program.console.startswith("start=1\r\nfrom Standby=0\r\n"), "VBAT is VDD on this board"

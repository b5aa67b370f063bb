"""The real-time clock (RM0399 chapter 49) as programs use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    Start = Callable[..., RunningProgram]

BUTTON = "PC13"

START_MS = 400
"""By then a program has started the external oscillator."""


def test_calendar_begins_a_new_year(start_program: Start) -> None:
    program = start_program("rtc_calendar")
    program.run(ms=START_MS + 3100)
    assert program.console.splitlines() == [
        "Tue 24-12-31 23:59:58",
        "Tue 24-12-31 23:59:59",
        "Wed 25-01-01 00:00:00",
        "Wed 25-01-01 00:00:01",
    ]


def test_alarm_interrupts_at_second_30_of_every_minute(start_program: Start) -> None:
    program = start_program("rtc_alarm")
    edges = program.edges("PB0")
    program.run(ms=START_MS)
    assert edges == []
    program.run(ms=125_000)
    assert [level for _, level in edges] == [True, False, True]
    times = [time / PS_PER_S for time, _ in edges]
    assert times[0] == pytest.approx(2 + 0.3, abs=0.02)
    assert [times[1] - times[0], times[2] - times[1]] == pytest.approx([60, 60], abs=1e-5)


def test_both_cores_wake_up_from_stop(start_program: Start) -> None:
    program = start_program("rtc_wake_up")
    program.run(ms=START_MS)
    assert {program.mcu.domain_state(domain) for domain in ("D1", "D2", "D3")} == {"stop"}
    program.run(ms=125_000)
    assert program.variable("cm7", "seconds") == program.variable("cm7", "stops") == 125
    assert program.variable("cm4", "minutes") == 2
    assert program.mcu.domain_state("D3") == "stop"


def test_backup_registers_and_calendar_survive_a_system_reset(start_program: Start) -> None:
    program = start_program("rtc_backup")
    program.expect("tampered=0\r\n", ms=10_000)
    starts, seconds, _ = program.console.splitlines()
    assert starts == "starts=3"
    assert int(seconds.removeprefix("seconds=")) >= 1
    program.board.power_cycle()
    program.console = ""
    program.expect("tampered=0\r\n", ms=10_000)
    assert "starts=3" in program.console  # VBAT is VDD: they counted from 0 again


def test_press_of_the_button_leaves_its_time(start_program: Start) -> None:
    program = start_program("rtc_time_stamp")
    program.expect("ready", ms=1000)
    program.run(ms=7500)
    program.mcu.pins.drive(BUTTON, level=True)
    program.run(ms=20)
    program.mcu.pins.release(BUTTON)
    assert program.console == "ready\r\nsecond=7\r\n"
    program.run(ms=5000)
    assert program.variable("cm7", "presses") == 1


def test_wake_up_timer_ends_standby(start_program: Start) -> None:
    program = start_program("rtc_standby")
    program.run(ms=START_MS + 5000)
    assert program.mcu.domain_state("D3") == "standby"
    program.run(ms=20_000)
    assert program.console == "wake-up=1\r\nsecond=10\r\nwake-up=2\r\nsecond=20\r\n"
    assert program.mcu.domain_state("D3") == "standby"


def test_calendar_goes_on_from_a_saved_state(start_program: Start) -> None:
    program = start_program("rtc_wake_up")
    program.run(ms=START_MS + 30_250)
    saved = program.mcu.save()
    outcomes = []
    for _ in range(2):
        program.run(ms=60_000)
        counts = program.variable("cm7", "seconds"), program.variable("cm4", "minutes")
        outcomes.append((*counts, program.mcu.rtc.read_SSR(Master.AP1)))
        program.mcu.restore(saved)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][:2] == (90, 1)

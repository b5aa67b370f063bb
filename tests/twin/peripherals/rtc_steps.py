"""What the tests of the RTC do again and again: time in seconds and in cycles of its clock, and its procedures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Desk

LSE = 32_768
CYCLE_US = 1e6 / LSE
RESET_PRER = 0x007F_00FF
ALARM_LINE, TIME_STAMP_LINE, WAKE_UP_LINE = 17, 18, 19
DAY = 86_400


def start(desk: Desk) -> None:
    """Start an RTC on LSE and unlock it."""
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", LSEON=1)
    desk.run(400_000)
    desk.set("RCC.BDCR", RTCSEL=1, RTCEN=1)
    unlock(desk)


def unlock(desk: Desk) -> None:
    desk.write("RTC.WPR", 0xCA)
    desk.write("RTC.WPR", 0x53)


def seconds(desk: Desk, number: float) -> None:
    """Let board time pass; both cores do nothing."""
    desk.run(number * 1e6)


def cycles(desk: Desk, number: float) -> None:
    """Let cycles of RTCCLK pass."""
    desk.run(number * CYCLE_US)


def enter_initialisation(desk: Desk) -> None:
    desk.set("RTC.ISR", INIT=1)
    cycles(desk, 3)
    assert desk.field("RTC.ISR.INITF") == 1


def set_calendar(desk: Desk, time: int, date: int = 0x23A101, prescalers: int = RESET_PRER) -> None:
    """Set TR and DR, and let the first second begin."""
    enter_initialisation(desk)
    desk.write("RTC.PRER", prescalers)
    desk.write("RTC.TR", time)
    desk.write("RTC.DR", date)
    desk.set("RTC.ISR", INIT=0)
    cycles(desk, 7)
    assert desk.field("RTC.ISR.RSF") == 1


def calendar(desk: Desk) -> tuple[int, int]:
    return desk.read("RTC.TR"), desk.read("RTC.DR")


def listen(desk: Desk, line: int) -> None:
    """Let a rising edge of an EXTI line become pending for the CM7."""
    desk.write("EXTI.RTSR1", desk.read("EXTI.RTSR1") | 1 << line)
    desk.write("EXTI.C1IMR1", desk.read("EXTI.C1IMR1") | 1 << line)


def pending(desk: Desk, line: int) -> bool:
    return bool(desk.read("EXTI.C1PR1") >> line & 1)


def clear_flag(desk: Desk, flag: str) -> None:
    desk.set("RTC.ISR", **{flag: 0})


def expect_flag(desk: Desk, flag: str, after: float, *, within: float = 3) -> None:
    """A flag gets set after some seconds, give or take cycles of RTCCLK."""
    seconds(desk, after - within * CYCLE_US / 1e6)
    assert desk.field(f"RTC.ISR.{flag}") == 0
    cycles(desk, 2 * within)
    assert desk.field(f"RTC.ISR.{flag}") == 1


def day_seconds(register: int) -> int:
    """Return the seconds of the day in TR, in 24-hour format."""
    hour, minute, second = (int(f"{register >> shift & 0xFF:02x}") for shift in (16, 8, 0))
    return hour * 3600 + minute * 60 + second

"""RTC: alarms and wake-up timer (RM0399 sections 49.3.6 and 49.3.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rtc_steps import (
    ALARM_LINE,
    CYCLE_US,
    DAY,
    LSE,
    WAKE_UP_LINE,
    clear_flag,
    cycles,
    day_seconds,
    enter_initialisation,
    expect_flag,
    listen,
    pending,
    seconds,
    set_calendar,
    start,
)

from pytest_h7.twin.peripherals.rtc_calendar import Alarm, CalendarCounter, Moment, decode_date, encode_date
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def rtc(desk: Desk) -> Desk:
    """The chip, its RTC on LSE and unlocked."""
    start(desk)
    return desk


# -- alarms ---------------------------------------------------------------------------------------------


def arm(desk: Desk, alarm: int, sub_seconds: int = 0, name: str = "A") -> None:
    desk.set("RTC.CR", **{f"ALR{name}E": 0})
    cycles(desk, 3)
    assert desk.field(f"RTC.ISR.ALR{name}WF") == 1
    desk.write(f"RTC.ALRM{name}R", alarm)
    desk.write(f"RTC.ALRM{name}SSR", sub_seconds)
    desk.set("RTC.CR", **{f"ALR{name}E": 1, f"ALR{name}IE": 1})


@pytest.mark.parametrize("name", ["A", "B"])
def test_alarm_sets_its_flag_and_its_line_at_the_second_it_names(rtc: Desk, name: str) -> None:
    set_calendar(rtc, 0x120000)
    listen(rtc, ALARM_LINE)
    arm(rtc, 1 << 31 | 0x120005, name=name)
    seconds(rtc, 4.9)
    assert (rtc.field(f"RTC.ISR.ALR{name}F"), pending(rtc, ALARM_LINE)) == (0, False)
    seconds(rtc, 0.1)
    assert (rtc.field(f"RTC.ISR.ALR{name}F"), pending(rtc, ALARM_LINE)) == (1, True)
    assert rtc.read("RTC.TR") == 0x120005


@pytest.mark.parametrize(("name", "timer"), [("A", "LPTIM1"), ("B", "LPTIM2")])
def test_alarm_starts_a_low_power_timer(rtc: Desk, name: str, timer: str) -> None:
    rtc.write("RCC.APB1LENR", 1 << 9)
    rtc.write("RCC.APB4ENR", 1 << 9 | 1 << 16)
    rising, selection = 1 << 17, {"A": 1, "B": 2}[name] << 13
    for register, value in (("CFGR", rising | selection), ("CR", 1), ("ARR", 0xFFFF), ("CR", 1 | 1 << 2)):
        rtc.write(f"{timer}.{register}", value)
    set_calendar(rtc, 0x120000)
    arm(rtc, 1 << 31 | 0x120005, name=name)
    seconds(rtc, 4.9)
    assert (rtc.field(f"{timer}.ISR.EXTTRIG"), rtc.read(f"{timer}.CNT")) == (0, 0)
    seconds(rtc, 0.1)
    rtc.run(10)
    assert rtc.field(f"{timer}.ISR.EXTTRIG") == 1
    assert rtc.read(f"{timer}.CNT") > 0
    assert not rtc.mcu.unmodelled


def test_alarm_without_its_interrupt_sets_the_flag_only(rtc: Desk) -> None:
    set_calendar(rtc, 0x120000)
    listen(rtc, ALARM_LINE)
    arm(rtc, 1 << 31 | 0x120001)
    rtc.set("RTC.CR", ALRAIE=0)
    seconds(rtc, 1)
    assert (rtc.field("RTC.ISR.ALRAF"), pending(rtc, ALARM_LINE)) == (1, False)
    rtc.set("RTC.CR", ALRAIE=1)
    assert pending(rtc, ALARM_LINE)


def test_alarm_every_second_comes_again_once_it_is_cleared(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    listen(rtc, ALARM_LINE)
    arm(rtc, 0x8080_8080)
    seconds(rtc, 3)
    clear_flag(rtc, "ALRAF")
    rtc.write("EXTI.C1PR1", 1 << ALARM_LINE)
    assert not rtc.field("RTC.ISR.ALRAF")
    expect_flag(rtc, "ALRAF", 1, within=30)
    assert pending(rtc, ALARM_LINE)


@pytest.mark.parametrize(
    ("alarm", "start", "date", "wanted", "wanted_date"),
    [
        (0x8080_8030, 0x120031, 0x239205, 0x120130, 0x239205),
        (0x8080_1500, 0x121500, 0x239205, 0x131500, 0x239205),
        (0x8009_0000, 0x090001, 0x239205, 0x090000, 0x23B206),
        (0x3106_0000, 0x090001, 0x23E430, 0x060000, 0x236531),
        (0x4306_0000, 0x090001, 0x236205, 0x060000, 0x236212),
        (0x2900_0000, 0x000000, 0x23A129, 0x000000, 0x232329),
    ],
    ids=["seconds", "minutes", "hours", "day 31", "Wednesday", "day 29 after February"],
)
def test_fields_of_an_alarm(alarm: int, start: int, date: int, wanted: int, wanted_date: int) -> None:
    """The next match lies where counting second by second finds it."""
    assert next_by_model(alarm, start, date) == next_by_counting(alarm, start, date)
    counter = counter_at(start, date)
    moment = counter.at(next_by_model(alarm, start, date))
    assert (encode_date(moment.time, moment.weekday), moment.time % DAY) == (wanted_date, day_seconds(wanted))


def counter_at(time: int, date: int) -> CalendarCounter:
    """Return a calendar whose second is one cycle of RTCCLK."""
    counter = CalendarCounter(0, 0)
    day, weekday = decode_date(date)
    counter.start(0, Moment(0, 0, day * DAY + day_seconds(time), weekday), 0)
    return counter


def next_by_model(alarm: int, time: int, date: int) -> int:
    tick = Alarm(alarm, 0, twelve_hours=False).next_match(counter_at(time, date), 0)
    assert tick is not None
    return tick


def next_by_counting(alarm: int, time: int, date: int) -> int:
    """Compare register fields hour by hour, then second by second."""
    counter = counter_at(time, date)
    second = 1
    while True:
        moment = counter.at(second)
        shown = encode_date(moment.time, moment.weekday)
        day = shown >> 13 & 7 if alarm & 1 << 30 else shown & 0x3F
        if not alarm & 1 << 31 and day != alarm >> 24 & 0x3F:
            second += DAY - moment.time % DAY
            continue
        clock = moment.time % DAY
        fields = {23: (clock // 3600, 16), 15: (clock // 60 % 60, 8), 7: (clock % 60, 0)}
        if all(
            alarm >> mask & 1 or int(str(number), 16) == alarm >> shift & 0x7F
            for mask, (number, shift) in fields.items()
        ):
            return second
        second += 1


@pytest.mark.parametrize("alarm", [0x8080_807F, 0x8025_0000, 0x0000_0000, 0x3200_0000, 0x4000_0000])
def test_alarm_that_names_no_time_never_comes(alarm: int) -> None:
    assert Alarm(alarm, 0, twelve_hours=False).next_match(counter_at(0, 0x239205), 0) is None


def test_alarm_compares_the_half_of_the_day_in_twelve_hour_format(rtc: Desk) -> None:
    enter_initialisation(rtc)
    rtc.set("RTC.CR", FMT=1)
    rtc.set("RTC.ISR", INIT=0)
    set_calendar(rtc, 0x515959)  # 11:59:59 pm
    arm(rtc, 1 << 31 | 0x520000)  # 12:00:00 pm
    seconds(rtc, 2)
    assert rtc.field("RTC.ISR.ALRAF") == 0
    arm(rtc, 1 << 31 | 0x120003)
    seconds(rtc, 2)
    assert rtc.field("RTC.ISR.ALRAF") == 1


@pytest.mark.parametrize(
    ("sub_seconds", "expected"),
    [
        (0x0000_0000, 5.0),
        (0x0F00_00FF, 5.0),
        (0x0F00_0080, 5 + 127 / 256),
        (0x0800_0080, 5 + 127 / 256),
        (0x0400_0000, 5 + 15 / 256),
        (0x0100_0001, 5.0),
        (0x0F00_7FFF, None),
    ],
)
def test_sub_seconds_of_an_alarm(rtc: Desk, sub_seconds: int, expected: float | None) -> None:
    set_calendar(rtc, 0x120000)
    start = rtc.mcu.now
    arm(rtc, 1 << 31 | 0x120005, sub_seconds)
    seconds(rtc, 4.99)
    assert rtc.field("RTC.ISR.ALRAF") == 0
    if expected is None:
        seconds(rtc, 2)
        assert rtc.field("RTC.ISR.ALRAF") == 0
    else:
        expect_flag(rtc, "ALRAF", expected - (rtc.mcu.now - start) / PS_PER_S, within=10)


def test_alarm_several_times_a_second(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    arm(rtc, 0x8080_8080, 0x0600_0000)  # every 64 of 256 steps
    expect_flag(rtc, "ALRAF", 63 / 256, within=30)
    clear_flag(rtc, "ALRAF")
    expect_flag(rtc, "ALRAF", 0.25, within=60)


def test_alarm_registers_are_fixed_while_the_alarm_is_on(rtc: Desk) -> None:
    arm(rtc, 0x1234)
    rtc.write("RTC.ALRMAR", 0x5678)
    rtc.write("RTC.ALRMASSR", 1)
    assert (rtc.read("RTC.ALRMAR"), rtc.read("RTC.ALRMASSR")) == (0x1234, 0)
    rtc.set("RTC.CR", ALRAE=0)
    rtc.write("RTC.ALRMAR", 0x5678)
    assert rtc.read("RTC.ALRMAR") == 0x1234
    cycles(rtc, 3)
    rtc.write("RTC.ALRMAR", 0x5678)
    assert rtc.read("RTC.ALRMAR") == 0x5678


def test_line_falls_when_the_flag_is_cleared(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    rtc.write("EXTI.FTSR1", 1 << ALARM_LINE)
    rtc.write("EXTI.C1IMR1", 1 << ALARM_LINE)
    arm(rtc, 0x8080_8080)
    seconds(rtc, 1)
    assert not pending(rtc, ALARM_LINE)
    clear_flag(rtc, "ALRAF")
    assert pending(rtc, ALARM_LINE)


# -- wake-up timer ----------------------------------------------------------------------------------------


def start_wake_up_timer(desk: Desk, selection: int, value: int) -> None:
    desk.set("RTC.CR", WUTE=0)
    cycles(desk, 3)
    assert desk.field("RTC.ISR.WUTWF") == 1
    desk.write("RTC.WUTR", value)
    desk.set("RTC.CR", WUCKSEL=selection)
    desk.set("RTC.CR", WUTE=1, WUTIE=1)


@pytest.mark.parametrize(
    ("selection", "value", "period"),
    [
        (0, 2, 48 / LSE),
        (1, 9, 80 / LSE),
        (2, 99, 400 / LSE),
        (3, 0x3FFF, 1.0),
        (4, 0, 1.0),
        (5, 2, 3.0),
    ],
)
def test_period_of_the_wake_up_timer(rtc: Desk, selection: int, value: int, period: float) -> None:
    set_calendar(rtc, 0)
    listen(rtc, WAKE_UP_LINE)
    start_wake_up_timer(rtc, selection, value)
    expect_flag(rtc, "WUTF", period, within=14)
    assert pending(rtc, WAKE_UP_LINE)
    for _ in range(3):
        clear_flag(rtc, "WUTF")
        rtc.run(period * 1e6 - 28 * CYCLE_US)
        assert rtc.field("RTC.ISR.WUTF") == 0
        cycles(rtc, 28)
        assert rtc.field("RTC.ISR.WUTF") == 1


def test_seventeen_bits_of_the_wake_up_timer(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    start_wake_up_timer(rtc, 6, 1)
    seconds(rtc, 65_537.5)
    assert rtc.field("RTC.ISR.WUTF") == 0
    seconds(rtc, 1)
    assert rtc.field("RTC.ISR.WUTF") == 1


def test_wake_up_timer_keeps_its_rhythm_while_the_flag_stays(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    start_wake_up_timer(rtc, 4, 9)
    seconds(rtc, 25)
    clear_flag(rtc, "WUTF")
    expect_flag(rtc, "WUTF", 5, within=30)


def test_wake_up_settings_are_fixed_while_it_runs(rtc: Desk) -> None:
    start_wake_up_timer(rtc, 4, 9)
    rtc.write("RTC.WUTR", 5)
    rtc.set("RTC.CR", WUCKSEL=1)
    assert (rtc.read("RTC.WUTR"), rtc.field("RTC.CR.WUCKSEL")) == (9, 4)
    assert rtc.field("RTC.ISR.WUTWF") == 0
    rtc.set("RTC.CR", WUTE=0)
    assert rtc.field("RTC.ISR.WUTWF") == 0
    cycles(rtc, 2)
    assert rtc.field("RTC.ISR.WUTWF") == 1
    seconds(rtc, 20)
    assert rtc.field("RTC.ISR.WUTF") == 0


def test_wake_up_timer_on_the_calendar_clock_waits_for_the_initialisation(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    start_wake_up_timer(rtc, 4, 1)
    seconds(rtc, 1)
    enter_initialisation(rtc)
    seconds(rtc, 10)
    assert rtc.field("RTC.ISR.WUTF") == 0
    rtc.set("RTC.ISR", INIT=0)
    expect_flag(rtc, "WUTF", 1, within=30)


def test_nothing_is_scheduled_for_a_flag_that_is_set(rtc: Desk) -> None:
    """What nobody can notice must not cost anything: a day is quick."""
    set_calendar(rtc, 0)
    start_wake_up_timer(rtc, 0, 0)
    arm(rtc, 0x8080_8080)
    seconds(rtc, 1)
    events = []
    schedule = rtc.mcu.schedule
    rtc.mcu.schedule = lambda delay, action: events.append(delay) or schedule(delay, action)
    seconds(rtc, 100)
    assert events == []

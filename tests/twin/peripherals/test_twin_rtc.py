"""RTC: calendar, alarms, wake-up timer, time-stamp, backup registers (RM0399 chapter 49)."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.twin.bus import Master
from pytest_h7.twin.peripherals.rtc_calendar import Alarm, CalendarCounter, decode_date, encode_date
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from conftest import Desk

LSE = 32_768
CYCLE_US = 1e6 / LSE
RESET_PRER = 0x007F_00FF
ALARM_LINE, TIME_STAMP_LINE, WAKE_UP_LINE = 17, 18, 19
DAY = 86_400


@pytest.fixture
def rtc(desk: Desk) -> Desk:
    """The chip, its RTC on LSE and unlocked."""
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.BDCR", LSEON=1)
    desk.run(1_000_000)
    desk.set("RCC.BDCR", RTCSEL=1, RTCEN=1)
    unlock(desk)
    return desk


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


# -- protection ---------------------------------------------------------------------------------------


def test_after_reset_nothing_can_be_written_without_dbp(desk: Desk) -> None:
    unlock(desk)
    desk.write("RTC.BKP3R", 5)
    desk.write("RTC.TAMPCR", 5)
    assert (desk.read("RTC.BKP3R"), desk.read("RTC.TAMPCR")) == (0, 0)
    desk.set("PWR.CR1", DBP=1)
    desk.write("RTC.CR", 1 << 18)
    assert desk.read("RTC.CR") == 0  # the keys were written in vain
    unlock(desk)
    desk.write("RTC.CR", 1 << 18)
    assert desk.read("RTC.CR") == 1 << 18


@pytest.mark.parametrize(
    ("keys", "writable"),
    [
        ((0xCA, 0x53), True),
        ((0xCA,), False),
        ((0x53,), False),
        ((0xCA, 0x54), False),
        ((0xCA, 0x53, 0xFF), False),
        ((0xCA, 0x53, 0xCA), False),
        ((0xCA, 0x53, 0xCA, 0x53), True),
        ((0xCA, 0xCA, 0x53), False),
    ],
)
def test_keys_of_the_write_protection(desk: Desk, keys: tuple[int, ...], writable: bool) -> None:
    desk.set("PWR.CR1", DBP=1)
    for key in keys:
        desk.write("RTC.WPR", key)
    desk.write("RTC.ALRMAR", 0x1234)
    assert desk.read("RTC.ALRMAR") == (0x1234 if writable else 0)
    assert desk.read("RTC.WPR") == 0


def test_backup_and_tamper_registers_need_no_key(desk: Desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    for number in range(32):
        desk.write(f"RTC.BKP{number}R", 0x1111_0000 + number)
    desk.write("RTC.TAMPCR", 0x18)
    desk.write("RTC.OR", 1)
    assert [desk.read(f"RTC.BKP{number}R") for number in range(32)] == [
        0x1111_0000 + number for number in range(32)
    ]
    assert (desk.read("RTC.TAMPCR"), desk.read("RTC.OR")) == (0x18, 1)


def test_flags_are_cleared_without_key_but_not_the_shadow_registers_flag(rtc: Desk) -> None:
    rtc.write("RTC.WUTR", 0)
    rtc.set("RTC.CR", WUTE=1)
    seconds(rtc, 0.5)
    rtc.write("RTC.WPR", 0)
    assert (rtc.field("RTC.ISR.WUTF"), rtc.field("RTC.ISR.RSF")) == (1, 1)
    rtc.write("RTC.ISR", 0)
    assert (rtc.field("RTC.ISR.WUTF"), rtc.field("RTC.ISR.RSF")) == (0, 1)


# -- clock --------------------------------------------------------------------------------------------


def test_without_clock_nothing_begins(desk: Desk) -> None:
    desk.set("PWR.CR1", DBP=1)
    unlock(desk)
    desk.set("RTC.ISR", INIT=1)
    seconds(desk, 1)
    assert desk.field("RTC.ISR.INITF") == 0
    desk.set("RCC.BDCR", LSEON=1)
    seconds(desk, 1)
    assert desk.field("RTC.ISR.INITF") == 0
    desk.set("RCC.BDCR", RTCSEL=1)
    seconds(desk, 1)
    assert desk.field("RTC.ISR.INITF") == 0
    desk.set("RCC.BDCR", RTCEN=1)
    cycles(desk, 3)
    assert desk.field("RTC.ISR.INITF") == 1


@pytest.mark.parametrize(
    ("source", "prescalers", "cycles_per_second"),
    [(1, RESET_PRER, 32_768), (2, 0x007C_00FF, 32_000), (3, 0x0063_270F, 1_000_000)],
    ids=["LSE", "LSI", "HSE"],
)
def test_sources_of_the_clock(desk: Desk, source: int, prescalers: int, cycles_per_second: int) -> None:
    desk.set("PWR.CR1", DBP=1)
    desk.set("RCC.CR", HSEBYP=1)
    desk.set("RCC.CR", HSEON=1)
    desk.set("RCC.CFGR", RTCPRE=8)
    desk.set("RCC.CSR", LSION=1)
    desk.set("RCC.BDCR", LSEON=1, RTCSEL=source, RTCEN=1)
    seconds(desk, 1)
    unlock(desk)
    desk.set("RTC.CR", BYPSHAD=1)
    set_by_hand(desk, prescalers)
    before = desk.mcu.now
    while desk.read("RTC.TR") < 3:
        desk.run(100)
    assert (desk.mcu.now - before) / PS_PER_S == pytest.approx(3, abs=0.0003)
    assert (prescalers >> 16) + 1 << 8 == cycles_per_second or source == 3


def set_by_hand(desk: Desk, prescalers: int) -> None:
    desk.set("RTC.ISR", INIT=1)
    desk.run(100)
    desk.write("RTC.PRER", prescalers)
    desk.write("RTC.TR", 0)
    desk.set("RTC.ISR", INIT=0)


def test_clock_that_is_switched_off_stops_the_calendar(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    seconds(rtc, 2.5)
    rtc.set("RCC.BDCR", RTCEN=0)
    seconds(rtc, 10)
    rtc.set("RCC.BDCR", RTCEN=1)
    seconds(rtc, 1)
    assert rtc.read("RTC.TR") == 3


def test_registers_are_reached_with_the_bus_clock_only(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    rtc.set("RCC_C1.APB4ENR", RTCAPBEN=0)
    rtc.set("RCC_C2.APB4ENR", RTCAPBEN=0)
    seconds(rtc, 5)
    assert rtc.read("RTC.PRER") == 0
    rtc.set("RCC_C1.APB4ENR", RTCAPBEN=1)
    assert (rtc.read("RTC.PRER"), rtc.read("RTC.TR")) == (RESET_PRER, 5)


# -- calendar -----------------------------------------------------------------------------------------


def test_initialisation_takes_two_cycles_to_begin(rtc: Desk) -> None:
    rtc.set("RTC.ISR", INIT=1)
    cycles(rtc, 1)
    assert rtc.field("RTC.ISR.INITF") == 0
    cycles(rtc, 1.1)
    assert rtc.field("RTC.ISR.INITF") == 1
    assert (rtc.field("RTC.ISR.RSF"), rtc.field("RTC.ISR.ALRAWF")) == (0, 0)


def test_calendar_stands_still_and_can_be_written_in_initialisation_only(rtc: Desk) -> None:
    rtc.write("RTC.TR", 0x112233)
    rtc.write("RTC.PRER", 0)
    assert (rtc.read("RTC.TR") & 0xFFFF00, rtc.read("RTC.PRER")) == (0, RESET_PRER)
    enter_initialisation(rtc)
    rtc.write("RTC.TR", 0x112233)
    seconds(rtc, 3)
    assert rtc.read("RTC.TR") == 0x112233
    rtc.set("RTC.ISR", INIT=0)
    seconds(rtc, 3.1)
    assert rtc.read("RTC.TR") == 0x112236


def test_date_stays_where_only_the_time_is_written(rtc: Desk) -> None:
    set_calendar(rtc, 0x235958, 0x24D130)
    rtc.read("RTC.DR")
    enter_initialisation(rtc)
    rtc.write("RTC.TR", 0x120000)
    rtc.set("RTC.ISR", INIT=0)
    cycles(rtc, 10)
    assert calendar(rtc) == (0x120000, 0x24D130)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((0x095959, 0x239205), (0x100000, 0x239205)),
        ((0x235959, 0x239205), (0x000000, 0x23B206)),
        ((0x235959, 0x23E430), (0x000000, 0x232501)),
        ((0x235959, 0x234228), (0x000000, 0x236301)),
        ((0x235959, 0x244228), (0x000000, 0x246229)),
        ((0x235959, 0x24F231), (0x000000, 0x252101)),
        ((0x235959, 0x99D231), (0x000000, 0x00E101)),
    ],
    ids=["hour", "day", "month", "February", "leap year", "year and week", "century"],
)
def test_carries_of_the_calendar(rtc: Desk, before: tuple[int, int], after: tuple[int, int]) -> None:
    set_calendar(rtc, *before)
    assert calendar(rtc) == before
    seconds(rtc, 1)
    assert calendar(rtc) == after


@pytest.mark.parametrize(
    ("time", "later"),
    [
        (0x120000, 0x120001),
        (0x115959, 0x520000),
        (0x525959, 0x410000),
        (0x515959, 0x120000),
        (0x125959, 0x010000),
    ],
    ids=["midnight", "noon", "1 pm", "new day", "1 am"],
)
def test_twelve_hour_format(rtc: Desk, time: int, later: int) -> None:
    enter_initialisation(rtc)
    rtc.set("RTC.CR", FMT=1)
    rtc.set("RTC.ISR", INIT=0)
    set_calendar(rtc, time)
    seconds(rtc, 1)
    assert rtc.read("RTC.TR") == later


def test_format_changes_in_initialisation_only(rtc: Desk) -> None:
    rtc.set("RTC.CR", FMT=1)
    assert rtc.field("RTC.CR.FMT") == 0


def test_sub_seconds_count_down_once_per_asynchronous_prescaler(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    rtc.set("RTC.CR", BYPSHAD=1)
    first = rtc.read("RTC.SSR")
    assert first in (0xFF, 0xFE)
    cycles(rtc, 128 * 10)
    assert rtc.read("RTC.SSR") == first - 10
    seconds(rtc, 1)
    assert (rtc.read("RTC.SSR"), rtc.read("RTC.TR")) == (first - 10, 1)


def test_calendar_that_was_never_set_says_so(rtc: Desk) -> None:
    assert rtc.field("RTC.ISR.INITS") == 0
    set_calendar(rtc, 0, 0x23A101)
    assert rtc.field("RTC.ISR.INITS") == 1


@given(
    st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2099, 11, 30)),
    st.integers(0, 30 * DAY),
    st.integers(1, 7),
)
def test_calendar_agrees_with_the_gregorian_one(start: datetime.datetime, passed: int, weekday: int) -> None:
    start = start.replace(microsecond=0)
    counter = CalendarCounter(0, 0)  # a cycle of RTCCLK is a second
    day, kept_weekday = decode_date(bcd_date(start, weekday))
    time = day * DAY + start.hour * 3600 + start.minute * 60 + start.second
    counter.start(0, type(counter.at(0))(0, 0, time, kept_weekday), 0)
    moment = counter.at(passed)
    end = start + datetime.timedelta(seconds=passed)
    shown = (weekday - 1 + (end.date() - start.date()).days) % 7 + 1
    assert encode_date(moment.time, moment.weekday) == bcd_date(end, shown)
    assert moment.time % DAY == end.hour * 3600 + end.minute * 60 + end.second


def bcd_date(date: datetime.datetime, weekday: int) -> int:
    return int(f"{date.year - 2000:02}{date.month:02}{date.day:02}", 16) | weekday << 13


# -- shadow registers -----------------------------------------------------------------------------------


def test_reading_sub_seconds_locks_time_and_date_until_the_date_is_read(rtc: Desk) -> None:
    set_calendar(rtc, 0x235959, 0x24F231)
    rtc.read("RTC.SSR")
    seconds(rtc, 2)
    assert rtc.read("RTC.TR") == 0x235959
    seconds(rtc, 2)
    assert rtc.read("RTC.TR") == 0x235959  # the classic mistake: time without date
    assert rtc.read("RTC.DR") == 0x24F231
    assert calendar(rtc) == (0x000003, 0x252101)


def test_reading_the_time_locks_the_date(rtc: Desk) -> None:
    set_calendar(rtc, 0x235959, 0x24F231)
    rtc.read("RTC.TR")
    seconds(rtc, 1)
    assert (rtc.read("RTC.DR"), rtc.read("RTC.DR")) == (0x24F231, 0x252101)


def test_bypass_shows_the_counters_and_no_flag(rtc: Desk) -> None:
    set_calendar(rtc, 0x235959, 0x24F231)
    rtc.set("RTC.CR", BYPSHAD=1)
    rtc.read("RTC.SSR")
    seconds(rtc, 1)
    assert calendar(rtc) == (0x000000, 0x252101)
    assert rtc.field("RTC.ISR.RSF") == 0
    rtc.set("RTC.CR", BYPSHAD=0)
    assert rtc.field("RTC.ISR.RSF") == 0
    cycles(rtc, 3)
    assert rtc.field("RTC.ISR.RSF") == 1


def test_flag_that_is_cleared_comes_back_with_the_next_copy(rtc: Desk) -> None:
    set_calendar(rtc, 0)
    rtc.set("RTC.ISR", RSF=0)
    assert rtc.field("RTC.ISR.RSF") == 0
    cycles(rtc, 2)
    assert rtc.field("RTC.ISR.RSF") == 1


def test_system_reset_clears_the_shadow_registers_only(rtc: Desk) -> None:
    set_calendar(rtc, 0x123456, 0x24F231)
    rtc.mcu.system_reset()
    rtc.run(25)
    assert calendar(rtc) == (0, 0x2101)
    assert rtc.field("RTC.ISR.RSF") == 0
    cycles(rtc, 3)
    assert rtc.field("RTC.ISR.RSF") == 1
    assert calendar(rtc) == (0x123456, 0x24F231)
    rtc.write("RTC.BKP0R", 1)
    assert rtc.read("RTC.BKP0R") == 0  # DBP was cleared


def test_system_reset_ends_the_initialisation(rtc: Desk) -> None:
    set_calendar(rtc, 0x100000)
    enter_initialisation(rtc)
    rtc.write("RTC.TR", 0x200000)
    rtc.mcu.system_reset()
    seconds(rtc, 1)
    assert (rtc.field("RTC.ISR.INIT"), rtc.field("RTC.ISR.INITF")) == (0, 0)
    assert rtc.read("RTC.TR") == 0x200000


def test_reset_of_the_backup_domain_resets_all(rtc: Desk) -> None:
    set_calendar(rtc, 0x123456, 0x24F231)
    rtc.write("RTC.BKP31R", 1)
    rtc.write("RTC.ALRMAR", 1)
    rtc.set("RTC.CR", ALRAE=1)
    rtc.set("RCC.BDCR", BDRST=1)
    rtc.write("RCC.BDCR", 0)
    values = [rtc.read(f"RTC.{name}") for name in ("TR", "DR", "CR", "ISR", "PRER", "ALRMAR", "BKP31R")]
    assert values == [0, 0x2101, 0, 7, RESET_PRER, 0, 0]
    rtc.write("RTC.ALRMAR", 1)
    assert rtc.read("RTC.ALRMAR") == 0  # locked again


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


def day_seconds(register: int) -> int:
    hour, minute, second = (int(f"{register >> shift & 0xFF:02x}") for shift in (16, 8, 0))
    return hour * 3600 + minute * 60 + second


def counter_at(time: int, date: int) -> CalendarCounter:
    """Return a calendar whose second is one cycle of RTCCLK."""
    counter = CalendarCounter(0, 0)
    day, weekday = decode_date(date)
    counter.start(0, type(counter.at(0))(0, 0, day * DAY + day_seconds(time), weekday), 0)
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


# -- corrections ------------------------------------------------------------------------------------------


def test_summer_and_winter_time(rtc: Desk) -> None:
    set_calendar(rtc, 0x013000)
    rtc.set("RTC.CR", ADD1H=1, BKP=1)
    assert (rtc.field("RTC.CR.ADD1H"), rtc.field("RTC.CR.BKP"), rtc.read("RTC.TR")) == (0, 1, 0x013000)
    rtc.read("RTC.DR")
    seconds(rtc, 1)
    assert rtc.read("RTC.TR") == 0x023001
    rtc.read("RTC.DR")
    rtc.set("RTC.CR", SUB1H=1)
    seconds(rtc, 1)
    assert rtc.read("RTC.TR") == 0x013002


def test_no_hour_is_subtracted_from_hour_zero(rtc: Desk) -> None:
    set_calendar(rtc, 0x003000)
    rtc.set("RTC.CR", SUB1H=1)
    seconds(rtc, 1)
    assert rtc.read("RTC.TR") == 0x003001


def test_shift_delays_by_a_fraction_of_a_second(rtc: Desk) -> None:
    set_calendar(rtc, 0x120000)
    seconds(rtc, 0.25)
    rtc.write("RTC.SHIFTR", 128)
    assert (rtc.field("RTC.ISR.SHPF"), rtc.field("RTC.ISR.RSF")) == (1, 0)
    cycles(rtc, 131)
    assert (rtc.field("RTC.ISR.SHPF"), rtc.field("RTC.ISR.RSF")) == (0, 1)
    assert rtc.read("RTC.SSR") == pytest.approx(255 - 65 + 128, abs=1)  # above PREDIV_S: a second less
    assert rtc.read("RTC.TR") == 0x120000
    rtc.read("RTC.DR")
    seconds(rtc, 1.1)
    assert rtc.read("RTC.TR") == 0x120000
    rtc.read("RTC.DR")
    seconds(rtc, 0.2)
    assert rtc.read("RTC.TR") == 0x120001


def test_shift_advances_by_a_second_less_a_fraction(rtc: Desk) -> None:
    set_calendar(rtc, 0x120000)
    seconds(rtc, 0.75)
    rtc.write("RTC.SHIFTR", 1 << 31 | 128)
    cycles(rtc, 131)
    assert rtc.read("RTC.TR") == 0x120001
    rtc.read("RTC.DR")
    seconds(rtc, 0.5)
    assert rtc.read("RTC.TR") == 0x120001
    rtc.read("RTC.DR")
    seconds(rtc, 0.3)
    assert rtc.read("RTC.TR") == 0x120002


@pytest.mark.parametrize(
    ("register", "pulses"),
    [
        (0x0000, 0),
        (0x01FF, -511),
        (0x8000, 512),
        (0x80FF, 512 - 255),
        (0x4003, 0),
        (0x2003, -2),
    ],
)
def test_smooth_calibration(rtc: Desk, register: int, pulses: int) -> None:
    """In 32 s of LSE that many cycles are added; 1000 windows make the difference visible."""
    set_calendar(rtc, 0)
    rtc.write("RTC.CALR", register)
    assert rtc.field("RTC.ISR.RECALPF") == 1
    rtc.write("RTC.CALR", 0x1F)
    assert rtc.read("RTC.CALR") == register
    cycles(rtc, 3 * 128)
    assert rtc.field("RTC.ISR.RECALPF") == 0
    rtc.set("RTC.CR", BYPSHAD=1)
    before = sub_second_time(rtc)
    seconds(rtc, 32_000)
    gained = sub_second_time(rtc) - before - 32_000
    assert gained == pytest.approx(1000 * pulses / LSE, abs=0.005)


def test_calibration_adds_nothing_with_a_small_prescaler(rtc: Desk) -> None:
    set_calendar(rtc, 0, prescalers=0x0001_3FFF)
    rtc.write("RTC.CALR", 0x8000)
    rtc.set("RTC.CR", BYPSHAD=1)
    seconds(rtc, 1)
    before = rtc.read("RTC.SSR")
    seconds(rtc, 3200)
    assert rtc.read("RTC.SSR") == pytest.approx(before, abs=1)


def sub_second_time(desk: Desk) -> float:
    return day_seconds(desk.read("RTC.TR")) + (255 - desk.read("RTC.SSR")) / 256


# -- time-stamp -------------------------------------------------------------------------------------------


def test_button_leaves_its_time(rtc: Desk) -> None:
    set_calendar(rtc, 0x123456, 0x24F231)
    listen(rtc, TIME_STAMP_LINE)
    rtc.set("RTC.CR", TSE=1, TSIE=1)
    rtc.mcu.pins.drive("PC13", False)
    seconds(rtc, 0.5)
    rtc.mcu.pins.drive("PC13", True)
    assert rtc.field("RTC.ISR.TSF") == 0
    cycles(rtc, 256)
    assert (rtc.field("RTC.ISR.TSF"), rtc.field("RTC.ISR.TSOVF"), pending(rtc, TIME_STAMP_LINE)) == (
        1,
        0,
        True,
    )
    rtc.mcu.pins.drive("PC13", False)
    seconds(rtc, 3)
    assert (rtc.read("RTC.TSTR"), rtc.read("RTC.TSDR")) == (0x123456, 0xF231)
    assert rtc.read("RTC.TSSSR") == pytest.approx(127, abs=1)
    rtc.mcu.pins.drive("PC13", True)
    assert rtc.field("RTC.ISR.TSOVF") == 1
    assert rtc.read("RTC.TSTR") == 0x123456
    rtc.set("RTC.ISR", TSF=0, TSOVF=0)
    assert (rtc.field("RTC.ISR.TSF"), rtc.read("RTC.TSTR"), rtc.read("RTC.TSDR")) == (0, 0, 0)


@pytest.mark.parametrize(("enabled", "falling", "stamped"), [(0, 0, 0), (1, 0, 0), (1, 1, 1)])
def test_edge_of_the_time_stamp(rtc: Desk, enabled: int, falling: int, stamped: int) -> None:
    rtc.mcu.pins.drive("PC13", True)
    rtc.set("RTC.CR", TSE=enabled, TSEDGE=falling)
    rtc.mcu.pins.drive("PC13", False)
    seconds(rtc, 1)
    assert rtc.field("RTC.ISR.TSF") == stamped


# -- what is not modelled, and the debugger -----------------------------------------------------------------


@pytest.mark.parametrize("field", ["COE", "OSEL"])
def test_outputs_are_counted_as_not_modelled(rtc: Desk, field: str) -> None:
    rtc.set("RTC.CR", **{field: 1})
    assert rtc.mcu.unmodelled["RTC", "CR", "cm7", "write"] == 1


def test_tamper_inputs_are_counted_as_not_modelled(rtc: Desk) -> None:
    rtc.write("RTC.TAMPCR", 1)
    rtc.mcu.pins.drive("PC13", True)
    seconds(rtc, 1)
    assert rtc.field("RTC.ISR.TAMP1F") == 0
    assert rtc.mcu.unmodelled["RTC", "TAMPCR", "cm7", "write"] == 1


@pytest.mark.parametrize(("frozen", "passed"), [(0, 5), (1, 0)])
def test_debugger_stops_the_clock_if_it_wants_to(rtc: Desk, frozen: int, passed: int) -> None:
    set_calendar(rtc, 0)
    rtc.set("DBGMCU.APB4FZ2", DBG_RTC=frozen)
    halt(rtc, "cm4")
    seconds(rtc, 5)
    assert rtc.read("RTC.TR", Master.AP1) == passed
    rtc.read("RTC.DR", Master.AP1)
    resume(rtc, "cm4")
    seconds(rtc, 1)
    assert rtc.read("RTC.TR", Master.AP1) == passed + 1


def halt(desk: Desk, core: str) -> None:
    desk.mcu.cores[core].write_debug(0xE000_EDF0, 0xA05F_0003)


def resume(desk: Desk, core: str) -> None:
    desk.mcu.cores[core].write_debug(0xE000_EDF0, 0xA05F_0001)

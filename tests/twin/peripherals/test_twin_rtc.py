"""RTC: calendar, shadow registers, corrections, time-stamp, backup registers (RM0399 chapter 49)."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtc_steps import (
    DAY,
    LSE,
    RESET_PRER,
    TIME_STAMP_LINE,
    calendar,
    cycles,
    day_seconds,
    enter_initialisation,
    listen,
    pending,
    seconds,
    set_calendar,
    start,
    unlock,
)

from pytest_h7.twin.bus import Master
from pytest_h7.twin.peripherals.rtc_calendar import CalendarCounter, Moment, decode_date, encode_date
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Desk


@pytest.fixture
def rtc(desk: Desk) -> Desk:
    """The chip, its RTC on LSE and unlocked."""
    start(desk)
    return desk


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
    counter.start(0, Moment(0, 0, time, kept_weekday), 0)
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


STALE_AFTER_STOP = """
void RTC_Alarm_IRQHandler(void) { EXTI_C1PR1 = 1u << 17; }
static uint32_t seconds(void) { uint32_t time = RTC_TR; (void)RTC_DR; return time & 0x7F; }
void program(void)
{
    EXTI_RTSR1 = EXTI_C1IMR1 = 1u << 17;
    enable_interrupt(RTC_Alarm_IRQn, 1);
    while (!result[15]) {}
    result[0] = seconds();
    SCS_SCR = 4;
    __asm volatile("wfi");
    result[1] = seconds();
    RTC_WPR = 0xCA;
    RTC_WPR = 0x53;
    RTC_ISR &= ~RTC_ISR_RSF_Msk;
    while (!(RTC_ISR & RTC_ISR_RSF_Msk)) {}
    result[2] = seconds();
    for (;;) {}
}"""


def test_shadow_registers_are_not_updated_in_stop(run: Callable[..., Desk]) -> None:
    """What firmware reads right behind Stop is the time before; clearing RSF helps (RM0399 49.3.9)."""
    desk = run(
        cm7=STALE_AFTER_STOP, cm4='void program(void) { SCS_SCR = 4; for (;;) __asm volatile("wfi"); }'
    )
    start(desk)
    set_calendar(desk, 0)
    desk.write("RTC.ALRMAR", 1 << 31 | 1 << 23 | 1 << 15 | 0x10)
    desk.set("RTC.CR", ALRAE=1, ALRAIE=1)
    seconds(desk, 2.5)
    desk.mcu.write(0x3800_003C, 4, 1, Master.CM7)
    seconds(desk, 5)
    assert desk.mcu.domain_state("D3") == "stop"
    seconds(desk, 5)
    assert [desk.result("cm7", index) for index in range(3)] == [0x02, 0x02, 0x10]


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
    cycles(rtc, 3 * 128 - 2)
    assert rtc.field("RTC.ISR.RECALPF") == 1
    cycles(rtc, 2)
    assert rtc.field("RTC.ISR.RECALPF") == 0
    rtc.set("RTC.CR", BYPSHAD=1)
    before = sub_second_time(rtc)
    seconds(rtc, 32_000)
    gained = sub_second_time(rtc) - before - 32_000
    assert gained == pytest.approx(1000 * pulses / LSE, abs=0.005)


def test_calibration_that_is_written_in_initialisation_counts_from_its_end(rtc: Desk) -> None:
    enter_initialisation(rtc)
    rtc.write("RTC.CALR", 0x8000)
    seconds(rtc, 1)
    assert rtc.field("RTC.ISR.RECALPF") == 1
    rtc.set("RTC.ISR", INIT=0)
    assert rtc.field("RTC.ISR.RECALPF") == 0
    rtc.set("RTC.CR", BYPSHAD=1)
    before = sub_second_time(rtc)
    seconds(rtc, 32_000)
    assert sub_second_time(rtc) - before - 32_000 == pytest.approx(1000 * 512 / LSE, abs=0.005)


def test_hour_that_was_to_be_added_is_forgotten_in_initialisation(rtc: Desk) -> None:
    set_calendar(rtc, 0x100000)
    rtc.set("RTC.CR", ADD1H=1)
    set_calendar(rtc, 0x100000)
    seconds(rtc, 2)
    assert rtc.read("RTC.TR") == 0x100002


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
    cycles(rtc, 254)
    assert rtc.field("RTC.ISR.TSF") == 0
    cycles(rtc, 2)
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

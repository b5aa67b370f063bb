"""The calendar of the RTC: BCD registers, the prescalers that drive it, and when an alarm matches.

Source: RM0399 section 49.3.4 to 49.3.6, 49.3.11 and 49.3.13. Times of the calendar are seconds since
1 January of year 00, which is a leap year. Years 00 to 99 are 36525 days.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS_PER_DAY = 86_400
_HOUR = 3_600
_CENTURY = 36_525
_FIRST_DAY = datetime.date(2000, 1, 1).toordinal()
_WINDOW_BITS = 20
"""A calibration window is 2^20 cycles of RTCCLK: 32 s with LSE."""

_LONGEST_SEARCH = 63
"""A day of the month comes back within 62 days, a day of the week within 7."""


def _bcd(number: int) -> int:
    return number // 10 << 4 | number % 10


def _number(bcd: int) -> int:
    return (bcd >> 4) * 10 + (bcd & 0xF)


@cache
def _sixtieths(bcd: int) -> tuple[int, ...]:
    """Return the minute or second that a field stands for, if there is one."""
    return tuple(number for number in range(60) if _bcd(number) == bcd)


# -- registers --------------------------------------------------------------------------------------------


@cache
def encode_hour(hour: int, twelve_hours: bool) -> int:
    """Return PM, HT and HU for an hour from 0 to 23 (RM0399 49.6.1, FMT in 49.6.3)."""
    if not twelve_hours:
        return _bcd(hour)
    return _bcd(hour % 12 or 12) | (hour >= 12) << 6


def decode_hour(code: int, twelve_hours: bool) -> int:
    """Return the hour that PM, HT and HU stand for; one that does not exist becomes the last one."""
    hour = _number(code & 0x3F)
    if not twelve_hours:
        return min(hour, 23)
    return min(hour, 12) % 12 + (12 if code & 0x40 else 0)


def encode_time(time: int, twelve_hours: bool) -> int:
    """Return TR for a time of the calendar."""
    hour, rest = divmod(time % SECONDS_PER_DAY, _HOUR)
    return encode_hour(hour, twelve_hours) << 16 | _bcd(rest // 60) << 8 | _bcd(rest % 60)


def decode_time(register: int, twelve_hours: bool) -> int:
    """Return the seconds of the day in TR.

    What is no time of day becomes the nearest one below; not known of the hardware.
    """
    minute, second = (min(_number(register >> shift & 0x7F), 59) for shift in (8, 0))
    return decode_hour(register >> 16 & 0x7F, twelve_hours) * _HOUR + minute * 60 + second


def encode_date(time: int, weekday: int) -> int:
    """Return DR for a time of the calendar and its day of the week, 1 for Monday to 7."""
    date = datetime.date.fromordinal(_FIRST_DAY + time // SECONDS_PER_DAY % _CENTURY)
    return _bcd(date.year - 2000) << 16 | weekday << 13 | _bcd(date.month) << 8 | _bcd(date.day)


def decode_date(register: int) -> tuple[int, int]:
    """Return the day in DR, counted from 1 January of year 00, and its day of the week.

    What is no date becomes the nearest one below or the first there is; not known of the hardware.
    """
    year = min(_number(register >> 16 & 0xFF), 99) + 2000
    month = min(max(_number(register >> 8 & 0x1F), 1), 12)
    following = datetime.date(year + month // 12, month % 12 + 1, 1)
    days = (following - datetime.date(year, month, 1)).days
    day = min(max(_number(register & 0x3F), 1), days)
    return datetime.date(year, month, day).toordinal() - _FIRST_DAY, max(register >> 13 & 7, 1)


def year_of(time: int) -> int:
    """Return the year of a time, 0 to 99."""
    return datetime.date.fromordinal(_FIRST_DAY + time // SECONDS_PER_DAY % _CENTURY).year - 2000


# -- counting ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """What the counters hold.

    Attributes:
        edge: Edges of ck_spre, the calendar's clock, so far.
        step: Edges of ck_apre, the clock of the sub-seconds, in this second; below 0 after a delaying shift.
        time: Time of the calendar.
        weekday: Its day of the week, 1 for Monday to 7.
    """

    edge: int
    step: int
    time: int
    weekday: int


class CalendarCounter:
    """Calibration, both prescalers and the calendar, computed from cycles of RTCCLK.

    Everything follows from an origin: at cycle `_tick`, the calendar showed `_time`, and `_pulses` calibrated
    cycles of its second had passed. Where the counters are changed, the origin moves. The cycles that the
    smooth calibration masks or adds are spread evenly over its window.

    Args:
        tick: The cycle of RTCCLK at which it begins to count, in year 00.
        prescalers: PRER.
    """

    def __init__(self, tick: int, prescalers: int) -> None:
        self._tick = tick
        self._pulses = 0
        self._edge = 0
        self._time = 0
        self._first_weekday = 0
        self._window = 1 << _WINDOW_BITS
        self._set_prescalers(prescalers)

    def _set_prescalers(self, register: int) -> None:
        self.step_length = (register >> 16 & 0x7F) + 1
        """PREDIV_A + 1: calibrated cycles of RTCCLK in one of ck_apre."""
        self.last_step = register & 0x7FFF
        """PREDIV_S: steps of ck_apre in a second, less one."""

    @property
    def origin(self) -> tuple[int, ...]:
        """All that the counters at a cycle of RTCCLK follow from; equal ones stand for the same future."""
        return tuple(vars(self).values())

    @property
    def _second(self) -> int:
        return self.step_length * (self.last_step + 1)

    def _pulses_at(self, tick: int) -> int:
        return self._pulses + (max(0, tick - self._tick) * self._window >> _WINDOW_BITS)

    def at(self, tick: int) -> Moment:
        """Return the counters at a cycle of RTCCLK."""
        pulses = self._pulses_at(tick)
        seconds = max(0, pulses // self._second)
        step = (pulses - seconds * self._second) // self.step_length
        time = self._time + seconds
        return Moment(
            self._edge + seconds, step, time, (self._first_weekday + time // SECONDS_PER_DAY) % 7 + 1
        )

    def tick_of(self, edge: int, step: int = 0) -> int:
        """Return the cycle of RTCCLK that brings a step of the second that begins with an edge of ck_spre."""
        pulses = (edge - self._edge) * self._second + step * self.step_length - self._pulses
        return self._tick + -(-(pulses << _WINDOW_BITS) // self._window)

    def _move_origin(self, tick: int) -> None:
        moment = self.at(tick)
        self._pulses = self._pulses_at(tick) - (moment.edge - self._edge) * self._second
        self._edge = moment.edge
        self._time = moment.time
        self._tick = tick

    def start(self, tick: int, moment: Moment, prescalers: int) -> None:
        """Begin a second at a cycle of RTCCLK, out of a moment of which the step does not count."""
        self._tick = tick
        self._pulses = 0
        self._edge = moment.edge
        self._time = moment.time
        self._first_weekday = (moment.weekday - 1 - moment.time // SECONDS_PER_DAY) % 7
        self._set_prescalers(prescalers)

    def shift(self, tick: int, *, add_second: bool, steps: int) -> None:
        """Delay by steps of ck_apre; advance by a second first, where that is asked for (RM0399 49.3.11)."""
        self._move_origin(tick)
        self._time += add_second
        self._pulses -= steps * self.step_length

    def add_time(self, tick: int, seconds: int) -> None:
        """Change the time without touching the prescalers."""
        self._move_origin(tick)
        self._time += seconds

    def calibrate(self, tick: int, register: int) -> None:
        """Take CALR over (RM0399 49.6.15)."""
        self._move_origin(tick)
        masked = register & 0x1FF & ~(3 if register & 1 << 14 else register >> 13 & 1)
        added = 512 if register & 1 << 15 and self.step_length > 3 else 0
        self._window = (1 << _WINDOW_BITS) + added - masked


# -- alarms -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarm:
    """An alarm as its registers describe it (RM0399 49.3.6, 49.6.7 and 49.6.17).

    Attributes:
        fields: ALRMAR or ALRMBR.
        sub_seconds: ALRMASSR or ALRMBSSR.
        twelve_hours: CR.FMT.
    """

    fields: int
    sub_seconds: int
    twelve_hours: bool

    def next_match(self, counter: CalendarCounter, tick: int) -> int | None:
        """Return the first cycle of RTCCLK behind `tick` at which the alarm matches, None if it never does.

        Without sub-seconds to compare that is the beginning of a second.
        """
        moment = counter.at(tick)
        compared = (1 << (self.sub_seconds >> 24 & 0xF)) - 1
        if not compared:
            return self._tick_of(counter, moment, 1, 0)
        first = counter.last_step - self.sub_seconds & compared
        if first > counter.last_step:
            return None
        step = moment.step + 1 + (first - moment.step - 1 & compared)
        if step <= counter.last_step and self._seconds_to_match(moment.time, moment.weekday) == 0:
            return counter.tick_of(moment.edge, step)
        return self._tick_of(counter, moment, 1, first)

    def _tick_of(self, counter: CalendarCounter, moment: Moment, ahead: int, step: int) -> int | None:
        """Return the cycle that brings `step` of the first matching second, from `ahead` seconds on."""
        time = moment.time + ahead
        weekday = (moment.weekday - 1 + time // SECONDS_PER_DAY - moment.time // SECONDS_PER_DAY) % 7 + 1
        seconds = self._seconds_to_match(time, weekday)
        return None if seconds is None else counter.tick_of(moment.edge + ahead + seconds, step)

    def _seconds_to_match(self, time: int, weekday: int) -> int | None:
        """Return how many seconds after `time` a second matches, 0 if its own does."""
        hours, minutes, seconds = self._candidates()
        if not (hours and minutes and seconds):
            return None
        earliest = time % SECONDS_PER_DAY
        for days in range(_LONGEST_SEARCH):
            if self._day_matches(time + days * SECONDS_PER_DAY, (weekday - 1 + days) % 7 + 1):
                for hour in hours:
                    if (hour + 1) * _HOUR <= earliest:
                        continue
                    for minute in minutes:
                        begin = hour * _HOUR + minute * 60
                        if begin + 60 <= earliest:
                            continue
                        for second in seconds:
                            if begin + second >= earliest:
                                return days * SECONDS_PER_DAY + begin + second - time % SECONDS_PER_DAY
            earliest = 0
        return None

    def _candidates(self) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """Return the hours, minutes and seconds that match; none for a number that does not exist."""
        fields = self.fields
        hours: Sequence[int] = range(24)
        if not fields & 1 << 23:
            hours = [hour for hour in hours if encode_hour(hour, self.twelve_hours) == fields >> 16 & 0x7F]
        minutes, seconds = (
            range(60) if fields >> shift & 1 << 7 else _sixtieths(fields >> shift & 0x7F) for shift in (8, 0)
        )
        return hours, minutes, seconds

    def _day_matches(self, time: int, weekday: int) -> bool:
        if self.fields & 1 << 31:
            return True
        wanted = self.fields >> 24 & 0x3F
        if self.fields & 1 << 30:
            return wanted & 0xF == weekday
        return wanted == encode_date(time, weekday) & 0x3F

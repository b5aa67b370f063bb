"""RTC: calendar, alarms, wake-up timer, time-stamp and backup registers (RM0399 chapter 49)."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_h7.twin.cycle_counter import CycleCounter
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.rtc_calendar import (
    SECONDS_PER_DAY,
    Alarm,
    CalendarCounter,
    Moment,
    decode_date,
    decode_time,
    encode_date,
    encode_time,
    year_of,
)
from pytest_h7.twin.peripherals.rtc_shadows import SYNCHRONISATION, ShadowRegisters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_KEYS = (0xCA, 0x53)
_BACKUP_REGISTERS = frozenset(f"BKP{number}R" for number in range(32))
_KEYLESS = _BACKUP_REGISTERS | {"WPR", "ISR", "TAMPCR", "OR"}
"""Registers that WPR does not protect; of ISR it protects some bits (RM0399 49.3.8)."""

# Bits of CR.
_WUCKSEL, _TSEDGE, _BYPSHAD, _FMT, _WUTE, _TSE = 7, 1 << 3, 1 << 5, 1 << 6, 1 << 10, 1 << 11
_ADD1H, _SUB1H = 1 << 16, 1 << 17
_INITIALISATION_ONLY = 1 << 4 | _FMT
"""Bits that change in initialization mode only: REFCKON and FMT (RM0399 49.6.3)."""
_STORED = 1 << 4 | 3 << 21 | 1 << 23
"""REFCKON, OSEL and COE: a reference clock and outputs that there are not here."""

# Bits of ISR.
_SHPF, _INITS, _RSF, _INITF, _INIT, _RECALPF = (1 << bit for bit in (3, 4, 5, 6, 7, 16))
_ALRAF, _ALRBF, _WUTF, _TSF, _TSOVF = (1 << bit for bit in (8, 9, 10, 11, 12))
_FLAGS, _KEYLESS_FLAGS = 0x2_FF00, 0x3F00
"""What software clears by writing 0, and what of that WPR does not protect."""


@dataclasses.dataclass(frozen=True)
class _Unit:
    """What CR enables: bit numbers of its write flag in ISR and its enable bit in CR, and its flag in ISR."""

    write_flag: int
    enable: int
    flag: int


_WAKE_UP_TIMER = _Unit(2, 10, _WUTF)
_ALARMS = {"A": _Unit(0, 8, _ALRAF), "B": _Unit(1, 9, _ALRBF)}

_TRIGGERS = {"RTC_ALARMA": _ALRAF, "RTC_ALARMB": _ALRBF}
"""Signals to the low-power timers, each as high as a flag of ISR is set (RM0399 tables 375, 376)."""

_LINES = {17: ((_ALRAF, 1 << 12), (_ALRBF, 1 << 13)), 18: ((_TSF, 1 << 15),), 19: ((_WUTF, 1 << 14),)}
"""EXTI line -> flags of ISR with their enable bits in CR (RM0399 49.5 and table 152)."""

_START = 4
"""Cycles of RTCCLK from the end of initialization mode to the start of the calendar (RM0399 49.3.8)."""
_RECALIBRATION = 3
"""Cycles of ck_apre until new calibration settings take effect (RM0399 49.3.13)."""
_TIME_STAMP_DELAY = 2
"""Cycles of ck_apre from an edge of the pin to TSF (RM0399 49.3.14)."""
_TIME_STAMP_PIN = "PC13"

_KEPT = (
    "_key_step",
    "_init_from",
    "_written",
    "_shift_until",
    "_wake_up_origin",
    "_hour_change",
    "_hour_change_due",
    "_calibration_due",
    "_time_stamp_due",
)
"""What the backup domain's supply keeps beside the registers and the calendar."""

_CLEARED = {"TR": 0, "DR": 0x2101, "SSR": 0}
"""What the shadow registers hold after a system reset."""


class Rtc(Peripheral):
    """The real-time clock, in the backup domain.

    The flags of the tamper inputs stay clear, and nothing comes out at RTC_OUT: TAMPCR is only stored, and bits
    set in OR are counted. Not known of the hardware: that a shift is pending for a cycle of ck_apre, and that the
    hour that ADD1H adds carries into the date.
    """

    runs_by_itself = True

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "RTC")
        self._clock = CycleCounter()
        self._event: Event | None = None
        self._next: list[str] = []
        self._shadows = ShadowRegisters()
        self._matches: dict[str, tuple[tuple[Alarm, tuple[int, ...]], int, int | None]] = {}
        """Of each alarm: what was looked for, from which cycle of RTCCLK on, and the cycle found."""
        self._lines = dict.fromkeys(_LINES, False)
        self._keyless = {self._offsets[name] for name in _KEYLESS}
        for name, unit in _ALARMS.items():
            for register in (f"ALRM{name}R", f"ALRM{name}SSR"):
                self.model(register, writer=partial(self._write_alarm, register, unit))
        mcu.pins.watch(_TIME_STAMP_PIN, self._pin_changed)
        self.reset_backup_domain()

    def plain_storage(self) -> frozenset[str]:
        return _BACKUP_REGISTERS | {"TSTR", "TSDR", "TSSSR"}

    def write_OR(self, value: int, master: Master) -> None:
        self["OR"] = value & self.implemented("OR")
        if self["OR"] and master.is_core:
            self.mcu.count_unmodelled(self.name, "OR", master, write=True)

    # -- resets -----------------------------------------------------------------------------------

    def reset_backup_domain(self) -> None:
        """Reset everything: power-on without VBAT, or RCC_BDCR.BDRST (RM0399 49.3.10)."""
        self.load_reset_values()
        tick = self._tick
        self._key_step = 0
        self._counter = CalendarCounter(tick, self["PRER"])
        self._init_from: int | None = None
        self._written: dict[str, int] = {}
        self._writable_from = dict.fromkeys((*_ALARMS.values(), _WAKE_UP_TIMER), tick)
        self._shift_until = tick
        self._wake_up_origin = 0
        self._hour_change = 0
        self._hour_change_due: int | None = None
        self._calibration_due: int | None = None
        self._time_stamp_due: int | None = None
        self._shadows.clear(tick)
        self._changed()

    def erase_backup_registers(self) -> None:
        """Clear the backup registers, as the return to RDP level 0 does (RM0399 4.5.3)."""
        for register in _BACKUP_REGISTERS:
            self[register] = 0

    def reset(self) -> None:
        """Reset by a system reset: the shadow registers, INIT and RSF; the clock goes on (RM0399 49.3.10)."""
        self._leave_initialisation()
        self._shadows.clear(self._tick)
        self._changed()

    # -- a backup domain that is kept -------------------------------------------------------------

    def save_backup_domain(self) -> dict[str, Any]:
        """Return all that the backup domain's supply keeps, for `keep_backup_domain`."""
        return {
            "registers": {name: self[name] for name in self.map.registers},
            "tick": self._tick,
            "calendar": dict(vars(self._counter)),
            "writable_from": list(self._writable_from.values()),
            **{name: getattr(self, name) for name in _KEPT},
        }

    def keep_backup_domain(self, state: Mapping[str, Any]) -> None:
        """Go on from what `save_backup_domain` has returned, at a system reset; no time has passed."""
        self._clock.set_count(state["tick"], self.mcu.now)
        for name, value in state["registers"].items():
            self[name] = value
        vars(self._counter).update(state["calendar"])
        self._writable_from = dict(zip(self._writable_from, state["writable_from"], strict=True))
        for name in _KEPT:
            setattr(self, name, state[name])
        self.reset()

    # -- clock ------------------------------------------------------------------------------------

    @property
    def _tick(self) -> int:
        """Cycles of RTCCLK so far."""
        return self._clock.count(self.mcu.now)

    def clock_changed(self) -> None:
        """Take RTCCLK over, and whether the shadow registers follow: in Stop they do not (RM0399 49.3.5)."""
        hz, divider = self.mcu.rcc.slow_clocks.rtc_clock()
        if hz and self.mcu.dbgmcu.frozen("RTC"):
            hz = 0
        if self._clock.set_clock(hz, divider, self.mcu.now):
            self._plan()
        self._shadows.set_stopped(self.mcu.domain_state("D3") != "run", self._tick)

    # -- what happens next ------------------------------------------------------------------------

    def _changed(self) -> None:
        self._plan()
        self._update_lines()

    def _plan(self) -> None:
        """Schedule the next thing that sets a flag or takes effect."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        due = self._due() if self._clock.running else {}
        if due:
            tick = min(due.values())
            self._next = [what for what, when in due.items() if when == tick]
            now = self.mcu.now
            delay = self._clock.delay(tick, now)
            if delay is not None:
                self._event = self.mcu.schedule(delay, self._happen)

    def _due(self) -> dict[str, int]:
        """Return what is to come and the cycle of RTCCLK that brings it; a flag that is set can wait."""
        tick, control = self._tick, self["CR"]
        missing = ~self["ISR"]
        due = {"time-stamp": self._time_stamp_due}
        if control & _WUTE and missing & _WUTF:
            due["wake-up timer"] = self._next_wake_up(tick)
        if self._init_from is None:
            due["calibration"] = self._calibration_due
            due["hour"] = self._hour_change_due
            for name, unit in _ALARMS.items():
                if control >> unit.enable & 1 and missing & unit.flag:
                    due[name] = self._next_match(name, tick)
        return {what: when for what, when in due.items() if when is not None}

    def _happen(self) -> None:
        self._event = None
        tick = self._tick
        for what in self._next:
            match what:
                case "wake-up timer":
                    self["ISR"] |= _WUTF
                case "time-stamp":
                    self["ISR"] |= _TSF
                    self._time_stamp_due = None
                case "calibration":
                    self._counter.calibrate(tick, self["CALR"])
                    self._calibration_due = None
                case "hour":
                    self._counter.add_time(tick, self._hour_change)
                    self._hour_change_due = None
                case _:
                    self["ISR"] |= _ALARMS[what].flag
        self._changed()

    def _next_match(self, name: str, tick: int) -> int | None:
        """Return when an alarm matches next; the one found last is still it until then."""
        alarm = Alarm(self[f"ALRM{name}R"], self[f"ALRM{name}SSR"], bool(self["CR"] & _FMT))
        looked_for = alarm, self._counter.origin
        found = self._matches.get(name)
        if found is None or found[0] != looked_for or not found[1] <= tick < (found[2] or tick + 1):
            found = looked_for, tick, alarm.next_match(self._counter, tick)
            self._matches[name] = found
        return found[2]

    def _next_wake_up(self, tick: int) -> int | None:
        """Return when the wake-up counter gets to 0 next: each WUT + 1 cycles of its clock (RM0399 49.6.6)."""
        selection = self["CR"] & _WUCKSEL
        period = self["WUTR"] + 1 + (0x1_0000 if selection >= 6 else 0)
        if selection < 4:
            period *= 16 >> selection
            return tick + period - (tick - self._wake_up_origin) % period
        if self._init_from is not None:
            return None
        edge = self._counter.at(tick).edge
        return self._counter.tick_of(edge + period - (edge - self._wake_up_origin) % period)

    def _update_lines(self) -> None:
        flags, enables = self["ISR"], self["CR"]
        for signal, flag in _TRIGGERS.items():
            self.mcu.triggers.set(signal, bool(flags & flag))
        for line, pairs in _LINES.items():
            level = False
            for flag, enable in pairs:
                level |= bool(flags & flag and enables & enable)
            if level != self._lines[line]:
                self._lines[line] = level
                self.mcu.exti.edge(line, rising=level)

    # -- access -----------------------------------------------------------------------------------

    @property
    def _unlocked(self) -> bool:
        return self._key_step == len(_KEYS)

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write, if PWR_CR1.DBP and the key allow it (RM0399 49.3.8)."""
        if self.mcu.pwr.backup_writable and (self._unlocked or offset & ~3 in self._keyless):
            super().write(offset, size, value, master)

    def write_WPR(self, value: int, master: Master) -> None:
        if self._unlocked:
            self._key_step = 0
        self._key_step = self._key_step + 1 if value & 0xFF == _KEYS[self._key_step] else 0

    # -- calendar ---------------------------------------------------------------------------------

    @property
    def _initialising(self) -> bool:
        """INITF: the calendar stands still and can be written."""
        return self._init_from is not None and self._tick >= self._init_from

    def _moment(self, tick: int) -> Moment:
        return self._counter.at(tick if self._init_from is None else min(tick, self._init_from))

    def _registers(self, moment: Moment) -> dict[str, int]:
        return {
            "TR": encode_time(moment.time, bool(self["CR"] & _FMT)),
            "DR": encode_date(moment.time, moment.weekday),
            "SSR": self._counter.last_step - moment.step,
        } | self._written

    def _read_calendar(self, name: str) -> int:
        tick = self._tick
        if self["CR"] & _BYPSHAD:
            return self._registers(self._moment(tick))[name]
        shown = self._shadows.shown_at(tick)
        calendar = _CLEARED if shown is None else self._registers(self._moment(shown))
        return self._shadows.read(name, calendar)

    def read_SSR(self, master: Master) -> int:
        return self._read_calendar("SSR")

    def read_TR(self, master: Master) -> int:
        return self._read_calendar("TR")

    def read_DR(self, master: Master) -> int:
        return self._read_calendar("DR")

    def _write_initial(self, register: str, value: int) -> None:
        if self._initialising:
            self._written[register] = value & self.implemented(register)

    def write_TR(self, value: int, master: Master) -> None:
        self._write_initial("TR", value)

    def write_DR(self, value: int, master: Master) -> None:
        self._write_initial("DR", value)

    def write_PRER(self, value: int, master: Master) -> None:
        if self._initialising:
            self["PRER"] = value & self.implemented("PRER")

    def _leave_initialisation(self) -> None:
        """Start the calendar with what has been written (RM0399 49.3.8)."""
        if self._init_from is None:
            return
        tick = self._tick
        if tick >= self._init_from:
            moment = self._counter.at(self._init_from)
            day, second, weekday = *divmod(moment.time, SECONDS_PER_DAY), moment.weekday
            if "DR" in self._written:
                day, weekday = decode_date(self._written["DR"])
            if "TR" in self._written:
                second = decode_time(self._written["TR"], bool(self["CR"] & _FMT))
            moment = dataclasses.replace(moment, time=day * SECONDS_PER_DAY + second, weekday=weekday)
            self._counter.start(tick + _START, moment, self["PRER"])
            self._counter.calibrate(tick + _START, self["CALR"])
            self._calibration_due = self._hour_change_due = None
            self._shadows.desynchronise(tick + _START)
        self._init_from = None
        self._written = {}

    # -- status and control -----------------------------------------------------------------------

    def _can_write(self, unit: _Unit) -> bool:
        """Return the write flag of an alarm or of the wake-up timer."""
        if unit is not _WAKE_UP_TIMER and self._initialising:
            return False
        return not self["CR"] >> unit.enable & 1 and self._tick >= self._writable_from[unit]

    @property
    def _synchronised(self) -> bool:
        """RSF: the shadow registers are up to date."""
        waits = self["CR"] & _BYPSHAD or self._initialising or self._tick < self._shift_until
        return not waits and self._shadows.synchronised(self._tick)

    def read_ISR(self, master: Master) -> int:
        value = self["ISR"] & _FLAGS
        value |= sum(1 << unit.write_flag for unit in self._writable_from if self._can_write(unit))
        value |= _SHPF if self._tick < self._shift_until else 0
        value |= _INITS if year_of(self._moment(self._tick).time) else 0
        value |= _RSF if self._synchronised else 0
        value |= _INITF if self._initialising else 0
        value |= _INIT if self._init_from is not None else 0
        value |= _RECALPF if self._calibration_due is not None else 0
        return value

    def write_ISR(self, value: int, master: Master) -> None:
        cleared = ~value & self["ISR"] & (_FLAGS if self._unlocked else _KEYLESS_FLAGS)
        self["ISR"] &= ~cleared
        if cleared & _TSF:
            self["TSTR"] = self["TSDR"] = self["TSSSR"] = 0
        if self._unlocked:
            if not value & _RSF and self._synchronised:
                self._shadows.desynchronise(self._tick)
            if not value & _INIT:
                self._leave_initialisation()
            elif self._init_from is None:
                self._init_from = self._tick + SYNCHRONISATION
        self._changed()

    def write_CR(self, value: int, master: Master) -> None:
        tick, old = self._tick, self["CR"]
        kept = 0 if self._initialising else _INITIALISATION_ONLY
        kept |= 0 if self._can_write(_WAKE_UP_TIMER) else _WUCKSEL
        new = value & self.implemented("CR") & ~(_ADD1H | _SUB1H | kept) | old & kept
        self["CR"] = new
        for unit in self._writable_from:
            if old & ~new & 1 << unit.enable:
                self._writable_from[unit] = tick + SYNCHRONISATION
        if new & ~old & _WUTE:
            self._wake_up_origin = tick if new & _WUCKSEL < 4 else self._moment(tick).edge
        if old & ~new & _BYPSHAD:
            self._shadows.desynchronise(tick)
        if value & (_ADD1H | _SUB1H) and self._init_from is None:
            self._change_hour(tick, value)
        if new & _STORED and master.is_core:
            self.mcu.count_unmodelled(self.name, "CR", master, write=True)
        self._changed()

    def _change_hour(self, tick: int, control: int) -> None:
        """Add or subtract an hour with the next second; none is subtracted from hour 0 (RM0399 49.6.3)."""
        moment = self._counter.at(tick)
        self._hour_change = 3600 if control & _ADD1H else 0
        if control & _SUB1H and moment.time % SECONDS_PER_DAY >= 3600:
            self._hour_change -= 3600
        self._hour_change_due = self._counter.tick_of(moment.edge + 1)

    def _write_alarm(self, register: str, unit: _Unit, value: int, master: Master) -> None:
        if self._can_write(unit) or self._initialising:
            self[register] = value & self.implemented(register)

    def write_WUTR(self, value: int, master: Master) -> None:
        if self._can_write(_WAKE_UP_TIMER):
            self["WUTR"] = value & self.implemented("WUTR")

    def write_SHIFTR(self, value: int, master: Master) -> None:
        tick = self._tick
        if tick >= self._shift_until and self._init_from is None:
            self._counter.shift(tick, add_second=bool(value >> 31), steps=value & 0x7FFF)
            self._shift_until = tick + self._counter.step_length
            self._shadows.desynchronise(self._shift_until)
            self._changed()

    def write_CALR(self, value: int, master: Master) -> None:
        if self._calibration_due is None:
            self["CALR"] = value & self.implemented("CALR")
            self._calibration_due = self._tick + _RECALIBRATION * self._counter.step_length
            self._changed()

    # -- time-stamp -------------------------------------------------------------------------------

    def _pin_changed(self, level: bool) -> None:
        """Keep the time of an edge; of a further one before TSF is cleared, only TSOVF (RM0399 49.3.14)."""
        if not self["CR"] & _TSE or level == bool(self["CR"] & _TSEDGE):
            return
        if self["ISR"] & _TSF or self._time_stamp_due is not None:
            self["ISR"] |= _TSOVF
            return
        tick = self._tick
        registers = self._registers(self._moment(tick))
        self["TSTR"], self["TSSSR"] = registers["TR"], registers["SSR"]
        self["TSDR"] = registers["DR"] & 0xFFFF
        self._time_stamp_due = tick + _TIME_STAMP_DELAY * self._counter.step_length
        self._changed()

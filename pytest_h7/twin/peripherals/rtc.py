"""RTC: calendar, alarms, wake-up timer, time-stamp and backup registers (RM0399 chapter 49)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.rtc_calendar import (
    Alarm,
    CalendarCounter,
    Moment,
    decode_date,
    decode_time,
    encode_date,
    encode_time,
    year_of,
)
from pytest_h7.twin.tick_counter import TickCounter

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_KEYS = (0xCA, 0x53)
_KEYLESS = frozenset({"WPR", "ISR", "TAMPCR", "OR", *(f"BKP{number}R" for number in range(32))})
"""Registers without the protection by WPR; in ISR it protects some bits (RM0399 49.3.8)."""

_FMT, _BYPSHAD, _TSEDGE = 1 << 6, 1 << 5, 1 << 3
_WUTE, _TSE = 1 << 10, 1 << 11
_ADD1H, _SUB1H = 1 << 16, 1 << 17
_WUCKSEL = 7
_INITIALISATION_ONLY = 1 << 7 | _FMT | 1 << 4
"""Bits of CR that change in initialization mode only; bit 4 is REFCKON."""
_OUTPUTS = 1 << 4 | 3 << 21 | 1 << 23
"""Bits of CR that are only stored: REFCKON, OSEL and COE, the reference clock and the outputs."""

_SHPF, _INITS, _RSF, _INITF, _INIT = (1 << bit for bit in (3, 4, 5, 6, 7))
_ALRAF, _ALRBF, _WUTF, _TSF, _TSOVF, _RECALPF = (1 << bit for bit in (8, 9, 10, 11, 12, 16))
_FLAGS = 0x2_FF00
_KEYLESS_FLAGS = 0x3F00

_ALARMS = {
    # Unit: (bit of its write flag in ISR, of its enable bit in CR, registers, its flag in ISR)
    "alarm A": (0, 8, "ALRMAR", "ALRMASSR", _ALRAF),
    "alarm B": (1, 9, "ALRMBR", "ALRMBSSR", _ALRBF),
}
_WRITE_FLAGS = {"alarm A": (0, 8), "alarm B": (1, 9), "wake-up timer": (2, 10)}
"""What CR enables -> bit of its write flag in ISR, of its enable bit in CR."""

_LINES = {17: ((_ALRAF, 1 << 12), (_ALRBF, 1 << 13)), 18: ((_TSF, 1 << 15),), 19: ((_WUTF, 1 << 14),)}
"""EXTI line -> flags in ISR with their enable bits in CR (RM0399 49.5, table 152)."""

_SYNCHRONISATION = 2
"""Cycles of RTCCLK that a change needs to get from the APB to the RTC (RM0399 49.3.8)."""
_START = 4
"""Cycles of RTCCLK from the end of initialization mode to the start of the calendar (RM0399 49.3.8)."""
_RECALIBRATION = 3
"""Cycles of ck_apre until new calibration settings take effect (RM0399 49.3.13)."""
_TIME_STAMP_DELAY = 2
"""Cycles of ck_apre from an edge of the pin to TSF (RM0399 49.3.14)."""

_TIME_STAMP_PIN = "PC13"


class Rtc(Peripheral):
    """The real-time clock, in the backup domain.

    Flags of the tamper inputs stay clear, and nothing comes out at RTC_OUT: TAMPCR and OR are only stored.
    Not known of the hardware: how long a shift is pending (a cycle of ck_apre here), and how the carry of
    ADD1H goes on into the date (it does).
    """

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "RTC")
        self._clock = TickCounter()
        self._event: Event | None = None
        self._stopped_at: int | None = None
        self._lines = dict.fromkeys(_LINES, False)
        for _, _, fields, sub_seconds, _ in _ALARMS.values():
            for register in (fields, sub_seconds):
                self.model(register, writer=partial(self._write_alarm, register))
        mcu.pins.watch(_TIME_STAMP_PIN, self._pin_changed)
        self.reset_backup_domain()

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"TSTR", "TSDR", "TSSSR", *(f"BKP{number}R" for number in range(32))})

    # -- resets -----------------------------------------------------------------------------------

    def reset_backup_domain(self) -> None:
        """Reset everything: power-on without VBAT, or RCC_BDCR.BDRST (RM0399 49.3.10)."""
        self.load_reset_values()
        tick = self._tick
        self._key_step = 0
        self._counter = CalendarCounter(self["PRER"])
        self._counter.start(tick, 0, 1)
        self._calendar_written: dict[str, int] = {}
        self._init_from: int | None = None
        self._writable_from = dict.fromkeys(_WRITE_FLAGS, 0)
        self._shift_until = tick
        self._calibration_due: int | None = None
        self._hour_change_due: tuple[int, int] | None = None
        self._time_stamp_due: int | None = None
        self._wake_up_origin = 0
        self._reset_shadows()
        self._plan()

    def reset(self) -> None:
        """Reset by a system reset: the shadow registers, INIT and RSF; the clock goes on."""
        self._leave_initialisation()
        self._reset_shadows()
        self._plan()

    def _reset_shadows(self) -> None:
        self._shadow_lock: dict[str, int] = {}
        self._synchronised_from = self._shadow_reset_until = self._tick + _SYNCHRONISATION
        self._shown_in_stop: tuple[int, int] | None = None

    # -- clock ------------------------------------------------------------------------------------

    @property
    def _tick(self) -> int:
        """Cycles of RTCCLK so far."""
        return self._clock.count(self.mcu.now)

    def clock_changed(self) -> None:
        """Take RTCCLK over, and whether the shadow registers are updated: they are not in Stop."""
        hz, divider = self.mcu.rcc.slow_clocks.rtc_clock()
        if hz and self.mcu.dbgmcu.frozen("RTC"):
            hz = 0
        if self._clock.set_clock(hz, divider, self.mcu.now):
            self._plan()
        stopped = self.mcu.domain_state("D3") != "run"
        if stopped and self._stopped_at is None:
            self._stopped_at = self._tick
        elif not stopped and self._stopped_at is not None:
            self._shown_in_stop = self._tick, self._stopped_at
            self._stopped_at = None

    # -- what happens next ------------------------------------------------------------------------

    def _plan(self) -> None:
        """Schedule the next thing that sets a flag or takes effect."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        due = [tick for tick, _ in self._due()]
        if due:
            now = self.mcu.now
            delay = self._clock.delay(min(due), now)
            if delay is not None:
                self._event = self.mcu.schedule(delay, self._happen)

    def _due(self) -> list[tuple[int, str]]:
        """Return what is to come, with the cycle of RTCCLK that brings it; flags that are set can wait."""
        tick = self._tick
        flags = self["ISR"]
        due: list[tuple[int | None, str]] = []
        if self._init_from is None:
            for unit, (_, enable, _, _, flag) in _ALARMS.items():
                if self["CR"] >> enable & 1 and not flags & flag:
                    due.append((self._alarm(unit).next_match(self._counter, tick), unit))
        if self["CR"] & _WUTE and not flags & _WUTF:
            due.append((self._next_wake_up(tick), "wake-up timer"))
        if self._hour_change_due is not None:
            due.append((self._hour_change_due[0], "hour"))
        due.append((self._calibration_due, "calibration"))
        due.append((self._time_stamp_due, "time-stamp"))
        return [(when, what) for when, what in due if when is not None]

    def _happen(self) -> None:
        tick = self._tick
        self._event = None
        for what in self._planned:
            self._take_effect(what)
        self._plan()
        self._update_lines()

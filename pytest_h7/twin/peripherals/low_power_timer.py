"""Low-power timers LPTIM1 to LPTIM5 (RM0399 chapter 45).

What crosses from the bus into the kernel clock domain takes `SYNCHRONIZATION` periods of the kernel clock. The
manual gives that for starting and resetting the counter (45.4.7, 45.4.14); that it holds for new values of
LPTIM_ARR and LPTIM_CMP until ARROK and CMPOK too is not known of the hardware, nor when they come with PRELOAD
set: here as soon as without it. LPTIM_CFGR and LPTIM_IER can be written at any time; the manual forbids it while
the timer is enabled, and does not say what happens. Glitch filters are not modelled and let everything through.
Of the inputs only pins, alarms of RTC and outputs of other low-power timers are connected; others are counted.

With its kernel clock on LSE or LSI, or clocked by a pin alone, a timer goes on in Stop, and its interrupt wakes
the chip through a direct line of EXTI (45.5, table 152).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz, kernel_clock_source
from pytest_h7.twin.peripherals.low_power_counter import LowPowerCounter
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.peripherals.timer_clock import TickCounter
from pytest_h7.twin.timeline import PS_PER_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

SYNCHRONIZATION = 3
"""Periods of the kernel clock."""

LOST_EDGES = 5
"""Edges of an external clock, after the timer is enabled, that are not counted (RM0399 45.4.12)."""

_OWN_EDGE_DELAY = 100 * PS_PER_NS
"""By how much an input is late that the timer's own output moves, by whatever way."""

_CMPM, _ARRM, _EXTTRIG, _CMPOK, _ARROK, _UP, _DOWN = (1 << bit for bit in range(7))
_ENABLE, _SNGSTRT, _CNTSTRT, _COUNTRST, _RSTARE = (1 << bit for bit in range(5))
_RISING, _FALLING, _BOTH = range(3)

_LINES = {"LPTIM1": 47, "LPTIM2": 48, "LPTIM3": 50, "LPTIM4": 52, "LPTIM5": 53}
"""Direct lines of EXTI (RM0399 table 152)."""

_RTC_TRIGGERS = (None, "RTC_ALARMA", "RTC_ALARMB")
_TRIGGERS = {
    "LPTIM1": _RTC_TRIGGERS,
    "LPTIM2": _RTC_TRIGGERS,
    "LPTIM3": ("LPTIM2_OUT", None, "LPTIM4_OUT", "LPTIM5_OUT"),
    "LPTIM4": ("LPTIM2_OUT", "LPTIM3_OUT", None, "LPTIM5_OUT"),
    "LPTIM5": ("LPTIM2_OUT", "LPTIM3_OUT", "LPTIM4_OUT"),
}
"""Signals by TRIGSEL (RM0399 tables 375 to 379); trigger 0 of the first two is the pin LPTIMx_ETR."""

_WITH_ENCODER = ("LPTIM1", "LPTIM2")
_GO_ON_IN_STOP = ("lse", "lsi")


class LowPowerTimer(Peripheral):
    """One low-power timer.

    Args:
        mcu: The chip.
        name: ``"LPTIM1"`` to ``"LPTIM5"``.
    """

    def __init__(self, mcu: Mcu, name: str) -> None:
        super().__init__(mcu, name)
        self._counter = LowPowerCounter(self)
        self._clock = TickCounter()
        self._pending: dict[str, int] = {}
        """What is on its way into the kernel clock domain -> periods that it still takes."""
        self._interrupts = 0
        """Flags that were set while their interrupt was enabled (RM0399 45.6, note)."""
        self._level = False
        self._event: Event | None = None
        self._inputs: dict[str, bool | None] = {}
        self._trigger: str | None = None
        self._lost_edges = 0
        self._output: bool | None = None
        self._busy = False
        mcu.pins.add_source(self, [f"{name}_OUT"])
        mcu.triggers.make(f"{name}_OUT", self.observation_changed)
        self._observed = False

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        self._clock.advance(self.mcu.now)
        super().reset()
        self._counter.reset()
        self._pending.clear()
        self._interrupts = 0
        self._listen()
        self._settle()

    # -- time -------------------------------------------------------------------------------------

    def read(self, offset: int, size: int, master: Master) -> int:
        self._advance()
        return super().read(offset, size, master)

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        self._advance()
        super().write(offset, size, value, master)
        self._settle()

    def clock_changed(self) -> None:
        """Go on with another frequency, or stand still."""
        if self["CR"] & _ENABLE:
            self._advance()
            if self._take_clock():
                self._settle()

    def _take_clock(self) -> bool:
        before, self._clock.hz = self._clock.hz, self._kernel_hz()
        return self._clock.hz != before

    def _kernel_hz(self) -> int:
        """Return the kernel clock in Hz; without bus clock it goes on if it is LSE or LSI (RM0399 9.5.10)."""
        rcc = self.mcu.rcc
        if self.mcu.dbgmcu.frozen(self.name):
            return 0
        if not self.mcu.clocked(self.name):
            enabled = any(rcc.enabled_by(core, self.name, asleep=False) for core in self.mcu.cores)
            if not enabled or kernel_clock_source(rcc, self.name) not in _GO_ON_IN_STOP:
                return 0
        return kernel_clock_hz(rcc, self.name)

    def _advance(self) -> None:
        """Do everything that was to happen until now."""
        now = self.mcu.now
        ticks = self._clock.advance(now)
        if not self["CR"] & _ENABLE:
            self._clock.begin(now)
        elif not self.field("CFGR", "CKSEL"):
            self._tick(ticks, counting=not self._counts_edges)

    def _tick(self, ticks: int, *, counting: bool) -> None:
        """Let periods of the kernel clock pass."""
        while ticks:
            step = min(ticks, *self._pending.values()) if self._pending else ticks
            if counting:
                self._counter.count(step)
            for name in list(self._pending):
                self._pending[name] -= step
                if not self._pending[name]:
                    del self._pending[name]
                    self._arrive(name)
            ticks -= step

    def _synchronize(self, name: str) -> None:
        self._pending[name] = SYNCHRONIZATION

    def _arrive(self, name: str) -> None:
        """Something has come into the kernel clock domain."""
        match name:
            case "ARR":
                self._counter.set_reload(self["ARR"], at_end=self._preload)
                self.set_flags(_ARROK)
            case "CMP":
                self._counter.set_compare(self["CMP"], at_end=self._preload)
                self.set_flags(_CMPOK)
            case "COUNTRST":
                self._counter.restart()
            case "CNTSTRT" | "SNGSTRT":
                self._counter.start(single=name == "SNGSTRT")

    @property
    def _preload(self) -> bool:
        return bool(self.field("CFGR", "PRELOAD")) and self._counter.running

    # -- what it counts and what starts it -----------------------------------------------------------

    @property
    def _encoder(self) -> bool:
        return self.name in _WITH_ENCODER and bool(self.field("CFGR", "ENC"))

    @property
    def _counts_edges(self) -> bool:
        """Whether edges of pins are counted, not periods of the kernel clock."""
        return self._encoder or bool(self.field("CFGR", "CKSEL") or self.field("CFGR", "COUNTMODE"))

    def _listen(self) -> None:
        """Listen to the pins and the trigger that the registers ask for."""
        enabled = self["CR"] & _ENABLE
        pins = set()
        if enabled and self._counts_edges:
            pins |= {"IN1", "IN2"} if self._encoder else {"IN1"}
        trigger = self._selected_trigger() if enabled else None
        if trigger == "ETR":
            pins.add("ETR")
            trigger = None
        wanted = {f"{self.name}_{pin}" for pin in pins} if self.name in _WITH_ENCODER else set()
        for signal in sorted(self._inputs.keys() - wanted):
            self.mcu.pins.listen(signal, None)
            del self._inputs[signal]
        for signal in sorted(wanted - self._inputs.keys()):
            self.mcu.pins.listen(signal, partial(self._pin_changed, signal))
            self._inputs[signal] = self.mcu.pins.signal_level(signal)
        if trigger != self._trigger:
            if self._trigger is not None:
                self.mcu.triggers.hear(self._trigger, self.name, None)
            self._trigger = trigger
            if trigger is not None:
                self.mcu.triggers.hear(trigger, self.name, self._triggered)

    def _selected_trigger(self) -> str | None:
        if not self.field("CFGR", "TRIGEN"):
            return None
        selection = self.field("CFGR", "TRIGSEL")
        if selection == 0 and self.name in _WITH_ENCODER:
            return "ETR"
        triggers = _TRIGGERS[self.name]
        return triggers[selection] if selection < len(triggers) else None

    def _pin_changed(self, signal: str, level: bool | None) -> None:
        if self._busy:
            self._take_later(partial(self._pin_changed, signal, level))
            return
        if signal not in self._inputs:
            return
        before, self._inputs[signal] = bool(self._inputs[signal]), level
        if bool(level) is before:
            return
        if signal.endswith("ETR"):
            self._triggered(bool(level))
            return
        self._advance()
        self._count_edge(1 if signal.endswith("IN1") else 2, rising=not before)
        self._settle()

    def _take_later(self, edge: Callable[[], None]) -> None:
        """Let an edge wait that the timer itself has made: a ring of signals without any delay has no end."""
        self.mcu.schedule(_OWN_EDGE_DELAY, edge)

    def _count_edge(self, number: int, *, rising: bool) -> None:
        polarity = self.field("CFGR", "CKPOL")
        if polarity not in (_BOTH, _RISING if rising else _FALLING):
            return
        if self._encoder:
            other = bool(self._inputs[f"{self.name}_IN{3 - number}"])
            self._counter.count_encoder(down=rising is (other if number == 1 else not other))
        elif not self.field("CFGR", "CKSEL"):
            self._counter.count(1)
        elif self._lost_edges:
            self._lost_edges -= 1
            self._tick(1, counting=False)
        else:
            self._tick(1, counting=True)

    def _triggered(self, rising: bool) -> None:
        """Take an edge of the selected trigger; its synchronization takes no time here."""
        if self._busy:
            self._take_later(partial(self._triggered, rising))
            return
        self._advance()
        edges = self.field("CFGR", "TRIGEN")
        if edges & (1 if rising else 2) and self["CR"] & _ENABLE and self._counter.trigger():
            self.set_flags(_EXTTRIG)
        self._settle()

    # -- what follows from it --------------------------------------------------------------------------

    def set_flags(self, flags: int) -> None:
        """Set flags of ISR; those whose interrupt is enabled drive the line until they are cleared."""
        self["ISR"] |= flags
        self._interrupts |= flags & self["IER"]

    def _settle(self) -> None:
        """Drive interrupt and output, and wait for what is noticed next."""
        level = bool(self._interrupts)
        if level is not self._level:
            self._level = level
            self.mcu.drive_interrupt(self.name, self.name, level)
            self.mcu.exti.set_direct_line(_LINES[self.name], level)
            self.mcu.triggers.set(f"{self.name}_WKUP", level)
        self._schedule()
        self._drive()

    def _drive(self) -> None:
        output = self._counter.output is not bool(self.field("CFGR", "WAVPOL"))
        if output is self._output:
            return
        self._output = output
        before, self._busy = self._busy, True
        try:
            self.mcu.pins.set_signal(f"{self.name}_OUT", output)
            self.mcu.triggers.set(f"{self.name}_OUT", output)
        finally:  # a pin may be held at the other level
            self._busy = before

    def _schedule(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None
        ticks = self._ticks_to_notice()
        if ticks is not None:
            delay = max(0, self._clock.time_of(ticks) - self.mcu.now)
            self._event = self.mcu.schedule(delay, self._happen)

    def _happen(self) -> None:
        self._event = None
        self.catch_up()

    def _ticks_to_notice(self) -> int | None:
        """Return after how many periods of the kernel clock something happens that somebody notices."""
        if not self._clock.hz or not self["CR"] & _ENABLE or self.field("CFGR", "CKSEL"):
            return None
        silent = self["IER"] & ~self["ISR"]
        ticks = [
            left
            for name, left in self._pending.items()
            if name not in ("ARR", "CMP") or silent & (_ARROK if name == "ARR" else _CMPOK)
        ]
        if not self._counts_edges:
            away = self._counter.ticks_to_notice(
                match=bool(silent & _CMPM), end=bool(silent & _ARRM), output=self._observed
            )
            ticks += [] if away is None else [away]
        return min(ticks, default=None)

    def catch_up(self) -> None:
        """Bring counter and output up to date."""
        self._advance()
        self._settle()

    def observation_changed(self) -> None:
        """The output is observed, or is not any more."""
        self._advance()
        signal = f"{self.name}_OUT"
        self._observed = self.mcu.pins.observed(signal) or self.mcu.triggers.heard(signal)
        self._settle()

    # -- registers ---------------------------------------------------------------------------------------

    def read_ISR(self, master: Master) -> int:
        return self["ISR"]

    def write_ICR(self, value: int, master: Master) -> None:
        self["ISR"] &= ~value
        self._interrupts &= ~value

    def write_IER(self, value: int, master: Master) -> None:
        self["IER"] = value & self.implemented("IER")
        self._interrupts &= self["IER"]

    def write_CFGR(self, value: int, master: Master) -> None:
        self["CFGR"] = value & self.implemented("CFGR")
        self._counter.prescaler_changed()
        self._listen()
        unknown = self.field("CFGR", "TRIGSEL") >= len(_TRIGGERS[self.name])
        if unknown and self.field("CFGR", "TRIGEN") and master.is_core:
            self.mcu.count_unmodelled(self.name, "CFGR", master, write=True)

    def write_CFGR2(self, value: int, master: Master) -> None:
        """Select inputs; all but the pins are not connected here."""
        self["CFGR2"] = value & self.implemented("CFGR2")
        if self["CFGR2"] and master.is_core:
            self.mcu.count_unmodelled(self.name, "CFGR2", master, write=True)

    def read_CR(self, master: Master) -> int:
        """Return ENABLE, and what is not finished yet; RSTARE cannot be read."""
        waiting = self._counter.waiting
        started = {"SNGSTRT": _SNGSTRT, "CNTSTRT": _CNTSTRT, "COUNTRST": _COUNTRST}
        value = sum(bit for name, bit in started.items() if name in self._pending)
        return (
            self["CR"] & _ENABLE
            | value
            | (_SNGSTRT if waiting == "single" else 0)
            | (_CNTSTRT if waiting == "continuous" else 0)
        )

    def write_CR(self, value: int, master: Master) -> None:
        """Enable, start, reset; all but ENABLE has no effect unless the timer is enabled already."""
        was_enabled = self["CR"] & _ENABLE
        self["CR"] = value & (_ENABLE | (_RSTARE if was_enabled else 0))
        self._take_clock()
        if not value & _ENABLE:
            self._pending.clear()
            self._counter.stop()
        elif not was_enabled:
            self._lost_edges = LOST_EDGES
        else:
            self._start(value)
        self._listen()

    def _start(self, value: int) -> None:
        if value & _COUNTRST:
            self._synchronize("COUNTRST")
        for bit, name in ((_SNGSTRT, "SNGSTRT"), (_CNTSTRT, "CNTSTRT")):
            if value & bit:
                if self.field("CFGR", "TRIGEN") and not self._counter.running:
                    self._counter.wait(single=bit == _SNGSTRT)
                else:
                    self._synchronize(name)

    def write_ARR(self, value: int, master: Master) -> None:
        """Set the auto-reload value; a timer that is not enabled does not take it over."""
        self["ARR"] = value & 0xFFFF
        if self["CR"] & _ENABLE:
            self._synchronize("ARR")

    def write_CMP(self, value: int, master: Master) -> None:
        """Set the compare value; a timer that is not enabled does not take it over."""
        self["CMP"] = value & 0xFFFF
        if self["CR"] & _ENABLE:
            self._synchronize("CMP")

    def read_CNT(self, master: Master) -> int:
        """Return the count; RSTARE resets it then."""
        count = self._counter.value
        if self["CR"] & _RSTARE:
            self._counter.restart()
            self._settle()
        return count

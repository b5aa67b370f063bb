"""WWDG1 and WWDG2, the window watchdogs (RM0399 chapters 46 and 47)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.core_modes import CpuMode
from pytest_h7.twin.cycle_counter import CycleCounter
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_T, _T6, _WDGA = 0x7F, 0x40, 1 << 7
_EWI, _EWIF = 1 << 9, 1 << 0
_IRQ = 0
"""Line of the early wake-up interrupt, on the NVIC of the watchdog's own core."""

_PRESCALER = 4096

_SCOPES = {"cm7": "WW1RSC", "cm4": "WW2RSC"}
_RESET_LINES = {"cm7": 82, "cm4": 84}
"""EXTI lines by which the other core learns that a watchdog has bitten (RM0399 table 152)."""


class WindowWatchdog(Peripheral):
    """A window watchdog, which belongs to one core and counts only while that core does not stop.

    Its prescaler runs freely, so a counter step may come at once after a write (RM0399 47.3.4).

    Args:
        mcu: The chip.
        name: ``"WWDG1"`` or ``"WWDG2"``.
        core: The core it watches.
        clock: Its clock, by the names of `Rcc.clock_hz`.
    """

    def __init__(self, mcu: Mcu, name: str, core: str, clock: str) -> None:
        super().__init__(mcu, name)
        self._core = core
        self._clock_name = clock
        self._clock = CycleCounter()
        self._event: Event | None = None
        self._irq_level = False
        self._step_of_value = 0

    def reset(self) -> None:
        """Stop watching; the counter runs on from its reset value."""
        super().reset()
        self._step_of_value = self._step
        self._changed()

    # -- counter ----------------------------------------------------------------------------------

    def clock_changed(self) -> None:
        """Take the bus clock over; without it, or frozen in Debug state, the counter stands still."""
        hz = self.mcu.rcc.clock_hz(self._clock_name) if self._counts else 0
        if self._clock.set_clock(hz, 1, self.mcu.now):
            self._plan()

    @property
    def _counts(self) -> bool:
        mcu = self.mcu
        if not mcu.clocked(self.name) or mcu.mode(self._core) is CpuMode.STOP:
            return False
        return not mcu.dbgmcu.frozen(self.name)

    @property
    def _cycles_of_step(self) -> int:
        return _PRESCALER << self.field("CFR", "WDGTB")

    @property
    def _step(self) -> int:
        """Periods of the prescaler so far."""
        return self._clock.count(self.mcu.now) // self._cycles_of_step

    @property
    def _counter(self) -> int:
        """T[6:0]."""
        return (self["CR"] & _T) - (self._step - self._step_of_value) & _T

    def _plan(self) -> None:
        """Schedule the early interrupt or the reset; nothing comes of a watchdog that is not activated."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        if not self["CR"] & _WDGA:
            return
        counter = self._counter
        steps = counter - _T6 if counter > _T6 else counter - _T6 + 1
        delay = self._clock.delay((self._step + steps) * self._cycles_of_step, self.mcu.now)
        if delay is not None:
            self._event = self.mcu.schedule(delay, self._happen)

    def _happen(self) -> None:
        self._event = None
        if self._counter < _T6:
            self._bite()
            return
        self["SR"] |= _EWIF
        self._changed()

    def _bite(self) -> None:
        """Reset the core or the system, as GCR says, and tell the other core (RM0399 46.2, 9.7.36)."""
        mcu, flag = self.mcu, f"{self.name}RSTF"
        if mcu.rcc.field("GCR", _SCOPES[self._core]):
            mcu.system_reset(flag)
        else:
            self.reset()
            mcu.rcc.record_reset(flag)
            mcu.reset_core(self._core)
        mcu.exti.edge(_RESET_LINES[self._core], rising=True)

    def _changed(self) -> None:
        self._plan()
        level = bool(self["SR"] & _EWIF and self["CFR"] & _EWI)
        if level is not self._irq_level:
            self._irq_level = level
            self.mcu.set_irq(self._core, _IRQ, level)

    # -- registers --------------------------------------------------------------------------------

    def read_CR(self, master: Master) -> int:
        return self["CR"] & _WDGA | self._counter

    def write_CR(self, value: int, master: Master) -> None:
        """Refresh the counter; too early, or without T6, that resets (RM0399 47.3)."""
        active = self["CR"] & _WDGA
        too_early = active and self._counter > self["CFR"] & _T
        self["CR"] = value & (_WDGA | _T) | active
        self._step_of_value = self._step
        if too_early or (self["CR"] & _WDGA and not value & _T6):
            self._bite()
        else:
            self._changed()

    def write_CFR(self, value: int, master: Master) -> None:
        counter, kept = self._counter, self["CFR"] & _EWI
        self["CFR"] = value & self.implemented("CFR") | kept
        self["CR"] = self["CR"] & _WDGA | counter
        self._step_of_value = self._step
        self._changed()

    def write_SR(self, value: int, master: Master) -> None:
        self["SR"] &= value
        self._changed()

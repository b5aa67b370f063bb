"""IWDG1 and IWDG2, the independent watchdogs (RM0399 chapter 48)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.core_modes import CpuMode
from pytest_h7.twin.cycle_counter import CycleCounter
from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_START, _RELOAD, _UNLOCK = 0xCCCC, 0xAAAA, 0x5555
"""Keys of KR."""

_UPDATES = {"PR": 1 << 0, "RLR": 1 << 1, "WINR": 1 << 2}
"""Register -> its flag in SR, set while a new value is on its way to the watchdog."""

_UPDATE_CYCLES = 5
"""Cycles of LSI that a new value takes, at most (RM0399 48.4.4)."""


class IndependentWatchdog(Peripheral):
    """An independent watchdog; it resets the system, whichever core it belongs to (RM0399 9.4.2).

    The counter takes RLR + 1 periods of the prescaler from a reload to the reset; a reload also begins a new
    period, which is not known of the hardware. Without LSI nothing proceeds: new values wait, and so does a
    reload, until the watchdog is started.
    """

    def __init__(self, mcu: Mcu, name: str, core: str) -> None:
        super().__init__(mcu, name)
        self._core = core
        self._lsi = CycleCounter()
        self._clock = CycleCounter()
        self._event: Event | None = None
        self._start_over()

    def _start_over(self) -> None:
        self._started = False
        self._unlocked = False
        self._updates: dict[str, tuple[int, int]] = {}
        self._reload_wanted = False
        self._counter = self["RLR"]
        self._counted_from = self._cycle

    def reset(self) -> None:
        """Reset by a system reset; the option byte ``IWDGx_SW`` may start it (RM0399 48.3.4)."""
        super().reset()
        self._start_over()
        self.mcu.rcc.slow_clocks.request_lsi(self.name, wanted=False)
        if self.mcu.powered and not self.mcu.flash.option(f"{self.name}_SW"):
            self._start()
        self._plan()

    # -- clock ------------------------------------------------------------------------------------

    @property
    def _cycle(self) -> int:
        """Cycles of LSI so far for which the counter was not frozen."""
        return self._clock.count(self.mcu.now)

    def clock_changed(self) -> None:
        """Take LSI over, if anything is to come."""
        if self._started or self._updates:
            self._follow_clock()

    def _follow_clock(self) -> None:
        """Take LSI over; the counter is frozen in Debug state or low power, if so chosen."""
        now, hz = self.mcu.now, self.mcu.rcc.slow_clocks.lsi_hz
        changed = self._lsi.set_clock(hz, 1, now)
        if self._clock.set_clock(0 if self._frozen else hz, 1, now) or changed:
            self._plan()

    @property
    def _frozen(self) -> bool:
        """Return whether the counter stands still (RM0399 48.3.5, 48.3.7 and 46.2.3)."""
        mcu = self.mcu
        if mcu.nrst_asserted or mcu.dbgmcu.frozen(self.name):
            return True
        if mcu.mode(self._core) is CpuMode.STOP and not mcu.flash.option("FZ_IWDG_STOP"):
            return True
        return mcu.domain_state("D3") == "standby" and not mcu.flash.option("FZ_IWDG_SDBY")

    # -- counter ----------------------------------------------------------------------------------

    @property
    def _period(self) -> int:
        """Cycles of LSI for a step of the counter."""
        return 4 << min(self["PR"], 6)

    def _load(self, counter: int) -> None:
        self._counter = counter
        self._counted_from = self._cycle

    @property
    def _last_cycle(self) -> int:
        return self._counted_from + (self._counter + 1) * self._period

    def _plan(self) -> None:
        """Schedule what comes next: a new value that takes effect, or the reset."""
        if self._event is not None:
            self._event.cancel()
            self._event = None
        now = self.mcu.now
        delays = [self._lsi.delay(cycle, now) for cycle, _ in self._updates.values()]
        if self._started:
            delays.append(self._clock.delay(self._last_cycle, now))
        known = [delay for delay in delays if delay is not None]
        if known:
            self._event = self.mcu.schedule(min(known), self._happen)

    def _happen(self) -> None:
        self._event = None
        if self._started and self._cycle >= self._last_cycle:
            self._bite()
            return
        cycle = self._lsi.count(self.mcu.now)
        for register, (when, value) in list(self._updates.items()):
            if cycle >= when:
                del self._updates[register]
                self._take_over(register, value)
        if self._reload_wanted and not self._updates:
            self._reload_wanted = False
            self._load(self["RLR"])
        self._plan()

    def _take_over(self, register: str, value: int) -> None:
        if register == "PR" and self._started:
            steps = (self._cycle - self._counted_from) // self._period
            self._load(self._counter - steps)
        self[register] = value
        if register == "WINR":
            self._load(self["RLR"])

    def _bite(self) -> None:
        self.mcu.system_reset(f"{self.name}RSTF")

    # -- registers --------------------------------------------------------------------------------

    def write_KR(self, value: int, master: Master) -> None:
        self._unlocked = value & 0xFFFF == _UNLOCK
        if value & 0xFFFF == _START and not self._started:
            self._start()
        elif value & 0xFFFF == _RELOAD:
            self._reload()
        self._plan()

    def _start(self) -> None:
        self._follow_clock()
        self._started = True
        self._load(self._counter)
        self.mcu.rcc.slow_clocks.request_lsi(self.name, wanted=True)

    def _reload(self) -> None:
        """Reload the counter, or bite if it is still above the window (RM0399 48.3.3)."""
        self._follow_clock()
        if not self._lsi.running:
            self._reload_wanted = True
            return
        counter = self._counter - (self._cycle - self._counted_from) // self._period
        if self._started and counter > self["WINR"]:
            self._bite()
        else:
            self._load(self["RLR"])

    def read_SR(self, master: Master) -> int:
        return sum(flag for register, flag in _UPDATES.items() if register in self._updates)

    def _write_protected(self, register: str, value: int) -> None:
        """Send a new value on its way, unless there is one already (RM0399 48.3.6 and 48.4.4)."""
        if self._unlocked and register not in self._updates:
            self._follow_clock()
            value &= self.implemented(register)
            self._updates[register] = self._lsi.count(self.mcu.now) + _UPDATE_CYCLES, value
            self._plan()

    def write_PR(self, value: int, master: Master) -> None:
        self._write_protected("PR", value)

    def write_RLR(self, value: int, master: Master) -> None:
        self._write_protected("RLR", value)

    def write_WINR(self, value: int, master: Master) -> None:
        self._write_protected("WINR", value)

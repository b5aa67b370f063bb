"""EXTI: edges and levels become interrupts, events and wake-ups of each core (RM0399 chapter 21).

A line is a bit of a 96-bit number here; the registers show it in three groups of 32. The edge selection is
common to both cores, masks and pending bits are each core's own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_GROUPS = (1, 2, 3)
_WORD = 0xFFFF_FFFF


def _lines(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


CONFIGURABLE = _lines(*range(22), 49, 51, 82, 84, 85, 86)
"""Lines with an edge selection, a software trigger and a pending bit (RM0399 table 152)."""

_WAKE_D3 = _lines(*range(16), *range(19, 22), 25, 34, 35, 41, *range(48, 54))
"""Lines that can wake D3 alone (RM0399 table 152, "Any")."""

_STANDBY_EXITS = (17, 18, 19)
"""Lines of the RTC and of LSE's security system, whose events end Standby (RM0399 7.7.10)."""

_PREFIXES = {"cm7": "C1", "cm4": "C2"}
_WIRED = {"cm7": ~_lines(78, 80, 82), "cm4": ~_lines(77, 79, 84)}
"""Lines that reach a core; the excepted ones are for the other core only (RM0399 table 152)."""

_PIN_LINES = range(16)
"""Lines of pins: each selected edge is a trigger inside the chip, too, for the ADCs and the DMAMUXes."""

_LOW_POWER_TIMERS = {49: "LPTIM2_OUT", 51: "LPTIM3_OUT"}
"""Lines of signals from inside the chip, which are heard while an edge is selected (RM0399 table 152)."""

_INTERRUPTS = {
    **{6 + line: _lines(line) for line in range(5)},
    23: _lines(*range(5, 10)),
    40: _lines(*range(10, 16)),
    1: _lines(16),
    41: _lines(17),
    2: _lines(18),
    3: _lines(19),
    137: _lines(20, 21),
    143: _lines(82, 84),
    94: _lines(85),
    62: _lines(86),
    149: _lines(*range(55, 61)),
}
"""Interrupt line -> lines behind it (RM0399 chapter 20 and table 152); 49 and 51 have none."""

_THROUGH_EXTI = _lines(*range(55, 61))
"""Direct lines, those of the wake-up pins, whose interrupt EXTI makes."""


_CLEARING_TIMERS = {2: "LPTIM4_OUT", 3: "LPTIM5_OUT"}
"""Field of D3PCRx -> output whose rising edge clears the pending request of a line (RM0399 21.6.5)."""


class Exti(Peripheral):
    """The event controller.

    Line 0 to 15 gets the edges of the pin that SYSCFG_EXTICR selects, through `edge`; other configurable
    lines get those of their peripheral. The interrupt of a direct line goes from its peripheral straight to
    the NVIC, so `set_direct_line` only makes events and wake-ups of it, but for the wake-up pins.

    A line that wakes D3 alone does so while its direct input is active or, with D3PMR, until its pending
    request is cleared; the short wake-up by the edge of a configurable line without D3PMR is left out, as
    nothing happens in it.

    A write of 1 to SWIER triggers the line each time, masked or not, with or without an edge selected: the
    bit clears itself and reads 0 (RM0399 21.6.3, unlike older families, whose bit stays set until PR is
    cleared). The manual's procedure (21.5.5) has firmware select an edge first.
    """

    word_only = True

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "EXTI")
        self._pending = dict.fromkeys(_PREFIXES, 0)
        self._direct = 0
        self._d3_pending = 0
        self._irqs: set[tuple[str, int]] = set()
        self._combined: dict[str, int] = {}
        for group in _GROUPS:
            for edge in ("RTSR", "FTSR"):
                self.model(f"{edge}{group}", writer=partial(self._write_edge_selection, edge, group))
            self.model(f"SWIER{group}", self._read_zero, partial(self._write_software_trigger, group))
            self.model(f"D3PMR{group}", writer=partial(self._write_d3_mask, group))
            for core, prefix in _PREFIXES.items():
                for mask in ("IMR", "EMR"):
                    name = f"{prefix}{mask}{group}"
                    self.model(name, writer=partial(self._write_mask, name, core))
                self.model(
                    f"{prefix}PR{group}",
                    partial(self._read_pending, core, group),
                    partial(self._write_pending, core, group),
                )

    def plain_storage(self) -> frozenset[str]:
        return frozenset(f"D3PCR{group}{half}" for group in _GROUPS for half in "LH")

    def reset(self) -> None:
        """Forget masks, edge selections and pending bits; the levels of direct lines are their sources'."""
        super().reset()
        self._combined.clear()
        self._pending = dict.fromkeys(_PREFIXES, 0)
        self._set_d3_pending(0)
        self._hear_timers()
        self._update_interrupts()

    # -- from pins and peripherals --------------------------------------------------------------

    def edge(self, line: int, rising: bool) -> None:
        """Take an edge of configurable line `line`; one of the RTC ends Standby, too."""
        if rising and line in _STANDBY_EXITS:
            self.mcu.wake_from_standby()
        if self._all_groups("RTSR" if rising else "FTSR") >> line & 1:
            self._trigger(1 << line)
            if line in _PIN_LINES:
                self.mcu.triggers.pulse(f"EXTI{line}")

    def detects_edges(self, line: int) -> bool:
        """Return whether an edge of configurable line `line` is selected, so that `edge` has to tell of it."""
        return bool((self._all_groups("RTSR") | self._all_groups("FTSR")) >> line & 1)

    def set_direct_line(self, line: int, level: bool) -> None:
        """Take the level of direct line `line`; it rises to wake, and falls when its source is cleared."""
        mask = 1 << line
        rising = level and not self._direct & mask
        falling = not level and self._direct & mask
        self._direct ^= mask if rising or falling else 0
        if (rising or falling) and mask & _THROUGH_EXTI:
            self._update_interrupts()
        if rising:
            self._set_d3_pending(self._d3_pending | mask & self._all_groups("D3PMR"))
            self._announce(mask)
        elif falling:
            self._wakeup_changed()
        if (rising or falling) and mask & _WAKE_D3:
            self.mcu.update_domains()

    def wake_pending(self, core: str) -> bool:
        """Return whether an interrupt line of EXTI keeps a core out of CStop.

        Events are no level: they end CStop through `Mcu.send_event` when they happen.
        """
        unmasked = self._all_groups(f"{_PREFIXES[core]}IMR") & _WIRED[core]
        return bool((self._pending[core] | self._direct) & unmasked)

    @property
    def pending(self) -> tuple[int, int]:
        """The pending lines of CM7 and of CM4, a bit each."""
        return self._pending["cm7"], self._pending["cm4"]

    @property
    def keeps_d3_running(self) -> bool:
        """Whether a line keeps D3 running while both cores are in CStop (RM0399 21.5.4)."""
        return bool(self._d3_pending | self._direct & _WAKE_D3)

    def clear_d3_pending(self, source: int) -> None:
        """Clear the D3 requests of a source in D3PCRx: 0 and 1 BDMA channels 6 and 7, 2 and 3 LPTIM4 and 5."""
        cleared = sum(1 << line for line in self._d3_lines() if self._clear_source(line) == source)
        self._set_d3_pending(self._d3_pending & ~cleared)
        self.mcu.update_domains()

    def _set_d3_pending(self, pending: int) -> None:
        """Change the pending requests of D3, and hear the timers that will clear them."""
        if pending == self._d3_pending:
            return
        self._d3_pending = pending
        sources = {self._clear_source(line) for line in self._d3_lines()}
        for source, signal in _CLEARING_TIMERS.items():
            hearer = partial(self._cleared_by_timer, source) if source in sources else None
            self.mcu.triggers.hear(signal, f"{self.name} D3", hearer)

    def _cleared_by_timer(self, source: int, level: bool) -> None:
        if level:
            self.clear_d3_pending(source)

    def _d3_lines(self) -> list[int]:
        return [line for line in range(96) if self._d3_pending >> line & 1]

    def _clear_source(self, line: int) -> int:
        half = "L" if line % 32 < 16 else "H"
        return self[f"D3PCR{line // 32 + 1}{half}"] >> 2 * (line % 16) & 3

    def _trigger(self, lines: int) -> None:
        d3_requests = lines & self._all_groups("D3PMR")
        if d3_requests:
            self._set_d3_pending(self._d3_pending | d3_requests)
            self.mcu.update_domains()
        for core, prefix in _PREFIXES.items():
            self._pending[core] |= lines & self._all_groups(f"{prefix}IMR") & _WIRED[core]
        self._update_interrupts()
        self._announce(lines)

    def _announce(self, lines: int) -> None:
        """Tell each core of lines that became active: an event where EMR has one, and a wake-up."""
        for core, prefix in _PREFIXES.items():
            if lines & self._all_groups(f"{prefix}EMR") & _WIRED[core]:
                self.mcu.send_event(core)
        self._wakeup_changed()

    def _wakeup_changed(self) -> None:
        for core in _PREFIXES:
            self.mcu.wakeup_changed(core)

    def _all_groups(self, register: str) -> int:
        combined = self._combined.get(register)
        if combined is None:
            combined = self[f"{register}1"] | self[f"{register}2"] << 32 | self[f"{register}3"] << 64
            self._combined[register] = combined
        return combined

    def __setitem__(self, register: str, value: int) -> None:
        super().__setitem__(register, value)
        self._combined.pop(register[:-1], None)

    def _update_interrupts(self) -> None:
        """Drive the NVIC lines: high while a pending bit behind them is unmasked."""
        active = {
            (core, irq)
            for core, prefix in _PREFIXES.items()
            if (
                unmasked := (self._pending[core] | self._direct & _THROUGH_EXTI)
                & self._all_groups(f"{prefix}IMR")
            )
            for irq, lines in _INTERRUPTS.items()
            if unmasked & lines
        }
        for core, irq in sorted(active ^ self._irqs):
            self.mcu.set_irq(core, irq, (core, irq) in active)
        self._irqs = active
        self.mcu.observe()

    # -- registers ------------------------------------------------------------------------------

    def _write_edge_selection(self, edge: str, group: int, value: int, master: Master) -> None:
        """Select edges; a line whose selection changes loses its pending bits (RM0399 21.6.21)."""
        self.mcu.pins.refresh()
        name = f"{edge}{group}"
        value &= self.implemented(name)
        changed = (self[name] ^ value) << 32 * (group - 1)
        self[name] = value
        self.mcu.pins.observation_changed()
        self._hear_timers()
        for core in _PREFIXES:
            self._pending[core] &= ~changed
        self._update_interrupts()
        self._wakeup_changed()

    def _hear_timers(self) -> None:
        for line, signal in _LOW_POWER_TIMERS.items():
            hearer = partial(self.edge, line) if self.detects_edges(line) else None
            self.mcu.triggers.hear(signal, self.name, hearer)

    def _read_zero(self, master: Master) -> int:
        return 0

    def _write_software_trigger(self, group: int, value: int, master: Master) -> None:
        lines = value << 32 * (group - 1) & CONFIGURABLE
        if lines:
            self._trigger(lines)

    def _write_mask(self, name: str, core: str, value: int, master: Master) -> None:
        """Write IMR or EMR; reserved bits keep their reset value, which is 1 for some."""
        writable = self.implemented(name)
        self[name] = value & writable | self.map.registers[name].reset & ~writable
        self._update_interrupts()
        self.mcu.wakeup_changed(core)

    def _read_pending(self, core: str, group: int, master: Master) -> int:
        return self._pending[core] >> 32 * (group - 1) & _WORD

    def _write_pending(self, core: str, group: int, value: int, master: Master) -> None:
        self._pending[core] &= ~(value << 32 * (group - 1))
        self._update_interrupts()
        self.mcu.wakeup_changed(core)

    def _write_d3_mask(self, group: int, value: int, master: Master) -> None:
        """Write D3PMR; a bit cleared takes its pending request back (RM0399 21.6.4)."""
        name = f"D3PMR{group}"
        self[name] = value & self.implemented(name)
        self._set_d3_pending(self._d3_pending & self._all_groups("D3PMR"))
        self.mcu.update_domains()

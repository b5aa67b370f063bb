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

_PREFIXES = {"cm7": "C1", "cm4": "C2"}
_WIRED = {"cm7": ~_lines(78, 80, 82), "cm4": ~_lines(77, 79, 84)}
"""Lines that reach a core; the excepted ones are for the other core only (RM0399 table 152)."""

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
}
"""Interrupt line -> configurable lines behind it (RM0399 chapter 20 and table 152); 49 and 51 have none."""


class Exti(Peripheral):
    """The event controller.

    Line 0 to 15 gets the edges of the pin that SYSCFG_EXTICR selects, through `edge`; other configurable
    lines get those of their peripheral. The interrupt of a direct line goes from its peripheral straight to
    the NVIC, so `set_direct_line` only makes events and wake-ups of it.

    A write of 1 to SWIER triggers the line each time, masked or not, with or without an edge selected: the
    bit clears itself and reads 0 (RM0399 21.6.3, unlike older families, whose bit stays set until PR is
    cleared). The manual's procedure (21.5.5) has firmware select an edge first.
    """

    word_only = True

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "EXTI")
        self._pending = dict.fromkeys(_PREFIXES, 0)
        self._direct = 0
        self._irqs: set[tuple[str, int]] = set()
        for group in _GROUPS:
            for edge in ("RTSR", "FTSR"):
                self.model(f"{edge}{group}", writer=partial(self._write_edge_selection, edge, group))
            self.model(f"SWIER{group}", self._read_zero, partial(self._write_software_trigger, group))
            for core, prefix in _PREFIXES.items():
                for mask in ("IMR", "EMR"):
                    name = f"{prefix}{mask}{group}"
                    self.model(name, writer=partial(self._write_mask, name, core))
                self.model(
                    f"{prefix}PR{group}",
                    partial(self._read_pending, core, group),
                    partial(self._write_pending, core, group),
                )

    def reset(self) -> None:
        """Forget masks, edge selections and pending bits; the levels of direct lines are their sources'."""
        super().reset()
        self._pending = dict.fromkeys(_PREFIXES, 0)
        self._update_interrupts()

    # -- from pins and peripherals --------------------------------------------------------------

    def edge(self, line: int, rising: bool) -> None:
        """Take an edge of configurable line `line`."""
        if self._all_groups("RTSR" if rising else "FTSR") >> line & 1:
            self._trigger(1 << line)

    def detects_edges(self, line: int) -> bool:
        """Return whether an edge of configurable line `line` is selected, so that `edge` has to tell of it."""
        return bool((self._all_groups("RTSR") | self._all_groups("FTSR")) >> line & 1)

    def set_direct_line(self, line: int, level: bool) -> None:
        """Take the level of direct line `line`; it rises to wake, and falls when its source is cleared."""
        mask = 1 << line
        rising = level and not self._direct & mask
        self._direct = self._direct | mask if level else self._direct & ~mask
        if rising:
            self._announce(mask)

    def wake_pending(self, core: str) -> bool:
        """Return whether an interrupt line of EXTI keeps a core out of CStop.

        Events are no level: they end CStop through `Mcu.send_event` when they happen.
        """
        unmasked = self._all_groups(f"{_PREFIXES[core]}IMR") & _WIRED[core]
        return bool((self._pending[core] | self._direct) & unmasked)

    def _trigger(self, lines: int) -> None:
        for core, prefix in _PREFIXES.items():
            self._pending[core] |= lines & self._all_groups(f"{prefix}IMR") & _WIRED[core]
        self._update_interrupts()
        self._announce(lines)

    def _announce(self, lines: int) -> None:
        """Tell each core of lines that became active: an event where EMR has one, and a wake-up."""
        for core, prefix in _PREFIXES.items():
            if lines & self._all_groups(f"{prefix}EMR") & _WIRED[core]:
                self.mcu.send_event(core)
            self.mcu.wakeup_changed(core)

    def _all_groups(self, register: str) -> int:
        return self[f"{register}1"] | self[f"{register}2"] << 32 | self[f"{register}3"] << 64

    def _update_interrupts(self) -> None:
        """Drive the NVIC lines: high while a pending bit behind them is unmasked."""
        active = {
            (core, irq)
            for core, prefix in _PREFIXES.items()
            if (unmasked := self._pending[core] & self._all_groups(f"{prefix}IMR"))
            for irq, lines in _INTERRUPTS.items()
            if unmasked & lines
        }
        for core, irq in sorted(active ^ self._irqs):
            self.mcu.set_irq(core, irq, (core, irq) in active)
        self._irqs = active

    # -- registers ------------------------------------------------------------------------------

    def _write_edge_selection(self, edge: str, group: int, value: int, master: Master) -> None:
        """Select edges; a line whose selection changes loses its pending bits (RM0399 21.6.21)."""
        self.mcu.pins.refresh()
        name = f"{edge}{group}"
        value &= self.implemented(name)
        changed = (self[name] ^ value) << 32 * (group - 1)
        self[name] = value
        self.mcu.pins.observation_changed()
        for core in _PREFIXES:
            self._pending[core] &= ~changed
        self._update_interrupts()

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

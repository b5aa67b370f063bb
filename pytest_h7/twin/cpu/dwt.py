"""Data watchpoint and trace unit: cycle counter, watchpoints, PC samples (Arm DDI0403E C1.8)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pytest_h7.chip.registers import private_peripheral

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.register_map import RegisterMap

_CYCCNTENA = 1
_CTRL_BITS = 0x007F_1FFF
_COMPARATORS = 4
_SPACING = 0x10
_FUNCTION_BITS = 0xF_FF2F
_MATCHED = 1 << 24
_COUNTERS = ("CPICNT", "EXCCNT", "SLEEPCNT", "LSUCNT", "FOLDCNT")


class Match(enum.IntEnum):
    """FUNCTION values that stop the core; other functions are stored without effect."""

    READ = 5
    WRITE = 6
    ACCESS = 7


class Dwt:
    """Cycle counter and comparators.

    Args:
        name: ``"cm7"`` or ``"cm4"``.
        now: gives the cycles that CYCCNT counts.
        sample_pc: gives what PCSR reads.
        on_change: is called when watchpoints may have changed.
    """

    def __init__(
        self,
        name: str,
        now: Callable[[], int],
        sample_pc: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self._map = private_peripheral(name, "DWT")
        self._now = now
        self._sample_pc = sample_pc
        self._on_change = on_change
        self._identity = self._map.registers["CTRL"].reset
        self._clear()

    def _clear(self) -> None:
        self._control = 0
        self._trace_enabled = False
        self._counting = False
        self._start = 0
        self._comparators = [0] * _COMPARATORS
        self._masks = [0] * _COMPARATORS
        self._functions = [0] * _COMPARATORS
        self._matched = [False] * _COMPARATORS

    def reset(self) -> None:
        """Clear everything, as a reset of the debug logic does."""
        self._clear()
        self._on_change()

    def enable(self, enabled: bool) -> None:
        """Follow DEMCR.TRCENA, without which nothing here works."""
        self._trace_enabled = enabled
        self._update_counter()
        self._on_change()

    def ranges(self) -> list[tuple[int, int]]:
        """Return the (address, length) of the watched data."""
        return [self._range(index) for index in self._active(Match.READ, Match.WRITE, Match.ACCESS)]

    def accessed(self, address: int, size: int, is_write: bool) -> bool:
        """Note an access; return whether a watchpoint matched."""
        matched = False
        for index in self._active(Match.WRITE if is_write else Match.READ, Match.ACCESS):
            first, length = self._range(index)
            if first < address + size and address < first + length:
                self._matched[index] = matched = True
        return matched

    def install(self, registers: RegisterMap) -> None:
        """Add the registers."""
        named = self._map.registers
        registers.add(named["CTRL"].address, lambda: self._identity | self._control, self._write_ctrl)
        registers.add(named["CYCCNT"].address, self._read_cyccnt, self._write_cyccnt)
        registers.add(named["PCSR"].address, self._sample_pc)
        for counter in _COUNTERS:
            registers.storage(named[counter].address, mask=0xFF, debug=True)
        for index in range(_COMPARATORS):
            self._install_comparator(registers, named["COMP0"].address + _SPACING * index, index)

    def _install_comparator(self, registers: RegisterMap, address: int, index: int) -> None:
        def write_comparator(value: int) -> None:
            self._comparators[index] = value
            self._on_change()

        def write_mask(value: int) -> None:
            self._masks[index] = value & 0x1F
            self._on_change()

        def write_function(value: int) -> None:
            self._functions[index] = value & _FUNCTION_BITS
            self._matched[index] = False
            self._on_change()

        def read_function() -> int:
            value = self._functions[index] | (_MATCHED if self._matched[index] else 0)
            self._matched[index] = False
            return value

        registers.add(address, lambda: self._comparators[index], write_comparator)
        registers.add(address + 4, lambda: self._masks[index], write_mask)
        registers.add(address + 8, read_function, write_function)

    def _active(self, *functions: Match) -> list[int]:
        if not self._trace_enabled:
            return []
        return [index for index in range(_COMPARATORS) if self._functions[index] & 0xF in functions]

    def _range(self, index: int) -> tuple[int, int]:
        length = 1 << self._masks[index]
        return self._comparators[index] & ~(length - 1), length

    def _write_ctrl(self, value: int) -> None:
        self._control = value & _CTRL_BITS
        self._update_counter()

    def _update_counter(self) -> None:
        counting = self._trace_enabled and bool(self._control & _CYCCNTENA)
        if counting is not self._counting:
            # While it stands still, `_start` holds the negated count.
            self._start = self._now() + self._start if counting else self._start - self._now()
            self._counting = counting

    def _read_cyccnt(self) -> int:
        return (self._now() if self._counting else 0) - self._start & 0xFFFF_FFFF

    def _write_cyccnt(self, value: int) -> None:
        self._start = (self._now() if self._counting else 0) - value

"""Flash patch and breakpoint unit: hardware breakpoints (Arm DDI0403E C1.11).

Version 1 (Cortex-M4) compares addresses below 0x2000_0000 only, version 2 (Cortex-M7) all of them.
Remapping is not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.registers import private_peripheral

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.register_map import RegisterMap

_ENABLE, _KEY = 1, 2
_REV_SHIFT = 28
_LOWER, _UPPER = 1, 2
_V1_ADDRESS = 0x1FFF_FFFC
_V1_COMPARATOR_BITS = 0xDFFF_FFFD
_V1_REMAP_BITS = 0x1FFF_FFE0


class Fpb:
    """The comparators; `on_change` is called when the set of breakpoint addresses may have changed."""

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        self._map = private_peripheral(name, "FPB")
        self._on_change = on_change
        self._identity = self._map.registers["CTRL"].reset
        self._version = (self._identity >> _REV_SHIFT) + 1
        self._code_comparators = self._identity >> 4 & 0xF | self._identity >> 8 & 0x70
        literals = self._identity >> 8 & 0xF
        self._comparators = [0] * (self._code_comparators + literals)
        self._enabled = False
        self._remap = 0

    def reset(self) -> None:
        """Disable everything, as a reset of the debug logic does."""
        self._enabled = False
        self._comparators = [0] * len(self._comparators)
        self._remap = 0
        self._on_change()

    def addresses(self) -> set[int]:
        """Return the addresses at which execution is to stop."""
        if not self._enabled:
            return set()
        found: set[int] = set()
        for value in self._comparators[: self._code_comparators]:
            if not value & _ENABLE:
                continue
            if self._version == 2:
                found.add(value & ~1)
                continue
            address, halves = value & _V1_ADDRESS, value >> 30
            if halves & _LOWER:
                found.add(address)
            if halves & _UPPER:
                found.add(address + 2)
        return found

    def install(self, registers: RegisterMap) -> None:
        """Add CTRL, REMAP and the comparators."""
        named = self._map.registers
        registers.add(named["CTRL"].address, lambda: self._identity | self._enabled, self._write_ctrl)
        if self._version == 1:
            reset = named["REMAP"].reset
            registers.add(named["REMAP"].address, lambda: reset | self._remap, self._write_remap)
        for index in range(len(self._comparators)):
            self._install_comparator(registers, named["COMP0"].address + 4 * index, index)

    def _install_comparator(self, registers: RegisterMap, address: int, index: int) -> None:
        mask = _V1_COMPARATOR_BITS if self._version == 1 else 0xFFFF_FFFF

        def write(value: int) -> None:
            self._comparators[index] = value & mask
            self._on_change()

        registers.add(address, lambda: self._comparators[index], write)

    def _write_ctrl(self, value: int) -> None:
        if value & _KEY:
            self._enabled = bool(value & _ENABLE)
            self._on_change()

    def _write_remap(self, value: int) -> None:
        self._remap = value & _V1_REMAP_BITS

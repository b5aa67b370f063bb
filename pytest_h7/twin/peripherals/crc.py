"""CRC calculation unit (RM0399 chapter 22). A result is there at once: the unit makes the bus wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_RESET, _REV_OUT = 1 << 0, 1 << 7
_SIZES = (32, 16, 8, 7)
_REVERSED_UNITS = (0, 8, 16, 32)
"""Bits of the units whose order REV_IN reverses."""


def _reversed_bits(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


class Crc(Peripheral):
    """The unit. DR takes bytes, half-words and words; each counts with as many bits as are written."""

    def __init__(self, mcu: Mcu) -> None:
        self._result = 0xFFFF_FFFF
        super().__init__(mcu, "CRC")

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"IDR", "POL"})

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._result = self["INIT"]

    @property
    def _bits(self) -> int:
        return _SIZES[self["CR"] >> 3 & 3]

    def read_DR(self, master: Master) -> int:
        result = self._result & (1 << self._bits) - 1
        return _reversed_bits(result, self._bits) if self["CR"] & _REV_OUT else result

    def write_DR(self, value: int, master: Master) -> None:
        self._feed(value, 32)

    def write_narrow(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write a byte or a half-word: to DR as that much data."""
        if offset & ~3 == self.map.registers["DR"].offset:
            self._feed(value & (1 << 8 * size) - 1, 8 * size)
        else:
            super().write_narrow(offset, size, value, master)

    def _feed(self, data: int, width: int) -> None:
        """Divide on with `width` bits of data, the uppermost first."""
        unit = min(_REVERSED_UNITS[self["CR"] >> 5 & 3], width)
        if unit:
            units = range(0, width, unit)
            mask = (1 << unit) - 1
            data = sum(_reversed_bits(data >> place & mask, unit) << place for place in units)
        bits, polynomial = self._bits, self["POL"]
        top, result = 1 << bits - 1, self._result
        for place in reversed(range(width)):
            carry = bool(result & top) ^ (data >> place & 1)
            result = result << 1 & (1 << bits) - 1
            if carry:
                result ^= polynomial & (1 << bits) - 1
        self._result = result

    def write_INIT(self, value: int, master: Master) -> None:
        """Set the value to begin with, which the result takes at once (RM0399 22.3.3)."""
        self["INIT"] = self._result = value

    def write_CR(self, value: int, master: Master) -> None:
        """Write CR; RESET loads the value to begin with, and clears itself."""
        self["CR"] = value & self.implemented("CR") & ~_RESET
        if value & _RESET:
            self._result = self["INIT"]

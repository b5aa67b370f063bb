"""Registers by the names of ST's CMSIS header: addresses, reset values, access and bit fields.

The data is ``data/registers.json``. Names follow ``stm32h755xx.h`` where the reference manual (RM0399)
differs, for example ``PWR_CPUCR`` for the manual's ``PWR_CPU1CR``. Registers of the private
peripheral bus (SCS, DWT, FPB, ITM) follow Arm DDI0403E.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any


class Access(enum.Enum):
    """What a write does to a register (RM0399 section 1.1, "List of abbreviations for registers")."""

    READ_WRITE = "rw"
    READ_ONLY = "r"
    WRITE_ONLY = "w"
    WRITE_1_TO_CLEAR = "w1c"
    WRITE_0_TO_CLEAR = "w0c"
    WRITE_1_TO_SET = "w1s"


@dataclass(frozen=True, slots=True)
class Field:
    """A bit field of a register: ``width`` bits from bit ``lsb`` upwards."""

    name: str
    lsb: int
    width: int

    @property
    def mask(self) -> int:
        """The bits of the field, in place."""
        return ((1 << self.width) - 1) << self.lsb

    def extract(self, value: int) -> int:
        """Return the field out of a whole register value."""
        return value >> self.lsb & (1 << self.width) - 1

    def insert(self, value: int, field_value: int) -> int:
        """Return `value` with the field replaced; raise ValueError if `field_value` does not fit."""
        if not 0 <= field_value < 1 << self.width:
            raise ValueError(f"{self.name} holds 0 to {(1 << self.width) - 1}, not {field_value}")
        return (value & ~self.mask) | field_value << self.lsb


@dataclass(frozen=True, slots=True)
class Register:
    """One 32-bit register: where it is, what it holds after reset, and what its bits are called."""

    name: str
    address: int
    offset: int
    reset: int
    access: Access
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class PeripheralMap:
    """A peripheral: its base address and its registers by name."""

    name: str
    base: int
    registers: Mapping[str, Register]


def _number(text: str) -> int:
    return int(text, 16)


class _Fields(Mapping[str, Field]):
    """Fields by name, out of ``NAME:LSB`` or ``NAME:LSB+WIDTH`` entries separated by blanks.

    They are parsed when one is first asked for: the chip has thousands, and a run looks at few.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _parsed(self) -> dict[str, Field]:
        fields = {}
        for entry in self._text.split():
            name, position = entry.split(":")
            lsb, _, width = position.partition("+")
            fields[name] = Field(name, int(lsb), int(width or 1))
        return fields

    def __getitem__(self, name: str) -> Field:
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed)

    def __len__(self) -> int:
        return len(self._parsed)


@cache
def _data() -> dict[str, Any]:
    source = resources.files(__package__).joinpath("data/registers.json")
    data: dict[str, Any] = json.loads(source.read_text("utf-8"))
    return data


@cache
def _layout(name: str) -> dict[str, tuple[int, int, Access, Mapping[str, Field]]]:
    return {
        register: (_number(offset), _number(reset), Access(access), _Fields(fields))
        for register, (offset, reset, access, fields) in _data()["layouts"][name].items()
    }


def _build(name: str, entry: dict[str, Any]) -> PeripheralMap:
    base = _number(entry["base"])
    resets = {register: _number(value) for register, value in entry.get("reset", {}).items()}
    registers = {
        register: Register(register, base + offset, offset, resets.get(register, reset), access, fields)
        for register, (offset, reset, access, fields) in _layout(entry["layout"]).items()
    }
    return PeripheralMap(name, base, registers)


@cache
def peripheral(name: str) -> PeripheralMap:
    """Return the registers of a peripheral both cores share.

    Raises:
        KeyError: the chip has no peripheral of that name, or its registers are not listed.
    """
    return _build(name, _data()["peripherals"][name])


@cache
def private_peripheral(core: str, name: str) -> PeripheralMap:
    """Return ``SCS``, ``DWT``, ``FPB`` or ``ITM`` of core ``"cm7"`` or ``"cm4"`` (Arm DDI0403E B3, C1)."""
    return _build(name, _data()["private_peripherals"][core][name])


def peripheral_names() -> list[str]:
    """Return the names of all shared peripherals."""
    return list(_data()["peripherals"])

"""What all peripheral models share: stored registers, and behaviour where a subclass names a register."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_h7.chip.registers import Access, PeripheralMap, peripheral
from pytest_h7.twin.bus import BusFault, Master

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

Reader = Callable[[Master], int]
Writer = Callable[[int, Master], None]


class Peripheral:
    """A peripheral whose registers are stored with their reset values.

    A subclass models a register ``X`` by the methods ``read_X(master) -> int`` and
    ``write_X(value, master)``, where `value` is the whole 32-bit register; ``self[name]`` is the stored
    value.
    Registers that are only stored are counted by the chip, because firmware may expect more of them.
    A hole between registers reads zero and ignores writes (RM0399 table 7, note).
    """

    word_only = False
    """Whether byte and half-word accesses end in a bus fault."""

    def __init__(self, mcu: Mcu, name: str) -> None:
        self.mcu = mcu
        self.name = name
        self.map: PeripheralMap = peripheral(name)
        self.base = self.map.base
        self._offsets = {register.name: register.offset for register in self.map.registers.values()}
        self._values: dict[int, int] = {}
        self._readers: dict[int, Reader] = {}
        self._writers: dict[int, Writer] = {}
        self._stored_only: dict[int, str] = {}
        self._write_only: set[int] = set()
        self._read_only: set[int] = set()
        for register in self.map.registers.values():
            if register.access is Access.WRITE_ONLY:
                self._write_only.add(register.offset)
            if register.access is Access.READ_ONLY:
                self._read_only.add(register.offset)
            if register.name not in self.plain_storage():
                self._stored_only[register.offset] = register.name
            self.model(
                register.name,
                getattr(self, f"read_{register.name}", None),
                getattr(self, f"write_{register.name}", None),
            )
        self.load_reset_values()

    def model(self, register: str, reader: Reader | None = None, writer: Writer | None = None) -> None:
        """Give a register its behaviour: for registers too alike to deserve a method each."""
        offset = self._offsets[register]
        if reader is not None:
            self._readers[offset] = reader
        if writer is not None:
            self._writers[offset] = writer
        if reader is not None or writer is not None:
            self._stored_only.pop(offset, None)

    def plain_storage(self) -> frozenset[str]:
        """Return the registers for which storing the value is all the hardware does."""
        return frozenset()

    def __getitem__(self, register: str) -> int:
        return self._values[self._offsets[register]]

    def __setitem__(self, register: str, value: int) -> None:
        self._values[self._offsets[register]] = value

    def field(self, register: str, field: str) -> int:
        """Return a field of the stored value."""
        return self.map.registers[register].fields[field].extract(self[register])

    def implemented(self, register: str) -> int:
        """Return the bits of a register that belong to a field; the others are reserved."""
        fields = self.map.registers[register].fields.values()
        return functools.reduce(operator.or_, (field.mask for field in fields), 0)

    def load_reset_values(self) -> None:
        """Give every register its reset value."""
        self._values = {register.offset: register.reset for register in self.map.registers.values()}

    def reset(self) -> None:
        """Reset by a system reset; a subclass adds what its registers drive."""
        self.load_reset_values()

    def read(self, offset: int, size: int, master: Master) -> int:
        """Return `size` (1, 2 or 4) bytes at `offset` from the base."""
        if self.word_only and (size != 4 or offset & 3):
            raise BusFault(self.base + offset)
        aligned = offset & ~3
        reader = self._readers.get(aligned)
        if reader is not None:
            value = reader(master)
        elif aligned in self._write_only:
            value = 0
        else:
            value = self._values.get(aligned, 0)
            self._count(aligned, master, write=False)
        if size == 4:
            return value
        return value >> 8 * (offset & 3) & ((1 << 8 * size) - 1)

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write `size` (1, 2 or 4) bytes at `offset` from the base."""
        if self.word_only and (size != 4 or offset & 3):
            raise BusFault(self.base + offset)
        aligned = offset & ~3
        if size != 4:
            shift = 8 * (offset & 3)
            mask = ((1 << 8 * size) - 1) << shift
            kept = 0 if aligned in self._write_only else self._values.get(aligned, 0) & ~mask
            value = kept | value << shift & mask
        writer = self._writers.get(aligned)
        if writer is not None:
            writer(value, master)
            return
        if aligned in self._values and aligned not in self._read_only:
            self._values[aligned] = value
        self._count(aligned, master, write=True)

    def _count(self, offset: int, master: Master, *, write: bool) -> None:
        if master.is_core and (offset in self._stored_only or offset not in self._values):
            name = self._stored_only.get(offset, f"+0x{offset:03X}")
            self.mcu.count_unmodelled(self.name, name, master, write=write)

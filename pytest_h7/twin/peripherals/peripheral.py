"""What all peripheral models share: stored registers, and behaviour where a subclass names a register."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.registers import Access, PeripheralMap, peripheral
from pytest_h7.twin.bus import BusFault, Master

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

Reader = Callable[[Master], int]
Writer = Callable[[int, Master], None]

_PAGE = 0x400
"""What the address decoders of the buses tell apart (RM0399 table 7)."""


class Peripheral:
    """A peripheral whose registers are stored with their reset values.

    A subclass models a register ``X`` by the methods ``read_X(master) -> int`` and
    ``write_X(value, master)``, where `value` is the whole 32-bit register; ``self[name]`` is the stored
    value.
    Registers that are only stored are counted by the chip, because firmware may expect more of them.
    A hole between registers reads zero and ignores writes (RM0399 table 7, note).

    Where bytes and half-words are more than parts of a register, a subclass overrides `read_narrow` and
    `write_narrow`. It may override `read` and `write`, too, which makes every access take longer.
    """

    word_only = False
    """Whether byte and half-word accesses end in a bus fault."""

    runs_by_itself = False
    """Whether it goes on where no core enables its clock in RCC, which then is that of its registers only."""

    unsaved = frozenset(
        {"map", "_offsets", "_fields", "_readers", "_writers", "_stored_only", "_write_only", "_read_only"}
    )
    """Attributes that are made once and are no part of the state that `Mcu.save` returns."""

    flat = frozenset({"_values"})

    def __init__(self, mcu: Mcu, name: str) -> None:
        self.mcu = mcu
        self.name = name
        self.map: PeripheralMap = peripheral(name)
        self.base = self.map.base
        self._offsets = {register.name: register.offset for register in self.map.registers.values()}
        self._fields: dict[tuple[str, str], tuple[int, int, int]] = {}
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

    @property
    def span(self) -> int:
        """Bytes of addresses from the base on: as far as the registers go, up to the end of a page."""
        last = max(self._offsets.values(), default=0)
        return (self.base + last | _PAGE - 1) + 1 - self.base

    def model(self, register: str, reader: Reader | None = None, writer: Writer | None = None) -> None:
        """Give a register its behaviour: for registers too alike to deserve a method each."""
        offset = self._offsets[register]
        if reader is not None:
            self._readers[offset] = reader
        if writer is not None:
            self._writers[offset] = writer
        if reader is not None or writer is not None:
            self._stored_only.pop(offset, None)

    def stored_only(self) -> frozenset[str]:
        """Return the registers that keep what is written and do nothing of what they do on the chip."""
        return frozenset(self._stored_only.values())

    def plain_storage(self) -> frozenset[str]:
        """Return the registers for which storing the value is all the hardware does."""
        return frozenset()

    def __getitem__(self, register: str) -> int:
        return self._values[self._offsets[register]]

    def __setitem__(self, register: str, value: int) -> None:
        self._values[self._offsets[register]] = value

    def field(self, register: str, field: str) -> int:
        """Return a field of the stored value."""
        place = self._fields.get((register, field)) or self._find_field(register, field)
        offset, lsb, mask = place
        return self._values[offset] >> lsb & mask

    def _find_field(self, register: str, name: str) -> tuple[int, int, int]:
        field = self.map.registers[register].fields[name]
        place = self._offsets[register], field.lsb, (1 << field.width) - 1
        self._fields[register, name] = place
        return place

    def implemented(self, register: str) -> int:
        """Return the bits of a register that belong to a field; the others are reserved."""
        fields = self.map.registers[register].fields.values()
        return functools.reduce(operator.or_, (field.mask for field in fields), 0)

    def load_reset_values(self) -> None:
        """Give every register its reset value."""
        self._values.update((register.offset, register.reset) for register in self.map.registers.values())

    def reset(self) -> None:
        """Reset by a system reset; a subclass adds what its registers drive."""
        self.load_reset_values()

    def clock_changed(self) -> None:
        """Learn that a clock may have changed: its frequency, or whether a core or domain still gets it."""

    def view(self, offset: int, master: Master) -> tuple[Peripheral, int] | None:
        """Return the model that `master` finds at `offset`, and the offset in it; None where it finds none.

        It is this one but where a register has a copy for each core.
        """
        return self, offset

    def read(self, offset: int, size: int, master: Master) -> int:
        """Return `size` (1, 2 or 4) bytes at `offset` from the base, a multiple of `size`."""
        if size == 4:
            return self.reader(offset)(master)
        if self.word_only:
            raise BusFault(self.base + offset)
        return self.read_narrow(offset, size, master)

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write `size` (1, 2 or 4) bytes at `offset` from the base, a multiple of `size`."""
        if size == 4:
            self.writer(offset)(value, master)
        elif self.word_only:
            raise BusFault(self.base + offset)
        else:
            self.write_narrow(offset, size, value, master)

    def read_narrow(self, offset: int, size: int, master: Master) -> int:
        """Return a byte or a half-word: that part of the whole register, read."""
        return self.reader(offset & ~3)(master) >> 8 * (offset & 3) & ((1 << 8 * size) - 1)

    def write_narrow(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write a byte or a half-word: the whole register, the other bytes as they are stored."""
        aligned = offset & ~3
        shift = 8 * (offset & 3)
        mask = ((1 << 8 * size) - 1) << shift
        kept = 0 if aligned in self._write_only else self._values.get(aligned, 0) & ~mask
        self.writer(aligned)(kept | value << shift & mask, master)

    def access(self, offset: int, size: int) -> tuple[Reader, Writer]:
        """Return functions that do what `read` and `write` do for this access, without the way there."""
        model = type(self)
        plain_read = size == 4 and model.read is Peripheral.read
        plain_write = size == 4 and model.write is Peripheral.write
        return (
            self.reader(offset) if plain_read else partial(self.read, offset, size),
            self.writer(offset) if plain_write else partial(self.write, offset, size),
        )

    def reader(self, offset: int) -> Reader:
        """Return what reads the word at `offset`."""
        if offset in self._readers:
            return self._readers[offset]
        if offset in self._write_only:
            return self._read_write_only
        name = self._counted_name(offset)
        if name is None:
            return partial(self._read_stored, offset)
        return partial(self._read_counted, offset, name)

    def writer(self, offset: int) -> Writer:
        """Return what writes the word at `offset`."""
        if offset in self._writers:
            return self._writers[offset]
        name = self._counted_name(offset)
        if name is None:
            return partial(self._write_stored, offset)
        return partial(self._write_counted, offset, name)

    def _counted_name(self, offset: int) -> str | None:
        """Return the name by which accesses are counted; None of a register that is what it should be."""
        return self._stored_only.get(offset) if offset in self._values else f"+0x{offset:03X}"

    def _read_write_only(self, master: Master) -> int:
        return 0

    def _read_stored(self, offset: int, master: Master) -> int:
        return self._values[offset]

    def _write_stored(self, offset: int, value: int, master: Master) -> None:
        if offset in self._values and offset not in self._read_only:
            self._values[offset] = value

    def _read_counted(self, offset: int, name: str, master: Master) -> int:
        if master.is_core:
            self.mcu.count_unmodelled(self.name, name, master, write=False)
        return self._values.get(offset, 0)

    def _write_counted(self, offset: int, name: str, value: int, master: Master) -> None:
        if master.is_core:
            self.mcu.count_unmodelled(self.name, name, master, write=True)
        self._write_stored(offset, value, master)

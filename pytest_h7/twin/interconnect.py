"""The bus matrix: which master reaches which memory and peripheral, and what it finds there.

Sources: RM0399 section 2.3 (tables 2, 6 and 7) and 9.5.10: an access to a reserved address ends in a bus
error; a peripheral whose bus clock is off reads zero here ("invalid" in the manual) and ignores writes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import FLASH_BANKS, MEMORIES, Memory
from pytest_h7.chip.registers import unlisted_peripherals
from pytest_h7.twin.bus import BusFault, Master

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.peripherals.peripheral import Peripheral

_GRANULE_BITS = 7
_PAGE = 0x400
_GPV = range(0x5100_0000, 0x5110_0000)
_SYSTEM_DEBUG = range(0x5C00_0000, 0x5C02_0000)
_FORMATS = {1: "<B", 2: "<H", 4: "<I"}


@dataclass(frozen=True)
class BootAlias:
    """What the CM4 sees at address 0: a memory from `offset` on (RM0399 table 6, note 4)."""

    memory: Memory
    offset: int

    @property
    def size(self) -> int:
        """Bytes up to the end of the memory."""
        return self.memory.size - self.offset


class UnlistedPeripheral:
    """A peripheral of which only the name is known here: words that keep what is written, all counted."""

    def __init__(self, mcu: Mcu, name: str, base: int) -> None:
        self.mcu = mcu
        self.name = name
        self.base = base
        self._bytes: dict[int, int] = {}

    def read(self, offset: int, size: int, master: Master) -> int:
        """Return what was written, zero before."""
        self._count(offset, master, write=False)
        return sum(self._bytes.get(offset + index, 0) << 8 * index for index in range(size))

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        """Keep the value."""
        self._count(offset, master, write=True)
        for index in range(size):
            self._bytes[offset + index] = value >> 8 * index & 0xFF

    def reset(self) -> None:
        """Forget everything."""
        self._bytes.clear()

    def _count(self, offset: int, master: Master, *, write: bool) -> None:
        if master.is_core:
            self.mcu.count_unmodelled(self.name, f"+0x{offset & ~3:03X}", master, write=write)


class Interconnect:
    """Routes every access that does not go straight from a core to a memory."""

    def __init__(self, mcu: Mcu, peripherals: list[Peripheral]) -> None:
        self._mcu = mcu
        self._routes: dict[int, Peripheral | UnlistedPeripheral] = {}
        listed: list[Peripheral | UnlistedPeripheral] = list(peripherals)
        self.unlisted = [UnlistedPeripheral(mcu, name, base) for name, base in unlisted_peripherals().items()]
        listed += self.unlisted
        bases = sorted(peripheral.base for peripheral in listed)
        following = dict(zip(bases, [*bases[1:], 1 << 32], strict=True))
        for peripheral in listed:
            page_end = _GPV.stop if peripheral.base in _GPV else (peripheral.base | _PAGE - 1) + 1
            for address in range(
                peripheral.base, min(page_end, following[peripheral.base]), 1 << _GRANULE_BITS
            ):
                self._routes[address >> _GRANULE_BITS] = peripheral
        self._spans = [
            (start, start + memory.size, memory)
            for memory in MEMORIES
            for start in (memory.start, *memory.aliases)
        ]
        self.boot_alias: BootAlias | None = None

    # -- peripherals ----------------------------------------------------------------------------

    def read_peripheral(self, address: int, size: int, master: Master) -> int:
        """Read a register; raise BusFault where nothing answers."""
        peripheral = self._route(address, master)
        if not self._mcu.clocked(peripheral.name):
            return 0
        return peripheral.read(address - peripheral.base, size, master)

    def write_peripheral(self, address: int, size: int, value: int, master: Master) -> None:
        """Write a register; raise BusFault where nothing answers."""
        peripheral = self._route(address, master)
        if self._mcu.clocked(peripheral.name):
            peripheral.write(address - peripheral.base, size, value, master)

    def _route(self, address: int, master: Master) -> Peripheral | UnlistedPeripheral:
        peripheral = self._routes.get(address >> _GRANULE_BITS)
        if peripheral is None:
            raise BusFault(address)
        if master is Master.AP1 and address < 0x5800_0000:
            raise BusFault(address)
        if address in _GPV and master.core == "cm4":
            raise BusFault(address)
        return peripheral

    # -- any address, for masters other than the cores' direct paths --------------------------------

    def find_memory(self, address: int, master: Master) -> tuple[Memory, int] | None:
        """Return the memory at `address` and the offset in it, None where `master` reaches none."""
        alias = self.boot_alias
        if master.core == "cm4" and alias is not None and address < alias.size:
            return alias.memory, alias.offset + address
        for start, end, memory in self._spans:
            if start <= address < end:
                reachable = {"cm7": memory.cm7, "cm4": memory.cm4, None: memory.ap1}[master.core]
                return (memory, address - start) if reachable else None
        return None

    def read(self, address: int, size: int, master: Master) -> int:
        """Read `size` bytes from a memory or a peripheral; raise BusFault where nothing answers."""
        found = self.find_memory(address, master)
        if found is not None:
            memory, offset = found
            view = self._mcu.memory(memory.name)
            value: int = struct.unpack_from(_FORMATS[size], view, offset)[0]
            return value
        if address in _SYSTEM_DEBUG and not self._mcu.software_reaches_apb_d:
            return 0
        return self.read_peripheral(address, size, master)

    def write(self, address: int, size: int, value: int, master: Master) -> None:
        """Write `size` bytes to a memory or a peripheral; raise BusFault where nothing answers."""
        found = self.find_memory(address, master)
        if found is None:
            if address in _SYSTEM_DEBUG and not self._mcu.software_reaches_apb_d:
                return
            self.write_peripheral(address, size, value, master)
            return
        memory, offset = found
        if memory in FLASH_BANKS:
            self._mcu.flash.core_store(memory.start + offset, size, value, master)
        elif memory.writable:
            struct.pack_into(_FORMATS[size], self._mcu.memory(memory.name), offset, value)
            self._mcu.code_changed(memory.start + offset, size)
        else:
            raise BusFault(address)

    def read_block(self, address: int, length: int, master: Master) -> bytes | None:
        """Return bytes of one memory in one go, None where the range is not all plain memory."""
        found = self.find_memory(address, master)
        if found is None or found[1] + length > found[0].size:
            return None
        memory, offset = found
        return bytes(self._mcu.memory(memory.name)[offset : offset + length])

    def write_block(self, address: int, data: bytes, master: Master) -> bool:
        """Write bytes to one RAM in one go; return False where the range is not all plain RAM."""
        found = self.find_memory(address, master)
        if found is None or not found[0].writable or found[1] + len(data) > found[0].size:
            return False
        memory, offset = found
        self._mcu.memory(memory.name)[offset : offset + len(data)] = data
        self._mcu.code_changed(memory.start + offset, len(data))
        return True

"""The bus matrix: which master reaches which memory and peripheral, and what it finds there.

Sources: RM0399 section 2.3 (tables 2, 6 and 7) and 9.5.10: an access to a reserved address ends in a bus
error; a peripheral whose bus clock is off reads zero here ("invalid" in the manual) and ignores writes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import BACKUP_SRAM, FLASH_BANKS, MEMORIES, Memory
from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.peripherals.rcc_bank import is_gated

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.peripherals.peripheral import Peripheral, Reader, Writer

Way = tuple["Reader", "Writer", Master]
"""What an access of a master comes down to: ``reader(master)``, ``writer(value, master)``."""

_GRANULE_BITS = 7
_GPV = range(0x5100_0000, 0x5110_0000)
_D3_START = 0x5800_0000
_D3_ONLY = (Master.AP1, Master.BDMA)
_PERIPHERALS = range(0x4000_0000, 0x6000_0000)
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


class Interconnect:
    """Routes every access that does not go straight from a core to a memory."""

    unsaved = frozenset({"_routes", "_spans"})

    def __init__(self, mcu: Mcu, peripherals: list[Peripheral]) -> None:
        self._mcu = mcu
        self._routes: dict[int, Peripheral] = {}
        bases = sorted(peripheral.base for peripheral in peripherals)
        following = dict(zip(bases, [*bases[1:], 1 << 32], strict=True))
        for peripheral in peripherals:
            end = _GPV.stop if peripheral.base in _GPV else peripheral.base + peripheral.span
            for address in range(peripheral.base, min(end, following[peripheral.base]), 1 << _GRANULE_BITS):
                self._routes[address >> _GRANULE_BITS] = peripheral
        self._spans = [
            (start, start + memory.size, memory)
            for memory in MEMORIES
            for start in (memory.start, *memory.aliases)
        ]
        self.boot_alias: BootAlias | None = None

    # -- peripherals ----------------------------------------------------------------------------

    def way(self, address: int, size: int, master: Master) -> Way | None:
        """Return what a core's access to a register comes down to until an RCC enable bank is written.

        A core that executes clocks what it has enabled itself, whatever the other one does. None where more
        decides than that.
        """
        if address not in _PERIPHERALS or address in _SYSTEM_DEBUG or master.core is None:
            return None
        peripheral = self._route(address, master)
        rcc = self._mcu.rcc
        if is_gated(peripheral.name) and not rcc.enabled_by(master.core, peripheral.name, asleep=False):
            return None
        found = peripheral.view(address - peripheral.base, master)
        return (*found[0].access(found[1], size), master) if found is not None else None

    def _find(self, address: int, master: Master) -> tuple[Peripheral, int] | None:
        """Return who answers and for which offset, None if nobody does but the bus gives no error."""
        if address in _SYSTEM_DEBUG and not self._mcu.software_reaches_apb_d:
            return None
        peripheral = self._route(address, master)
        if not self._mcu.clocked(peripheral.name):
            return None
        return peripheral.view(address - peripheral.base, master)

    def _route(self, address: int, master: Master) -> Peripheral:
        peripheral = self._routes.get(address >> _GRANULE_BITS)
        if peripheral is None:
            raise BusFault(address)
        if master in _D3_ONLY and address < _D3_START:
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
                return (memory, address - start) if getattr(memory, master.reach) else None
        return None

    def read(self, address: int, size: int, master: Master) -> int:
        """Read `size` bytes from a memory or a peripheral; raise BusFault where nothing answers."""
        if address in _PERIPHERALS:
            found = self._find(address, master)
            return found[0].read(found[1], size, master) if found is not None else 0
        memory, offset = self._memory(address, master)
        if memory in FLASH_BANKS:
            self._mcu.flash.check_read(memory, offset, master)
        elif memory is BACKUP_SRAM and not self._mcu.backup_access[0]:
            return 0
        value: int = struct.unpack_from(_FORMATS[size], self._mcu.memory(memory.name), offset)[0]
        return value

    def write(self, address: int, size: int, value: int, master: Master) -> None:
        """Write `size` bytes to a memory or a peripheral; raise BusFault where nothing answers."""
        if address in _PERIPHERALS:
            found = self._find(address, master)
            if found is not None:
                found[0].write(found[1], size, value, master)
            return
        memory, offset = self._memory(address, master)
        if memory in FLASH_BANKS:
            self._mcu.flash.core_store(memory.start + offset, size, value, master)
        elif memory is BACKUP_SRAM and not self._mcu.backup_access[1]:
            return
        elif memory.writable:
            struct.pack_into(_FORMATS[size], self._mcu.memory(memory.name), offset, value)
            self._mcu.code_changed(memory.start + offset, size)
        else:
            raise BusFault(address)

    def _memory(self, address: int, master: Master) -> tuple[Memory, int]:
        found = self.find_memory(address, master)
        if found is None:
            raise BusFault(address)
        return found

    def read_block(self, address: int, length: int, master: Master) -> bytes | None:
        """Return bytes of one memory in one go, None where the range is not all plain memory."""
        found = self.find_memory(address, master)
        if found is None or found[1] + length > found[0].size:
            return None
        memory, offset = found
        if not self._mcu.flash.readable(memory, offset, length):
            return None
        if memory is BACKUP_SRAM and not self._mcu.backup_access[0]:
            return bytes(length)
        return bytes(self._mcu.memory(memory.name)[offset : offset + length])

    def write_block(self, address: int, data: bytes, master: Master) -> bool:
        """Write bytes to one RAM in one go; return False where the range is not all plain RAM."""
        found = self.find_memory(address, master)
        if found is None or not found[0].writable or found[1] + len(data) > found[0].size:
            return False
        memory, offset = found
        if memory is BACKUP_SRAM and not self._mcu.backup_access[1]:
            return True
        self._mcu.memory(memory.name)[offset : offset + len(data)] = data
        self._mcu.code_changed(memory.start + offset, len(data))
        return True

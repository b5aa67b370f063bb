"""The cells of every memory, in one block of host memory that both cores map directly."""

from __future__ import annotations

import ctypes
import itertools
import mmap

from pytest_h7.chip.analog_inputs import FACTORY_CALIBRATION
from pytest_h7.chip.memory import (
    BACKUP_SRAM,
    FLASH_BANKS,
    FLASH_SIZE_ADDRESS,
    FLASH_WORD_SIZE,
    MEMORIES,
    SYSTEM_FLASH1,
    SYSTEM_MEMORIES,
    UNIQUE_ID_ADDRESS,
    Memory,
)

ERASED = 0xFF
_CHUNK = 0x4000
_BLANK = bytes(_CHUNK)
_LINE_ID_ADDRESS = 0x1FF1_E8C0

_GUARDS = sum(bank.size // FLASH_WORD_SIZE for bank in FLASH_BANKS)

FLASH_STORAGE_SIZE = sum(bank.size for bank in FLASH_BANKS) + _GUARDS
"""Bytes of what `Memories` needs to keep the flash in: its cells, then a guard for each flash word."""

_WAITING_LOOP = b"\xfe\xe7"
"""``b .``"""
_WAITING_STACK = 0x2002_0000


def _address(block: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(block))


def _guard_name(bank: Memory) -> str:
    return f"guard of {bank.name}"


MemoryState = tuple[int, list[bytes], list[bytes]]
"""Which content the flash has, its chunks, and those of the RAM."""


def _anonymous(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def erased_flash() -> bytes:
    """Return what is in the storage of a flash that leaves the factory."""
    return bytes([ERASED]) * (FLASH_STORAGE_SIZE - _GUARDS) + bytes(_GUARDS)


class Memories:
    """Storage of all memories; RAM starts as zeros.

    Each flash bank has a guard: a byte for each flash word that says what is wrong with it, 0 if nothing.
    System memory has no boot loader of ST's, only a loop to wait in.

    Args:
        unique_id: The 12 bytes of the unique device id.
        flash: Where the flash is kept, `FLASH_STORAGE_SIZE` bytes; None for one that starts erased.

    Attributes:
        flash_content: A number that stands for what is in flash: another one after each change.
    """

    def __init__(self, unique_id: bytes, flash: mmap.mmap | None = None) -> None:
        self._views: dict[str, memoryview] = {}
        self._pointers: dict[str, int] = {}
        self._places: dict[bool, list[tuple[mmap.mmap, slice]]] = {True: [], False: []}
        """Chunks of the blocks: of memories that can be written, and of the others."""
        if flash is None:
            flash = _anonymous(FLASH_STORAGE_SIZE)
            flash[:] = erased_flash()
        guards = {_guard_name(bank): bank.size // FLASH_WORD_SIZE for bank in FLASH_BANKS}
        self._lay_out(flash, {bank.name: bank.size for bank in FLASH_BANKS} | guards, writable=False)
        for writable in (False, True):
            sizes = {
                memory.name: memory.size
                for memory in MEMORIES
                if memory.writable is writable and memory not in FLASH_BANKS
            }
            block = _anonymous(sum(sizes.values()))
            self._lay_out(block, sizes, writable=writable)
        self._void = _anonymous(BACKUP_SRAM.size)
        self.void = _address(self._void)
        """Host address of zeros that stand for a backup SRAM without clock."""
        self._burn_in(unique_id)
        self._numbers = itertools.count(1)
        self.flash_content = 0
        self._flash_chunks: tuple[int, list[bytes]] = -1, []

    def _lay_out(self, block: mmap.mmap, sizes: dict[str, int], *, writable: bool) -> None:
        """Give each memory its part of a block, one after the other."""
        whole, origin, offset = memoryview(block), _address(block), 0
        for name, size in sizes.items():
            self._views[name] = whole[offset : offset + size]
            self._pointers[name] = origin + offset
            self._places[writable] += [
                (block, slice(start, min(start + _CHUNK, offset + size)))
                for start in range(offset, offset + size, _CHUNK)
            ]
            offset += size

    def _burn_in(self, unique_id: bytes) -> None:
        """Fill in what the factory writes: unique id, flash size, line identification, and our waiting loop."""
        for memory in SYSTEM_MEMORIES:
            loop = memory.start + 16 * 4
            vectors = [_WAITING_STACK, *[loop | 1] * 15]
            content = b"".join(vector.to_bytes(4, "little") for vector in vectors) + _WAITING_LOOP
            self.view(memory)[: len(content)] = content
        system = self.view(SYSTEM_FLASH1)
        for address, data in (
            (UNIQUE_ID_ADDRESS, unique_id),
            (FLASH_SIZE_ADDRESS, (2048).to_bytes(2, "little")),
            (_LINE_ID_ADDRESS, b"557H"),
            *FACTORY_CALIBRATION.items(),
        ):
            start = address - SYSTEM_FLASH1.start
            system[start : start + len(data)] = data

    def view(self, memory: Memory) -> memoryview:
        """Return the writable bytes of a memory."""
        return self._views[memory.name]

    def pointer(self, memory: Memory) -> int:
        """Return the host address of the first byte of a memory."""
        return self._pointers[memory.name]

    def guard(self, bank: Memory) -> memoryview:
        """Return the guard of a flash bank."""
        return self._views[_guard_name(bank)]

    def guard_pointer(self, bank: Memory) -> int:
        """Return the host address of the guard of a flash bank."""
        return self._pointers[_guard_name(bank)]

    def clear(self, memory: Memory) -> None:
        """Make what lost its supply zeros; flash keeps its cells."""
        if memory.writable:
            ctypes.memset(self.pointer(memory), 0, memory.size)

    # -- save and restore -----------------------------------------------------------------------

    def flash_changed(self) -> None:
        """Note that cells or guards of the flash have changed."""
        self.flash_content = next(self._numbers)

    def save(self) -> MemoryState:
        """Return what is in all memories; the flash only costs time if it has changed since the last one."""
        if self._flash_chunks[0] != self.flash_content:
            self._flash_chunks = self.flash_content, self._read(writable=False)
        return *self._flash_chunks, self._read(writable=True)

    def restore(self, state: MemoryState) -> None:
        """Put back what `save` has returned."""
        flash_content, flash, ram = state
        if flash_content != self.flash_content:
            self._write(flash, writable=False)
            self.flash_content = flash_content
        self._write(ram, writable=True)

    def _read(self, *, writable: bool) -> list[bytes]:
        chunks = (block[place] for block, place in self._places[writable])
        return [_BLANK if chunk == _BLANK else chunk for chunk in chunks]

    def _write(self, chunks: list[bytes], *, writable: bool) -> None:
        for (block, place), chunk in zip(self._places[writable], chunks, strict=True):
            block[place] = chunk

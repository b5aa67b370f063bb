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

_WAITING_LOOP = b"\xfe\xe7"
"""``b .``"""
_WAITING_STACK = 0x2002_0000


MemoryState = tuple[int, list[bytes], list[bytes]]
"""Which content the flash has, its chunks, and those of the RAM."""


class Memories:
    """Storage of all memories; flash starts erased, RAM starts as zeros.

    Each flash bank has a guard: a byte for each flash word that says what is wrong with it, 0 if nothing.
    System memory has no boot loader of ST's, only a loop to wait in.

    Attributes:
        flash_content: A number that stands for what is in flash: another one after each change.
    """

    def __init__(self, unique_id: bytes) -> None:
        guards = sum(bank.size // FLASH_WORD_SIZE for bank in FLASH_BANKS)
        total = sum(memory.size for memory in MEMORIES) + guards + BACKUP_SRAM.size
        self._block = mmap.mmap(-1, total, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        whole = memoryview(self._block)
        self._origin = ctypes.addressof(ctypes.c_char.from_buffer(self._block))
        self._views: dict[str, memoryview] = {}
        self._pointers: dict[str, int] = {}
        offset = 0
        for memory in MEMORIES:
            self._views[memory.name] = whole[offset : offset + memory.size]
            self._pointers[memory.name] = self._origin + offset
            offset += memory.size
        self._guards: dict[str, slice] = {}
        for bank in FLASH_BANKS:
            self._guards[bank.name] = slice(offset, offset + bank.size // FLASH_WORD_SIZE)
            offset = self._guards[bank.name].stop
        self.void = self._origin + offset
        """Host address of zeros that stand for a backup SRAM without clock."""
        self._whole = whole
        for bank in FLASH_BANKS:
            ctypes.memset(self.pointer(bank), ERASED, bank.size)
        self._burn_in(unique_id)
        self._numbers = itertools.count(1)
        self.flash_content = 0
        self._flash_chunks: tuple[int, list[bytes]] = -1, []
        self._places: dict[bool, list[slice]] = {True: [], False: []}
        """Chunks of the block: of memories that can be written, and of the others."""
        offset = 0
        for memory in MEMORIES:
            for start in range(offset, offset + memory.size, _CHUNK):
                end = min(start + _CHUNK, offset + memory.size)
                self._places[memory.writable].append(slice(start, end))
            offset += memory.size
        for guard in self._guards.values():
            self._places[False] += [
                slice(start, start + _CHUNK) for start in range(guard.start, guard.stop, _CHUNK)
            ]

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
        return self._whole[self._guards[bank.name]]

    def guard_pointer(self, bank: Memory) -> int:
        """Return the host address of the guard of a flash bank."""
        return self._origin + self._guards[bank.name].start

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
        chunks = (self._block[place] for place in self._places[writable])
        return [_BLANK if chunk == _BLANK else chunk for chunk in chunks]

    def _write(self, chunks: list[bytes], *, writable: bool) -> None:
        for place, chunk in zip(self._places[writable], chunks, strict=True):
            self._block[place] = chunk

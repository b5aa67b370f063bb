"""The cells of every memory, in one block of host memory that both cores map directly."""

from __future__ import annotations

import ctypes
import mmap

from pytest_h7.chip.memory import (
    FLASH_BANKS,
    FLASH_SIZE_ADDRESS,
    MEMORIES,
    SYSTEM_FLASH1,
    UNIQUE_ID_ADDRESS,
    Domain,
    Memory,
)

ERASED = 0xFF
_LINE_ID_ADDRESS = 0x1FF1_E8C0


class Memories:
    """Storage of all memories; flash starts erased, RAM starts as zeros."""

    def __init__(self, unique_id: bytes) -> None:
        total = sum(memory.size for memory in MEMORIES)
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
        for bank in FLASH_BANKS:
            ctypes.memset(self.pointer(bank), ERASED, bank.size)
        self._burn_in(unique_id)

    def _burn_in(self, unique_id: bytes) -> None:
        """Fill in what the factory writes: unique id, flash size, line identification."""
        system = self.view(SYSTEM_FLASH1)
        for address, data in (
            (UNIQUE_ID_ADDRESS, unique_id),
            (FLASH_SIZE_ADDRESS, (2048).to_bytes(2, "little")),
            (_LINE_ID_ADDRESS, b"557H"),
        ):
            start = address - SYSTEM_FLASH1.start
            system[start : start + len(data)] = data

    def view(self, memory: Memory) -> memoryview:
        """Return the writable bytes of a memory."""
        return self._views[memory.name]

    def pointer(self, memory: Memory) -> int:
        """Return the host address of the first byte of a memory."""
        return self._pointers[memory.name]

    def lose_power(self, *domains: Domain) -> None:
        """Clear the RAM of some domains."""
        for memory in MEMORIES:
            if memory.domain in domains and memory.writable:
                ctypes.memset(self.pointer(memory), 0, memory.size)

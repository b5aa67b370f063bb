"""The memories that a core accesses directly, seen from the host."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re


@dataclass(frozen=True, slots=True)
class Region:
    """Host memory at `pointer` that the core reads, and writes if it is `writable`, at `address`."""

    address: int
    size: int
    pointer: int
    writable: bool
    view: memoryview


class MemoryMap:
    """Where the core sees which memory; one memory may be seen at several addresses."""

    def __init__(self) -> None:
        self._regions: list[Region] = []

    def add(self, address: int, size: int, pointer: int, *, writable: bool) -> None:
        """Add a region."""
        view = memoryview((ctypes.c_ubyte * size).from_address(pointer)).cast("B")
        self._regions.append(Region(address, size, pointer, writable, view))

    def remove(self, address: int) -> None:
        """Remove the region that starts at `address`."""
        self._regions = [region for region in self._regions if region.address != address]

    def bytes_at(self, address: int, size: int, *, writable: bool = False) -> memoryview | None:
        """Return a view of memory, None if these bytes are not all in one region (a writable one)."""
        for region in self._regions:
            offset = address - region.address
            if 0 <= offset <= region.size - size:
                return region.view[offset : offset + size] if region.writable or not writable else None
        return None

    def halfword_at(self, address: int) -> int | None:
        """Return a halfword, None if there is no memory."""
        view = self.bytes_at(address, 2)
        return None if view is None else view[0] | view[1] << 8

    def find(self, pattern: re.Pattern[bytes], *, writable: bool) -> set[int]:
        """Return the even addresses at which the bytes match, in writable regions or in the others."""
        return {
            region.address + match.start()
            for region in self._regions
            if region.writable is writable
            for match in pattern.finditer(region.view)
            if not match.start() & 1
        }

    def aliases(self, address: int, length: int) -> list[tuple[int, int]]:
        """Return the (address, length) of every place where the memory at `address` is seen."""
        places = []
        home = next((region for region in self._regions if 0 <= address - region.address < region.size), None)
        if home is None:
            return []
        start = home.pointer + address - home.address
        end = min(start + length, home.pointer + home.size)
        for region in self._regions:
            first = max(start, region.pointer)
            last = min(end, region.pointer + region.size)
            if first < last:
                places.append((region.address + first - region.pointer, last - first))
        return places

"""The bus port of a DMA controller: reads and writes of many items, with the address where the next one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu


@dataclass
class Pointer:
    """Where a DMA reads or writes next.

    Attributes:
        address: Of the next item; what is below the size of an item is ignored (RM0399 16.6.5).
        size: Bytes of an item: 1, 2, 4 or 8.
        step: Bytes from an item to the next one; 0 stays, negative goes down.
    """

    address: int
    size: int
    step: int


class BusPort:
    """A bus master other than a core. Caches are not modelled: what it writes, the cores see at once."""

    def __init__(self, mcu: Mcu, master: Master) -> None:
        self._mcu = mcu
        self._master = master

    def read(self, pointer: Pointer, count: int) -> bytes:
        """Read items and move the pointer behind them; raise BusFault where nothing answers."""
        start, size = pointer.address & -pointer.size, pointer.size
        if pointer.step == size:
            block = self._mcu.read_block(start, count * size, self._master)
            if block is not None:
                pointer.address += count * size
                return block
        data = bytearray()
        for _ in range(count):
            data += self._read_item(pointer.address & -size, size)
            pointer.address += pointer.step
        return bytes(data)

    def write(self, pointer: Pointer, data: bytes) -> None:
        """Write whole items and move the pointer behind them; raise BusFault where nothing answers."""
        start, size = pointer.address & -pointer.size, pointer.size
        if pointer.step == size and self._mcu.write_block(start, data, self._master):
            pointer.address += len(data)
            return
        for place in range(0, len(data), size):
            self._write_item(pointer.address & -size, data[place : place + size])
            pointer.address += pointer.step

    def _read_item(self, address: int, size: int) -> bytes:
        width = min(size, 4)
        words = (self._mcu.read(address + place, width, self._master) for place in range(0, size, width))
        return b"".join(word.to_bytes(width, "little") for word in words)

    def _write_item(self, address: int, item: bytes) -> None:
        width = min(len(item), 4)
        for place in range(0, len(item), width):
            word = int.from_bytes(item[place : place + width], "little")
            self._mcu.write(address + place, width, word, self._master)

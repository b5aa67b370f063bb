"""One flash bank: write buffer, queue of operations, and what they do to the cells.

Sources: RM0399 sections 4.3.9 to 4.3.11 and 4.7. Times are typical values of DS12110 (STM32H743, the same
cells), tables 43 and 140; none is published for a bank erase, so it takes as long as its sectors.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import FLASH_SECTOR_SIZE, FLASH_WORD_SIZE, Memory
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.peripherals.flash import Flash

PROGRAM_TIMES = tuple(time * PS_PER_US for time in (290, 180, 130, 100))
"""Programming time of a flash word by PSIZE, in picoseconds."""

SECTOR_ERASE_TIMES = tuple(time * PS_PER_MS for time in (2000, 1800, 1100, 1000))
"""Erase time of a 128-Kbyte sector by PSIZE, in picoseconds."""

# SR
BSY, WBNE, QW = 1 << 0, 1 << 1, 1 << 2
EOP, WRPERR, PGSERR, STRBERR, INCERR = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 21
FLAGS = 0x1FEF_0000
"""Flags of SR; the enable bits of CR and the clear bits of CCR have the same positions."""

# CR
LOCK, PG, SER, BER, FW, START = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 7

_ERASED = 0xFF
_SECTORS = 8


@dataclass(frozen=True, slots=True)
class Operation:
    """A queued operation.

    Attributes:
        duration: Its time in picoseconds.
        complete: What it does to the cells in the end.
        interrupt: What it leaves behind when a reset cuts it short.
        sectors: Sectors it changes; it is refused if one of them is protected.
    """

    duration: int
    complete: Callable[[], None]
    interrupt: Callable[[], None]
    sectors: range = range(0)


class FlashBank:
    """A bank of eight sectors.

    Operations run one after another in board time. The model differs from the chip in this: the queue has no
    end, where the chip stalls the bus; reads from a busy bank do not stall; and a flash word programmed twice
    holds the AND of both values without an ECC error.
    """

    def __init__(self, flash: Flash, number: int, memory: Memory) -> None:
        self.number = number
        self.memory = memory
        self.flags = 0
        self._flash = flash
        self._queue: deque[Operation] = deque()
        self._event: Event | None = None
        self._word = 0
        self._bytes: dict[int, int] = {}
        self._writer: str | None = None

    @property
    def status(self) -> int:
        """The value of SR."""
        return (
            self.flags
            | (BSY if self._event is not None else 0)
            | (QW if self._queue else 0)
            | (WBNE if self._bytes else 0)
        )

    def reset(self) -> None:
        """Drop buffer and queue. The operation that runs leaves its cells half done."""
        if self._event is not None:
            self._event.cancel()
            self._queue[0].interrupt()
        self._event = None
        self._queue.clear()
        self._bytes.clear()
        self.flags = 0

    # -- write buffer ---------------------------------------------------------------------------

    def store(self, address: int, data: bytes, master: Master) -> None:
        """Take a bus write of 1 to 4 bytes into the write buffer; refuse it as RM0399 4.7 says."""
        for offset, value in enumerate(data, address - self.memory.start):
            if not self._accept(offset, master):
                break
            position = offset % FLASH_WORD_SIZE
            if position in self._bytes:
                self.flags |= STRBERR
            self._bytes[position] = value
        if len(self._bytes) == FLASH_WORD_SIZE:
            self._program_buffer()
        self._flash.update_interrupt()

    def _accept(self, offset: int, master: Master) -> bool:
        if self.flags & (PGSERR | INCERR) or not self._flash.control(self) & PG:
            self.flags |= PGSERR
            self._bytes.clear()
            return False
        word = offset - offset % FLASH_WORD_SIZE
        if self._bytes and (word != self._word or master.core != self._writer):
            self.flags |= INCERR
            self._bytes.clear()
            return False
        self._word = word
        self._writer = master.core
        return True

    def drop_buffer(self) -> None:
        """Forget what the write buffer holds, as clearing PG does."""
        self._bytes.clear()

    def force_write(self) -> None:
        """Program an incomplete buffer, padded with ones; without a zero in it there is nothing to do."""
        if any(value != _ERASED for value in self._bytes.values()):
            self._program_buffer()

    def _program_buffer(self) -> None:
        data = bytes(self._bytes.get(position, _ERASED) for position in range(FLASH_WORD_SIZE))
        word = self._word
        self._bytes.clear()
        sector = word // FLASH_SECTOR_SIZE
        self.enqueue(
            Operation(
                PROGRAM_TIMES[self._parallelism],
                lambda: self._program(word, data),
                lambda: self._program(word, data[: FLASH_WORD_SIZE // 2]),
                range(sector, sector + 1),
            )
        )

    # -- operations -----------------------------------------------------------------------------

    @property
    def _parallelism(self) -> int:
        return self._flash.control(self) >> 4 & 3

    def erase(self, sectors: range) -> None:
        """Queue an erase; the bank erase is that of all sectors."""
        self.enqueue(
            Operation(
                len(sectors) * SECTOR_ERASE_TIMES[self._parallelism],
                lambda: self._erase(sectors),
                lambda: self._erase_partly(sectors),
                sectors,
            )
        )

    def erase_all(self) -> None:
        """Queue a bank erase."""
        self.erase(range(_SECTORS))

    def enqueue(self, operation: Operation) -> None:
        """Add an operation to the queue and start it if none runs."""
        self._queue.append(operation)
        if self._event is None:
            self._start()

    def _start(self) -> None:
        while self._queue:
            operation = self._queue[0]
            if not any(self._flash.write_protected(self, sector) for sector in operation.sectors):
                self._event = self._flash.mcu.schedule(operation.duration, self._finish)
                break
            self._queue.popleft()
            self.flags |= WRPERR
        self._flash.update_interrupt()

    def _finish(self) -> None:
        self._event = None
        self._queue.popleft().complete()
        self.flags |= EOP
        self._start()
        self._flash.mcu.update_domains()  # D1 may have waited for this (RM0399 4.6.2)

    # -- cells ----------------------------------------------------------------------------------

    def _change(self, offset: int, data: bytes) -> None:
        self._flash.mcu.memory(self.memory.name)[offset : offset + len(data)] = data
        self._flash.mcu.code_changed(self.memory.start + offset, len(data))

    def _program(self, word: int, data: bytes) -> None:
        """Programming only makes zeros of ones."""
        old = self._flash.mcu.memory(self.memory.name)[word : word + len(data)]
        self._change(word, bytes(before & new for before, new in zip(old, data, strict=True)))

    def _erase(self, sectors: range) -> None:
        size = len(sectors) * FLASH_SECTOR_SIZE
        self._change(sectors.start * FLASH_SECTOR_SIZE, bytes([_ERASED]) * size)

    def _erase_partly(self, sectors: range) -> None:
        """Leave every second flash word erased: the manual calls the content not guaranteed."""
        start, end = sectors.start * FLASH_SECTOR_SIZE, sectors.stop * FLASH_SECTOR_SIZE
        cells = bytearray(self._flash.mcu.memory(self.memory.name)[start:end])
        for word in range(0, end - start, 2 * FLASH_WORD_SIZE):
            cells[word : word + FLASH_WORD_SIZE] = bytes([_ERASED]) * FLASH_WORD_SIZE
        self._change(start, bytes(cells))

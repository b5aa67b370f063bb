"""One flash bank: write buffer, queue of operations, and what they do to the cells.

Sources: RM0399 sections 4.3.8 to 4.3.12 and 4.7. Times are typical values of DS12110 (STM32H743, the same
cells), tables 43 and 140; none is published for a bank erase, so it takes as long as its sectors.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import FLASH_SECTOR_SIZE, FLASH_WORD_SIZE, Memory
from pytest_h7.twin.bus import BusFault, BusStalled
from pytest_h7.twin.clock_limits import programming_delay
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.peripherals.flash import Flash

PROGRAM_TIMES = tuple(time * PS_PER_US for time in (290, 180, 130, 100))
"""Programming time of a flash word by PSIZE, in picoseconds."""

SECTOR_ERASE_TIMES = tuple(time * PS_PER_MS for time in (2000, 1800, 1100, 1000))
"""Erase time of a 128-Kbyte sector by PSIZE, in picoseconds."""

# SR
BSY, WBNE, QW = 1 << 0, 1 << 1, 1 << 2
EOP, WRPERR, PGSERR, STRBERR, INCERR = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 21
RDPERR, SNECCERR, DBECCERR = 1 << 23, 1 << 25, 1 << 26
FLAGS = 0x1FEF_0000
"""Flags of SR; the enable bits of CR and the clear bits of CCR have the same positions."""

# CR
LOCK, PG, SER, BER, FW, START = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 7

BROKEN, LOCKED = 1 << 0, 1 << 1
"""What a guard says of a flash word: its ECC does not fit; RDP level 1 locks it."""

SECTORS = 8
_ERASED = 0xFF
_QUEUE_LENGTH = 2
"""Operations a bank takes, the one that runs with them; more stall the bus (RM0399 4.3.9, 4.3.10)."""

_LOCK_BITS = bytes(value | LOCKED for value in range(256))
_UNLOCK_BITS = bytes(value & ~LOCKED for value in range(256))


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

    Operations run one after another in board time. A core that executes from the bank stands still until it is
    idle, and so does one whose write finds the queue full; a debugger's access waits. The model differs from the
    chip in this: no cache lets a core run on, a core that executes elsewhere reads the bank without waiting,
    and SysTick and CYCCNT stand still with the core.

    A flash word programmed twice without an erase between holds the AND of both values; unless they are the
    same, its ECC is taken to show a double error, where that of the chip may also show a single one. The words
    that an interrupted erase has not reached, and a word half programmed, are broken likewise: the manual only
    says that the content is not guaranteed.
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
        self._waiting: dict[str, bool] = {}
        """Cores that stand still; whether only until there is a place in the queue."""

    @property
    def status(self) -> int:
        """The value of SR."""
        return (
            self.flags
            | (BSY if self._event is not None else 0)
            | (QW if self._queue else 0)
            | (WBNE if self._bytes else 0)
        )

    @property
    def busy(self) -> bool:
        """Whether an operation runs or waits."""
        return bool(self._queue)

    def reset(self) -> None:
        """Drop buffer and queue. The operation that runs leaves its cells half done."""
        if self._event is not None:
            self._event.cancel()
            self._queue[0].interrupt()
        self._event = None
        self._queue.clear()
        self._bytes.clear()
        self._waiting.clear()
        self.flags = 0

    # -- write buffer ---------------------------------------------------------------------------

    def store(self, address: int, data: bytes, master: Master) -> None:
        """Take a bus write of 1 to 4 bytes into the write buffer; refuse it as RM0399 4.7 says.

        Raises:
            BusStalled: A debugger finds the queue full.
        """
        if len(self._queue) >= _QUEUE_LENGTH and master.is_debugger:
            raise BusStalled
        for offset, value in enumerate(data, address - self.memory.start):
            if not self._accept(offset, master):
                break
            position = offset % FLASH_WORD_SIZE
            if position in self._bytes:
                self.flags |= STRBERR
            self._bytes[position] = value
        if len(self._bytes) == FLASH_WORD_SIZE:
            self._program_buffer()
        if len(self._queue) > _QUEUE_LENGTH and master.is_core:
            self._stall(master.value, for_place=True)
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
                lambda: self._program_half(word, data),
                range(sector, sector + 1),
            )
        )

    # -- operations -----------------------------------------------------------------------------

    @property
    def _parallelism(self) -> int:
        return self._flash.control(self) >> 4 & 3

    @property
    def erase_time(self) -> int:
        """Time of a bank erase, in picoseconds."""
        return SECTORS * SECTOR_ERASE_TIMES[self._parallelism]

    def erase(self, sectors: range) -> None:
        """Queue an erase; the bank erase is that of all sectors."""
        self.enqueue(
            Operation(
                len(sectors) * SECTOR_ERASE_TIMES[self._parallelism],
                lambda: self.erase_cells(sectors),
                lambda: self.erase_cells_partly(sectors),
                sectors,
            )
        )

    def erase_all(self) -> None:
        """Queue a bank erase."""
        self.erase(range(SECTORS))

    def enqueue(self, operation: Operation) -> None:
        """Add an operation to the queue and start it if none runs."""
        self._queue.append(operation)
        if self._event is None:
            self._start()

    def _start(self) -> None:
        while self._queue:
            operation = self._queue[0]
            if not any(self._flash.write_protected(self, sector) for sector in operation.sectors):
                self._check_programming_delay()
                self._event = self._flash.mcu.schedule(operation.duration, self._finish)
                self.stall_executing()
                break
            self._queue.popleft()
            self.flags |= WRPERR
        self._flash.update_interrupt()

    def _check_programming_delay(self) -> None:
        mcu = self._flash.mcu
        needed, selected = programming_delay(mcu), self._flash.field("ACR", "WRHIGHFREQ")
        if selected < needed:
            mcu.warn(
                f"FLASH_ACR.WRHIGHFREQ is {selected} while the flash is changed; at "
                f"{mcu.clock_hz('hclk') / 1e6:g} MHz in VOS{mcu.pwr.voltage_scale} it is to be {needed} "
                "(RM0399 table 16)."
            )

    def _finish(self) -> None:
        self._event = None
        self._queue.popleft().complete()
        self.flags |= EOP
        self._start()
        self._release_waiting()
        self._flash.mcu.update_domains()  # D1 may have waited for this (RM0399 4.6.2)

    # -- cores that wait --------------------------------------------------------------------------

    def stall_executing(self) -> None:
        """Let the cores that execute from the bank stand still while it is busy."""
        if self._queue:
            for core in self._flash.mcu.cores_executing_in(self.memory):
                self._stall(core, for_place=False)

    def _stall(self, core: str, *, for_place: bool) -> None:
        self._waiting[core] = for_place and self._waiting.get(core, True)
        self._flash.mcu.modes.stall(core)

    def _release_waiting(self) -> None:
        for core, for_place in list(self._waiting.items()):
            if not self._queue or (for_place and len(self._queue) <= _QUEUE_LENGTH):
                del self._waiting[core]
                self._flash.mcu.modes.resume(core)

    # -- reading --------------------------------------------------------------------------------

    def readable(self, offset: int, length: int) -> bool:
        """Return whether a range can be read without more ado: nothing is wrong and no operation runs."""
        first, last = offset // FLASH_WORD_SIZE, (offset + length - 1) // FLASH_WORD_SIZE
        return not self._queue and not any(self._guard[first : last + 1])

    def check_read(self, offset: int, master: Master) -> None:
        """Let an access to a flash word pass, or end it as RM0399 4.7.7 and 4.7.8 say.

        Raises:
            BusFault: RDP locks the word, or its ECC shows a double error.
            BusStalled: A debugger finds the bank busy.
        """
        word = offset // FLASH_WORD_SIZE
        wrong = self._guard[word]
        if wrong:
            if wrong & LOCKED:
                self.flags |= RDPERR
            else:
                if not self.flags & (SNECCERR | DBECCERR):
                    self._flash[f"ECC_FA{self.number}"] = word
                self.flags |= DBECCERR
            self._flash.update_interrupt()
            raise BusFault(self.memory.start + offset)
        if self._queue and master.is_debugger:
            raise BusStalled

    # -- cells ----------------------------------------------------------------------------------

    @property
    def _guard(self) -> memoryview:
        return self._flash.mcu.flash_guard(self.memory)

    @property
    def _cells(self) -> memoryview:
        return self._flash.mcu.memory(self.memory.name)

    def _change(self, offset: int, data: bytes) -> None:
        self._cells[offset : offset + len(data)] = data
        self._flash.mcu.code_changed(self.memory.start + offset, len(data))

    def _set_guard(self, words: slice, value: bytes) -> None:
        guard = self._guard
        if guard[words] != value:
            guard[words] = value
            self._flash.mcu.guards_changed()

    def lock(self, locked: bool) -> None:
        """Lock the bank as RDP level 1 does, or unlock it."""
        every = slice(0, len(self._guard))
        self._set_guard(every, bytes(self._guard).translate(_LOCK_BITS if locked else _UNLOCK_BITS))

    def broken_words(self) -> list[int]:
        """Return the numbers of the flash words whose ECC does not fit."""
        return [number for number, wrong in enumerate(self._guard) if wrong & BROKEN]

    def load_broken_words(self, numbers: Iterable[int]) -> None:
        """Have the ECC fit all flash words but these."""
        guard = bytearray(value & ~BROKEN for value in self._guard)
        for number in numbers:
            guard[number] |= BROKEN
        self._set_guard(slice(0, len(guard)), bytes(guard))

    def _break(self, word: int) -> None:
        index = word // FLASH_WORD_SIZE
        self._set_guard(slice(index, index + 1), bytes([self._guard[index] | BROKEN]))

    def _program(self, word: int, data: bytes) -> None:
        """Program a flash word: only zeros can be made, and the ECC only fits a word that was erased."""
        old = bytes(self._cells[word : word + FLASH_WORD_SIZE])
        if data != old and old != bytes([_ERASED]) * FLASH_WORD_SIZE:
            self._break(word)
        self._change(word, bytes(before & new for before, new in zip(old, data, strict=True)))

    def _program_half(self, word: int, data: bytes) -> None:
        half = FLASH_WORD_SIZE // 2
        self._program(word, data[:half] + bytes([_ERASED]) * half)
        self._break(word)

    def erase_cells(self, sectors: range) -> None:
        """Make all cells of sectors ones."""
        size = len(sectors) * FLASH_SECTOR_SIZE
        start = sectors.start * FLASH_SECTOR_SIZE
        words = slice(start // FLASH_WORD_SIZE, (start + size) // FLASH_WORD_SIZE)
        self._set_guard(words, bytes(value & ~BROKEN for value in self._guard[words]))
        self._change(start, bytes([_ERASED]) * size)

    def erase_cells_partly(self, sectors: range) -> None:
        """Leave every second flash word erased and the others broken, but for those that were blank before."""
        start, end = sectors.start * FLASH_SECTOR_SIZE, sectors.stop * FLASH_SECTOR_SIZE
        cells, guard = bytearray(self._cells[start:end]), bytearray(self._guard)
        blank = bytes([_ERASED]) * FLASH_WORD_SIZE
        for place in range(0, end - start, FLASH_WORD_SIZE):
            index = (start + place) // FLASH_WORD_SIZE
            if place % (2 * FLASH_WORD_SIZE) == 0:
                cells[place : place + FLASH_WORD_SIZE] = blank
                guard[index] &= ~BROKEN
            elif cells[place : place + FLASH_WORD_SIZE] != blank:
                guard[index] |= BROKEN
        self._set_guard(slice(0, len(guard)), bytes(guard))
        self._change(start, bytes(cells))

"""The flash controller as the debugger drives it through AP0 (RM0399 chapter 4), but for its option bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyocd.core.exceptions import FlashEraseFailure, FlashFailure

from pytest_h7.chip.memory import FLASH_BANKS, FLASH_SECTOR_SIZE
from pytest_h7.chip.registers import peripheral

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyocd.core.memory_interface import MemoryInterface

_KEYS = (0x4567_0123, 0xCDEF_89AB)
_PSIZE_64_BITS = 3
_POLL_INTERVAL = 0.02
_SECTOR_ERASE_TIME = 0.98
"""Seconds that pass before it is worth to look: a sector takes 1 s typically (DS12110 table 140)."""

_ERASE_TIMEOUT = 40.0
"""Seconds for the longest operation, a bank of eight sectors of at most 4 s (DS12110 table 140)."""

ERRORS = {
    "WRPERR": "the sector is write protected",
    "PGSERR": "a write came without PG, or after an error",
    "STRBERR": "a byte was written twice",
    "INCERR": "a flash word was left unfinished, or two masters wrote",
    "OPERR": "the operation was interrupted or the cells are worn out",
    "RDPERR": "read protection forbids it",
    "RDSERR": "the area is secured",
    "SNECCERR": "a bit error was corrected",
    "DBECCERR": "two bits are wrong",
}


def describe_errors(status: int) -> str | None:
    """Return what the error flags in FLASH_SR mean, None if none is set."""
    fields = peripheral("FLASH").registers["SR1"].fields
    found = [f"{name} ({text})" for name, text in ERRORS.items() if status & fields[name].mask]
    return ", ".join(found) or None


class Waiting:
    """Waits in board time, and knows how long it has waited in all.

    Args:
        sleep: Waits for seconds of board time.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self.total = 0.0

    def sleep(self, seconds: float) -> None:
        """Wait for seconds of board time."""
        self._sleep(seconds)
        self.total += seconds

    def sleep_until(self, total: float) -> None:
        """Wait until so many seconds have been waited in all."""
        if total > self.total:
            self.sleep(total - self.total)


class FlashBank:
    """One bank: unlocked and erased by register writes while no core executes from it.

    Args:
        number: 1 or 2.
        memory: How its registers are reached: AP0.
        waiting: What both banks wait with, as they work at the same time.
    """

    def __init__(self, number: int, memory: MemoryInterface, waiting: Waiting) -> None:
        registers = peripheral("FLASH").registers
        self.number = number
        self.memory = FLASH_BANKS[number - 1]
        self._bus = memory
        self._waiting = waiting
        self._not_before = 0.0
        self._keyr = registers[f"KEYR{number}"].address
        self._cr = registers[f"CR{number}"]
        self._sr = registers[f"SR{number}"]
        self._ccr = registers[f"CCR{number}"]
        self._erasing: int | None = None

    def unlock(self) -> None:
        """Make the bank erasable, with no errors left from before.

        Raises:
            FlashFailure: A wrong key has locked the bank until the next reset.
        """
        control, status = self._read()
        if status:
            self._bus.write32(self._ccr.address, sum(field.mask for field in self._ccr.fields.values()))
        if not self._cr.fields["LOCK"].extract(control):
            return
        for key in _KEYS:
            self._bus.write32(self._keyr, key)
        control, _ = self._read()
        if self._cr.fields["LOCK"].extract(control):
            raise FlashFailure(f"flash bank {self.number} stays locked until the next reset")

    def lock(self) -> None:
        """Protect the bank again."""
        self._bus.write32(self._cr.address, self._control("LOCK"))

    def start_sector_erase(self, address: int) -> None:
        """Wait for an erase under way, then start erasing the sector at `address`."""
        self.wait()
        sector = (address - self.memory.start) // FLASH_SECTOR_SIZE
        command = self._cr.fields["SNB"].insert(self._control("SER", "START"), sector)
        self._bus.write32(self._cr.address, command)
        self._erasing = address
        self._not_before = self._waiting.total + _SECTOR_ERASE_TIME

    def start_bank_erase(self) -> None:
        """Wait for an erase under way, then start erasing the whole bank."""
        self.wait()
        self._bus.write32(self._cr.address, self._control("BER", "START"))
        self._erasing = self.memory.start

    def wait(self) -> None:
        """Wait in board time until nothing is being erased.

        Raises:
            FlashEraseFailure: The bank reports an error or does not end.
        """
        if self._erasing is None:
            return
        self._waiting.sleep_until(self._not_before)
        waited = 0.0
        while not self.poll():
            if waited >= _ERASE_TIMEOUT:
                raise FlashEraseFailure(
                    f"flash bank {self.number} does not end erasing", address=self._erasing
                )
            self._waiting.sleep(_POLL_INTERVAL)
            waited += _POLL_INTERVAL

    def poll(self) -> bool:
        """Return whether the erase that was started has ended.

        Raises:
            FlashEraseFailure: The bank reports an error.
        """
        _, status = self._read()
        if self._sr.fields["QW"].extract(status):
            return False
        address, self._erasing = self._erasing, None
        self._bus.write32(self._cr.address, self._control())
        errors = describe_errors(status)
        if errors is not None:
            raise FlashEraseFailure(f"flash bank {self.number} was not erased: {errors}", address=address)
        return True

    def _control(self, *fields: str) -> int:
        """CR with bits set, and the widest parallelism: fastest, and allowed from 1.8 V upwards."""
        bits = sum(self._cr.fields[name].mask for name in fields)
        return self._cr.fields["PSIZE"].insert(bits, _PSIZE_64_BITS)

    def _read(self) -> tuple[int, int]:
        control, status = self._bus.read_memory_block32(self._cr.address, 2)
        return control, status

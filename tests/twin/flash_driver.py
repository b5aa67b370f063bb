"""Drives the flash interface through a bus, as programs and debuggers do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.memory import FLASH_WORD_SIZE
from pytest_h7.chip.option_bytes import OPTION_BYTES, program_register
from pytest_h7.twin.bus import Master

if TYPE_CHECKING:
    from conftest import Desk

BANKS = (0x0800_0000, 0x0810_0000)
SECTOR_SIZE = 0x2_0000
PROGRAM_US, ERASE_US, BANK_ERASE_US, OPTIONS_US = 100, 1_000_000, 8_000_000, 300_000
ERASED = b"\xff" * FLASH_WORD_SIZE


class FlashDriver:
    """Erases and programs by way of one bus master, with the fastest parallelism.

    The functions start an operation only; `desk.run` lets it happen.
    """

    def __init__(self, desk: Desk, master: Master = Master.AP0) -> None:
        self._desk = desk
        self._master = master
        for bank in (1, 2):
            if desk.field(f"FLASH.CR{bank}.LOCK", master):
                desk.write(f"FLASH.KEYR{bank}", 0x4567_0123, master)
                desk.write(f"FLASH.KEYR{bank}", 0xCDEF_89AB, master)

    def program(self, address: int, data: bytes) -> None:
        """Program flash words; the last one is padded with ones."""
        bank = 1 + (address >= BANKS[1])
        self._desk.write(f"FLASH.CR{bank}", 1 << 1 | 3 << 4, self._master)
        padded = data.ljust(-len(data) % FLASH_WORD_SIZE + len(data), b"\xff")
        for offset in range(0, len(padded), 4):
            word = int.from_bytes(padded[offset : offset + 4], "little")
            self._desk.mcu.write(address + offset, 4, word, self._master)

    def erase(self, address: int) -> None:
        """Erase the sector of an address."""
        bank = address >= BANKS[1]
        sector = (address - BANKS[bank]) // SECTOR_SIZE
        self._desk.write(f"FLASH.CR{1 + bank}", 1 << 2 | 3 << 4 | sector << 8 | 1 << 7, self._master)

    def change_options(self, **options: int) -> None:
        """Start the change of option bytes: ``change_options(BCM4=0)``."""
        if self._desk.field("FLASH.OPTCR.OPTLOCK", self._master):
            self._desk.write("FLASH.OPTKEYR", 0x0819_2A3B, self._master)
            self._desk.write("FLASH.OPTKEYR", 0x4C5D_6E7F, self._master)
        for name, wanted in options.items():
            option = OPTION_BYTES[name]
            register = f"FLASH.{program_register(option)}"
            value = self._desk.read(register, self._master) & ~option.mask | wanted << option.lsb
            self._desk.write(register, value, self._master)
        self._desk.write("FLASH.OPTCR", 1 << 1, self._master)

    def cells(self, address: int, length: int = FLASH_WORD_SIZE) -> bytes:
        """Return what the cells hold, without a bus."""
        bank = address >= BANKS[1]
        start = address - BANKS[bank]
        return bytes(self._desk.mcu.memory(f"flash bank {1 + bank}")[start : start + length])

    def read(self, address: int) -> int:
        """Read a word over the bus."""
        return self._desk.mcu.read(address, 4, self._master)

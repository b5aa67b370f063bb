"""Memories of the STM32H755ZI and who reaches them (RM0399 section 2.3, tables 2 and 6; section 2.4)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Domain(enum.Enum):
    """Power domain (RM0399 section 7.4)."""

    D1 = "D1"
    D2 = "D2"
    D3 = "D3"


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory: `start` is its main address; `aliases` show the same cells elsewhere."""

    name: str
    start: int
    size: int
    domain: Domain
    cm7: bool = True
    cm4: bool = True
    ap1: bool = False
    writable: bool = True
    aliases: tuple[int, ...] = field(default=())

    @property
    def end(self) -> int:
        """First address behind the memory."""
        return self.start + self.size

    def __contains__(self, address: int) -> bool:
        return self.start <= address < self.end


KIB = 1024

FLASH_SECTOR_SIZE = 128 * KIB
FLASH_WORD_SIZE = 32
"""Bytes of a flash word, the unit of programming and of ECC (RM0399 section 4.3.3)."""

FLASH_BANK_SIZE = 1024 * KIB
FLASH_BANK1 = Memory("flash bank 1", 0x0800_0000, FLASH_BANK_SIZE, Domain.D1, writable=False)
FLASH_BANK2 = Memory("flash bank 2", 0x0810_0000, FLASH_BANK_SIZE, Domain.D1, writable=False)
FLASH_BANKS = (FLASH_BANK1, FLASH_BANK2)

ITCM = Memory("ITCM", 0x0000_0000, 64 * KIB, Domain.D1, cm4=False)
DTCM = Memory("DTCM", 0x2000_0000, 128 * KIB, Domain.D1, cm4=False)
SYSTEM_FLASH1 = Memory("system flash bank 1", 0x1FF0_0000, 128 * KIB, Domain.D1, cm4=False, writable=False)
SYSTEM_FLASH2 = Memory("system flash bank 2", 0x1FF4_0000, 128 * KIB, Domain.D1, cm4=False, writable=False)
SYSTEM_MEMORIES = (SYSTEM_FLASH1, SYSTEM_FLASH2)
AXI_SRAM = Memory("AXI SRAM", 0x2400_0000, 512 * KIB, Domain.D1)
SRAM1 = Memory("SRAM1", 0x3000_0000, 128 * KIB, Domain.D2, aliases=(0x1000_0000,))
SRAM2 = Memory("SRAM2", 0x3002_0000, 128 * KIB, Domain.D2, aliases=(0x1002_0000,))
SRAM3 = Memory("SRAM3", 0x3004_0000, 32 * KIB, Domain.D2, aliases=(0x1004_0000,))
SRAM4 = Memory("SRAM4", 0x3800_0000, 64 * KIB, Domain.D3, ap1=True)
BACKUP_SRAM = Memory("backup SRAM", 0x3880_0000, 4 * KIB, Domain.D3, ap1=True)

MEMORIES = (
    ITCM,
    FLASH_BANK1,
    FLASH_BANK2,
    SYSTEM_FLASH1,
    SYSTEM_FLASH2,
    DTCM,
    AXI_SRAM,
    SRAM1,
    SRAM2,
    SRAM3,
    SRAM4,
    BACKUP_SRAM,
)


def memory_at(address: int) -> Memory | None:
    """Return the memory that answers at `address`, by its main address or an alias."""
    for memory in MEMORIES:
        for start in (memory.start, *memory.aliases):
            if start <= address < start + memory.size:
                return memory
    return None


def peripheral_domain(address: int) -> Domain | None:
    """Return the domain of the peripheral bus at `address`, None where there is none (RM0399 table 7)."""
    match address >> 24:
        case 0x40 | 0x48:
            return Domain.D2
        case 0x50 | 0x51 | 0x52:
            return Domain.D1
        case 0x58 | 0x5C:
            return Domain.D3
    return None


UNIQUE_ID_ADDRESS = 0x1FF1_E800
"""96-bit unique device id; AP0 and CM7 only (RM0399 section 64.1)."""

FLASH_SIZE_ADDRESS = 0x1FF1_E880
"""Flash size in KiB, 16 bits (RM0399 section 64.2)."""

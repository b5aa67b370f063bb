"""The memory map of the STM32H755ZI for pyOCD."""

from __future__ import annotations

from pyocd.core.memory_map import DeviceRegion, FlashRegion, MemoryMap, RamRegion, RomRegion

from pytest_h7.chip.memory import (
    FLASH_BANK1,
    FLASH_BANKS,
    FLASH_SECTOR_SIZE,
    FLASH_WORD_SIZE,
    MEMORIES,
    Domain,
)
from pytest_h7.target.flash import DualBankFlash, load_algorithm

_PERIPHERALS = (0x4000_0000, 0x2000_0000)
_PRIVATE_PERIPHERALS = (0xE000_0000, 0x2000_0000)


def memory_map() -> MemoryMap:
    """Return the map: flash as one region over both banks, so that pyOCD can erase them at the same time."""
    algorithm = load_algorithm()
    regions = [
        FlashRegion(
            name="flash",
            start=FLASH_BANK1.start,
            length=sum(bank.size for bank in FLASH_BANKS),
            sector_size=FLASH_SECTOR_SIZE,
            page_size=algorithm["page_size"],
            phrase_size=FLASH_WORD_SIZE,
            is_boot_memory=True,
            algo=algorithm,
            flash_class=DualBankFlash,
        ),
        DeviceRegion(name="peripherals", start=_PERIPHERALS[0], length=_PERIPHERALS[1]),
        DeviceRegion(name="PPB", start=_PRIVATE_PERIPHERALS[0], length=_PRIVATE_PERIPHERALS[1]),
    ]
    for memory in MEMORIES:
        if memory in FLASH_BANKS:
            continue
        region = RamRegion if memory.writable else RomRegion
        regions.append(
            region(
                name=memory.name,
                start=memory.start,
                length=memory.size,
                is_powered_on_boot=memory.domain is not Domain.D2,
            )
        )
        for alias in memory.aliases:
            regions.append(
                region(name=f"{memory.name} alias", start=alias, length=memory.size, alias=memory.name)
            )
    return MemoryMap(*regions)

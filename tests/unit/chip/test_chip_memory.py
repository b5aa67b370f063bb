"""Memories: where they are, how large, and who reaches them (RM0399 table 6)."""

from __future__ import annotations

import itertools

import pytest

from pytest_h7.chip.memory import (
    FLASH_BANKS,
    FLASH_SECTOR_SIZE,
    MEMORIES,
    Domain,
    memory_at,
    peripheral_domain,
)

BY_NAME = {memory.name: memory for memory in MEMORIES}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (0x0000_0000, "ITCM"),
        (0x0000_FFFF, "ITCM"),
        (0x0800_0000, "flash bank 1"),
        (0x080F_FFFF, "flash bank 1"),
        (0x0810_0000, "flash bank 2"),
        (0x081F_FFFF, "flash bank 2"),
        (0x1000_0000, "SRAM1"),
        (0x1002_0000, "SRAM2"),
        (0x1004_7FFF, "SRAM3"),
        (0x1FF1_E800, "system flash bank 1"),
        (0x2000_0000, "DTCM"),
        (0x2001_FFFF, "DTCM"),
        (0x2400_0000, "AXI SRAM"),
        (0x2407_FFFF, "AXI SRAM"),
        (0x3000_0000, "SRAM1"),
        (0x3004_7FFF, "SRAM3"),
        (0x3800_FFFF, "SRAM4"),
        (0x3880_0FFF, "backup SRAM"),
    ],
)
def test_memory_at(address: int, name: str) -> None:
    memory = memory_at(address)
    assert memory is not None
    assert memory.name == name


@pytest.mark.parametrize(
    "address",
    [0x0001_0000, 0x07FF_FFFF, 0x0820_0000, 0x1004_8000, 0x2002_0000, 0x2408_0000, 0x3801_0000, 0x3880_1000],
)
def test_no_memory_at(address: int) -> None:
    assert memory_at(address) is None


def test_memories_and_aliases_do_not_overlap() -> None:
    spans = sorted(
        (start, start + memory.size) for memory in MEMORIES for start in (memory.start, *memory.aliases)
    )
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


def test_only_the_cm7_reaches_the_tightly_coupled_memories_and_system_flash() -> None:
    assert {memory.name for memory in MEMORIES if not memory.cm4} == {
        "ITCM",
        "DTCM",
        "system flash bank 1",
        "system flash bank 2",
    }
    assert all(memory.cm7 for memory in MEMORIES)


def test_access_port_1_reaches_the_memories_of_d3() -> None:
    assert {memory.name for memory in MEMORIES if memory.ap1} == {
        memory.name for memory in MEMORIES if memory.domain is Domain.D3
    }
    assert {"SRAM4", "backup SRAM"} == {memory.name for memory in MEMORIES if memory.ap1}


def test_flash_is_two_banks_of_eight_sectors() -> None:
    assert [bank.size // FLASH_SECTOR_SIZE for bank in FLASH_BANKS] == [8, 8]
    assert FLASH_BANKS[0].end == FLASH_BANKS[1].start
    assert not any(bank.writable for bank in FLASH_BANKS)


def test_containment_is_by_the_main_address() -> None:
    sram1 = BY_NAME["SRAM1"]
    assert sram1.start in sram1
    assert sram1.end - 1 in sram1
    assert sram1.end not in sram1
    assert sram1.aliases[0] not in sram1


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        (0x4000_4800, Domain.D2),
        (0x4802_1800, Domain.D2),
        (0x5000_3000, Domain.D1),
        (0x5200_2000, Domain.D1),
        (0x5802_4400, Domain.D3),
        (0x5C00_1000, Domain.D3),
        (0x2400_0000, None),
        (0xE000_ED00, None),
    ],
)
def test_domain_of_a_peripheral(address: int, domain: Domain | None) -> None:
    assert peripheral_domain(address) is domain

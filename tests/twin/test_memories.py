"""The cells of the memories: what the factory leaves in them, and what the loss of power does."""

from __future__ import annotations

import ctypes

import pytest

from pytest_h7.chip.memory import FLASH_BANKS, MEMORIES, SYSTEM_FLASH1, Memory
from pytest_h7.twin.memories import Memories

UNIQUE_ID = bytes(range(1, 13))
MARK = b"\x5a" * 16
VOLATILE = [memory for memory in MEMORIES if memory.writable]


@pytest.fixture(scope="module")
def factory() -> Memories:
    return Memories(UNIQUE_ID)


@pytest.fixture
def memories() -> Memories:
    return Memories(UNIQUE_ID)


@pytest.mark.parametrize("bank", FLASH_BANKS, ids=lambda bank: bank.name)
def test_flash_is_erased(factory: Memories, bank: Memory) -> None:
    assert bytes(factory.view(bank)) == b"\xff" * bank.size


@pytest.mark.parametrize("memory", VOLATILE, ids=lambda memory: memory.name)
def test_ram_starts_as_zeros(factory: Memories, memory: Memory) -> None:
    assert bytes(factory.view(memory)) == bytes(memory.size)


def test_what_the_factory_writes(factory: Memories) -> None:
    system = factory.view(SYSTEM_FLASH1)
    assert bytes(system[0x1E800:0x1E80C]) == UNIQUE_ID
    assert int.from_bytes(system[0x1E880:0x1E882], "little") == 2048
    # Read as a word from 0x1FF1E8C0 it is the text H755.
    assert int.from_bytes(system[0x1E8C0:0x1E8C4], "little").to_bytes(4, "big") == b"H755"


@pytest.mark.parametrize("memory", MEMORIES, ids=lambda memory: memory.name)
def test_cores_and_views_share_the_cells(memories: Memories, memory: Memory) -> None:
    view, pointer = memories.view(memory), memories.pointer(memory)
    view[-16:] = MARK
    assert ctypes.string_at(pointer + memory.size - 16, 16) == MARK
    ctypes.memmove(pointer, MARK, 16)
    assert bytes(view[:16]) == MARK


def test_memories_do_not_share_cells_with_each_other(memories: Memories) -> None:
    for number, memory in enumerate(MEMORIES, start=1):
        ctypes.memset(memories.pointer(memory), number, memory.size)
    for number, memory in enumerate(MEMORIES, start=1):
        assert {memories.view(memory)[0], memories.view(memory)[-1]} == {number}


@pytest.mark.parametrize("lost", MEMORIES, ids=lambda memory: memory.name)
def test_ram_without_supply_is_cleared_and_flash_is_not(memories: Memories, lost: Memory) -> None:
    for memory in MEMORIES:
        memories.view(memory)[:16] = MARK
    memories.clear(lost)
    for memory in MEMORIES:
        cleared = memory is lost and memory in VOLATILE
        assert bytes(memories.view(memory)[:16]) == (bytes(16) if cleared else MARK), memory.name


def test_system_memory_holds_a_loop_to_wait_in(memories: Memories) -> None:
    system = memories.view(SYSTEM_FLASH1)
    start = int.from_bytes(system[4:8], "little")
    assert start & 1
    offset = (start & ~1) - SYSTEM_FLASH1.start
    assert bytes(system[offset : offset + 2]) == b"\xfe\xe7"  # b .

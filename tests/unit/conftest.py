"""A chip of words behind four access ports, under the real `Connection`."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyocd.core.exceptions import TransferFaultError

from pytest_h7.bench.connection import Connection
from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7, DBGMCU_AP2_ADDRESS
from pytest_h7.chip.registers import peripheral

CPUID = 0xE000_ED00


class FakePort:
    """What pyOCD's MEM-AP does, byte by byte.

    Attributes:
        core: What stands for pyOCD's object of the core, which is attached.
    """

    def __init__(self, chip: FakeChip, apsel: int) -> None:
        self._chip = chip
        self._apsel = apsel
        self.core = object()

    def _bytes(self, address: int, length: int) -> Iterator[tuple[int, int]]:
        if self._apsel in self._chip.closed or address in self._chip.faulting:
            raise TransferFaultError(address)
        for place in range(address, address + length):
            yield place & ~3, 8 * (place & 3)

    def read_memory_block8(self, address: int, length: int) -> list[int]:
        self._chip.reads.add(address)
        found = [
            self._chip.words.get(word, 0) >> shift & 0xFF for word, shift in self._bytes(address, length)
        ]
        if address == CPUID and self._apsel in self._chip.cpuids:
            found = list(self._chip.cpuids[self._apsel].to_bytes(length, "little"))
        return found

    def read_memory(self, address: int, bits: int) -> int:
        return int.from_bytes(bytes(self.read_memory_block8(address, bits // 8)), "little")

    def read_memory_block32(self, address: int, count: int) -> list[int]:
        return [self.read_memory(address + 4 * index, 32) for index in range(count)]

    def write_memory_block8(self, address: int, data: list[int]) -> None:
        for (word, shift), value in zip(self._bytes(address, len(data)), data, strict=True):
            self._chip.words[word] = self._chip.words.get(word, 0) & ~(0xFF << shift) | value << shift
        self._chip.writes.append((self._apsel, address, bytes(data)))

    def write_memory(self, address: int, value: int, bits: int) -> None:
        self.write_memory_block8(address, list(value.to_bytes(bits // 8, "little")))

    def write_memory_block32(self, address: int, words: list[int]) -> None:
        for index, word in enumerate(words):
            self.write_memory(address + 4 * index, word, 32)


class FakeChip:
    """Words by address. A port in `closed` and an address in `faulting` fault.

    `reads` is the addresses that were read, `writes` what was written.
    """

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.cpuids = {0: CPUID_CM7, 3: CPUID_CM4}
        self.reads: set[int] = set()
        self.writes: list[tuple[int, int, bytes]] = []
        self.closed: set[int] = set()
        self.faulting: set[int] = set()
        self.nrst = False
        target = SimpleNamespace(
            access_port=lambda apsel: FakePort(self, apsel),
            dp=SimpleNamespace(is_reset_asserted=lambda: self.nrst),
        )
        self.connection = Connection(cast("Any", SimpleNamespace(target=target)))

    def set(self, **values: int) -> None:
        """Give registers a value by name: ``RCC_CR=0x8000``, ``RCC_C2_AHB4ENR=...``."""
        for name, value in values.items():
            self.words[address_of(name)] = value

    def written(self) -> list[tuple[int, int, int]]:
        """Return access port, address and value of every write."""
        return [(apsel, address, int.from_bytes(data, "little")) for apsel, address, data in self.writes]


def address_of(name: str) -> int:
    unit, _, register = name.rpartition("_")
    while True:
        try:
            found = peripheral(unit).registers[register]
        except KeyError:
            unit, _, head = unit.rpartition("_")
            register = f"{head}_{register}"
            continue
        return found.offset + DBGMCU_AP2_ADDRESS if unit == "DBGMCU" else found.address


@pytest.fixture
def chip() -> FakeChip:
    return FakeChip()

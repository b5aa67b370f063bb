"""A chip without cores or time of its own, to test the debug side of the virtual board alone."""

from collections.abc import Iterator
from types import SimpleNamespace

from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.system_cti import SystemCti

RAM_START = 0x2400_0000
RAM_SIZE = 0x4000


class FakeCore:
    def __init__(self, name: str, cpuid: int) -> None:
        self.name = name
        self.words = {0xE000_ED00: cpuid}
        self.channels = 0

    def read_debug(self, address: int) -> int:
        return self.words.get(address, 0)

    def write_debug(self, address: int, value: int) -> None:
        self.words[address] = value

    def set_channels(self, held: int, pulses: int) -> None:
        self.channels = held


class FakeDbgmcu:
    def __init__(self) -> None:
        self.words = {0: 0x2003_6450}

    def read(self, offset: int, size: int, master: Master) -> int:
        return self.words.get(offset, 0)

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        self.words[offset] = value

    def field(self, register: str, field: str) -> int:
        bit = {"DBG_CKD1EN": 21, "DBG_CKD3EN": 22}[field]
        return self.words.get(4, 0) >> bit & 1


class FakeChip:
    """16 KB of RAM; `clocked` names the cores that the debugger can reach."""

    def __init__(self) -> None:
        self.powered = self.swd_connected = True
        self.supply_millivolts = 3300
        self.nrst_asserted = False
        self.clocked = {"cm7", "cm4"}
        self.cores = {"cm7": FakeCore("cm7", 0x411F_C271), "cm4": FakeCore("cm4", 0x410F_C241)}
        self.dbgmcu = FakeDbgmcu()
        self.system_cti = SystemCti(self)
        self.ram = bytearray(RAM_SIZE)
        self.now = 0
        self.debug_port: object = None
        self.accesses: list[SimpleNamespace] = []

    def debugger_connected(self) -> None:
        """The fake chip keeps no secrets from it."""

    def core_clocked(self, name: str) -> bool:
        return name in self.clocked and not self.nrst_asserted

    def run_for(self, duration: int) -> None:
        self.now += duration

    def set_nrst(self, asserted: bool) -> None:
        self.nrst_asserted = asserted

    def _offsets(self, address: int, size: int) -> Iterator[int]:
        if not RAM_START <= address <= RAM_START + RAM_SIZE - size:
            raise BusFault(address)
        yield from range(address - RAM_START, address - RAM_START + size)

    def read(self, address: int, size: int, master: Master) -> int:
        self.accesses.append(SimpleNamespace(address=address, size=size, master=master))
        return int.from_bytes(bytes(self.ram[offset] for offset in self._offsets(address, size)), "little")

    def write(self, address: int, size: int, value: int, master: Master) -> None:
        self.accesses.append(SimpleNamespace(address=address, size=size, master=master))
        for index, offset in enumerate(self._offsets(address, size)):
            self.ram[offset] = value >> 8 * index & 0xFF

    def read_block(self, address: int, length: int, master: Master) -> bytes | None:
        if not RAM_START <= address <= RAM_START + RAM_SIZE - length:
            return None
        return bytes(self.ram[address - RAM_START : address - RAM_START + length])

    def write_block(self, address: int, data: bytes, master: Master) -> bool:
        if not RAM_START <= address <= RAM_START + RAM_SIZE - len(data):
            return False
        self.ram[address - RAM_START : address - RAM_START + len(data)] = data
        return True

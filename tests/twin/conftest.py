"""The whole chip, looked at through its buses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_h7.chip.memory import memory_at
from pytest_h7.chip.registers import peripheral
from pytest_h7.twin.bus import Master
from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.timeline import PS_PER_US


class Desk:
    """A chip, and its registers by name as a bus master finds them: ``read("RCC.CR")``."""

    def __init__(self, mcu: Mcu) -> None:
        self.mcu = mcu

    @staticmethod
    def address(name: str) -> int:
        unit, register = name.split(".")
        return peripheral(unit).registers[register].address

    def read(self, name: str, master: Master = Master.CM7) -> int:
        return self.mcu.read(self.address(name), 4, master)

    def write(self, name: str, value: int, master: Master = Master.CM7) -> None:
        self.mcu.write(self.address(name), 4, value, master)

    def field(self, name: str, master: Master = Master.CM7) -> int:
        """Return a field: ``field("RCC.CR.HSIRDY")``."""
        unit, register, field = name.split(".")
        return (
            peripheral(unit)
            .registers[register]
            .fields[field]
            .extract(self.read(f"{unit}.{register}", master))
        )

    def set(self, register: str, master: Master = Master.CM7, **fields: int) -> None:
        """Change fields of a register: ``set("RCC.CR", HSEON=1)``."""
        unit, name = register.split(".")
        value = self.read(register, master)
        for field, wanted in fields.items():
            value = peripheral(unit).registers[name].fields[field].insert(value, wanted)
        self.write(register, value, master)

    def put(self, address: int, data: bytes) -> None:
        """Put bytes into any memory, flash too, as if they had been there before."""
        memory = memory_at(address)
        assert memory is not None
        offset = next(
            address - start for start in (memory.start, *memory.aliases) if 0 <= address - start < memory.size
        )
        self.mcu.memory(memory.name)[offset : offset + len(data)] = data
        self.mcu.code_changed(memory.start + offset, len(data))

    def run(self, microseconds: float) -> None:
        self.mcu.run_for(round(microseconds * PS_PER_US))

    def result(self, core: str, index: int = 0) -> int:
        """Return a word of what a program has written to its results."""
        start = (0 if core == "cm7" else 0x1000) + 4 * index
        return int.from_bytes(self.mcu.memory("SRAM4")[start : start + 4], "little")


@pytest.fixture(scope="session")
def make_desk(make_mcu: Callable[..., Mcu]) -> Callable[[], Desk]:
    """Return a chip just after power-on, both cores out of reset; its flash is erased, so they lock up."""

    def make() -> Desk:
        board = Desk(make_mcu())
        board.run(100)
        return board

    return make


@pytest.fixture
def desk(make_desk: Callable[[], Desk]) -> Desk:
    """A chip just after power-on, both cores out of reset; its flash is erased, so they lock up."""
    return make_desk()


@pytest.fixture
def run(make_mcu: Callable[..., Mcu], build_program: Callable[..., object]) -> Callable[..., Desk]:
    """Run programs, by core, for some microseconds: ``run(cm7="...", cm4="...", us=500)``."""

    def start(us: float = 1_000, *, flags: tuple[str, ...] = (), **sources: str) -> Desk:
        board = Desk(make_mcu(*(build_program(core, source, *flags) for core, source in sources.items())))
        board.run(us)
        return board

    return start

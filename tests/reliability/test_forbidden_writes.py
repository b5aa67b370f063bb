"""Whatever a test writes by the public names, at whatever the firmware has prepared: no forbidden bit gets there.

The virtual flash interface looks at each write of a debugger that reaches it, as the last who could.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import Settings
from pytest_h7.board.board import Board
from pytest_h7.chip.option_bytes import OPTION_BYTES, program_register
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import H7Error
from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.peripherals.flash import Flash

FLASH = peripheral("FLASH")
KEYS = {
    "OPTKEYR": (0x0819_2A3B, 0x4C5D_6E7F),
    "KEYR1": (0x4567_0123, 0xCDEF_89AB),
    "KEYR2": (0x4567_0123, 0xCDEF_89AB),
}
OPTLOCK, OPTSTART, MER, BER = 1 << 0, 1 << 1, 1 << 4, 1 << 3
MIRROR = 0x100
PROTECTED = [option for option in OPTION_BYTES.values() if option.protected]

EXAMPLES, EVERY_EXAMPLE = 150, 5000


class Watch:
    """Looks at every write of a debugger to FLASH before it happens."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.violations: list[str] = []
        self.changes = 0
        write = Flash.write

        def watched(flash: Flash, offset: int, size: int, value: int, master: Master) -> None:
            if master in (Master.AP0, Master.AP1, Master.AP2, Master.AP3):
                self._look(flash, offset, size, value)
            write(flash, offset, size, value, master)

        patch.setattr(Flash, "write", watched)

    def _look(self, flash: Flash, offset: int, size: int, value: int) -> None:
        """Note a write of a protected bit that is not as it is in force, and the start of what must not be."""
        mask = ((1 << 8 * size) - 1) << 8 * (offset & 3)
        bits = value << 8 * (offset & 3)
        register = self._register(offset & ~3)
        for option in PROTECTED:
            if (
                register == program_register(option)
                and (bits ^ self._in_force(flash, option.name)) & mask & option.mask
            ):
                self.violations.append(f"{option.name}: 0x{bits:08X} written to {register}")
        if register in ("CR1", "CR2") and bits & mask & BER:
            self.violations.append(f"bank erase in {register}")
        if register == "OPTCR" and bits & mask & MER:
            self.violations.append("mass erase")
        if register == "OPTCR" and bits & mask & OPTSTART and not flash.read_OPTCR(Master.AP0) & OPTLOCK:
            self.changes += 1
            for option in PROTECTED:
                if (flash[program_register(option)] ^ self._in_force(flash, option.name)) & option.mask:
                    self.violations.append(f"{option.name} programmed along")

    @staticmethod
    def _register(offset: int) -> str | None:
        names = {register.offset: name for name, register in FLASH.registers.items()}
        return names.get(offset, "").removesuffix("_MIRROR")

    @staticmethod
    def _in_force(flash: Flash, name: str) -> int:
        return flash.option(name) << OPTION_BYTES[name].lsb


# -- what is done -------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """A board on the desk, the chip behind it, and who looks at what reaches it."""

    board: Board
    chip: VirtualBoard
    watch: Watch


Step = Callable[[Desk], Any]

WAYS: dict[str, Callable[[Board, int, int], Any]] = {
    "cm7.write_u32": lambda board, address, value: board.cm7.write_u32(address, value),
    "cm4.write_u32": lambda board, address, value: board.cm4.write_u32(address, value),
    "cm7.write_u16": lambda board, address, value: board.cm7.write_u16(address, value & 0xFFFF),
    "cm7.write_u8": lambda board, address, value: board.cm7.write_u8(address, value & 0xFF),
    "cm7.write_bytes": lambda board, address, value: board.cm7.write_bytes(
        address, value.to_bytes(4, "little") * 3
    ),
    "ap[0]": lambda board, address, value: board.ap[0].write_u32(address, value),
    "ap[1]": lambda board, address, value: board.ap[1].write_u32(address, value),
    "ap[3]": lambda board, address, value: board.ap[3].write_u32(address, value),
}


def option_words() -> st.SearchStrategy[int]:
    """A factory word with some bits turned over, or anything."""
    factory = sorted({FLASH.registers[program_register(option)].reset for option in OPTION_BYTES.values()})
    near = st.builds(
        lambda word, bits: word ^ sum(1 << bit for bit in bits),
        st.sampled_from(factory),
        st.sets(st.integers(0, 31), max_size=3),
    )
    return near | st.integers(0, 0xFFFF_FFFF)


def raw_writes() -> st.SearchStrategy[Step]:
    """A write to FLASH or around it by one of the ways of a test."""
    places = st.sampled_from([register.address for register in FLASH.registers.values()])
    values = option_words() | st.sampled_from(
        [OPTSTART, MER, MER | OPTSTART, BER, BER | 1 << 7, 0xFFFF_FFFF, 0]
    )
    return st.builds(
        lambda way, place, shift, value: lambda desk: WAYS[way](desk.board, place + shift, value),
        st.sampled_from(sorted(WAYS)),
        places,
        st.sampled_from([0, 0, 0, 0, 1, 2, 3, -4]),
        values,
    )


def register_writes() -> st.SearchStrategy[Step]:
    """A register or a field assigned by its name."""
    fields = [
        (name, field) for name, register in FLASH.registers.items() for field in register.fields.values()
    ]

    def assign(place: tuple[str, Any], value: int) -> Step:
        name, field = place
        return lambda desk: setattr(
            getattr(desk.board.registers.FLASH, name), field.name, value & ((1 << field.width) - 1)
        )

    def assign_whole(name: str, value: int) -> Step:
        return lambda desk: setattr(getattr(desk.board.registers.FLASH, name), "value", value)

    return st.builds(assign, st.sampled_from(fields), option_words()) | st.builds(
        assign_whole, st.sampled_from(sorted(FLASH.registers)), option_words()
    )


def unlock(register: str) -> Step:
    def write_keys(desk: Desk) -> None:
        for key in KEYS[register]:
            desk.board.ap[0].write_u32(FLASH.registers[register].address, key)

    return write_keys


def firmware_prepares(name: str, value: int) -> Step:
    """What firmware leaves in a program register; it has unlocked them and does not start the change."""

    def prepare(desk: Desk) -> None:
        option = OPTION_BYTES[name]
        address = FLASH.registers[program_register(option)].address
        with suppress(BusFault):
            for key in KEYS["OPTKEYR"]:
                desk.chip.mcu.write(FLASH.registers["OPTKEYR"].address, 4, key, Master.CM7)
        word = desk.chip.mcu.read(address, 4, Master.CM7)
        word = word & ~option.mask | value << option.lsb & option.mask
        desk.chip.mcu.write(address, 4, word, Master.CM7)

    return prepare


def modified_after_firmware() -> st.SearchStrategy[Step]:
    """A field assigned by its name in a register in which firmware has prepared something."""

    def both(name: str, value: int, field: Any) -> Step:
        def prepare_and_assign(desk: Desk) -> None:
            firmware_prepares(name, value)(desk)
            register = getattr(desk.board.registers.FLASH, program_register(OPTION_BYTES[name]))
            setattr(register, field.name, value >> 8 & ((1 << field.width) - 1))

        return prepare_and_assign

    def in_register_of(name: str) -> st.SearchStrategy[Step]:
        fields = FLASH.registers[program_register(OPTION_BYTES[name])].fields.values()
        return st.builds(both, st.just(name), st.integers(0, 0xFFFF_FFFF), st.sampled_from(list(fields)))

    return st.sampled_from([option.name for option in PROTECTED]).flatmap(in_register_of)


def sets() -> st.SearchStrategy[Step]:
    """Option bytes set through the ledger: any name, any value, some of them right."""
    names = [name for name, option in OPTION_BYTES.items() if not option.protected]
    values = st.integers(0, 3) | st.integers(-1, 0x1_0000)
    allowed = st.dictionaries(st.sampled_from(names), values, min_size=1, max_size=3)
    protected = st.dictionaries(st.sampled_from(sorted(OPTION_BYTES)), values, min_size=1, max_size=2)
    return (allowed | protected).map(lambda values: lambda desk: desk.board.option_bytes.set(**values))


STEPS = st.one_of(
    raw_writes(),
    raw_writes(),
    register_writes(),
    st.sampled_from(sorted(KEYS)).map(unlock),
    st.builds(firmware_prepares, st.sampled_from(sorted(OPTION_BYTES)), st.integers(0, 0xFFFF_FFFF)),
    modified_after_firmware(),
    sets(),
)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch)
        chip = VirtualBoard()
        patch.setattr(twin_board, "_boards", {"": chip})
        bench = Bench(Settings())
        board = Board(bench)
        board.option_ledger.open()
        yield Desk(board, chip, watch)
        bench.close()


def test_nothing_forbidden_is_ever_written(desk: Desk, request: pytest.FixtureRequest) -> None:
    every = request.config.getoption("every_case", default=False)
    factory = desk.chip.mcu.flash.save()
    cells = [bytes(desk.chip.mcu.memory(bank.memory.name)) for bank in desk.chip.mcu.flash.banks]

    @settings(
        max_examples=EVERY_EXAMPLE if every else EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=not every,
        database=None,
    )
    @given(st.lists(STEPS, min_size=1, max_size=10))
    def check(steps: list[Step]) -> None:
        desk.watch.violations.clear()
        desk.board.reset_and_hold()
        desk.board.option_ledger.begin("test")
        for step in steps:
            with suppress(H7Error, ValueError, KeyError):
                step(desk)
        desk.board.option_ledger.settle({}, check=False)
        assert desk.watch.violations == []
        assert desk.chip.mcu.flash.save() == factory

    check()
    assert desk.watch.changes > 10, "the ledger has changed what may be changed"
    assert [bytes(desk.chip.mcu.memory(bank.memory.name)) for bank in desk.chip.mcu.flash.banks] == cells

"""The peripherals that decide what both cores do, read in blocks.

None of the registers read here changes by being read; HSEM's RLRn, whose reading takes a semaphore, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.registers import PeripheralMap, Register, peripheral
from pytest_h7.errors import ConnectionLost, H7Error, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.board.board import Board


@dataclass(frozen=True)
class FieldCapture:
    """A field that is not zero, and how many bits it has."""

    name: str
    value: int
    width: int


@dataclass(frozen=True)
class RegisterCapture:
    """A register, and whether it differs from its value after reset."""

    name: str
    address: int
    value: int
    is_reset: bool
    fields: tuple[FieldCapture, ...]


@dataclass(frozen=True)
class PeripheralCapture:
    """The registers of a peripheral."""

    name: str
    registers: tuple[RegisterCapture, ...]


@dataclass(frozen=True)
class _Block:
    """Registers of some peripherals from the first to the last, read in one go."""

    units: tuple[str, ...]
    first: str
    last: str
    apsel: int


_BLOCKS = (
    _Block(("RCC", "RCC_C1", "RCC_C2"), "RCC.CR", "RCC_C2.APB4LPENR", 1),
    _Block(("PWR",), "PWR.CR1", "PWR.WKUPEPR", 1),
    _Block(("HSEM",), "HSEM.R0", "HSEM.R31", 1),
    _Block(("HSEM",), "HSEM.C1IER", "HSEM.C2MISR", 1),
    _Block(("EXTI",), "EXTI.RTSR1", "EXTI.C2PR3", 1),
    _Block(("SYSCFG",), "SYSCFG.PMCR", "SYSCFG.UR17", 1),
    _Block(("FLASH",), "FLASH.ACR", "FLASH.WPSN_PRG2", 0),
    _Block(("DBGMCU",), "DBGMCU.IDCODE", "DBGMCU.APB4FZ2", 2),
)


def capture_peripherals(board: Board) -> list[PeripheralCapture]:
    """Read them all; those that do not answer are left out.

    Raises:
        ConnectionLost: the probe or the board has gone.
    """
    found: dict[str, list[RegisterCapture]] = {}
    for block in _BLOCKS:
        try:
            words = _read(board, block)
        except ConnectionLost:
            raise
        except H7Error:
            continue
        for name in block.units:
            unit = peripheral(name)
            registers = [
                _captured(register, words[register.address])
                for register in unit.registers.values()
                if register.address in words and not _is_other_bank(unit, register)
            ]
            found.setdefault(name, []).extend(registers)
    return [PeripheralCapture(name, tuple(registers)) for name, registers in found.items() if registers]


def _read(board: Board, block: _Block) -> dict[int, int]:
    """Return the words by address; raise H7Error where what is behind does not answer."""
    first, last = _address(block.first), _address(block.last)
    start = DBGMCU_AP2_ADDRESS + first - peripheral("DBGMCU").base if block.apsel == 2 else first
    words = board.bench.connection.read_words(block.apsel, start, (last - first) // 4 + 1)
    # Ports without a clock have been seen to answer zeros.
    if not any(words) and block.units != ("HSEM",):
        raise TargetAccessError(f"{block.units[0]} reads as zeros.")
    return dict(zip(range(first, last + 1, 4), words, strict=True))


def _address(name: str) -> int:
    unit, _, register = name.partition(".")
    return peripheral(unit).registers[register].address


def _is_other_bank(unit: PeripheralMap, register: Register) -> bool:
    """Of RCC's registers that each core has its own of, a debugger sees those of no core (RM0399 9.7.36)."""
    return unit.name == "RCC" and 0xD0 <= register.offset < 0x120


def _captured(register: Register, value: int) -> RegisterCapture:
    fields = tuple(
        FieldCapture(name, field.extract(value), field.width)
        for name, field in register.fields.items()
        if field.extract(value)
    )
    return RegisterCapture(register.name, register.address, value, value == register.reset, fields)

"""Registers and fields by name: ``board.registers.RCC_C2.AHB4ENR.HSEMEN``.

Each access goes through an access port that reaches the place: AP1 for D3, AP0 for D1 and D2, AP2 for
DBGMCU (RM0399 63.4.2).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pytest_h7.board.access_port import AccessPort
from pytest_h7.board.observation import seen, unseen
from pytest_h7.board.values import RegisterValue
from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.memory import Domain, peripheral_domain
from pytest_h7.chip.registers import Access, Field, PeripheralMap, Register, peripheral, peripheral_names
from pytest_h7.errors import PeripheralUnclocked, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.clocks import PeripheralClocks

_CORE_BANKED = range(0xD0, 0x120)
"""Offsets in RCC at which each core sees its own bank (RM0399 9.7.36); an access port has no bank."""

_WRITES_ONLY_ITS_BITS = {Access.WRITE_1_TO_CLEAR, Access.WRITE_1_TO_SET, Access.WRITE_ONLY}


class RegisterView:
    """One register of the board. Fields are attributes, read and assigned; `value` is the whole register.

    Assigning a field reads the register, changes the field and writes it back. In a register where
    writing ones clears or sets bits, only the field's bits are written.
    """

    __slots__ = ("_register", "_registers", "_unit")

    _registers: Registers
    _unit: PeripheralMap
    _register: Register

    def __init__(self, registers: Registers, unit: PeripheralMap, register: Register) -> None:
        object.__setattr__(self, "_registers", registers)
        object.__setattr__(self, "_unit", unit)
        object.__setattr__(self, "_register", register)

    def __repr__(self) -> str:
        return f"<{self._name} at 0x{self.address:08X}>"

    @property
    def _name(self) -> str:
        return f"{self._unit.name}.{self._register.name}"

    @property
    def address(self) -> int:
        """Address on the system bus."""
        return self._register.address

    @property
    def value(self) -> int:
        """The whole register, read or written now; a `RegisterValue` when read.

        Raises:
            PeripheralUnclocked: the peripheral has no bus clock.
            TargetAccessError: the register cannot be read, or not be written.
        """
        if self._register.access is Access.WRITE_ONLY:
            raise TargetAccessError(f"{self._name} is write-only.")
        word = self._registers.read_words(self._unit, self._register, 1)[0]
        return seen(self._name, RegisterValue.of(self._name, self._register, word))

    @value.setter
    def value(self, value: int) -> None:
        if self._register.access is Access.READ_ONLY:
            raise TargetAccessError(f"{self._name} is read-only.")
        self._registers.write(self._unit, self._register, value)

    def read_following(self, count: int) -> list[int]:
        """Read this register and those behind it, `count` words in all, in one go."""
        return self._registers.read_words(self._unit, self._register, count)

    def _field(self, name: str) -> Field:
        try:
            return self._register.fields[name]
        except KeyError:
            raise AttributeError(f"{self._name} has no field {name}") from None

    def __getattr__(self, name: str) -> int:
        if name.startswith("_"):
            raise AttributeError(name)
        field = self._field(name)
        with unseen():
            value = self.value
        return seen(f"{self._name}.{name}", field.extract(value))

    def __setattr__(self, name: str, value: int) -> None:
        if name == "value":
            object.__setattr__(self, name, value)
            return
        field = self._field(name)
        kept = 0 if self._register.access in _WRITES_ONLY_ITS_BITS else self.value
        self.value = field.insert(kept, value)

    def __dir__(self) -> list[str]:
        return ["value", "address", *self._register.fields]


class PeripheralView:
    """The registers of a peripheral as attributes."""

    __slots__ = ("_registers", "_unit")

    _registers: Registers
    _unit: PeripheralMap

    def __init__(self, registers: Registers, unit: PeripheralMap) -> None:
        object.__setattr__(self, "_registers", registers)
        object.__setattr__(self, "_unit", unit)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"{self._unit.name}.{name} is no value: assign {self._unit.name}.{name}.value or a field"
        )

    def __getattr__(self, name: str) -> RegisterView:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            register = self._unit.registers[name]
        except KeyError:
            raise AttributeError(f"{self._unit.name} has no register {name}") from None
        if self._unit.name == "RCC" and register.offset in _CORE_BANKED:
            raise AttributeError(
                f"RCC.{name} is banked by core and a debugger is none: use RCC_C1.{name} or RCC_C2.{name}"
            )
        return RegisterView(self._registers, self._unit, register)

    def __dir__(self) -> list[str]:
        return list(self._unit.registers)


class Registers:
    """All peripherals as attributes, by the names of ST's CMSIS header."""

    __slots__ = ("_clocks", "_connection")

    def __init__(self, connection: Connection, clocks: PeripheralClocks) -> None:
        self._connection = connection
        self._clocks = clocks

    def __getattr__(self, name: str) -> PeripheralView:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return PeripheralView(self, peripheral(name))
        except KeyError:
            raise AttributeError(f"the STM32H755 has no peripheral {name} that is listed here") from None

    def __dir__(self) -> list[str]:
        return peripheral_names()

    def read_words(self, unit: PeripheralMap, register: Register, count: int) -> list[int]:
        """Read `count` words from a register on, through the access port that reaches it.

        Raises:
            PeripheralUnclocked: it has no bus clock, so that the values would be junk.
        """
        apsel, address = self._place(unit, register)
        words = self._connection.read_words(apsel, address, count)
        if not any(words):
            self._require_answer(apsel, unit, register)
        return words

    def write(self, unit: PeripheralMap, register: Register, value: int) -> None:
        """Write a register through the access port that reaches it.

        Raises:
            PeripheralUnclocked: it has no bus clock, so that the write would be lost.
        """
        with self._connection.actions.doing(f"write {unit.name}.{register.name} = 0x{value:X}"):
            apsel, address = self._place(unit, register)
            self._connection.write_word(apsel, address, value)
            self._require_answer(apsel, unit, register)

    def doing(self, text: str) -> AbstractContextManager[None]:
        """Note an action that consists of accesses to registers."""
        return self._connection.actions.doing(text)

    def _require_answer(self, apsel: int, unit: PeripheralMap, register: Register) -> None:
        """AP0 without the CM7's clock has been seen to answer zeros and to swallow writes."""
        if apsel == 0 and not AccessPort(self._connection, apsel).readable:
            raise TargetAccessError(
                f"{unit.name}.{register.name} is reached through AP0, and the CM7 has no clock now."
            )

    def _place(self, unit: PeripheralMap, register: Register) -> tuple[int, int]:
        if unit.name == "DBGMCU":
            return 2, DBGMCU_AP2_ADDRESS + register.offset
        reason = self._clocks.why_unclocked(unit.name)
        if reason is not None:
            raise PeripheralUnclocked(f"{unit.name}.{register.name} cannot be accessed: {reason}.")
        return (1 if peripheral_domain(unit.base) is Domain.D3 else 0), register.address

"""``pytest-h7 registers`` and ``pytest-h7 option-bytes``: what the chip shows now, without a reset or a halt."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_h7.board_options import add_board_options, add_lease_option, board_of, lease_timeout_of
from pytest_h7.errors import H7Error, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.registers import Registers, RegisterView
    from pytest_h7.chip.registers import PeripheralMap


def add_board_commands(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the commands and their arguments."""
    registers = add_parser(
        "registers",
        help="show registers with their fields",
        description=(
            "Shows registers with their fields, through the access port that reaches them. Names are those of "
            "ST's header: RCC.GCR, the field RCC.GCR.BOOT_C2, or all of the peripheral HSEM. The board is not "
            "reset, and no core halted."
        ),
    )
    registers.add_argument(
        "name", nargs="+", help="PERIPHERAL, PERIPHERAL.REGISTER or PERIPHERAL.REGISTER.FIELD"
    )
    registers.set_defaults(run=_show_registers)
    options = add_parser(
        "option-bytes",
        help="show the option bytes in force, and where they differ from the factory's",
        description="Shows the option bytes in force. The board is not reset, and no core halted.",
    )
    options.add_argument("name", nargs="*", help="only these, by the names of the reference manual")
    options.set_defaults(run=_show_option_bytes)
    for parser in (registers, options):
        add_board_options(parser)
        add_lease_option(parser)


@contextmanager
def _connected(arguments: argparse.Namespace) -> Iterator[Connection]:
    from pytest_h7.bench.observation import Observation, lent_sleep_clocks
    from pytest_h7.bench.settings import ConnectMode, Settings

    settings = Settings(
        probe=arguments.probe,
        board=board_of(arguments),
        connect=ConnectMode.ATTACH,
        lease_timeout=lease_timeout_of(arguments),
    )
    observation = Observation(settings, _announce)
    try:
        connection = observation.connect()
        with lent_sleep_clocks(connection):
            yield connection
    finally:
        observation.close()


# -- registers ----------------------------------------------------------------------------------------


def _show_registers(arguments: argparse.Namespace) -> None:
    """Print registers.

    Raises:
        H7Error: there is no such register, or it cannot be read now.
    """
    from pytest_h7.board.clocks import PeripheralClocks
    from pytest_h7.board.registers import Registers

    wanted = [_Selection(name) for name in arguments.name]
    with _connected(arguments) as connection:
        registers = Registers(connection, PeripheralClocks(connection))
        for selection in wanted:
            selection.show(registers)


class _Selection:
    """What one argument names; raise H7Error if there is no such thing."""

    def __init__(self, name: str) -> None:
        from pytest_h7.chip.registers import peripheral

        unit, _, rest = name.partition(".")
        register, _, field = rest.partition(".")
        try:
            self._unit: PeripheralMap = peripheral(unit.upper())
        except KeyError:
            raise H7Error(f"The chip has no peripheral {unit!r}: names are those of ST's header.") from None
        self._register = _find(register, self._unit.registers, self._unit.name) if register else None
        fields = self._unit.registers[self._register].fields if self._register else {}
        self._field = _find(field, fields, f"{self._unit.name}.{self._register}") if field else None

    def show(self, registers: Registers) -> None:
        """Print the field, the register with its fields, or every register."""
        if self._register is None:
            self._show_all(registers)
            return
        self._refuse_effects(self._register)
        view = self._view(registers, self._register)
        value = view.value
        if self._field is not None:
            field = self._unit.registers[self._register].fields[self._field]
            _say(f"{self._unit.name}.{self._register}.{self._field} = {field.extract(value)}")
            return
        _say(f"{self._unit.name}.{self._register} at 0x{view.address:08X} = 0x{value:08X}")
        for name, field in self._unit.registers[self._register].fields.items():
            bits = f"{field.lsb}" if field.width == 1 else f"{field.lsb + field.width - 1}:{field.lsb}"
            number = field.extract(value)
            _say(f"  {bits:>5}  {name:<14} {number if field.width < 5 else hex(number)}")

    def _show_all(self, registers: Registers) -> None:
        from pytest_h7.chip.read_effects import read_effect

        width = max(map(len, self._unit.registers))
        for name in self._unit.registers:
            effect = read_effect(self._unit.name, name)
            if effect is not None:
                shown = f"not read: {effect}"
            else:
                try:
                    shown = f"0x{self._view(registers, name).value:08X}"
                except TargetAccessError as error:
                    shown = str(error)
            _say(f"{self._unit.name}.{name:<{width}}  {shown}")

    def _refuse_effects(self, register: str) -> None:
        from pytest_h7.chip.read_effects import read_effect

        effect = read_effect(self._unit.name, register)
        if effect is not None:
            raise H7Error(f"{self._unit.name}.{register} is not read: {effect}.")

    def _view(self, registers: Registers, register: str) -> RegisterView:
        try:
            view: RegisterView = getattr(getattr(registers, self._unit.name), register)
        except AttributeError as error:  # RCC's core-banked registers
            raise TargetAccessError(f"{error}.") from None
        return view


def _find(name: str, names: Iterable[str], where: str) -> str:
    by_upper = {known.upper(): known for known in names}
    found = by_upper.get(name.upper())
    if found is None:
        raise H7Error(f"{where} has no {name!r}; it has {', '.join(names)}.")
    return str(found)


# -- option bytes ---------------------------------------------------------------------------------------


def _show_option_bytes(arguments: argparse.Namespace) -> None:
    """Print option bytes.

    Raises:
        H7Error: there is no such option byte, or neither core has a clock to read them with.
    """
    from pytest_h7.board.option_registers import OptionReader
    from pytest_h7.chip.option_bytes import OPTION_BYTES

    names = [_find(name, OPTION_BYTES, "The chip") for name in arguments.name] or list(OPTION_BYTES)
    chosen = [OPTION_BYTES[name] for name in names]
    with _connected(arguments) as connection:
        values = OptionReader(connection).read(chosen)
    width = max(map(len, names))
    for option in chosen:
        value = values[option.name]
        factory = "" if value == option.factory else f"   factory {option.format(option.factory)}"
        _say(f"{option.name:<{width}}  {option.format(value)}{factory}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _announce(message: str) -> None:
    sys.stderr.write(f"pytest-h7: {message}\n")
    sys.stderr.flush()

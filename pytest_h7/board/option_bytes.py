"""Option bytes of the chip: read by name, changed within the limits of `pytest_h7.bench.safety`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_h7.bench.safety import check_option_names
from pytest_h7.board.access_port import AccessPort
from pytest_h7.chip.option_bytes import OPTION_BYTES, OptionByte, current_register, program_register
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import FlashError, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.clock import Clock
    from pytest_h7.bench.connection import Connection

_FLASH = peripheral("FLASH").registers
_OPTCR = _FLASH["OPTCR"]
_OPTSR = _FLASH["OPTSR_CUR"]
_KEYS = (0x0819_2A3B, 0x4C5D_6E7F)
_PROGRAMMING_TIMEOUT = 2.0
_EXPECTED_PROGRAMMING_TIME = 0.3
"""About 300 ms have been seen on an STM32H7 (a Chromium EC change log names the figure)."""


class OptionBytes:
    """The option bytes in force, by the names of the reference manual (RM0399 section 4.4)."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        halt: Callable[[], None],
        reset: Callable[[], None],
        reset_and_hold: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._halt = halt
        self._reset = reset
        self._reset_and_hold = reset_and_hold

    def _read_register(self, name: str) -> int:
        """Read a FLASH register through AP0, through AP3 where the CM7 is held."""
        for apsel in (0, 3):
            try:
                word = self._connection.read_word(apsel, _FLASH[name].address)
            except TargetAccessError:
                continue
            # A port whose core has no clock has been seen to answer zeros instead of a fault.
            if word or AccessPort(self._connection, apsel).readable:
                return word
        raise TargetAccessError(f"Could not read FLASH.{name}: neither AP0 nor AP3 reaches it now.")

    def __getitem__(self, name: str) -> int:
        option = _option(name)
        return (self._read_register(current_register(option)) & option.mask) >> option.lsb

    def read(self, *names: str) -> dict[str, int]:
        """Return several option bytes; each register is read once."""
        options = [_option(name) for name in names]
        words = {
            register: self._read_register(register)
            for register in dict.fromkeys(current_register(option) for option in options)
        }
        return {
            option.name: (words[current_register(option)] & option.mask) >> option.lsb for option in options
        }

    def read_anyway(self, *names: str) -> dict[str, int]:
        """Return several option bytes; where no core has a clock to read them with, reset the board for it."""
        try:
            return self.read(*names)
        except TargetAccessError:
            self._reset_and_hold()
            try:
                return self.read(*names)
            finally:
                self._reset()

    def set(self, **values: int) -> None:
        """Change option bytes and reset the board, so that they are in force.

        Both cores are halted meanwhile. Nothing is written where the values are in force already.

        Raises:
            SafetyError: one of them is protected.
            KeyError: there is no option byte of that name.
            ValueError: a value does not fit.
            FlashError: the chip did not take the change.
        """
        for name, value in values.items():
            highest = (1 << _option(name).width) - 1
            if not 0 <= value <= highest:
                raise ValueError(f"{name} holds 0 to {highest}, not {value}")
        check_option_names(list(values))
        if self.read_anyway(*values) == values:
            return
        self._program(values)
        self._reset()
        in_force = self.read_anyway(*values)
        if in_force != values:
            raise FlashError(f"The chip did not take the option bytes: {in_force} instead of {values}.")

    def _program(self, values: dict[str, int]) -> None:
        connection = self._connection
        self._halt()
        if not AccessPort(connection, 0).readable:
            self._reset_and_hold()
        if connection.read_word(0, _OPTCR.address) & 1:
            for key in _KEYS:
                connection.write_word(0, _FLASH["OPTKEYR"].address, key)
        try:
            self._clear_change_error()
            words: dict[str, int] = {}
            for name, value in values.items():
                option = _option(name)
                register = program_register(option)
                if register not in words:
                    words[register] = self._read_register(register)
                words[register] = words[register] & ~option.mask | value << option.lsb
            for register, word in words.items():
                connection.write_word(0, _FLASH[register].address, word)
            connection.write_word(0, _OPTCR.address, 1 << 1)
            self._await_programming()
        finally:
            connection.write_word(0, _OPTCR.address, 1)

    def _clear_change_error(self) -> None:
        self._connection.write_word(0, _FLASH["OPTCCR"].address, 1 << 30)

    def _await_programming(self) -> None:
        deadline = self._clock.time() + _PROGRAMMING_TIMEOUT
        self._clock.sleep(_EXPECTED_PROGRAMMING_TIME)
        while (status := self._read_register("OPTSR_CUR")) & 1:
            if self._clock.time() > deadline:
                raise FlashError(f"The option bytes were still busy after {_PROGRAMMING_TIMEOUT:g} s.")
            self._clock.sleep(0.01)
        if _OPTSR.fields["OPTCHANGEERR"].extract(status):
            self._clear_change_error()
            raise FlashError("The chip refused the change of its option bytes (OPTCHANGEERR).")


def _option(name: str) -> OptionByte:
    try:
        return OPTION_BYTES[name]
    except KeyError:
        raise KeyError(f"no option byte {name}; there are {', '.join(OPTION_BYTES)}") from None

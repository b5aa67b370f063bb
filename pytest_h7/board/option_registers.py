"""The option bytes as the flash interface shows and takes them (RM0399 4.4 and 4.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

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

_BLOCKS = (
    range(_FLASH["OPTSR_CUR"].address, _FLASH["BOOT4_PRG"].address + 4),
    range(_FLASH["PRAR_CUR2"].address, _FLASH["WPSN_PRG2"].address + 4),
)
"""Where they are: in front the words for both banks and those of bank 1, then those of bank 2."""


class OptionReader:
    """Reads all option bytes of a block at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, options: Iterable[OptionByte]) -> dict[str, int]:
        """Return option bytes in force, by name.

        Raises:
            TargetAccessError: neither core has a clock to read them with.
        """
        options = list(options)
        words: dict[int, int] = {}
        for block in _BLOCKS:
            if any(_address(current_register(option)) in block for option in options):
                words |= self._read_block(block)
        return {
            option.name: (words[_address(current_register(option))] & option.mask) >> option.lsb
            for option in options
        }

    def _read_block(self, block: range) -> dict[int, int]:
        """Return words by address, read through AP0, or through AP3 where the CM7 is held."""
        for apsel in (0, 3):
            try:
                words = self._connection.read_words(apsel, block.start, len(block) // 4)
            except TargetAccessError:
                continue
            # A port whose core has no clock has been seen to answer zeros instead of a fault.
            if any(words) or AccessPort(self._connection, apsel).readable:
                return dict(zip(block[::4], words, strict=True))
        raise TargetAccessError("Could not read the option bytes: neither AP0 nor AP3 reaches FLASH now.")


class OptionRegisters(OptionReader):
    """Reads option bytes, and programs some.

    Args:
        connection: The debug connection.
        clock: Board time.
        halt: Halts every core that can be reached.
        reset: Resets the board.
        reset_and_hold: Resets the board and halts the CM7, which AP0 needs to reach anything.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        halt: Callable[[], None],
        reset: Callable[[], None],
        reset_and_hold: Callable[[], None],
    ) -> None:
        super().__init__(connection)
        self._clock = clock
        self._halt = halt
        self._reset = reset
        self._reset_and_hold = reset_and_hold

    def read_anyway(self, options: Iterable[OptionByte]) -> dict[str, int]:
        """Return option bytes in force; where no core has a clock to read them with, reset the board for it."""
        options = list(options)
        try:
            return self.read(options)
        except TargetAccessError:
            self._reset_and_hold()
            try:
                return self.read(options)
            finally:
                self._reset()

    def program(self, values: Mapping[str, int]) -> None:
        """Change option bytes, reset the board so that they are in force, and read them back.

        The board is reset first, too: what firmware may have left in the registers must not be programmed along.

        Raises:
            SafetyError: one of them is protected.
            FlashError: the chip did not take the change.
        """
        change = " ".join(f"{name}={value}" for name, value in values.items())
        with self._connection.actions.doing(f"program option bytes {change}"):
            self._program(values)

    def _program(self, values: Mapping[str, int]) -> None:
        self._reset_and_hold()
        self._halt()
        words = {address: word for block in _BLOCKS for address, word in self._read_block(block).items()}
        with self._connection.changing_option_bytes():
            for key in _KEYS:
                self._write("OPTKEYR", key)
            try:
                self._clear_change_error()
                wanted: dict[str, int] = {}
                for name, value in values.items():
                    option = OPTION_BYTES[name]
                    register = program_register(option)
                    word = wanted.get(register, words[_address(current_register(option))])
                    wanted[register] = word & ~option.mask | value << option.lsb
                for register, word in wanted.items():
                    self._write(register, word)
                self._write("OPTCR", _OPTCR.fields["OPTSTART"].mask)
                self._await_programming()
            finally:
                self._write("OPTCR", _OPTCR.fields["OPTLOCK"].mask)
        self._reset()
        in_force = self.read_anyway(OPTION_BYTES[name] for name in values)
        if in_force != values:
            raise FlashError(f"The chip did not take the option bytes: {in_force} instead of {dict(values)}.")

    def _write(self, register: str, word: int) -> None:
        self._connection.write_word(0, _address(register), word)

    def _clear_change_error(self) -> None:
        self._write("OPTCCR", _FLASH["OPTCCR"].fields["CLR_OPTCHANGEERR"].mask)

    def _await_programming(self) -> None:
        deadline = self._clock.time() + _PROGRAMMING_TIMEOUT
        self._clock.sleep(_EXPECTED_PROGRAMMING_TIME)
        while _OPTSR.fields["OPT_BUSY"].extract(status := self._connection.read_word(0, _OPTSR.address)):
            if self._clock.time() > deadline:
                raise FlashError(f"The option bytes were still busy after {_PROGRAMMING_TIMEOUT:g} s.")
            self._clock.sleep(0.01)
        if _OPTSR.fields["OPTCHANGEERR"].extract(status):
            self._clear_change_error()
            raise FlashError("The chip refused the change of its option bytes (OPTCHANGEERR).")


def _address(register: str) -> int:
    return _FLASH[register].address

"""Option bytes of the chip: read by name, changed within the limits of `pytest_h7.bench.safety`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.bench.safety import check_option_names
from pytest_h7.chip.option_bytes import OPTION_BYTES, OptionByte

if TYPE_CHECKING:
    from pytest_h7.board.option_ledger import OptionLedger
    from pytest_h7.board.option_registers import OptionRegisters


class OptionBytes:
    """The option bytes in force, by the names of the reference manual (RM0399 section 4.4)."""

    def __init__(self, registers: OptionRegisters, ledger: OptionLedger) -> None:
        self._registers = registers
        self._ledger = ledger

    def __getitem__(self, name: str) -> int:
        return self.read(name)[name]

    def read(self, *names: str) -> dict[str, int]:
        """Return several option bytes, read together.

        Raises:
            KeyError: there is no option byte of that name.
            TargetAccessError: neither core has a clock to read them with.
        """
        return self._registers.read([_option(name) for name in names])

    def set(self, **values: int) -> None:
        """Change option bytes and reset the board, so that they are in force until the end of the test.

        Both cores are halted meanwhile. Nothing is written where the values are in force already.

        Raises:
            SafetyError: one of them is protected.
            KeyError: there is no option byte of that name.
            ValueError: a value does not fit.
            FlashError: the chip did not take the change.
        """
        for name, value in values.items():
            option = _option(name)
            if not option.holds(value):
                raise ValueError(f"{name} holds 0 to {(1 << option.width) - 1}, not {value!r}")
        check_option_names(list(values))
        self._ledger.change(values)


def _option(name: str) -> OptionByte:
    try:
        return OPTION_BYTES[name]
    except KeyError:
        raise KeyError(f"no option byte {name}; there are {', '.join(OPTION_BYTES)}") from None

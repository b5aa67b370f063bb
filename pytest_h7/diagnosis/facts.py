"""What a diagnosis looks at: registers read once, when first asked for, and kept by name as evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.option_bytes import OPTION_BYTES, current_register
from pytest_h7.chip.registers import peripheral, private_peripheral
from pytest_h7.errors import TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection
    from pytest_h7.chip.registers import Register

PORTS = {"cm7": 0, "cm4": 3}
"""The access port in front of each core."""

OTHER = {"cm7": "cm4", "cm4": "cm7"}

NO_ANSWER = "no answer"

_FROM_D1 = ("FLASH",)
"""Units that only the cores' own access ports reach."""


class Facts:
    """Registers through the access port that reaches them. Reading one of them has no effect on the chip.

    Args:
        connection: The debug connection.
        core: The core that is looked at, ``"cm7"`` or ``"cm4"``.
        nrst_is_low: Whether NRST is low, by the probe or something else.
        function: The function that the core is in, where its symbols are known.

    Attributes:
        evidence: What has been read so far, by name.
        access_ports: The access port that each has been read through.
    """

    def __init__(
        self, connection: Connection, core: str, *, nrst_is_low: bool = False, function: str | None = None
    ) -> None:
        self._connection = connection
        self.core = core
        self.nrst_is_low = nrst_is_low
        self.function = function
        self.evidence: dict[str, int | str] = {}
        self.access_ports: dict[str, int] = {}
        self._words: dict[tuple[int, int], int | None] = {}
        if nrst_is_low:
            self.evidence["NRST"] = "low"
        if function is not None:
            self.evidence[f"{core.upper()} pc"] = function

    def keep(self, name: str, value: int | str, apsel: int) -> None:
        """Make something evidence."""
        self.evidence[name] = value
        self.access_ports[name] = apsel

    def raw(self, apsel: int, address: int) -> int | None:
        """Return a word without keeping it as evidence, None where it does not answer."""
        place = apsel, address
        if place not in self._words:
            try:
                self._words[place] = self._connection.read_word(apsel, address)
            except TargetAccessError:
                self._words[place] = None
        return self._words[place]

    def word(self, unit: str, register: str, apsel: int | None = None) -> int | None:
        """Return a whole register of a shared peripheral, None where it does not answer."""
        found = peripheral(unit).registers[register]
        apsel, address = self._place(unit, found, apsel)
        value = self.raw(apsel, address)
        if value is None:
            self.keep(f"{unit}_{register}", NO_ANSWER, apsel)
        return value

    def field(self, unit: str, register: str, name: str, apsel: int | None = None) -> int | None:
        """Return a field of a shared peripheral, None where it does not answer; it is evidence."""
        word = self.word(unit, register, apsel)
        if word is None:
            return None
        found = peripheral(unit).registers[register]
        value = found.fields[name].extract(word)
        self.keep(f"{unit}_{register}.{name}", value, self._place(unit, found, apsel)[0])
        return value

    def core_field(self, core: str, register: str, name: str) -> int | None:
        """Return a field of a core's system control space, None where that does not answer; it is evidence."""
        found = private_peripheral(core, "SCS").registers[register]
        word = self.raw(PORTS[core], found.address)
        if word is None:
            return None
        value = found.fields[name].extract(word)
        self.keep(f"{core.upper()} {register}.{name}", value, PORTS[core])
        return value

    def option(self, name: str, apsel: int) -> int | None:
        """Return an option byte; None through a port whose core has no clock, which may answer zeros."""
        option = OPTION_BYTES[name]
        word = self.raw(apsel, peripheral("FLASH").registers[current_register(option)].address)
        if not word:  # never zero on a chip that answers: RDP and the boot addresses are in these words
            self.keep(name, NO_ANSWER, apsel)
            return None
        value = (word & option.mask) >> option.lsb
        self.keep(name, value, apsel)
        return value

    def any_enabled(self, bank: str, registers: tuple[str, ...]) -> bool:
        """Return whether one of these clock enable registers is not zero; those are evidence."""
        found = False
        for name in registers:
            word = self.word(bank, name)
            if word:
                self.keep(f"{bank}_{name}", word, 1)
                found = True
        return found

    @staticmethod
    def _place(unit: str, register: Register, apsel: int | None) -> tuple[int, int]:
        if unit == "DBGMCU" and apsel is None:
            return 2, DBGMCU_AP2_ADDRESS + register.offset
        if apsel is None:
            apsel = 0 if unit in _FROM_D1 else 1
        return apsel, register.address

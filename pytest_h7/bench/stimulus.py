"""How a test moves an input pin: the services a bench can have for it.

``twin`` puts a voltage on the virtual board's pin. ``swier`` triggers the EXTI line by software. ``drive``
lets the debugger switch the pin to an output that is high, and back. ``loopback:PIN`` does that with
another pin that a wire joins to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from pytest_h7.bench.safety import check_pin_drive
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import H7Error, PeripheralUnclocked

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection

_PIN = re.compile(r"P([A-K])(\d|1[0-5])")
_MODE_OUTPUT = 1
_SWIER1 = peripheral("EXTI").registers["SWIER1"].address
_AHB4ENR = [peripheral(bank).registers["AHB4ENR"].address for bank in ("RCC_C1", "RCC_C2")]


def parse_pin(name: str) -> tuple[str, int]:
    """Return port letter and number of a pin such as ``"PC13"``; raise ValueError for another name."""
    match = _PIN.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no pin: they are called PA0 to PK15")
    return match[1], int(match[2])


class Stimulus(Protocol):
    """Moves pins from outside the firmware."""

    name: str

    def drive(self, pin: str, high: bool) -> None:
        """Put a level on a pin until `release`; raise H7Error where this stimulus cannot."""
        ...

    def release(self, pin: str) -> None:
        """Let the pin go back to where its pull resistors take it."""
        ...

    def release_all(self) -> None:
        """Let go of every pin that is driven."""
        ...


def pin_mode(connection: Connection, pin: str) -> int:
    """Return the two bits of GPIOx_MODER of a pin.

    Raises:
        PeripheralUnclocked: the port has no clock, so that its registers cannot be seen.
    """
    port, number = parse_pin(pin)
    bit = 1 << ord(port) - ord("A")
    if not any(connection.read_word(1, address) & bit for address in _AHB4ENR):
        raise PeripheralUnclocked(f"GPIO{port} has no clock, so {pin} cannot be driven or read.")
    mode = peripheral(f"GPIO{port}").registers["MODER"]
    return connection.read_word(1, mode.address) >> 2 * number & 3


class SoftwareTrigger:
    """EXTI_SWIER: one trigger when the pin would go high, none when it is released (RM0399 21.6.3)."""

    name = "swier"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def drive(self, pin: str, high: bool) -> None:
        """Trigger the pin's EXTI line."""
        if not high:
            raise H7Error(f"The stimulus swier cannot drive {pin} low: it only triggers the EXTI line.")
        self._connection.write_word(1, _SWIER1, 1 << parse_pin(pin)[1])

    def release(self, pin: str) -> None:
        """Do nothing: no level was applied."""

    def release_all(self) -> None:
        """Do nothing: no level was applied."""


class DebuggerDrive:
    """The debugger makes the pin an output that is high, and what it was on release.

    It never drives low: a pressed button or another driver on the pin is high.
    """

    name = "drive"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._saved: dict[str, int] = {}

    def drive(self, pin: str, high: bool) -> None:
        """Drive the pin high."""
        if not high:
            raise H7Error(f"The stimulus drive cannot drive {pin} low: it only ever drives high.")
        mode = pin_mode(self._connection, pin)
        if pin in self._saved:
            return
        check_pin_drive(pin, mode)
        self._saved[pin] = mode
        _make_output(self._connection, pin, high=True)

    def release(self, pin: str) -> None:
        """Give the pin its mode back."""
        mode = self._saved.pop(pin, None)
        if mode is not None:
            _set_mode(self._connection, pin, mode)

    def release_all(self) -> None:
        """Give every driven pin its mode back."""
        for pin in list(self._saved):
            self.release(pin)


class Loopback:
    """Another pin of the chip, joined to the tested one by a wire, is the driver."""

    def __init__(self, connection: Connection, driver: str) -> None:
        parse_pin(driver)
        self.name = f"loopback:{driver}"
        self._connection = connection
        self._driver = driver
        self._saved: int | None = None

    def drive(self, pin: str, high: bool) -> None:
        """Put the level on the wire."""
        check_pin_drive(pin, pin_mode(self._connection, pin))
        mode = pin_mode(self._connection, self._driver)
        if self._saved is None:
            check_pin_drive(self._driver, mode)
            self._saved = mode
        _make_output(self._connection, self._driver, high=high)

    def release(self, pin: str) -> None:  # noqa: ARG002 - the wire has one driver
        """Let the driving pin go."""
        self.release_all()

    def release_all(self) -> None:
        """Let the driving pin go."""
        if self._saved is not None:
            _set_mode(self._connection, self._driver, self._saved)
            self._saved = None


def _make_output(connection: Connection, pin: str, *, high: bool) -> None:
    port, number = parse_pin(pin)
    set_reset = peripheral(f"GPIO{port}").registers["BSRR"]
    connection.write_word(1, set_reset.address, 1 << number + (0 if high else 16))
    _set_mode(connection, pin, _MODE_OUTPUT)


def _set_mode(connection: Connection, pin: str, mode: int) -> None:
    port, number = parse_pin(pin)
    register = peripheral(f"GPIO{port}").registers["MODER"]
    value = connection.read_word(1, register.address)
    connection.write_word(1, register.address, value & ~(3 << 2 * number) | mode << 2 * number)

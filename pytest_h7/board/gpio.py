"""Pins, the user button and the LEDs."""

from __future__ import annotations

import enum
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pytest_h7.bench.stimulus import parse_pin
from pytest_h7.board.observation import seen, unseen
from pytest_h7.errors import H7Error

if TYPE_CHECKING:
    from pytest_h7.bench.bench import Bench
    from pytest_h7.board.registers import Registers

_BOUNCES = 4
"""How often a bouncing contact closes before it stays closed."""


class PinMode(enum.IntEnum):
    """Mode of a pin, as in GPIOx_MODER (RM0399 12.4.1)."""

    INPUT = 0
    OUTPUT = 1
    ALTERNATE = 2
    ANALOG = 3


class Pin:
    """One pin of the chip."""

    def __init__(self, name: str, registers: Registers, bench: Bench) -> None:
        self.name = name
        self._port, self._number = parse_pin(name)
        self._registers = registers
        self._bench = bench

    def __repr__(self) -> str:
        return f"<Pin {self.name}>"

    @property
    def level(self) -> bool:
        """Whether the pin is high (IDR); an analog pin reads low.

        Raises:
            PeripheralUnclocked: the port has no clock.
        """
        return seen(f"gpio[{self.name!r}].level", bool(self._read("IDR") >> self._number & 1))

    @property
    def mode(self) -> PinMode:
        """What the firmware has the pin for; raise PeripheralUnclocked where the port has no clock."""
        return PinMode(self._read("MODER") >> 2 * self._number & 3)

    def _read(self, register: str) -> int:
        with unseen():
            value: int = getattr(getattr(self._registers, f"GPIO{self._port}"), register).value
        return value

    def drive(self, high: bool) -> None:
        """Put a level on the pin until `release`.

        Raises:
            SafetyError: the firmware has the pin as an output.
            H7Error: the bench's stimulus cannot do this.
        """
        with self.doing(f"drive {self.name} {'high' if high else 'low'}"):
            self._bench.stimulus.drive(self.name, high)

    def release(self) -> None:
        """Stop driving the pin."""
        with self.doing(f"release {self.name}"):
            self._bench.stimulus.release(self.name)

    def doing(self, text: str) -> AbstractContextManager[None]:
        """Note an action that consists of what is done to the pin."""
        return self._bench.connection.actions.doing(text)

    def wait(self, seconds: float) -> None:
        """Let board time pass."""
        self._bench.clock.sleep(seconds)

    def pulse(self, seconds: float, high: bool = True) -> None:
        """Drive the pin high, or low, for a time and release it."""
        with self.doing(f"pulse {self.name} {'high' if high else 'low'} for {seconds:g} s"):
            self.drive(high)
            try:
                self._bench.clock.sleep(seconds)
            finally:
                self.release()

    def connect(self, other: str) -> None:
        """Join the pin to another one by a wire, until `disconnect` or the end of the test.

        Raises:
            SafetyError: both are outputs.
            H7Error: this bench has nobody who plugs wires; ask for ``h7_requires("surroundings")``.
        """
        if other == self.name:
            raise H7Error(f"A wire joins {self.name} to another pin, not to itself.")
        self._bench.require_surroundings().connect(self.name, other)

    def pull(self, high: bool | None) -> None:
        """Fit a resistor that pulls the pin up, or down, until the end of the test; None takes it away.

        It is stronger than the chip's own, and weaker than any output.

        Raises:
            H7Error: this bench has nobody who does it; ask for ``h7_requires("surroundings")``.
        """
        self._bench.require_surroundings().pull(self.name, high)

    def clock(self, hz: float | None) -> None:
        """Put a square wave on the pin, which begins high, until the end of the test; None ends it.

        Raises:
            SafetyError: the firmware has the pin as an output.
            H7Error: it is no frequency above 0 Hz, or this bench has nobody who does it; ask for
                ``h7_requires("surroundings")``.
        """
        if hz is not None and hz <= 0:
            raise H7Error(f"A clock at {self.name} has more than 0 Hz, not {hz:g}.")
        self._bench.require_surroundings().clock(self.name, hz)

    def disconnect(self, other: str) -> None:
        """Take the wire to another pin away."""
        self._bench.require_surroundings().disconnect(self.name, other)


class Button:
    """The user button of the board; `pressed_high` says which level its pin has while it is pressed."""

    def __init__(self, pin: Pin, pressed_high: bool = True) -> None:
        self.pin = pin
        self.pressed_high = pressed_high

    def press(self, seconds: float = 0.05, bounce: float = 0.0) -> None:
        """Press the button for a time and let it go.

        Args:
            seconds: How long it is held, once the contact is closed for good.
            bounce: For how many seconds the contact opens and closes before, as worn ones do.
        """
        with self.pin.doing(f"press the button for {seconds:g} s"):
            for _ in range(_BOUNCES if bounce else 0):
                self.pin.pulse(bounce / _BOUNCES / 2, self.pressed_high)
                self.pin.wait(bounce / _BOUNCES / 2)
            self.pin.pulse(seconds, self.pressed_high)


class Led:
    """An LED of the board; `lit_high` says which level its pin has while it is lit."""

    def __init__(self, pin: Pin, lit_high: bool = True) -> None:
        self.pin = pin
        self.lit_high = lit_high

    @property
    def is_on(self) -> bool:
        """Whether the LED is lit; one whose pin the firmware has not set up is dark."""
        return self.pin.mode in (PinMode.OUTPUT, PinMode.ALTERNATE) and self.pin.level is self.lit_high

"""Pins, the user button and the LEDs."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pytest_h7.bench.stimulus import parse_pin

if TYPE_CHECKING:
    from pytest_h7.bench.clock import Clock
    from pytest_h7.bench.stimulus import Stimulus
    from pytest_h7.board.registers import Registers

BUTTON_PIN = "PC13"
LED_PINS = {"LD1": "PB0", "LD2": "PE1", "LD3": "PB14"}
"""User button and LEDs of the NUCLEO-H755ZI-Q, active high (ST's board support package)."""


class PinMode(enum.IntEnum):
    """Mode of a pin, as in GPIOx_MODER (RM0399 12.4.1)."""

    INPUT = 0
    OUTPUT = 1
    ALTERNATE = 2
    ANALOG = 3


class Pin:
    """One pin of the chip."""

    def __init__(self, name: str, registers: Registers, clock: Clock, stimulus: Stimulus) -> None:
        self.name = name
        self._port, self._number = parse_pin(name)
        self._registers = registers
        self._clock = clock
        self._stimulus = stimulus

    def __repr__(self) -> str:
        return f"<Pin {self.name}>"

    @property
    def level(self) -> bool:
        """Whether the pin is high (IDR); an analog pin reads low.

        Raises:
            PeripheralUnclocked: the port has no clock.
        """
        return bool(self._read("IDR") >> self._number & 1)

    @property
    def mode(self) -> PinMode:
        """What the firmware has the pin for; raise PeripheralUnclocked where the port has no clock."""
        return PinMode(self._read("MODER") >> 2 * self._number & 3)

    def _read(self, register: str) -> int:
        value: int = getattr(getattr(self._registers, f"GPIO{self._port}"), register).value
        return value

    def drive(self, high: bool) -> None:
        """Put a level on the pin until `release`.

        Raises:
            SafetyError: the firmware has the pin as an output.
            H7Error: the bench's stimulus cannot do this.
        """
        self._stimulus.drive(self.name, high)

    def release(self) -> None:
        """Stop driving the pin."""
        self._stimulus.release(self.name)

    def pulse(self, seconds: float) -> None:
        """Drive the pin high for a time and release it."""
        self.drive(True)
        try:
            self._clock.sleep(seconds)
        finally:
            self.release()


class Button:
    """The blue user button B1: pressed is high."""

    def __init__(self, pin: Pin) -> None:
        self.pin = pin

    def press(self, seconds: float = 0.05) -> None:
        """Press the button for a time, in seconds, and let it go."""
        self.pin.pulse(seconds)


class Led:
    """An LED of the board, lit while its pin is high."""

    def __init__(self, pin: Pin) -> None:
        self.pin = pin

    @property
    def is_on(self) -> bool:
        """Whether the LED is lit; one whose pin the firmware has not set up is dark."""
        return self.pin.mode is PinMode.OUTPUT and self.pin.level

"""The pins of the chip: who drives each wire, what level it has, and what the chip's input sees.

Sources: RM0399 section 12.3. A wire carries, in this order: the level of a driver, of a pull outside the
chip, of the chip's own pull resistor, else low. The manual leaves a floating input undefined; low keeps runs
repeatable.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu

PORTS = "ABCDEFGHIJK"
PINS_PER_PORT = 16

Watcher = Callable[[bool], None]


class Pull(enum.Enum):
    """A pull resistor; the value is the level it pulls to."""

    NONE = None
    DOWN = False
    UP = True


class PinContention(Exception):
    """Two drivers hold a wire at opposite levels, which on a board is a short circuit."""

    def __init__(self, pin: str, output: bool) -> None:
        levels = ("low", "high")
        super().__init__(
            f"{pin} is an output at {levels[output]} and is driven {levels[not output]} from outside"
        )
        self.pin = pin


@dataclass(slots=True)
class _Pin:
    name: str
    port: str
    number: int
    output: bool | None = None
    drive: bool | None = None
    pull: Pull = Pull.NONE
    external_pull: Pull = Pull.NONE
    analog: bool = True
    level: bool = False
    watchers: list[Watcher] = field(default_factory=list)

    def resolve(self) -> bool:
        for level in (self.drive, self.output, self.external_pull.value, self.pull.value):
            if level is not None:
                return level
        return False


class Pins:
    """All pins, ``"PA0"`` to ``"PK15"``; those the package does not bring out are there all the same."""

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self._pins = {
            f"P{port}{number}": _Pin(f"P{port}{number}", port, number)
            for port in PORTS
            for number in range(PINS_PER_PORT)
        }
        self._inputs = dict.fromkeys(PORTS, 0)

    def _pin(self, name: str) -> _Pin:
        try:
            return self._pins[name]
        except KeyError:
            raise ValueError(f"there is no pin {name}: pins are PA0 to PK15") from None

    # -- from outside the chip ------------------------------------------------------------------

    def level(self, name: str) -> bool:
        """Return the level of the wire; raise ValueError if there is no such pin."""
        return self._pin(name).level

    def drive(self, name: str, level: bool) -> None:
        """Hold a pin at a level from outside until `release`.

        Raises:
            PinContention: The chip drives the pin to the other level. The level from outside stays.
            ValueError: There is no such pin.
        """
        pin = self._pin(name)
        pin.drive = level
        self._settle(pin)

    def release(self, name: str) -> None:
        """Stop driving a pin from outside."""
        pin = self._pin(name)
        pin.drive = None
        self._settle(pin)

    def set_external_pull(self, name: str, pull: Pull) -> None:
        """Fit a pull resistor on the board; it wins over the chip's own, which is weak."""
        pin = self._pin(name)
        pin.external_pull = pull
        self._settle(pin)

    def watch(self, name: str, watcher: Watcher) -> None:
        """Call `watcher` with the new level whenever the level of the wire changes."""
        self._pin(name).watchers.append(watcher)

    # -- from inside the chip -------------------------------------------------------------------

    def inputs(self, port: str) -> int:
        """Return what the input stages of a port see, bit n for pin n; 0 for a pin in analog mode."""
        return self._inputs[port]

    def configure(self, name: str, *, output: bool | None, pull: Pull, analog: bool) -> None:
        """Take over what the port's registers say.

        Args:
            name: The pin.
            output: The level the output stage drives, None while it is off.
            pull: The chip's own pull resistor.
            analog: Whether the input stage is off and reports a constant low (RM0399 12.3.13).

        Raises:
            PinContention: The pin is held at the other level from outside, which stays.
        """
        pin = self._pin(name)
        pin.output = output
        pin.pull = Pull.NONE if analog else pull
        pin.analog = analog
        self._settle(pin)

    def _settle(self, pin: _Pin) -> None:
        level = pin.resolve()
        changed, pin.level = level != pin.level, level
        self._settle_input(pin)
        if changed:
            for watcher in pin.watchers:
                watcher(level)
        if pin.output is not None and pin.drive is not None and pin.output != pin.drive:
            raise PinContention(pin.name, pin.output)

    def _settle_input(self, pin: _Pin) -> None:
        seen = pin.level and not pin.analog
        mask = 1 << pin.number
        if bool(self._inputs[pin.port] & mask) != seen:
            self._inputs[pin.port] ^= mask
            self._mcu.syscfg.input_changed(pin.port, pin.number, seen)

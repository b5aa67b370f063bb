"""The bench services of a virtual board: its clock, its power switch, and voltages on its pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.bench.safety import check_pin_drive
from pytest_h7.bench.stimulus import parse_pin

if TYPE_CHECKING:
    from pytest_h7.twin.board import VirtualBoard


class TwinClock:
    """Board time of the simulation; sleeping runs the board."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board

    def time(self) -> float:
        """Return seconds since the board's first power-on."""
        return self._board.time()

    def sleep(self, seconds: float) -> None:
        """Let the board run for a time."""
        self._board.sleep(seconds)


class TwinPower:
    """The supply of the virtual board."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board

    def cycle(self, seconds: float = 0.5) -> None:
        """Switch the supply off for a time in seconds, and on again."""
        self._board.power_cycle(seconds)


class TwinStimulus:
    """Voltages on the virtual board's pins."""

    name = "twin"

    def __init__(self, board: VirtualBoard) -> None:
        self._pins = board.mcu.pins
        self._gpio = board.mcu.gpio
        self._driven: set[str] = set()

    def drive(self, pin: str, high: bool) -> None:
        """Hold a pin at a level."""
        port, number = parse_pin(pin)
        check_pin_drive(pin, self._gpio[port]["MODER"] >> 2 * number & 3)
        self._driven.add(pin)
        self._pins.drive(pin, high)

    def release(self, pin: str) -> None:
        """Let a pin go."""
        parse_pin(pin)
        self._driven.discard(pin)
        self._pins.release(pin)

    def release_all(self) -> None:
        """Let go of every pin that is driven."""
        for pin in sorted(self._driven):
            self.release(pin)

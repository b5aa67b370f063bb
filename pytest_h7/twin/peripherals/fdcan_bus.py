"""What an FDCAN finds on its two pins, and what becomes of a frame that nobody acknowledges (ISO 11898-1)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.pins import Pins

_ERROR_FRAME_BITS = 6 + 8 + 3
"""Error flag, delimiter and intermission."""

_SUSPEND_BITS = 8
_BITS_TO_ACKNOWLEDGE = 36
"""Bits of a frame with a standard identifier from its start to the acknowledge slot, data left out; stuff bits are
not counted."""

_EXTENDED_BITS = 20
WARNING, PASSIVE, BUS_OFF = 96, 128, 256
"""Transmit error counter at which the state changes."""

_ERROR_STEP = 8


class LastError(enum.IntEnum):
    """Codes of PSR.LEC."""

    NONE = 0
    ACKNOWLEDGE = 3
    BIT0 = 5
    NO_CHANGE = 7


class Line(enum.Enum):
    """What RX shows."""

    DOMINANT = "low: the bus is never idle"
    DEAF = "high whatever is sent: without a transceiver"
    ALONE = "what is sent, and nobody else"


def line_state(pins: Pins, name: str) -> Line:
    """Return what an FDCAN finds; a wire from TX to RX stands for a transceiver with nobody at the other end."""
    if f"{name}_RX" in pins.joined_signals(f"{name}_TX"):
        return Line.ALONE
    return Line.DEAF if pins.signal_level(f"{name}_RX") else Line.DOMINANT


def frame_bits(line: Line, first_word: int, second_word: int, *, passive: bool) -> int:
    """Return how many bit times an attempt takes, up to the next one.

    Args:
        line: What RX shows.
        first_word: T0 of the transmit buffer, with XTD.
        second_word: T1, with DLC.
        passive: Whether the node is error passive and waits longer.
    """
    if line is Line.DEAF:
        return 1 + _ERROR_FRAME_BITS
    size = min(second_word >> 16 & 0xF, 8)
    extended = _EXTENDED_BITS if first_word >> 30 & 1 else 0
    return _BITS_TO_ACKNOWLEDGE + extended + 8 * size + _ERROR_FRAME_BITS + (_SUSPEND_BITS if passive else 0)


@dataclass
class ErrorState:
    """The transmit error counter and what follows from it."""

    transmit: int = 0

    def count(self, error: LastError) -> None:
        """Take note of a failed attempt; missing acknowledges do not count any more once error passive."""
        if not (error is LastError.ACKNOWLEDGE and self.transmit >= PASSIVE):
            self.transmit += _ERROR_STEP

    @property
    def bus_off(self) -> bool:
        """Whether the node has left the bus."""
        return self.transmit >= BUS_OFF

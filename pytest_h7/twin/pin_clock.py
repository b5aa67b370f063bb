"""A square wave at a pin, from outside the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event


class PinClock:
    """A generator that drives a pin, high first, until it is stopped.

    Args:
        mcu: The chip.
        pin: Its pin.
        hz: Frequency in Hz; no edge is more than a picosecond off, however long it runs.
    """

    def __init__(self, mcu: Mcu, pin: str, hz: float) -> None:
        self._mcu = mcu
        self._pin = pin
        self._hz = hz
        self._begin = mcu.now
        self._edges = 0
        self._next: Event | None = None
        self._edge()

    def _edge(self) -> None:
        self._edges += 1
        due = self._begin + round(self._edges * PS_PER_S / (2 * self._hz))
        self._next = self._mcu.schedule(due - self._mcu.now, self._edge)
        self._mcu.pins.drive(self._pin, self._edges % 2 == 1)

    def stop(self) -> None:
        """Let the pin go."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._mcu.pins.release(self._pin)

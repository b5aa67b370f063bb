"""The bench services of a virtual board at another machine: its clock, power switch, pins and console.

Board time stands still there as it does here: it passes with commands to the probe, and when a run sleeps.
"""

from __future__ import annotations

from pytest_h7.bench.connection import translated_errors
from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.stimulus import parse_pin
from pytest_h7.remote.link import LONGEST_SLEEP, Link


class RemoteClock:
    """Board time of the simulation at the other machine."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def time(self) -> float:
        """Return board time in seconds; it never goes back, not with a new server either."""
        self._link.settle()
        return self._link.time

    def sleep(self, seconds: float) -> None:
        """Let the board run for a time; raise FirmwareError if it drives a pin against the test."""
        while seconds > 0:  # a step can not be interrupted
            with translated_errors("let the board run"):
                self._link.sleep(min(seconds, LONGEST_SLEEP))
            seconds -= LONGEST_SLEEP


def choose_closed_policy(link: Link, policy: str) -> None:
    """Choose what AP3 answers while the CM4 has no clock: ``zero``, ``fault`` or ``wait``."""
    link.ask({"do": "ap3", "policy": policy})


class RemotePower:
    """The supply of the virtual board at the other machine."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def cycle(self, seconds: float = 0.5) -> None:
        """Switch the supply off for a time in seconds, and on again."""
        with uninterrupted():
            self._link.ask({"do": "power", "seconds": seconds}, patience=10 * seconds)


class RemoteStimulus:
    """Voltages on the pins of the virtual board at the other machine."""

    name = "twin"

    def __init__(self, link: Link) -> None:
        self._link = link
        self._driven: set[str] = set()

    def drive(self, pin: str, high: bool) -> None:
        """Hold a pin at a level."""
        parse_pin(pin)
        self._driven.add(pin)
        self._link.ask({"do": "drive", "pin": pin, "high": high})

    def release(self, pin: str) -> None:
        """Let a pin go."""
        parse_pin(pin)
        self._driven.discard(pin)
        self._link.ask({"do": "release", "pin": pin})

    def release_all(self) -> None:
        """Let go of every pin that is driven; a server lets go of them itself when the connection is lost."""
        if self._driven and self._link.is_open:
            self._link.ask({"do": "release_all"})
        self._driven.clear()


class RemoteConsole:
    """The console of the virtual board at the other machine, as a port of pyserial is used.

    What the board says is known to the moment of board time, so it comes along with the probe's commands. Through
    a connection of its own it would come a little later than a test that waits in board time expects it.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read."""
        self._link.settle()
        return self._link.said

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        return self._link.ask({"do": "read", "size": size})[1]

    def write(self, data: bytes) -> int:
        """Send bytes to the board."""
        self._link.ask({"do": "write"}, data)
        return len(data)

    def close(self) -> None:
        """Do nothing: the connection is the probe's."""

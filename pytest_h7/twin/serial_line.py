"""Asynchronous serial lines: characters as frames on wires, and who hears them (RM0399 51.5.3 to 51.5.9).

A frame is heard as a whole at the end of its last stop bit, by every receiver whose pin is on the sender's wire.
Frames of two senders at once on one wire do not disturb each other. The levels of the bits are only put on a pin
while somebody looks at it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_TOLERANCE = 0.0333
"""Largest deviation of the sender's baud rate that still gives the right character (RM0399 table 422, the
line for 8 data bits and oversampling by 16)."""


def rates_match(sender: float, receiver: float) -> bool:
    """Return whether characters at one baud rate arrive unbroken at the other."""
    return bool(receiver) and abs(sender / receiver - 1) <= _TOLERANCE


@dataclass(frozen=True, slots=True)
class Frame:
    """A character on a line.

    Attributes:
        bits: The bits between start and stop bit, the first one sent is bit 0.
        length: Their number.
        duration: From the start bit to the end of the last stop bit, in picoseconds.
        baud_rate: Of the sender.
        inverted: Whether the line idles low, and all levels are reversed.
        stop: Level of the stop bit; low in a break.
    """

    bits: int
    length: int
    duration: int
    baud_rate: float
    inverted: bool = False
    stop: bool = True

    def levels(self) -> list[tuple[int, bool]]:
        """Return the edges of the line: picoseconds from the start, level from there."""
        line = [False, *(bool(self.bits >> place & 1) for place in range(self.length)), self.stop]
        edges = []
        level = True
        for place, bit in enumerate([*line, True]):
            if bit is not level:
                level = bit
                edges.append((round(place * PS_PER_S / self.baud_rate), level is not self.inverted))
        return edges


@dataclass(frozen=True, slots=True)
class Reception:
    """What a receiver makes of a frame.

    Attributes:
        word: All bits, that of the parity included.
        parity_error: Whether the parity bit is wrong.
        framing_error: Whether the stop bit is not where it should be.
    """

    word: int
    parity_error: bool
    framing_error: bool


@dataclass(frozen=True, slots=True)
class Format:
    """How characters become frames.

    Attributes:
        bits: Between start and stop bit, that of the parity included.
        parity: None, 0 for even and 1 for odd parity.
        stop_bits: Their number; 0.5 and 1.5 exist.
        most_significant_first: The order of the data bits; the parity is always last.
        data_inverted: Whether data and parity bits are sent inverted.
        line_inverted: Whether the line idles low.
    """

    bits: int = 8
    parity: int | None = None
    stop_bits: float = 1.0
    most_significant_first: bool = False
    data_inverted: bool = False
    line_inverted: bool = False

    @property
    def data_bits(self) -> int:
        """Bits without the parity."""
        return self.bits if self.parity is None else self.bits - 1

    def duration(self, baud_rate: float) -> float:
        """Return how long a frame takes, in picoseconds."""
        return (1 + self.bits + self.stop_bits) * PS_PER_S / baud_rate

    def encode(self, character: int, baud_rate: float, duration: int) -> Frame:
        """Make a frame of a character, with a duration in whole picoseconds."""
        data = character & (1 << self.data_bits) - 1
        if self.most_significant_first:
            data = _reversed(data, self.data_bits)
        if self.parity is not None:
            data |= (data.bit_count() + self.parity & 1) << self.data_bits
        if self.data_inverted:
            data ^= (1 << self.bits) - 1
        return Frame(data, self.bits, duration, baud_rate, self.line_inverted)

    def decode(self, frame: Frame, baud_rate: float) -> Reception:
        """Return what a receiver of this format at that baud rate makes of a frame.

        At another speed, or with an inverted line, it samples the wrong bits; all ones stands for what it finds.
        """
        mask = (1 << self.bits) - 1
        if not rates_match(frame.baud_rate, baud_rate) or frame.inverted is not self.line_inverted:
            return Reception(mask, parity_error=False, framing_error=True)
        after = -1 if frame.stop else 0
        line = frame.bits | after << frame.length
        word = line & mask
        if self.data_inverted:
            word ^= mask
        parity_error = self.parity is not None and word.bit_count() & 1 != self.parity
        if self.most_significant_first:
            data_mask = (1 << self.data_bits) - 1
            word = word & ~data_mask | _reversed(word & data_mask, self.data_bits)
        return Reception(word, parity_error, framing_error=not line >> self.bits & 1)


def _reversed(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


class Hearer(Protocol):
    """What is at the receiving end of a line."""

    def frame_started(self) -> None:
        """Learn that a start bit has come."""
        ...

    def frame_ended(self, frame: Frame) -> None:
        """Take a frame whose last stop bit is over."""
        ...

    def frame_dropped(self) -> None:
        """Learn that the sender has gone off in the middle of a frame, of which nothing comes."""
        ...


class SerialPort(Hearer, Protocol):
    """A U(S)ART of the chip."""

    def hears(self, signal: str) -> bool:
        """Return whether its receiver is at a signal."""
        ...


class SerialLines:
    """Brings frames from senders to receivers: U(S)ARTs of the chip by their signals, others by pins."""

    unsaved = frozenset({"_ports"})

    def __init__(self, mcu: Mcu) -> None:
        self._mcu = mcu
        self._ports: dict[str, SerialPort] = {}
        self._outside: dict[str, list[Hearer]] = {}

    def add_port(self, name: str, port: SerialPort) -> None:
        """Let a U(S)ART hear what comes to its pins RX or TX."""
        for line in ("RX", "TX"):
            self._ports[f"{name}_{line}"] = port

    def attach(self, pin: str, hearer: Hearer) -> None:
        """Let somebody outside of the chip hear what is sent on the wire of a pin.

        Raises:
            ValueError: There is no such pin.
        """
        self._mcu.pins.joined(pin)
        self._outside.setdefault(pin, []).append(hearer)

    def detach(self, pin: str, hearer: Hearer) -> None:
        """Take somebody outside off the wire of a pin."""
        self._outside[pin].remove(hearer)

    def start(self, pins: Iterable[str], sender: Hearer) -> list[Hearer]:
        """Begin a frame on some pins; return who hears it, to be told of its end, too."""
        found: list[Hearer] = []
        for pin in pins:
            for joined in self._mcu.pins.joined(pin):
                found += self._outside.get(joined, ())
                for signal in self._mcu.pins.signals_of(joined):
                    port = self._ports.get(signal)
                    if port is not None and port.hears(signal):
                        found.append(port)
        hearers = [hearer for hearer in dict.fromkeys(found) if hearer is not sender]
        for hearer in hearers:
            hearer.frame_started()
        return hearers


class Waveform:
    """Puts the bits of frames on a pin, one edge after another."""

    def __init__(self, mcu: Mcu, set_level: Callable[[bool], None]) -> None:
        self._mcu = mcu
        self._set_level = set_level
        self._edges: deque[tuple[int, bool]] = deque()
        self._event: Event | None = None

    def play(self, frame: Frame) -> None:
        """Begin a frame now."""
        now = self._mcu.now
        self._edges.extend((now + delay, level) for delay, level in frame.levels())
        if self._event is None or not self._event.pending:
            self._step()

    def _step(self) -> None:
        while self._edges and self._edges[0][0] <= self._mcu.now:
            self._set_level(self._edges.popleft()[1])
        if self._edges:
            self._event = self._mcu.schedule(self._edges[0][0] - self._mcu.now, self._step)

    def stop(self) -> None:
        """Leave the line as it is."""
        self._edges.clear()
        if self._event is not None:
            self._event.cancel()

"""A serial port outside of the chip, wired to the pins of one of its U(S)ARTs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pytest_h7.twin.pins import Pull
from pytest_h7.twin.serial_line import Format, Frame, Hearer, Waveform
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event


class SerialPeer:
    """The other end of a serial line.

    Args:
        mcu: The chip.
        hears: The pin of the chip whose output it receives, ``"PA9"`` for TX of USART1; None for none.
        drives: The pin of the chip it sends to; the same as `hears` on a single wire. None for none.
        baud_rate: Bits per second, both ways; may be changed at any time.
        frame_format: How characters become frames: 8 bits, no parity, one stop bit unless given.

    Attributes:
        baud_rate: What arrives at another one is broken: all its bits are ones.
        frame_format: As above.
        arrived: Board time in picoseconds of the end of each character that has not been read, and the character.
        errors: Characters that arrived broken so far.
        listener: Is told each character when it arrives, None for nobody.

    Raises:
        ValueError: There is no such pin.
    """

    unsaved = frozenset({"listener"})

    def __init__(
        self,
        mcu: Mcu,
        hears: str | None = None,
        drives: str | None = None,
        baud_rate: float = 115_200,
        frame_format: Format | None = None,
    ) -> None:
        self.baud_rate = baud_rate
        self.frame_format = frame_format or Format()
        self.arrived: deque[tuple[int, int]] = deque()
        self.errors = 0
        self.listener: Callable[[int], None] | None = None
        self._mcu = mcu
        self._hears = hears
        self._drives = drives
        self._waiting: deque[Frame] = deque()
        self._event: Event | None = None
        self._hearers: list[Hearer] = []
        self._waveform = Waveform(mcu, self._set_level)
        if hears is not None:
            mcu.serial_lines.attach(hears, self)
        if drives is not None:
            mcu.pins.set_external_pull(drives, Pull.UP)

    def detach(self) -> None:
        """Take the wires off."""
        if self._event is not None:
            self._event.cancel()
            for hearer in self._hearers:
                hearer.frame_dropped()
        self._waiting.clear()
        self._waveform.stop()
        if self._hears is not None:
            self._mcu.serial_lines.detach(self._hears, self)
        if self._drives is not None:
            self._mcu.pins.release(self._drives)
            self._mcu.pins.set_external_pull(self._drives, Pull.NONE)

    # -- receiving ------------------------------------------------------------------------------

    @property
    def in_waiting(self) -> int:
        """Characters that have arrived and not been read."""
        return len(self.arrived)

    def read(self, size: int) -> bytes:
        """Take up to `size` characters that have arrived; of one with more than 8 bits, the lower ones."""
        return bytes(self.arrived.popleft()[1] & 0xFF for _ in range(min(size, len(self.arrived))))

    def clear(self) -> None:
        """Forget what has arrived."""
        self.arrived.clear()

    def frame_started(self) -> None:
        """A character is heard when it is complete."""

    def frame_dropped(self) -> None:
        """Nothing has been heard of it."""

    def frame_ended(self, frame: Frame) -> None:
        """Take a character."""
        reception = self.frame_format.decode(frame, self.baud_rate)
        self.errors += reception.framing_error or reception.parity_error
        character = reception.word & (1 << self.frame_format.data_bits) - 1
        self.arrived.append((self._mcu.now, character))
        if self.listener is not None:
            self.listener(character)

    # -- sending --------------------------------------------------------------------------------

    def write(self, data: Iterable[int]) -> None:
        """Send characters to the chip, one frame after another, after those already on the line."""
        baud_rate = self.baud_rate
        duration = int(self.frame_format.duration(baud_rate))
        self.send(self.frame_format.encode(character, baud_rate, duration) for character in data)

    def write_break(self) -> None:
        """Hold the line low for a frame and its stop bit, which is a break character."""
        bits = self.frame_format.bits
        duration = round((2 + bits) * PS_PER_S / self.baud_rate)
        inverted = self.frame_format.line_inverted
        self.send([Frame(0, bits, duration, self.baud_rate, inverted, stop=False)])

    def send(self, frames: Iterable[Frame]) -> None:
        """Put frames of any kind on the line."""
        self._waiting.extend(frames)
        if self._event is None:
            self._next_frame()

    def _next_frame(self) -> None:
        if self._waiting and self._drives is not None:
            frame = self._waiting.popleft()
            self._event = self._mcu.schedule(frame.duration, lambda: self._finish(frame))
            self._hearers = self._mcu.serial_lines.start([self._drives], self)
            if self._mcu.pins.edges_noticed(self._drives):
                self._waveform.play(frame)

    def _finish(self, frame: Frame) -> None:
        self._event = None
        for hearer in self._hearers:
            hearer.frame_ended(frame)
        self._next_frame()

    def _set_level(self, level: bool) -> None:
        """Drive the pin low; high is the pull resistor's, so that others may use the wire."""
        assert self._drives is not None
        if level:
            self._mcu.pins.release(self._drives)
        else:
            self._mcu.pins.drive(self._drives, level)

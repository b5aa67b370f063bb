"""What hangs on the wires of an SPI: other SPIs of the chip as slaves, a loop of wire, devices of a test.

Whole frames travel, at the moment of their last clock edge: SCK does not move on the pins, MOSI and MISO show the
last bit of each frame. Whoever samples on the wrong clock edge finds the bit before the right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_h7.twin.pins import Pins


class SpiDevice(Protocol):
    """A device at the other end of the wires, written by a test."""

    def select(self, active: bool) -> None:
        """Learn that the device is selected or not any more."""
        ...

    def transfer(self, frame: int, bits: int) -> int:
        """Take a frame from MOSI and return the one that goes back on MISO at the same time.

        Args:
            frame: The bits in the order of the wire, the first one in the highest place.
            bits: Their number.
        """
        ...


class Slave(Protocol):
    """Another SPI of the chip as the master sees it."""

    name: str

    @property
    def selected(self) -> bool:
        """Whether it listens to the clock."""
        ...

    @property
    def data_input(self) -> str:
        """Signal of the pin it reads."""
        ...

    @property
    def data_output(self) -> str | None:
        """Signal of the pin it drives, if it does."""
        ...

    @property
    def samples_rising_edges(self) -> bool:
        """Which edges of SCK it samples at."""
        ...

    def exchange(self, incoming: int, bits: int) -> int:
        """Shift bits in and as many out."""
        ...


@dataclass
class Attachment:
    """A device, and the pin that selects it while low; None selects it always."""

    device: SpiDevice
    select_pin: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """What a master clocks out: `data` is None while it drives no data."""

    data: int | None
    bits: int
    rising: bool


def constant(level: bool | None, bits: int) -> int:
    """Return what is read from a wire that does not move; zeros without a pin, not known of the hardware."""
    return (1 << bits) - 1 if level else 0


def sampled(data: int, bits: int, *, late: bool, before: int) -> int:
    """Return what is read at the right edges, or `late`: each time the bit that comes before."""
    return (before << bits - 1 | data >> 1) & (1 << bits) - 1 if late else data


class SpiBus:
    """The wires of one master.

    Args:
        pins: All pins.
        clock: Its SCK signal.
        attachments: The devices of a test.
    """

    def __init__(self, pins: Pins, clock: str, attachments: list[Attachment]) -> None:
        self._pins = pins
        self._clock = clock
        self._attachments = attachments

    def exchange(self, frame: Frame, output: str, source: str, slaves: Iterable[Slave]) -> int:
        """Clock a frame and return what the master samples on its data input.

        Args:
            frame: What it sends.
            output: Its data output signal.
            source: Its data input signal; the same one in half-duplex mode.
            slaves: The SPIs of the chip that are slaves at the moment.
        """
        clocked = self._pins.joined_signals(self._clock)
        at_input = self._pins.joined_signals(source) | {source}
        answer: int | None = None
        if frame.data is not None and output in at_input:
            answer = frame.data
        for slave in slaves:
            if f"{slave.name}_SCK" in clocked and slave.selected:
                heard = self._exchange_with_slave(slave, frame, output)
                if slave.data_output in at_input:
                    answer = heard
        for attachment in self._attachments:
            if self._is_selected(attachment):
                sent = constant(False, frame.bits) if frame.data is None else frame.data
                answer = attachment.device.transfer(sent, frame.bits)
        if answer is None:
            return constant(self._pins.signal_level(source), frame.bits)
        return answer

    def _exchange_with_slave(self, slave: Slave, frame: Frame, output: str) -> int:
        level = self._pins.signal_level(slave.data_input)
        joined = output in self._pins.joined_signals(slave.data_input)
        data = frame.data if frame.data is not None and joined else constant(level, frame.bits)
        late = slave.samples_rising_edges is not frame.rising
        before = int(bool(level))
        heard = slave.exchange(sampled(data, frame.bits, late=late, before=before), frame.bits)
        return sampled(heard, frame.bits, late=late, before=0)

    def _is_selected(self, attachment: Attachment) -> bool:
        return attachment.select_pin is None or not self._pins.level(attachment.select_pin)

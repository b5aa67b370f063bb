"""What the registers of an SPI say about its frames, and the shift register of a slave (RM0399 chapter 53)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_h7.twin.peripherals.peripheral import Peripheral

if TYPE_CHECKING:
    from collections.abc import Iterator

SPIS = ("SPI1", "SPI2", "SPI3", "SPI4", "SPI5", "SPI6")
_SMALL = ("SPI4", "SPI5", "SPI6")
"""Those with frames of 16 bits at most and FIFOs of 8 bytes (RM0399 table 435)."""

_SPE, _HDDIR = 1 << 0, 1 << 11
_FULL_DUPLEX, _TRANSMITTER, _RECEIVER, _HALF_DUPLEX = range(4)


class SpiSettings(Peripheral):
    """The settings of an SPI, as properties."""

    @property
    def enabled(self) -> bool:
        """Whether SPE is set."""
        return bool(self["CR1"] & _SPE)

    @property
    def is_master(self) -> bool:
        """Whether it makes the clock."""
        return bool(self.field("CFG2", "MASTER"))

    @property
    def transmits(self) -> bool:
        """Whether it sends data, now in the case of half duplex."""
        mode = self.field("CFG2", "COMM")
        return mode in (_FULL_DUPLEX, _TRANSMITTER) or (mode == _HALF_DUPLEX and bool(self["CR1"] & _HDDIR))

    @property
    def receives(self) -> bool:
        """Whether it takes data, now in the case of half duplex."""
        mode = self.field("CFG2", "COMM")
        return mode in (_FULL_DUPLEX, _RECEIVER) or (mode == _HALF_DUPLEX and not self["CR1"] & _HDDIR)

    @property
    def bits(self) -> int:
        """Bits of a frame: at least 4."""
        return min(max(self.field("CFG1", "DSIZE") + 1, 4), 16 if self.name in _SMALL else 32)

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame takes in the FIFOs (RM0399 53.4.11)."""
        return (self.bits + 7) // 8

    @property
    def capacity(self) -> int:
        """Frames that fit into a FIFO."""
        return (8 if self.name in _SMALL else 16) // self.frame_bytes

    @property
    def packet(self) -> int:
        """Frames of a packet, which TXP and RXP stand for."""
        return self.field("CFG1", "FTHLV") + 1

    @property
    def samples_rising_edges(self) -> bool:
        """Whether data is sampled at rising edges of SCK, otherwise at falling ones (RM0399 53.4.8)."""
        return self.field("CFG2", "CPOL") == self.field("CFG2", "CPHA")

    def data_signal(self, *, output: bool) -> str:
        """Return the data signal of one direction: MOSI or MISO by role, half duplex and IOSWP."""
        half_duplex = self.field("CFG2", "COMM") == _HALF_DUPLEX
        is_mosi = self.is_master if output or half_duplex else not self.is_master
        return f"{self.name}_{'MOSI' if is_mosi != bool(self.field('CFG2', 'IOSWP')) else 'MISO'}"

    def wire_order(self, frame: int) -> int:
        """Turn a frame into the order of the wire, the first bit in the highest place, or back."""
        return int(f"{frame:0{self.bits}b}"[::-1], 2) if self.field("CFG2", "LSBFRST") else frame

    def places(self, size: int) -> Iterator[int]:
        """Yield the bit position of each frame in an access of `size` bytes (RM0399 53.4.13)."""
        container = 8 if self.bits <= 8 else 16 if self.bits <= 16 else 32
        yield from range(0, max(8 * size, container), container)


class ShiftHost(Protocol):
    """What a shift register belongs to; frames are in the order of the wire."""

    @property
    def bits(self) -> int:
        """Bits of a frame."""
        ...

    def next_frame(self) -> int:
        """Return the frame to send next."""
        ...

    def frame_shifted(self, incoming: int, outgoing: int) -> None:
        """Take a frame that is complete."""
        ...


class ShiftRegister:
    """The shift register of a slave, which a master clocks by any number of bits."""

    def __init__(self, host: ShiftHost) -> None:
        self._host = host
        self._done = 0
        self._in = 0
        self._out = 0

    def restart(self) -> None:
        """Begin anew with the first bit of a frame."""
        self._done = 0

    def exchange(self, incoming: int, count: int) -> int:
        """Shift bits in and as many out, the first one in the highest place."""
        bits = self._host.bits
        outgoing = 0
        for place in reversed(range(count)):
            if self._done == 0:
                self._in, self._out = 0, self._host.next_frame()
            outgoing = outgoing << 1 | self._out >> bits - 1 - self._done & 1
            self._in = self._in << 1 | incoming >> place & 1
            self._done += 1
            if self._done == bits:
                self._done = 0
                self._host.frame_shifted(self._in, self._out)
        return outgoing

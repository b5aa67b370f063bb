"""What hangs on the wires of an I2C: other I2Cs of the chip as slaves, devices of a test.

Whole bytes travel, with the clocks they take. The wires show that the bus is busy, no more: both are low from
START to STOP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class I2cDevice(Protocol):
    """A device on the bus, written by a test."""

    def start(self, read: bool) -> bool:
        """Take note of being addressed, for reading or writing; return whether to acknowledge.

        Another call before `stop` is a repeated START.
        """
        ...

    def write(self, byte: int) -> bool:
        """Take a byte; return whether to acknowledge."""
        ...

    def read(self) -> int:
        """Return the next byte."""
        ...

    def stop(self) -> None:
        """Take note of the end of the transfer."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """What a master puts on the bus after START: an address of 7 or 10 bits and a direction."""

    address: int
    ten_bits: bool
    read: bool

    @property
    def first_byte(self) -> int:
        """The byte behind START, by which masters arbitrate."""
        head = 0x78 | self.address >> 8 if self.ten_bits else self.address
        return head << 1 | self.read


class Target(Protocol):
    """Who may answer a master."""

    def called(self, call: Call) -> bool:
        """Return whether the address is acknowledged."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether the clock of the next byte may begin, or is stretched."""
        ...

    @property
    def takes(self) -> bool:
        """Whether a byte that has been sent can be taken, or the clock is stretched before its acknowledge."""
        ...

    def receive(self, byte: int) -> bool:
        """Take a byte; return whether it is acknowledged."""
        ...

    def transmit(self) -> int:
        """Return the next byte."""
        ...

    def acknowledged(self, acknowledge: bool) -> None:
        """Learn whether the master has acknowledged the byte."""
        ...

    def stopped(self) -> None:
        """Learn of STOP."""
        ...


@dataclass
class AttachedDevice:
    """A device of a test as a target; it never stretches the clock."""

    device: I2cDevice
    address: int

    goes_on = True
    takes = True

    def called(self, call: Call) -> bool:
        """Return whether the address is acknowledged."""
        return not call.ten_bits and call.address == self.address and self.device.start(call.read)

    def receive(self, byte: int) -> bool:
        """Take a byte; return whether it is acknowledged."""
        return self.device.write(byte)

    def transmit(self) -> int:
        """Return the next byte."""
        return self.device.read() & 0xFF

    def acknowledged(self, acknowledge: bool) -> None:
        """Nothing to do: the next call says what comes."""

    def stopped(self) -> None:
        """Learn of STOP."""
        self.device.stop()

"""An I2C as slave of another one on the same wires (RM0399 50.4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.i2c import I2c
    from pytest_h7.twin.peripherals.i2c_bus import Call

_NACK = 1 << 15
_RESERVED_LOW, _RESERVED_HIGH = 0x08, 0x78
"""Addresses below and from here on are reserved (0000 XXX and 1111 XXX)."""


class I2cSlave:
    """The slave half of an I2C, with clock stretching.

    Attributes:
        code: ADDCODE, the address that matched.
        reads: DIR, whether the master reads.
        matched: ADDR, which stretches the clock until firmware clears it.
    """

    def __init__(self, i2c: I2c) -> None:
        self._i2c = i2c
        self._addressed = False
        self._refused = False
        self.code = 0
        self.reads = False
        self.matched = False

    def abandon(self) -> None:
        """Leave the transfer, as clearing PE does."""
        self._addressed = self._refused = self.matched = False

    @property
    def transmitting(self) -> bool:
        """Whether the master reads from it and has not refused the last byte."""
        return self._addressed and self.reads and not self._refused and not self.matched

    def called(self, call: Call) -> bool:
        """Return whether the address is one of its own (RM0399 50.4.8)."""
        self._addressed = self._i2c.slave_enabled and self._matches(call)
        self._refused = False
        if self._addressed:
            self.matched = True
            self._i2c["CR2"] &= ~_NACK
            self.reads = call.read
            self.code = 0x78 | call.address >> 8 if call.ten_bits else call.address
            self._i2c.update()
        return self._addressed

    def _matches(self, call: Call) -> bool:
        i2c = self._i2c
        if i2c.field("OAR1", "OA1EN"):
            own = i2c.field("OAR1", "OA1")
            if i2c.field("OAR1", "OA1MODE"):
                if call.ten_bits and call.address == own:
                    return True
            elif not call.ten_bits and call.address == own >> 1 & 0x7F:
                return True
        if call.ten_bits:
            return False
        if call.address == 0 and not call.read:
            return bool(i2c.field("CR1", "GCEN"))
        return bool(i2c.field("OAR2", "OA2EN")) and self._matches_second(call.address)

    def _matches_second(self, address: int) -> bool:
        masked = self._i2c.field("OAR2", "OA2MSK")
        if masked and not _RESERVED_LOW <= address < _RESERVED_HIGH:
            return False
        return (address ^ self._i2c.field("OAR2", "OA2")) >> masked == 0 or masked == 7

    @property
    def goes_on(self) -> bool:
        """Whether ADDR is cleared and, for a reading master, there is data."""
        return not self.matched and not (self.reads and self._i2c.transmit_empty)

    @property
    def takes(self) -> bool:
        """Whether RXDR has been read."""
        return self._i2c.receive_empty

    def receive(self, byte: int) -> bool:
        """Take a byte; it is acknowledged unless firmware has set NACK."""
        self._i2c.store_received(byte)
        refuses = bool(self._i2c["CR2"] & _NACK)
        self._i2c["CR2"] &= ~_NACK
        self._i2c.update()
        return not refuses

    def transmit(self) -> int:
        """Return the next byte; the one behind it is asked for at once."""
        data = self._i2c.take_transmit_data()
        self._i2c.update()
        return 0xFF if data is None else data

    def acknowledged(self, acknowledge: bool) -> None:
        """Learn whether the master wants more."""
        self._refused = not acknowledge
        if self._refused:
            self._i2c.not_acknowledged()
        self._i2c.update()

    def stopped(self) -> None:
        """Learn of STOP."""
        self._addressed = False
        self._i2c["CR2"] &= ~_NACK
        self._i2c.stop_detected()

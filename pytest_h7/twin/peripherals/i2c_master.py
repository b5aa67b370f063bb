"""An I2C as master: from START to STOP, byte by byte (RM0399 50.4.9)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.i2c_bus import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.peripherals.i2c import I2c
    from pytest_h7.twin.peripherals.i2c_bus import Target
    from pytest_h7.twin.timeline import Event

START, STOP = 1 << 13, 1 << 14
_RELOAD, _AUTOEND = 1 << 24, 1 << 25
_CLOCKS_PER_BYTE = 9


class Phase(enum.Enum):
    """What a master does; the clock is stretched in those that wait."""

    IDLE = enum.auto()
    WAITS_FOR_BUS = enum.auto()
    ADDRESS = enum.auto()
    WAITS_FOR_TARGET = enum.auto()
    WAITS_FOR_DATA = enum.auto()
    SENDING = enum.auto()
    WAITS_FOR_ACKNOWLEDGE = enum.auto()
    RECEIVING = enum.auto()
    WAITS_FOR_SPACE = enum.auto()
    WAITS_FOR_RELOAD = enum.auto()
    WAITS_FOR_COMMAND = enum.auto()
    STOPPING = enum.auto()


class I2cMaster:
    """The master half of an I2C."""

    def __init__(self, i2c: I2c) -> None:
        self._i2c = i2c
        self._event: Event | None = None
        self._targets: list[Target] = []
        self._left = 0
        self._byte = 0
        self.phase = Phase.IDLE
        self.call = Call(0, False, False)
        self.started = -1

    @property
    def active(self) -> bool:
        """Whether it has the bus."""
        return self.phase not in (Phase.IDLE, Phase.WAITS_FOR_BUS)

    def abandon(self) -> None:
        """Give up at once, as clearing PE does; the bus is released without STOP."""
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self.phase = Phase.IDLE
        self._targets = []

    def command_written(self) -> None:
        """CR2 has been written: START, STOP or a new number of bytes."""
        command = self._i2c["CR2"]
        if command & START:
            if self.phase is Phase.IDLE:
                self.phase = Phase.WAITS_FOR_BUS
                self._begin()
            elif self.phase is Phase.WAITS_FOR_COMMAND:
                self._send_address()
        elif command & STOP:
            self._stop_if_waiting()
        elif self.phase is Phase.WAITS_FOR_RELOAD and self._number_of_bytes:
            self._left = self._number_of_bytes
            self._go_on()

    def _stop_if_waiting(self) -> None:
        """Send STOP where no byte is under way; otherwise it comes behind the byte."""
        match self.phase:
            case Phase.IDLE | Phase.WAITS_FOR_BUS:
                self._i2c["CR2"] &= ~STOP
            case Phase.WAITS_FOR_DATA | Phase.WAITS_FOR_RELOAD | Phase.WAITS_FOR_COMMAND:
                self._stop()

    @property
    def _number_of_bytes(self) -> int:
        return self._i2c.field("CR2", "NBYTES")

    # -- START and address --------------------------------------------------------------------------

    def bus_changed(self) -> None:
        """The wires have moved: where START waits for a free bus, send it after the bus free time."""
        waits = self.phase is Phase.WAITS_FOR_BUS and self._event is None
        if waits and self._i2c.bus_is_free and self._i2c.clock_hz:
            self._wait(self._i2c.low_time, self._begin)

    def _begin(self) -> None:
        """Take the bus if it is free, or if another master has taken it at the very moment."""
        self._event = None
        rivals = [rival for rival in self._i2c.rivals() if rival.started == self._i2c.mcu.now]
        if self.phase is Phase.WAITS_FOR_BUS and (self._i2c.bus_is_free or rivals) and self._i2c.clock_hz:
            self._send_address()

    def _send_address(self) -> None:
        self.phase = Phase.ADDRESS
        self.started = self._i2c.mcu.now
        read_ten = self._i2c.field("CR2", "ADD10") and self._i2c.field("CR2", "RD_WRN")
        self.call = self._call()
        self._left = self._number_of_bytes
        clocks = 1 + _CLOCKS_PER_BYTE
        if self.call.ten_bits and not (read_ten and self._i2c.field("CR2", "HEAD10R")):
            clocks += _CLOCKS_PER_BYTE
            clocks += 1 + _CLOCKS_PER_BYTE if read_ten else 0
        self._i2c.hold_bus()
        self._wait(clocks * self._i2c.clock_period, self._address_sent)

    def _call(self) -> Call:
        ten_bits = bool(self._i2c.field("CR2", "ADD10"))
        address = self._i2c.field("CR2", "SADD")
        return Call(
            address if ten_bits else address >> 1 & 0x7F, ten_bits, bool(self._i2c.field("CR2", "RD_WRN"))
        )

    def _address_sent(self) -> None:
        self._event = None
        self._i2c["CR2"] &= ~START
        rivals = [rival for rival in self._i2c.rivals() if rival.started == self.started]
        if any(rival.call.first_byte < self.call.first_byte for rival in rivals):
            self.lose()
            return
        for rival in rivals:
            rival.lose()
        self._targets = [target for target in self._i2c.targets() if target.called(self.call)]
        if self._targets:
            self._go_on()
        else:
            self._i2c.not_acknowledged()
            self._stop()
        self._i2c.update()

    def lose(self) -> None:
        """Lose the arbitration: become a slave (RM0399 50.4.9); the wires are the winner's."""
        self.abandon()
        self._i2c["CR2"] &= ~START
        self._i2c.arbitration_lost()

    # -- bytes ------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Something a stretched clock waits for has changed."""
        match self.phase:
            case Phase.WAITS_FOR_TARGET | Phase.WAITS_FOR_DATA:
                self._go_on()
            case Phase.WAITS_FOR_ACKNOWLEDGE:
                self._byte_sent()
            case Phase.WAITS_FOR_SPACE:
                self._byte_received()

    def _go_on(self) -> None:
        """Clock the next byte, or wait for what it needs."""
        if not all(target.goes_on for target in self._targets):
            self.phase = Phase.WAITS_FOR_TARGET
        elif self._left == 0:
            self._finish_bytes()
        elif self._i2c["CR2"] & STOP:
            self._stop()
        elif self.call.read:
            self.phase = Phase.RECEIVING
            self._byte = 0xFF
            for target in self._targets:
                self._byte &= target.transmit()
            self._clock_byte(self._byte_received)
        elif (data := self._i2c.take_transmit_data()) is None:
            self.phase = Phase.WAITS_FOR_DATA
        else:
            self.phase = Phase.SENDING
            self._byte = data
            self._clock_byte(self._byte_sent)
        self._i2c.update()

    def _clock_byte(self, done: Callable[[], None]) -> None:
        self._wait(_CLOCKS_PER_BYTE * self._i2c.clock_period, done)

    def _byte_sent(self) -> None:
        self._event = None
        if not all(target.takes for target in self._targets):
            self.phase = Phase.WAITS_FOR_ACKNOWLEDGE
            return
        self._left -= 1
        acknowledgements = [target.receive(self._byte) for target in self._targets]
        if any(acknowledgements):
            self._go_on()
        else:
            self._i2c.not_acknowledged()
            self._stop()
        self._i2c.update()

    def _byte_received(self) -> None:
        self._event = None
        if not self._i2c.store_received(self._byte):
            self.phase = Phase.WAITS_FOR_SPACE
            return
        self._left -= 1
        command = self._i2c["CR2"]
        last = bool(command & STOP) or (self._left == 0 and not command & _RELOAD)
        for target in self._targets:
            target.acknowledged(not last)
        if last:
            self._finish_bytes()
        else:
            self._go_on()
        self._i2c.update()

    def _finish_bytes(self) -> None:
        """All bytes are through: stop, or wait for more of them or for a command."""
        command = self._i2c["CR2"]
        if command & STOP:
            self._stop()
        elif command & _RELOAD:
            self.phase = Phase.WAITS_FOR_RELOAD
        elif command & _AUTOEND:
            self._stop()
        else:
            self.phase = Phase.WAITS_FOR_COMMAND

    # -- STOP -------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self.phase = Phase.STOPPING
        self._wait(self._i2c.clock_period, self._stopped)

    def _stopped(self) -> None:
        self._event = None
        self._i2c["CR2"] &= ~STOP
        for target in self._targets:
            target.stopped()
        self._targets = []
        waiting = bool(self._i2c["CR2"] & START)
        self.phase = Phase.WAITS_FOR_BUS if waiting else Phase.IDLE
        self._i2c.stop_sent()
        self.bus_changed()

    def _wait(self, delay: int, action: Callable[[], None]) -> None:
        self._event = self._i2c.mcu.schedule(delay, action)

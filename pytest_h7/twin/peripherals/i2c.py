"""I2C1 to I2C4: master and slave with 7 and 10 bits of address, at the speed of TIMINGR (RM0399 chapter 50).

The manual has BUSY set by START. Here a line that is low makes the bus busy: without pull-up resistors, on the
board or switched on in the port, BUSY is set as soon as PE is, and START waits. That is an answer taken, not known
of the hardware. I2Cs whose SCL and SDA are wired together are masters and slaves for each other; two masters
arbitrate by their first byte only.

Not modelled, and counted when firmware switches it on: SMBus features, slave byte control, slaves without clock
stretching, wake-up from Stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.i2c_bus import AttachedDevice, I2cDevice, Target
from pytest_h7.twin.peripherals.i2c_master import START, STOP, I2cMaster, Phase
from pytest_h7.twin.peripherals.i2c_slave import I2cSlave
from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_NS, PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

I2CS = ("I2C1", "I2C2", "I2C3", "I2C4")

_ANALOG_FILTER = 50 * PS_PER_NS
"""Least delay of the analog filter (DS12919, I2C characteristics)."""

_SYNCHRONIZATION = 2
"""Least kernel clocks it takes to see an edge of SCL (RM0399 50.4.9)."""

_PE = 1 << 0
_TXDMAEN, _RXDMAEN = 1 << 14, 1 << 15
_UNMODELLED_CR1 = 0xF << 20 | 1 << 18 | 1 << 17 | 1 << 16
_TIMEOUT_ENABLES = 1 << 31 | 1 << 15
_TXE, _TXIS, _RXNE, _ADDR, _NACKF, _STOPF, _TC, _TCR, _BERR, _ARLO = (1 << bit for bit in range(10))
_BUSY, _DIR = 1 << 15, 1 << 16
_CLEARABLE = 0x3F38
_EVENTS = ((1, _TXIS), (2, _RXNE), (3, _ADDR), (4, _NACKF), (5, _STOPF), (6, _TC | _TCR))
"""Enable bits in CR1 and the flags they let through to the event interrupt."""

_ERRIE, _ERRORS = 1 << 7, 0x3F00


class I2c(Peripheral):
    """One I2C."""

    def __init__(self, mcu: Mcu, name: str) -> None:
        self.master = I2cMaster(self)
        self.slave = I2cSlave(self)
        self._devices: list[AttachedDevice] = []
        self._flags = 0
        self._transmit_data: int | None = None
        self._received: int | None = None
        self._requested = 0
        super().__init__(mcu, name)
        for line in ("SCL", "SDA"):
            mcu.pins.listen(f"{name}_{line}", self._line_changed)

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"OAR1", "OAR2", "PECR"})

    def attach(self, device: I2cDevice, address: int) -> None:
        """Put a device of a test on the bus; the pull-up resistors are not its business.

        Args:
            device: What answers.
            address: Its 7-bit address, 0 to 127.
        """
        self._devices.append(AttachedDevice(device, address))

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._abandon()

    def _abandon(self) -> None:
        """Leave the bus and forget all flags, as clearing PE does."""
        self.master.abandon()
        self.slave.abandon()
        self._flags = 0
        self._transmit_data = self._received = None
        self["CR2"] &= ~(START | STOP | 1 << 15)
        self._release_bus()
        self.update()

    # -- wires ----------------------------------------------------------------------------------------

    @property
    def bus_is_free(self) -> bool:
        """Whether neither SCL nor SDA is low; lines that no pin is switched to are high."""
        levels = (self.mcu.pins.signal_level(f"{self.name}_{line}") for line in ("SCL", "SDA"))
        return all(level is not False for level in levels)

    def hold_bus(self) -> None:
        """Pull SCL and SDA low."""
        for line in ("SCL", "SDA"):
            self.mcu.pins.set_signal(f"{self.name}_{line}", False)

    def _release_bus(self) -> None:
        for line in ("SCL", "SDA"):
            self.mcu.pins.set_signal(f"{self.name}_{line}", None)

    def _line_changed(self, level: bool | None) -> None:
        self.master.bus_changed()
        self.update()

    def _peers(self) -> Iterator[I2c]:
        """Yield the other enabled I2Cs on both wires."""
        wires = [(line, self.mcu.pins.joined_signals(f"{self.name}_{line}")) for line in ("SCL", "SDA")]
        for name in I2CS:
            peer = self.mcu.peripherals[name]
            wired = all(f"{name}_{line}" in signals for line, signals in wires)
            if wired and isinstance(peer, I2c) and peer.enabled:
                yield peer

    def rivals(self) -> list[I2cMaster]:
        """Return the masters on the bus that send an address at the moment."""
        return [peer.master for peer in self._peers() if peer.master.phase is Phase.ADDRESS]

    def targets(self) -> list[Target]:
        """Return everybody who may answer on the bus."""
        found: list[Target] = list(self._devices)
        for peer in self._peers():
            found += [peer.slave, *peer._devices]
        return found

    # -- time -----------------------------------------------------------------------------------------

    @property
    def clock_hz(self) -> int:
        """The kernel clock in Hz, 0 while it is off."""
        return kernel_clock_hz(self.mcu.rcc, self.name) if self.mcu.clocked(self.name) else 0

    def _time(self, prescaled: int, kernel_clocks: int = 0) -> int:
        clocks = prescaled * (self.field("TIMINGR", "PRESC") + 1) + kernel_clocks
        return clocks * PS_PER_S // max(1, self.clock_hz)

    @property
    def low_time(self) -> int:
        """Time from STOP to START, which SCLL gives, in picoseconds."""
        return self._time(self.field("TIMINGR", "SCLL") + 1)

    @property
    def clock_period(self) -> int:
        """Period of SCL in picoseconds, with the least synchronization delays (RM0399 50.4.9)."""
        programmed = self.field("TIMINGR", "SCLL") + self.field("TIMINGR", "SCLH") + 2
        synchronization = 2 * (_SYNCHRONIZATION + self.field("CR1", "DNF"))
        filters = 0 if self.field("CR1", "ANFOFF") else 2 * _ANALOG_FILTER
        return self._time(programmed, synchronization) + filters

    def clock_changed(self) -> None:
        """Send a START that waited for the kernel clock."""
        self.master.bus_changed()

    # -- for master and slave ---------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether PE is set."""
        return bool(self["CR1"] & _PE)

    @property
    def slave_enabled(self) -> bool:
        """Whether it can be called: enabled, and not master itself."""
        return self.enabled and not self.master.active

    @property
    def transmit_empty(self) -> bool:
        """Whether TXDR waits for data."""
        return self._transmit_data is None

    @property
    def receive_empty(self) -> bool:
        """Whether RXDR has been read."""
        return self._received is None

    def take_transmit_data(self) -> int | None:
        """Take the byte out of TXDR, None if there is none."""
        data, self._transmit_data = self._transmit_data, None
        return data

    def store_received(self, byte: int) -> bool:
        """Put a byte into RXDR; return whether that was free."""
        if self._received is not None:
            return False
        self._received = byte
        return True

    def not_acknowledged(self) -> None:
        """Set NACKF."""
        self._flags |= _NACKF

    def arbitration_lost(self) -> None:
        """Set ARLO and leave the wires."""
        self._flags |= _ARLO
        self._release_bus()
        self.update()

    def stop_sent(self) -> None:
        """The master has finished: STOPF, and the wires are free."""
        self.stop_detected()
        self._release_bus()
        self.update()

    def stop_detected(self) -> None:
        """Set STOPF."""
        self._flags |= _STOPF
        self.update()

    # -- registers --------------------------------------------------------------------------------------

    def write_CR1(self, value: int, master: Master) -> None:
        before, self["CR1"] = self["CR1"], value & self.implemented("CR1")
        self._count_if(bool(value & _UNMODELLED_CR1), "CR1", master)
        if before & ~value & _PE:
            self._abandon()
        self.update()

    def write_CR2(self, value: int, master: Master) -> None:
        """Write CR2; START, STOP and NACK are only set, and only while PE is."""
        value &= self.implemented("CR2")
        commands = START | STOP | 1 << 15
        value |= self["CR2"] & commands
        self["CR2"] = value if self.enabled else value & ~commands
        if self.enabled:
            self.master.command_written()
        self.update()

    def write_TIMINGR(self, value: int, master: Master) -> None:
        if not self.enabled:
            self["TIMINGR"] = value & self.implemented("TIMINGR")

    def write_TIMEOUTR(self, value: int, master: Master) -> None:
        self["TIMEOUTR"] = value & self.implemented("TIMEOUTR")
        self._count_if(bool(value & _TIMEOUT_ENABLES), "TIMEOUTR", master)

    def _count_if(self, unmodelled: bool, register: str, master: Master) -> None:
        if unmodelled and master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=True)

    def read_ISR(self, master: Master) -> int:
        return self._status()

    def write_ISR(self, value: int, master: Master) -> None:
        """Flush TXDR by TXE."""
        if value & _TXE:
            self._transmit_data = None
        self.update()

    def write_ICR(self, value: int, master: Master) -> None:
        self._flags &= ~(value & _CLEARABLE)
        if value & _ADDR:
            self.slave.matched = False
            self["CR2"] &= ~START
            self._wake_master()
        self.update()

    def read_RXDR(self, master: Master) -> int:
        if self._received is not None:
            self["RXDR"], self._received = self._received, None
            self.master.go_on()
            self._wake_master()
            self.update()
        return self["RXDR"]

    def read_TXDR(self, master: Master) -> int:
        return self["TXDR"]

    def write_TXDR(self, value: int, master: Master) -> None:
        """Take a byte to send; ignored while the last one is still there."""
        if self.enabled and self._transmit_data is None:
            self["TXDR"] = self._transmit_data = value & 0xFF
            self.master.go_on()
            self._wake_master()
            self.update()

    def _wake_master(self) -> None:
        """Let a master go on whose clock this slave has stretched."""
        for peer in self._peers():
            peer.master.go_on()

    def _status(self) -> int:
        status = self._flags
        phase = self.master.phase
        if self._transmit_data is None:
            status |= _TXE
            if phase is Phase.WAITS_FOR_DATA or self.slave.transmitting:
                status |= _TXIS
        conditions = (
            (_RXNE, self._received is not None),
            (_ADDR, self.slave.matched),
            (_DIR, self.slave.reads),
            (_TC, phase is Phase.WAITS_FOR_COMMAND),
            (_TCR, phase is Phase.WAITS_FOR_RELOAD),
            (_BUSY, self.enabled and (self.master.active or not self.bus_is_free)),
        )
        return status | sum(flag for flag, holds in conditions if holds) | self.slave.code << 17

    # -- interrupts and DMA -------------------------------------------------------------------------------

    def update(self) -> None:
        """Drive the interrupt lines and the requests to DMA."""
        status, enables = self._status(), self["CR1"]
        events = any(enables >> bit & 1 and status & flags for bit, flags in _EVENTS)
        self.mcu.drive_interrupt(f"{self.name}_EV", self.name, events)
        self.mcu.drive_interrupt(f"{self.name}_ER", self.name, bool(enables & _ERRIE and status & _ERRORS))
        wanted = (_TXDMAEN if status & _TXIS else 0) | (_RXDMAEN if status & _RXNE else 0)
        wanted &= enables
        changed, self._requested = wanted ^ self._requested, wanted
        for bit, request in ((_TXDMAEN, "TX"), (_RXDMAEN, "RX")):
            if changed & bit:
                self.mcu.hold_dma_request(f"{self.name}_{request}", level=bool(wanted & bit))

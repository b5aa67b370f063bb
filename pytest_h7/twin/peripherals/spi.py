"""SPI1 to SPI6 in Motorola mode: master and slave, full duplex, half duplex and simplex (RM0399 chapter 53).

Not modelled, and counted when firmware switches it on: I2S, TI mode and CRC. Wake-up from Stop is missing, too.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.peripherals.spi_bus import Attachment, Frame, SpiBus, SpiDevice
from pytest_h7.twin.peripherals.spi_settings import SPIS, ShiftRegister, SpiSettings
from pytest_h7.twin.timeline import PS_PER_S, Event

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu

_SPE, _MASRX, _CSTART, _CSUSP, _HDDIR, _SSI = (1 << bit for bit in (0, 8, 9, 10, 11, 12))
_IOLOCK = 1 << 16
_CR1_WRITABLE = _SPE | _MASRX | _HDDIR | _SSI | 7 << 13 | _IOLOCK
_RXDMAEN, _TXDMAEN = 1 << 14, 1 << 15
_DMA_ENABLES = _RXDMAEN | _TXDMAEN
_RXP, _TXP, _DXP, _EOT, _TXTF, _UDR, _OVR = (1 << bit for bit in range(7))
_MODF, _TSERF, _SUSP, _TXC = (1 << bit for bit in (9, 10, 11, 12))
_RXWNE = 1 << 15
_CLEARABLE = 0xFF8
_SAME_PLACE = 0x7F7
"""Flags whose interrupt enable has their own bit number; EOTIE is for three of them."""

_MOTOROLA = 0
_AT_BEGIN_OF_FRAME, _AT_END_OF_FRAME, _AT_SELECT = range(3)
"""When a slave looks for an underrun: codes of UDRDET."""


class Spi(SpiSettings):
    """One SPI. A slave answers only to a master of the chip whose SCK is wired to its own."""

    def __init__(self, mcu: Mcu, name: str) -> None:
        self._devices: list[Attachment] = []
        self._bus = SpiBus(mcu.pins, f"{name}_SCK", self._devices)
        self._flags = 0
        self._transmit: deque[int] = deque()
        self._received: deque[int] = deque()
        self._left = 0
        self._loadable = math.inf
        self._frame_end: Event | None = None
        self._sending: int | None = None
        self._first = True
        self._suspending = False
        self._shifter = ShiftRegister(self)
        self._last_received = 0
        self._last_sent = 0
        self._selected_by_edge = False
        self._requested = 0
        super().__init__(mcu, name)
        mcu.pins.listen(f"{name}_NSS", self._select_changed)

    def plain_storage(self) -> frozenset[str]:
        return frozenset({"CRCPOLY", "TXCRC", "RXCRC", "UDRDR"})

    def attach(self, device: SpiDevice, select_pin: str | None = None) -> None:
        """Wire a device of a test to SCK, MOSI and MISO, whatever pins these are.

        Args:
            device: What answers.
            select_pin: The pin whose low level selects it, such as ``"PD14"``; None selects it always.

        Raises:
            ValueError: there is no such pin.
        """
        if select_pin is None:
            device.select(True)
        else:
            self.mcu.pins.watch(select_pin, lambda level: device.select(not level))
        self._devices.append(Attachment(device, select_pin))

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._flags = 0
        self._disable()

    # -- slave select and outputs -----------------------------------------------------------------

    def _select_input(self) -> bool:
        """Return whether the internal slave select signal is active."""
        active = bool(self.field("CFG2", "SSIOP"))
        if self.field("CFG2", "SSM"):
            return bool(self["CR1"] & _SSI) is active
        if self.is_master and self.field("CFG2", "SSOE"):
            return False
        return self.mcu.pins.signal_level(f"{self.name}_NSS") is active

    @property
    def selected(self) -> bool:
        """Whether it is an enabled slave that listens to SCK; with NSS, since that became active."""
        if not self.enabled or self.is_master or self.field("I2SCFGR", "I2SMOD"):
            return False
        return self._select_input() and (bool(self.field("CFG2", "SSM")) or self._selected_by_edge)

    @property
    def data_input(self) -> str:
        """Signal of the pin it reads."""
        return self.data_signal(output=False)

    @property
    def data_output(self) -> str | None:
        """Signal of the pin that a slave drives, if it does."""
        return self.data_signal(output=True) if self.transmits else None

    def _select_changed(self, level: bool | None) -> None:
        """NSS has moved: a slave starts anew with the first bit, a master may lose its bus."""
        self._shifter.restart()
        self._selected_by_edge = self.enabled and self._select_input()
        if self._selected_by_edge and self.field("CFG1", "UDRDET") == _AT_SELECT:
            self._check_underrun()
        self._check_mode_fault()
        self._drive()
        self._update()

    def _check_mode_fault(self) -> None:
        """A master whose select input is active gives up (RM0399 53.5.2)."""
        if self.is_master and self._select_input():
            self._flags |= _MODF
            self["CFG2"] &= ~(1 << 22)
            self["CR1"] &= ~(_SPE | _IOLOCK)
            self._disable()

    def _drive(self) -> None:
        """Put SCK, NSS and data output on the pins; a slave that is not selected leaves them alone."""
        pins = self.mcu.pins
        driving = self.enabled or bool(self.field("CFG2", "AFCNTR"))
        master = driving and self.is_master
        pins.set_signal(f"{self.name}_SCK", bool(self.field("CFG2", "CPOL")) if master else None)
        if master and self.field("CFG2", "SSOE") and not self.field("CFG2", "SSM"):
            active = bool(self["CR1"] & _CSTART)
            pins.set_signal(f"{self.name}_NSS", active is bool(self.field("CFG2", "SSIOP")))
        else:
            pins.set_signal(f"{self.name}_NSS", None)
        output = self.data_signal(output=True)
        others = {f"{self.name}_MOSI", f"{self.name}_MISO"} - {output}
        for signal in others:
            pins.set_signal(signal, None)
        drives = (master or self.selected) and self.transmits
        pins.set_signal(output, bool(self._last_sent & 1) if drives else None)

    # -- registers ----------------------------------------------------------------------------------

    def write_CR1(self, value: int, master: Master) -> None:
        before = self["CR1"]
        kept = before & _IOLOCK if before & (_SPE | _IOLOCK) else 0
        value = value & (_CR1_WRITABLE | _CSTART | _CSUSP) | kept
        if self._flags & _MODF:
            value &= ~(_SPE | _IOLOCK)
        self["CR1"] = value & ~(_CSTART | _CSUSP) | before & _CSTART
        if before & _SPE and not value & _SPE:
            self._disable()
        elif value & _SPE and not before & _SPE:
            self._enable()
        self._check_mode_fault()
        if self.enabled and self.is_master:
            if value & _CSTART and not before & _CSTART:
                self._start()
            if value & _CSUSP and self["CR1"] & _CSTART:
                self._suspend()
        self._drive()
        self._start_frame()
        self._update()

    def write_CR2(self, value: int, master: Master) -> None:
        """Write TSIZE while the SPI is disabled, and TSER while that is zero."""
        if not self.enabled:
            self["CR2"] = self["CR2"] & ~0xFFFF | value & 0xFFFF
        if not self["CR2"] >> 16:
            self["CR2"] |= value & 0xFFFF_0000
        self._flags &= ~_TSERF
        self._update()

    def write_CFG1(self, value: int, master: Master) -> None:
        if self.enabled:
            value = self["CFG1"] & ~_DMA_ENABLES | value & _DMA_ENABLES
        self["CFG1"] = value & self.implemented("CFG1")
        self._count_if(bool(self.field("CFG1", "CRCEN")), "CFG1", master)
        self._update()

    def write_CFG2(self, value: int, master: Master) -> None:
        if self["CR1"] & (_SPE | _IOLOCK):
            return
        self["CFG2"] = value & self.implemented("CFG2")
        self._count_if(self.field("CFG2", "SP") != _MOTOROLA, "CFG2", master)
        self._check_mode_fault()
        self._drive()
        self._update()

    def write_I2SCFGR(self, value: int, master: Master) -> None:
        if not self.enabled:
            self["I2SCFGR"] = value & self.implemented("I2SCFGR")
        self._count_if(bool(self.field("I2SCFGR", "I2SMOD")), "I2SCFGR", master)

    def _count_if(self, unmodelled: bool, register: str, master: Master) -> None:
        if unmodelled and master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=True)

    def write_IER(self, value: int, master: Master) -> None:
        """Enable interrupts; TXTF clears TXPIE and DXPIE. Software can clear them, too, as ST's drivers do."""
        self["IER"] = value & self.implemented("IER")
        self._update()

    def read_SR(self, master: Master) -> int:
        return self._status()

    def write_IFCR(self, value: int, master: Master) -> None:
        self._flags &= ~(value & _CLEARABLE)
        self._start_frame()
        self._update()

    def _status(self) -> int:
        status = self._flags
        frame_bytes = self.frame_bytes
        occupied = len(self._received) * frame_bytes
        if len(self._received) >= self.packet:
            status |= _RXP
        if self._has_space():
            status |= _TXP
        if status & (_RXP | _TXP) == _RXP | _TXP:
            status |= _DXP
        if occupied >= 4:
            status |= _RXWNE
        if self.bits <= 16:
            status |= occupied % 4 // frame_bytes << 13
        if self["CR2"] & 0xFFFF:
            status |= _TXC if self._flags & _EOT else 0
        elif not self._transmit and self._frame_end is None:
            status |= _TXC
        return status | self._left << 16

    def _has_space(self) -> bool:
        """Return TXP: there is space for a packet, or for all that is missing (RM0399 53.4.11)."""
        wanted = self.packet
        if 0 < self._loadable < wanted:
            wanted = int(self._loadable)
        return self.capacity - len(self._transmit) >= wanted

    # -- data registers -------------------------------------------------------------------------------

    def read_RXDR(self, master: Master) -> int:
        return self._read_frames(4)

    def read_narrow(self, offset: int, size: int, master: Master) -> int:
        """Read a byte or half-word; of RXDR, as many frames as fit into the access."""
        if offset == self._offsets["RXDR"]:
            return self._read_frames(size)
        return super().read_narrow(offset, size, master)

    def _read_frames(self, size: int) -> int:
        value = 0
        for place in self.places(size):
            if self._received:
                value |= self._received.popleft() << place
        self._start_frame()
        self._update()
        return value & (1 << 8 * size) - 1

    def write_TXDR(self, value: int, master: Master) -> None:
        self._write_frames(value, 4)

    def write_narrow(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write a byte or half-word; to TXDR, as many frames as fit into the access."""
        if offset == self._offsets["TXDR"]:
            self._write_frames(value, size)
        else:
            super().write_narrow(offset, size, value, master)

    def _write_frames(self, value: int, size: int) -> None:
        if not self.enabled:
            return
        for place in self.places(size):
            if self._loadable > 0 and len(self._transmit) < self.capacity:
                self._transmit.append(value >> place & (1 << self.bits) - 1)
                self._loadable -= 1
                if self._loadable == 0:
                    self._flags |= _TXTF
                    self["IER"] &= ~(_TXP | _DXP)
        self._start_frame()
        self._update()

    # -- transfers ------------------------------------------------------------------------------------

    def _enable(self) -> None:
        self._left = self["CR2"] & 0xFFFF
        self._loadable = self._left or math.inf
        self._shifter.restart()
        self._selected_by_edge = False

    def _disable(self) -> None:
        """Stop at once and flush the FIFOs (RM0399 53.11.1, SPE)."""
        if self._frame_end is not None:
            self._frame_end.cancel()
        self._frame_end = None
        self._sending = None
        self._suspending = False
        self._transmit.clear()
        self._received.clear()
        self._left = 0
        self._loadable = math.inf
        self["CR1"] &= ~_CSTART
        self._drive()
        self._update()

    def _start(self) -> None:
        """Begin a transfer of TSIZE frames, or one without end."""
        if not self._left:
            self._left = self["CR2"] & 0xFFFF
            if self._loadable == 0:
                self._loadable = self._left
        self["CR1"] |= _CSTART
        self._first = True

    def _suspend(self) -> None:
        self._suspending = True
        if self._frame_end is None:
            self._finish_suspending()

    def _finish_suspending(self) -> None:
        self._suspending = False
        self["CR1"] &= ~_CSTART
        self._flags |= _SUSP

    def clock_changed(self) -> None:
        """Go on with a transfer that waited for the kernel clock."""
        self._start_frame()

    def _start_frame(self) -> None:
        """Let a master clock its next frame, if it has data or only receives."""
        if self._frame_end is not None or self["CR1"] & (_SPE | _CSTART) != _SPE | _CSTART:
            return
        if self._flags & _SUSP or self.field("I2SCFGR", "I2SMOD"):
            return
        clock = kernel_clock_hz(self.mcu.rcc, self.name) if self.mcu.clocked(self.name) else 0
        if not clock or (self.transmits and not self._transmit):
            return
        if not self.transmits and self["CR1"] & _MASRX and len(self._received) >= self.capacity:
            self._flags |= _SUSP
            self._update()
            return
        cycles = self.bits
        if not self._first:
            cycles += self.field("CFG2", "MIDI")
        elif self.field("CFG2", "SSOE"):
            cycles += self.field("CFG2", "MSSI")
        self._first = False
        self._sending = self._transmit.popleft() if self.transmits else None
        divider = 2 << self.field("CFG1", "MBR")
        self._frame_end = self.mcu.schedule(cycles * divider * PS_PER_S // clock, self._finish_frame)

    def _finish_frame(self) -> None:
        sent, self._sending, self._frame_end = self._sending, None, None
        data = None if sent is None else self.wire_order(sent)
        frame = Frame(data, self.bits, self.samples_rising_edges)
        output, source = self.data_signal(output=True), self.data_signal(output=False)
        heard = self._bus.exchange(frame, output, source, self._slaves())
        if data is not None:
            self._show(data)
        if self.receives:
            self._take(self.wire_order(heard))
        self._count_frame()
        if self._suspending:
            self._finish_suspending()
        self._drive()
        self._start_frame()
        self._update()

    def _slaves(self) -> list[Spi]:
        others = (self.mcu.peripherals[name] for name in SPIS if name != self.name)
        return [other for other in others if isinstance(other, Spi) and not other.is_master]

    def _show(self, data: int) -> None:
        """Leave the last bit of a frame on the data output."""
        self._last_sent = data
        self.mcu.pins.set_signal(self.data_signal(output=True), bool(data & 1))

    def _take(self, frame: int) -> None:
        self._last_received = frame
        if len(self._received) >= self.capacity or self._flags & _OVR:
            self._flags |= _OVR
        else:
            self._received.append(frame)

    def _count_frame(self) -> None:
        """Count a frame of a transfer of known size; with the last one it ends, or is extended by TSER."""
        if not self._left:
            return
        self._left -= 1
        extension = self["CR2"] >> 16
        if self._left == 0 and extension and self.is_master:
            self["CR2"] = self._left = extension
            self._loadable = extension
            self._flags |= _TSERF
        elif self._left == 0:
            self._flags |= _EOT
            self["CR1"] &= ~_CSTART

    # -- slave ----------------------------------------------------------------------------------------

    def exchange(self, incoming: int, bits: int) -> int:
        """Shift bits in and as many out, the first one in the highest place."""
        outgoing = self._shifter.exchange(incoming, bits)
        self._update()
        return outgoing

    def next_frame(self) -> int:
        """Return what a slave sends next, in the order of the wire."""
        if not self.transmits:
            return 0
        if self.field("CFG1", "UDRDET") == _AT_BEGIN_OF_FRAME:
            self._check_underrun()
        ready = self._transmit and not self._flags & _UDR
        return self.wire_order(self._transmit.popleft() if ready else self._underrun_pattern())

    def _check_underrun(self) -> None:
        if not self._transmit:
            self._flags |= _UDR

    def _underrun_pattern(self) -> int:
        """Return what a slave without data sends (RM0399 53.11.3, UDRCFG)."""
        match self.field("CFG1", "UDRCFG"):
            case 0:
                return self["UDRDR"] & (1 << self.bits) - 1
            case 1:
                return self._last_received if self.receives else 0
        return self.wire_order(self._last_sent)

    def frame_shifted(self, incoming: int, outgoing: int) -> None:
        """Take a whole frame that a master has clocked."""
        if self.transmits:
            self._show(outgoing)
            if self.field("CFG1", "UDRDET") == _AT_END_OF_FRAME and self._left != 1:
                self._check_underrun()
        if self.receives:
            self._take(self.wire_order(incoming))
        self._count_frame()

    # -- interrupt and DMA ----------------------------------------------------------------------------

    def _update(self) -> None:
        """Drive the interrupt line and the requests to DMA."""
        status = self._status()
        enables = self["IER"]
        active = status & enables & _SAME_PLACE or (status & (_EOT | _SUSP | _TXC) and enables & _EOT)
        self.mcu.drive_interrupt(self.name, self.name, bool(active))
        wanted = self["CFG1"] & _DMA_ENABLES if self.enabled else 0
        if not status & _TXP or self._loadable == 0:
            wanted &= ~_TXDMAEN
        if not status & _RXP:
            wanted &= ~_RXDMAEN
        changed, self._requested = wanted ^ self._requested, wanted
        for bit, request in ((_TXDMAEN, "TX"), (_RXDMAEN, "RX")):
            if changed & bit:
                self.mcu.hold_dma_request(f"{self.name}_{request}", level=bool(wanted & bit))

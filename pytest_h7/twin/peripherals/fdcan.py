"""FDCAN1 and FDCAN2 without a bus: set-up, message RAM, and frames nobody acknowledges (RM0399 chapter 59).

Nothing is ever received. Loop-back modes, time-triggered operation and the clock calibration are not modelled, and
counted when firmware switches them on. Two FDCANs whose pins are wired together do not hear each other.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals import fdcan_bus as bus
from pytest_h7.twin.peripherals.fdcan_bus import PASSIVE, WARNING, LastError, Line
from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

FDCANS = ("FDCAN1", "FDCAN2")
_INIT, _CCE, _CSA, _CSR, _DAR, _TEST = (1 << bit for bit in (0, 1, 3, 4, 6, 7))
_LOCKED, _ONLY_CLEARED = 0xF340, 1 << 2 | 1 << 5 | 1 << 7
"""Bits that stay, or cannot be set, unless INIT and CCE are set: DAR, FDOE, BRSE and above; ASM, MON, TEST."""

_PROTECTED = (
    *(
        "DBTP",
        "TEST",
        "RWD",
        "NBTP",
        "TSCC",
        "TOCC",
        "TDCR",
        "GFC",
        "SIDFC",
        "XIDFC",
        "XIDAM",
        "RXF0C",
        "RXBC",
    ),
    *("RXF1C", "RXESC", "TXBC", "TXESC", "TXEFC"),
)
_LOOPBACK = 1 << 4
_IR_TCF, _IR_EP, _IR_EW, _IR_BO, _IR_PEA = (1 << bit for bit in (10, 23, 24, 25, 27))
_EP, _EW, _BO = 1 << 5, 1 << 6, 1 << 7
_SYNCHRONIZING, _IDLE, _TRANSMITTER = 0, 1, 3
_ACTIVITY_PLACE = 3
_INTEGRATION_BITS = 11
_RECOVERY_BITS = 129 * 11
_ELEMENT_WORDS = (4, 5, 6, 7, 8, 10, 14, 18)
"""Words of a transmit buffer, by TXESC.TBDS."""

_RAM_WORDS = 2560


class MessageRam(Peripheral):
    """The 10 KByte of RAM both FDCANs share; cleared by a reset, which is not known of the hardware."""

    flat = frozenset({"_cells"})

    def __init__(self, mcu: Mcu) -> None:
        self._cells = bytearray(4 * _RAM_WORDS)
        super().__init__(mcu, "SRAMCAN")

    @property
    def span(self) -> int:
        """Bytes of its addresses."""
        return len(self._cells)

    def reset(self) -> None:
        """Clear all words."""
        self._cells[:] = bytes(len(self._cells))

    def read(self, offset: int, size: int, master: Master) -> int:
        """Return bytes of the RAM."""
        return int.from_bytes(self._cells[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write bytes of the RAM."""
        self._cells[offset : offset + size] = value.to_bytes(size, "little")

    def words(self, index: int, count: int) -> tuple[int, ...]:
        """Return whole words; zeros behind the end."""
        data = self._cells[4 * index : 4 * (index + count)].ljust(4 * count, b"\0")
        return struct.unpack(f"<{count}I", data)


class Fdcan(Peripheral):
    """One FDCAN."""

    def __init__(self, mcu: Mcu, name: str, ram: MessageRam) -> None:
        self._ram = ram
        self._errors = bus.ErrorState()
        self._last_error = LastError.NO_CHANGE
        self._logged = 0
        self._idle = False
        self._put = 0
        self._queue: list[int] = []
        self._event: Event | None = None
        super().__init__(mcu, name)
        for register in _PROTECTED:
            self.model(register, writer=partial(self._write_protected, register))

    def plain_storage(self) -> frozenset[str]:
        return frozenset(name for name in self.map.registers if not name.startswith(("TT", "TUR")))

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._leave_bus()
        self._forget_messages()
        self._errors.transmit = 0
        self._logged = 0
        self._last_error = LastError.NO_CHANGE
        self._update()

    # -- set-up ---------------------------------------------------------------------------------

    @property
    def _configurable(self) -> bool:
        return self["CCCR"] & (_INIT | _CCE) == _INIT | _CCE

    def write_CCCR(self, value: int, master: Master) -> None:
        """Write CCCR: CCE needs INIT, most other bits need both; a stopped clock sets INIT (RM0399 chapter 59)."""
        before = self["CCCR"]
        init = value & _INIT or value & _CSR
        value = value & self.implemented("CCCR") & ~_CSA
        if not self._configurable:
            value = value & ~(_LOCKED | _ONLY_CLEARED & ~before) | before & _LOCKED
        value = value | _INIT if init else value & ~(_INIT | _CCE)
        if not before & _INIT:
            value &= ~_CCE
        self["CCCR"] = value | (_CSA if value & _CSR else 0)
        if value & _CCE and not before & _CCE:
            self._forget_messages()
        if not value & _TEST:
            self["TEST"] = 0
        if value & _INIT:
            self._leave_bus()
        elif before & _INIT:
            self._join_bus()

    def _write_protected(self, register: str, value: int, master: Master) -> None:
        if not self._configurable or (register == "TEST" and not self["CCCR"] & _TEST):
            return
        self[register] = value & self.implemented(register)
        if register == "TEST" and value & _LOOPBACK and master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=True)

    # -- bus ------------------------------------------------------------------------------------

    def _bits(self, count: int) -> int:
        """Return the time of so many bits in the arbitration phase."""
        quanta = 3 + self.field("NBTP", "NTSEG1") + self.field("NBTP", "NTSEG2")
        clocks = count * quanta * (self.field("NBTP", "NBRP") + 1)
        return clocks * PS_PER_S // max(1, kernel_clock_hz(self.mcu.rcc, self.name))

    def _wait(self, bits: int, action: Callable[[], None]) -> None:
        self._event = self.mcu.schedule(self._bits(bits), action)

    def _leave_bus(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self._idle = False

    def _join_bus(self) -> None:
        """Wait for the bus to be idle; after bus-off, much longer, and begin without errors."""
        if kernel_clock_hz(self.mcu.rcc, self.name):
            self._wait(_RECOVERY_BITS if self._errors.bus_off else _INTEGRATION_BITS, self._integrated)

    def _integrated(self) -> None:
        self._event = None
        if bus.line_state(self.mcu.pins, self.name) is Line.DOMINANT:
            self._wait(_INTEGRATION_BITS, self._integrated)
            return
        self._idle = True
        if self._errors.bus_off:
            self._errors.transmit = 0
            self._update()
        self._transmit()

    def _transmit(self) -> None:
        """Send the next waiting frame; one that changes nothing any more is not sent again and again."""
        if self._event is not None or not self._idle or not self._queue:
            return
        line = bus.line_state(self.mcu.pins, self.name)
        if line is Line.DOMINANT:
            self._idle = False
            self._wait(_INTEGRATION_BITS, self._integrated)
            return
        words = self._ram.words(self._element(self._queue[0]), 2)
        passive = self._errors.transmit >= PASSIVE
        error = LastError.BIT0 if line is Line.DEAF else LastError.ACKNOWLEDGE
        self._wait(bus.frame_bits(line, *words, passive=passive), lambda: self._failed(error))

    def _element(self, buffer: int) -> int:
        start = self.field("TXBC", "TBSA")
        return start + buffer * _ELEMENT_WORDS[self.field("TXESC", "TBDS")]

    def _failed(self, error: LastError) -> None:
        """Nobody has acknowledged the frame, or it has not even appeared on RX."""
        self._event = None
        before = self._errors.transmit
        self._errors.count(error)
        self._last_error = error
        self._logged = min(self._logged + 1, 0xFF)
        flags = _IR_PEA
        for level, flag in ((WARNING, _IR_EW), (PASSIVE, _IR_EP)):
            if before < level <= self._errors.transmit:
                flags |= flag
        if self._errors.bus_off:
            flags |= _IR_BO
            self["CCCR"] |= _INIT
            self._leave_bus()
        self["IR"] |= flags
        if self["CCCR"] & _DAR:
            self._drop(1 << self._queue[0])
        if self._errors.transmit != before or self["CCCR"] & _DAR:
            self._transmit()
        self._update()

    # -- messages to send -----------------------------------------------------------------------

    @property
    def _dedicated(self) -> int:
        return self.field("TXBC", "NDTB")

    @property
    def _fifo_size(self) -> int:
        return min(self.field("TXBC", "TFQS"), 32 - self._dedicated)

    def _forget_messages(self) -> None:
        self._put = 0
        self._queue = []
        self["TXBRP"] = self["TXBCF"] = self["TXBTO"] = 0

    def write_TXBAR(self, value: int, master: Master) -> None:
        """Ask for buffers to be sent, as far as they are configured."""
        if self["CCCR"] & _CCE:
            return
        requested = value & ((1 << self._dedicated + self._fifo_size) - 1) & ~self["TXBRP"]
        self["TXBRP"] |= requested
        self["TXBCF"] &= ~requested
        self._queue += [buffer for buffer in range(32) if requested >> buffer & 1]
        in_fifo = (requested >> self._dedicated).bit_count()
        if self._fifo_size:
            self._put = (self._put + in_fifo) % self._fifo_size
        self._transmit()

    def read_TXBAR(self, master: Master) -> int:
        return self["TXBRP"]

    def write_TXBCR(self, value: int, master: Master) -> None:
        """Cancel requests; one that is being sent ends with its attempt, which is taken to be now."""
        pending = value & self["TXBRP"]
        if self._queue and pending >> self._queue[0] & 1 and self._event is not None and self._idle:
            self._event.cancel()
            self._event = None
        self._drop(pending)
        self._transmit()
        self._update()

    def _drop(self, buffers: int) -> None:
        self["TXBRP"] &= ~buffers
        self["TXBCF"] |= buffers
        self._queue = [buffer for buffer in self._queue if not buffers >> buffer & 1]
        if buffers & self["TXBCIE"]:
            self["IR"] |= _IR_TCF

    def read_TXFQS(self, master: Master) -> int:
        """Return what is free in the FIFO or queue, and where the next message goes."""
        waiting = [buffer - self._dedicated for buffer in self._queue if buffer >= self._dedicated]
        free = self._fifo_size - len(waiting)
        put, get = self._put, waiting[0] if waiting else self._put
        if self.field("TXBC", "TFQM"):
            put = min((place for place in range(self._fifo_size) if place not in waiting), default=0)
            free = get = 0
        full = self._fifo_size > 0 and len(waiting) == self._fifo_size
        return free | get + self._dedicated << 8 | put + self._dedicated << 16 | full << 21

    # -- status ---------------------------------------------------------------------------------

    def read_ECR(self, master: Master) -> int:
        """Return the error counters; the logged errors are forgotten."""
        logged, self._logged = self._logged, 0
        return logged << 16 | min(self._errors.transmit, 0xFF)

    def read_PSR(self, master: Master) -> int:
        """Return the protocol status; the last error is forgotten."""
        error, self._last_error = self._last_error, LastError.NO_CHANGE
        activity = _SYNCHRONIZING
        if self._idle:
            activity = _TRANSMITTER if self._queue else _IDLE
        status = 7 << 8 | error | activity << _ACTIVITY_PLACE
        for level, flag in ((WARNING, _EW), (PASSIVE, _EP)):
            status |= flag if self._errors.transmit >= level else 0
        return status | (_BO if self._errors.bus_off else 0)

    def write_IR(self, value: int, master: Master) -> None:
        self["IR"] &= ~value
        self._update()

    def write_IE(self, value: int, master: Master) -> None:
        self["IE"] = value
        self._update()

    def write_ILS(self, value: int, master: Master) -> None:
        self["ILS"] = value
        self._update()

    def write_ILE(self, value: int, master: Master) -> None:
        self["ILE"] = value & 3
        self._update()

    def _update(self) -> None:
        active = self["IR"] & self["IE"]
        for line, selected in ((0, active & ~self["ILS"]), (1, active & self["ILS"])):
            level = bool(selected and self["ILE"] >> line & 1)
            self.mcu.drive_interrupt(f"{self.name}_IT{line}", self.name, level)


class FdcanCalibration(Peripheral):
    """The clock calibration unit: settings, and a software reset that is over at once."""

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "FDCAN_CCU")

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers) - {"CCFG"}

    def write_CCFG(self, value: int, master: Master) -> None:
        """Write the settings; a calibration is only counted, because it never ends without a bus."""
        if value >> 31:
            self.reset()
            return
        self["CCFG"] = value & self.implemented("CCFG")
        if not self.field("CCFG", "BCC") and master.is_core:
            self.mcu.count_unmodelled(self.name, "CCFG", master, write=True)

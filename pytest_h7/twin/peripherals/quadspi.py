"""QUADSPI with no memory connected: transfers take their time and read the levels of the pins (RM0399 chapter 24).

Memory-mapped mode is not modelled: the region at 0x9000_0000 gives a bus error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.kernel_clocks import kernel_clock_hz
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S, PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_EN, _ABORT = 1 << 0, 1 << 1
_TEF, _TCF, _FTF, _SMF, _TOF, _BUSY = (1 << bit for bit in range(6))
_INDIRECT_WRITE, _INDIRECT_READ, _POLLING, _MEMORY_MAPPED = range(4)
_LINES = (0, 1, 2, 4)
_FIFO_BYTES = 32
_ENABLED_FLAGS = _TEF | _TCF | _FTF | _SMF | _TOF
_SLICE = 20 * PS_PER_US
"""Data that nobody waits for arrives in pieces of about this length."""


class Quadspi(Peripheral):
    """The Quad-SPI interface."""

    def __init__(self, mcu: Mcu) -> None:
        self._flags = 0
        self._running = False
        self._event: Event | None = None
        self._in_fifo = 0
        self._left = 0
        super().__init__(mcu, "QUADSPI")

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._flags = 0
        self._end()

    # -- registers ------------------------------------------------------------------------------

    def write_CR(self, value: int, master: Master) -> None:
        """Write CR; an abort is over at once."""
        self["CR"] = value & self.implemented("CR") & ~_ABORT
        if value & _ABORT and self._running:
            self._flags |= _TCF
            self._end()
        elif not value & _EN:
            self._end()
        self._update()

    def read_SR(self, master: Master) -> int:
        return self._status()

    def write_FCR(self, value: int, master: Master) -> None:
        self._flags &= ~(value & (_TEF | _TCF | _SMF | _TOF))
        self._update()

    def write_CCR(self, value: int, master: Master) -> None:
        """Set up a transfer, which starts here if neither an address nor data to write are to come."""
        if self._running and self._mode != _MEMORY_MAPPED:
            return
        self["CCR"] = value & self.implemented("CCR")
        self._end()
        writes_data = self._mode == _INDIRECT_WRITE and self.field("CCR", "DMODE")
        if self._mode == _MEMORY_MAPPED or not (self.field("CCR", "ADMODE") or writes_data):
            self._start(master)

    def write_AR(self, value: int, master: Master) -> None:
        """Set the address, and start a transfer that waits for it."""
        if self._running:
            return
        self["AR"] = value
        writes_data = self._mode == _INDIRECT_WRITE and self.field("CCR", "DMODE")
        if self.field("CCR", "ADMODE") and not writes_data:
            self._start(master)

    def read_DR(self, master: Master) -> int:
        return self._take(4)

    def read_narrow(self, offset: int, size: int, master: Master) -> int:
        """Read a byte or half-word; of DR, that many bytes of data."""
        if offset == self._offsets["DR"]:
            return self._take(size)
        return super().read_narrow(offset, size, master)

    def write_DR(self, value: int, master: Master) -> None:
        self._give(4, master)

    def write_narrow(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write a byte or half-word; to DR, that many bytes of data."""
        if offset == self._offsets["DR"]:
            self._give(size, master)
        else:
            super().write_narrow(offset, size, value, master)

    # -- transfers ------------------------------------------------------------------------------

    @property
    def _mode(self) -> int:
        return self.field("CCR", "FMODE")

    def _cycles(self) -> int:
        """Return the clocks of instruction, address, alternate bytes and dummy cycles."""
        cycles = self.field("CCR", "DCYC")
        for lines, size in (
            (self.field("CCR", "IMODE"), 1),
            (self.field("CCR", "ADMODE"), self.field("CCR", "ADSIZE") + 1),
            (self.field("CCR", "ABMODE"), self.field("CCR", "ABSIZE") + 1),
        ):
            cycles += 8 * size // _LINES[lines] if lines else 0
        return cycles

    def _time(self, cycles: int) -> int:
        clock = kernel_clock_hz(self.mcu.rcc, self.name)
        return cycles * (self.field("CR", "PRESCALER") + 1) * PS_PER_S // max(1, clock)

    @property
    def _byte_time(self) -> int:
        return self._time(8 // _LINES[self.field("CCR", "DMODE")])

    def _start(self, master: Master) -> None:
        if not self["CR"] & _EN:
            return
        if self._mode == _MEMORY_MAPPED and master.is_core:
            self.mcu.count_unmodelled(self.name, "CCR", master, write=True)
        self._running = True
        self._in_fifo = 0
        has_data = self.field("CCR", "DMODE") and self._mode in (_INDIRECT_WRITE, _INDIRECT_READ)
        self._left = self["DLR"] + 1 & 0xFFFF_FFFF if has_data else 0
        if self._mode in (_INDIRECT_WRITE, _INDIRECT_READ):
            self._event = self.mcu.schedule(self._time(self._cycles()), self._go_on)
        self._update()

    def _go_on(self) -> None:
        """Move data as far as the FIFO allows; a transfer without data left is over."""
        self._event = None
        if not self._left and not (self._mode == _INDIRECT_WRITE and self._in_fifo):
            self._flags |= _TCF
            self._running = False
            self._update()
            return
        reading = self._mode == _INDIRECT_READ
        free = min(_FIFO_BYTES - self._in_fifo, self._left) if reading else self._in_fifo
        count = min(free, max(1, _SLICE // max(1, self._byte_time)))
        if count:
            self._event = self.mcu.schedule(count * self._byte_time, lambda: self._moved(count))
        self._update()

    def _moved(self, count: int) -> None:
        if self._mode == _INDIRECT_READ:
            self._in_fifo += count
            self._left -= count
        else:
            self._in_fifo -= count
        self._go_on()

    def _take(self, size: int) -> int:
        """Return bytes out of the FIFO: what the lines show, which nobody drives."""
        count = min(size, self._in_fifo)
        self._in_fifo -= count
        byte = self._byte_on_lines()
        if self._running and self._event is None:
            self._go_on()
        self._update()
        return sum(byte << 8 * index for index in range(count))

    def _give(self, size: int, master: Master) -> None:
        if self._mode != _INDIRECT_WRITE or not self["CR"] & _EN:
            return
        if not self._running:
            self._start(master)
        count = min(size, self._left, _FIFO_BYTES - self._in_fifo)
        self._in_fifo += count
        self._left -= count
        if self._event is None:
            self._go_on()
        self._update()

    def _byte_on_lines(self) -> int:
        """Return a byte as the levels of the data lines make it: IO1 alone, IO1 and IO0, or all four."""
        bank = 2 if self.field("CR", "FSEL") else 1
        names = {1: (1,), 2: (1, 0), 4: (3, 2, 1, 0)}[_LINES[self.field("CCR", "DMODE")] or 1]
        levels = [bool(self.mcu.pins.signal_level(f"QUADSPI_BK{bank}_IO{line}")) for line in names]
        byte = 0
        for level in self._repeated(levels, 8):
            byte = byte << 1 | level
        return byte

    @staticmethod
    def _repeated(levels: list[bool], count: int) -> Iterator[bool]:
        for index in range(count):
            yield levels[index % len(levels)]

    def _end(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self._running = False
        self._in_fifo = self._left = 0
        self._update()

    # -- status ---------------------------------------------------------------------------------

    def _status(self) -> int:
        status = self._flags | self._in_fifo << 8
        if self._running:
            status |= _BUSY
        threshold = self.field("CR", "FTHRES") + 1
        if self._mode == _INDIRECT_READ:
            done = not self._running and self._in_fifo
            status |= _FTF if self._in_fifo >= threshold or done else 0
        elif self._running and self._mode == _INDIRECT_WRITE:
            status |= _FTF if _FIFO_BYTES - self._in_fifo >= threshold and self._left else 0
        return status

    def _update(self) -> None:
        """Drive the interrupt line."""
        status = self._status()
        self.mcu.drive_interrupt(self.name, self.name, bool(status & self["CR"] >> 16 & _ENABLED_FLAGS))

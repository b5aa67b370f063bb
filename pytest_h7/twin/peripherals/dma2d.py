"""DMA2D: fills rectangles and copies them (RM0399 chapter 19).

Conversion of pixel formats and blending are not modelled: such a transfer is counted, and never ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.bus_port import BusPort, Pointer
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.timeline import Event

_START, _SUSPEND, _ABORT = 1 << 0, 1 << 1, 1 << 2
_TEIF, _TCIF, _CEIF = 1 << 0, 1 << 1, 1 << 5
_FLAGS = 0x3F
_COPY, _CONVERT, _BLEND, _FILL = range(4)
_OUTPUT_BYTES = (4, 3, 2, 2, 2)
"""Bytes of a pixel by OPFCCR.CM."""

_INPUT_BYTES = (4, 3, 2, 2, 2, 1, 2, 1, 1, 1, 1)
"""Bytes of a pixel by FGPFCCR.CM; what is smaller than a byte counts as one."""


class Dma2d(Peripheral):
    """The graphics accelerator. A line takes as many AXI clocks as it has words."""

    def __init__(self, mcu: Mcu) -> None:
        self._port = BusPort(mcu, Master.MDMA)
        self._event: Event | None = None
        super().__init__(mcu, "DMA2D")

    def plain_storage(self) -> frozenset[str]:
        return frozenset(self.map.registers)

    def reset(self) -> None:
        """Reset by a system reset or by RCC."""
        super().reset()
        self._stop()
        self._update()

    def _stop(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self["CR"] &= ~(_START | _SUSPEND | _ABORT)

    # -- registers ------------------------------------------------------------------------------

    def write_CR(self, value: int, master: Master) -> None:
        """Write CR: start a transfer, suspend or abort the one under way; an abort is over at once."""
        running = self["CR"] & _START
        self["CR"] = (value & self.implemented("CR") | running) & ~_ABORT
        if value & _ABORT and running:
            self._stop()
        elif value & _START and not running:
            self._start(master)
        elif running and not value & _SUSPEND:
            self._go_on()
        self._update()

    def write_IFCR(self, value: int, master: Master) -> None:
        self["ISR"] &= ~(value & _FLAGS)
        self._update()

    def read_ISR(self, master: Master) -> int:
        return self["ISR"]

    # -- transfer -------------------------------------------------------------------------------

    @property
    def _mode(self) -> int:
        return self.field("CR", "MODE")

    @property
    def _pixel_bytes(self) -> int:
        """Bytes of a pixel of the output; a copy keeps those of its source. 0 for a reserved format."""
        code = self.field("FGPFCCR" if self._mode == _COPY else "OPFCCR", "CM")
        sizes = _INPUT_BYTES if self._mode == _COPY else _OUTPUT_BYTES
        return sizes[code] if code < len(sizes) else 0

    def _start(self, master: Master) -> None:
        if self._mode in (_CONVERT, _BLEND):
            if master.is_core:
                self.mcu.count_unmodelled(self.name, "CR", master, write=True)
        elif not (self._pixel_bytes and self.field("NLR", "NL") and self.field("NLR", "PL")):
            self._finish(_CEIF)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Let the whole rectangle be written when its time is over; suspended, the time begins anew."""
        if self._event is not None or self._mode in (_CONVERT, _BLEND):
            return
        words = self.field("NLR", "NL") * self.field("NLR", "PL") * self._pixel_bytes // 4 + 1
        self._event = self.mcu.schedule(words * PS_PER_S // self.mcu.rcc.clock_hz("hclk"), self._transfer)

    def _transfer(self) -> None:
        self._event = None
        if self["CR"] & _SUSPEND:
            return
        try:
            for line in range(self.field("NLR", "NL")):
                self._write_line(line)
        except BusFault:
            self._finish(_TEIF)
        else:
            self._finish(_TCIF)

    def _write_line(self, line: int) -> None:
        size = self._pixel_bytes
        pixels = self.field("NLR", "PL")
        if self._mode == _FILL:
            data = (self["OCOLR"] & (1 << 8 * size) - 1).to_bytes(size, "little") * pixels
        else:
            stride = (pixels + self.field("FGOR", "LO")) * size
            data = self._port.read(Pointer(self["FGMAR"] + line * stride, 1, 1), pixels * size)
        stride = (pixels + self.field("OOR", "LO")) * size
        self._port.write(Pointer(self["OMAR"] + line * stride, 1, 1), data)

    def _finish(self, flag: int) -> None:
        self["ISR"] |= flag
        self["CR"] &= ~_START
        self._update()

    def _update(self) -> None:
        self.mcu.drive_interrupt(self.name, self.name, bool(self["ISR"] & self["CR"] >> 8 & _FLAGS))

"""DMA1 and DMA2 (RM0399 chapter 16); what their streams do is in `dma_channel`.

Not modelled: the peripheral as flow controller (PFCTRL), bufferable transfers (TRBUFF has no effect), errors of
the direct mode and overruns of the FIFO (the memory port never waits).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.bus import Master
from pytest_h7.twin.peripherals.dma_channel import CHANNELS, DmaController, DmaFlag, Setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

_FE, _TE, _HT, _TC = 1 << 0, 1 << 3, 1 << 4, 1 << 5
_FLAGS = {DmaFlag.COMPLETE: _TC, DmaFlag.HALF: _HT, DmaFlag.TRANSFER_ERROR: _TE}
_ALL_FLAGS = 0x3D
_PLACES = (0, 6, 16, 22)
"""First bit of a stream's flags in LISR or HISR."""

_EN, _DMEIE, _TEIE, _HTIE, _TCIE = (1 << bit for bit in range(5))
_PFCTRL, _CIRC, _PINC, _MINC, _PINCOS, _DBM, _CT = (1 << bit for bit in (5, 8, 9, 10, 15, 18, 19))
_WRITABLE_WHILE_ENABLED = _EN | _DMEIE | _TEIE | _HTIE | _TCIE
_DMDIS, _FEIE = 1 << 2, 1 << 7
_TO_PERIPHERAL, _BETWEEN_MEMORIES = 1, 2
_BEATS = (1, 4, 8, 16)
_FIFO_SIZE = 16


class Dma(DmaController):
    """A controller with eight streams.

    Enabling a stream does not look at its flags, although the manual asks for them to be cleared first.

    Args:
        mcu: The chip.
        name: ``"DMA1"`` or ``"DMA2"``.

    Attributes:
        on_complete: Called with the number of a stream when its TCIF rises; None while nobody listens.
    """

    def __init__(self, mcu: Mcu, name: str) -> None:
        self.on_complete: Callable[[int], None] | None = None
        self._flags = [0] * CHANNELS
        super().__init__(mcu, name, Master[name])
        for word, half in enumerate("LH"):
            self.model(f"{half}ISR", partial(self._read_flags, 4 * word))
            self.model(f"{half}IFCR", writer=partial(self._clear_flags, 4 * word))
        for number in range(CHANNELS):
            self.model(
                f"S{number}CR", partial(self._read_control, number), partial(self._write_control, number)
            )
            self.model(
                f"S{number}NDTR", partial(self._read_count, number), partial(self._write_count, number)
            )
            self.model(f"S{number}PAR", writer=partial(self._write_peripheral_address, number))
            for target in (0, 1):
                writer = partial(self._write_memory_address, number, target)
                self.model(f"S{number}M{target}AR", writer=writer)
            self.model(
                f"S{number}FCR",
                partial(self._read_fifo_control, number),
                partial(self._write_fifo_control, number),
            )

    def reset(self) -> None:
        """Reset by a system reset or by RCC: no stream is enabled, no flag set."""
        super().reset()
        for number in range(CHANNELS):
            self._flags[number] = 0
            self._update_interrupt(number)

    # -- flags ----------------------------------------------------------------------------------

    def report(self, number: int, flag: DmaFlag) -> None:
        self._raise(number, _FLAGS[flag])

    def _raise(self, number: int, flag: int) -> None:
        rising = flag & ~self._flags[number]
        self._flags[number] |= flag
        self._update_interrupt(number)
        if rising & _TC and self.on_complete is not None:
            self.on_complete(number)

    def _read_flags(self, first: int, master: Master) -> int:
        return sum(self._flags[first + index] << place for index, place in enumerate(_PLACES))

    def _clear_flags(self, first: int, value: int, master: Master) -> None:
        for index, place in enumerate(_PLACES):
            self._flags[first + index] &= ~(value >> place & _ALL_FLAGS)
            self._update_interrupt(first + index)

    def _update_interrupt(self, number: int) -> None:
        control, flags = self[f"S{number}CR"], self._flags[number]
        enabled = (control & (_TEIE | _HTIE | _TCIE)) << 1
        if self[f"S{number}FCR"] & _FEIE:
            enabled |= _FE
        level = bool(flags & enabled)
        self.mcu.drive_interrupt(f"{self.name}_Stream{number}", self.name, level)

    # -- a stream's registers -------------------------------------------------------------------

    def _read_control(self, number: int, master: Master) -> int:
        stream = self.channels[number]
        value = self[f"S{number}CR"] & ~(_EN | _CT)
        return value | (_EN if stream.enabled else 0) | (_CT if stream.target else 0)

    def _write_control(self, number: int, value: int, master: Master) -> None:
        """Write CR; of an enabled stream only the interrupts can be changed, and EN cleared."""
        name, stream = f"S{number}CR", self.channels[number]
        value &= self.implemented(name)
        if stream.enabled:
            value = value & _WRITABLE_WHILE_ENABLED | self[name] & ~_WRITABLE_WHILE_ENABLED
        else:
            stream.target = int(bool(value & _CT))
        self[name] = value
        if value & _EN and not stream.enabled:
            self._enable(number)
        elif stream.enabled and not value & _EN:
            stream.stop()
            self._raise(number, _TC)  # tells that the stream is off (RM0399 16.3.17); HAL_DMA_Abort_IT waits
        self._update_interrupt(number)

    def _enable(self, number: int) -> None:
        setup = self._setup(number)
        if self._burst_fits(number, setup):
            self.channels[number].start(setup, self.channels[number].target)
        else:
            self._raise(number, _FE)

    def _setup(self, number: int) -> Setup:
        control, fifo_control = self[f"S{number}CR"], self[f"S{number}FCR"]
        stream = self.channels[number]
        direction = control >> 6 & 3
        between_memories = direction == _BETWEEN_MEMORIES
        uses_fifo = bool(fifo_control & _DMDIS) or between_memories
        peripheral_size = 1 << min(control >> 11 & 3, 2)
        memory_size = 1 << min(control >> 13 & 3, 2) if uses_fifo else peripheral_size
        peripheral_step = 4 if control & _PINCOS and uses_fifo else peripheral_size
        return Setup(
            reads_peripheral=direction != _TO_PERIPHERAL,
            between_memories=between_memories,
            circular=bool(control & _CIRC) and not between_memories,
            double_buffer=bool(control & _DBM) and not between_memories,
            peripheral=self[f"S{number}PAR"],
            peripheral_size=peripheral_size,
            peripheral_step=peripheral_step if control & _PINC else 0,
            memory_size=memory_size,
            memory_step=memory_size if control & _MINC else 0,
            count=stream.remaining or self[f"S{number}NDTR"],
            burst=_BEATS[control >> 21 & 3] if uses_fifo else 1,
            threshold=(fifo_control & 3) + 1 << 2 if uses_fifo and not between_memories else 0,
            packs=True,
        )

    def _burst_fits(self, number: int, setup: Setup) -> bool:
        """Return whether memory bursts divide the FIFO threshold (RM0399 table 118)."""
        burst = _BEATS[self[f"S{number}CR"] >> 23 & 3] * setup.memory_size
        threshold = (self[f"S{number}FCR"] & 3) + 1 << 2
        return burst == setup.memory_size or threshold % burst == 0

    def memory_address(self, number: int, target: int) -> int:
        return self[f"S{number}M{target}AR"]

    def _read_count(self, number: int, master: Master) -> int:
        return self.channels[number].remaining

    def _write_count(self, number: int, value: int, master: Master) -> None:
        """Set the number of items; what was written last is loaded again when the stream is enabled at 0."""
        if not self.channels[number].enabled:
            self[f"S{number}NDTR"] = self.channels[number].remaining = value & 0xFFFF

    def _write_peripheral_address(self, number: int, value: int, master: Master) -> None:
        if not self.channels[number].enabled:
            self[f"S{number}PAR"] = value

    def _write_memory_address(self, number: int, target: int, value: int, master: Master) -> None:
        """Set an address; with double buffering the one that is not in use may be changed at any time."""
        stream = self.channels[number]
        if not stream.enabled:
            self[f"S{number}M{target}AR"] = value
        elif self[f"S{number}CR"] & _DBM:
            if stream.target != target:
                self[f"S{number}M{target}AR"] = value
            else:
                stream.stop()
                self.report(number, DmaFlag.TRANSFER_ERROR)

    def _read_fifo_control(self, number: int, master: Master) -> int:
        level = len(self.channels[number].fifo)
        if level == 0:
            status = 4
        elif level >= _FIFO_SIZE:
            status = 5
        else:
            status = level >> 2
        return self[f"S{number}FCR"] & ~0x38 | status << 3

    def _write_fifo_control(self, number: int, value: int, master: Master) -> None:
        kept = 0 if not self.channels[number].enabled else 3 | _DMDIS
        name = f"S{number}FCR"
        self[name] = value & (3 | _DMDIS | _FEIE) & ~kept | self[name] & kept
        self._update_interrupt(number)

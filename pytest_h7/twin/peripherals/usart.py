"""USART in asynchronous mode, with and without FIFOs, at the speed its kernel clock gives it.

Source: RM0399 chapter 51. Not modelled, and counted when firmware switches it on: DMA, hardware flow
control, LIN, smartcard, IrDA, half duplex, synchronous and multiprocessor modes, receiver time-out, break
characters, automatic baud rate and wake-up from Stop.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_S, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu


def rates_match(sender: float, receiver: float) -> bool:
    """Return whether characters at one baud rate arrive unbroken at the other."""
    return bool(receiver) and abs(sender / receiver - 1) <= _TOLERANCE


@dataclass(frozen=True, slots=True)
class PinFunction:
    """A pin and the alternate function that connects it to the USART."""

    port: str
    number: int
    function: int


_PINS = {"USART3": (PinFunction("D", 8, 7), PinFunction("D", 9, 7))}
"""TX and RX as the board wires them: USART3 goes to the ST-LINK (ST's NUCLEO-H755ZI-Q board support)."""

FIFO_SIZE = 16
_RECEIVE_CAPACITY = FIFO_SIZE + 1
"""RXFF stands for a full FIFO and one more character in RDR (RM0399 51.8.9)."""

_PRESCALERS = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)
_THRESHOLDS = (2, 4, 8, 12, 14, 16)
"""Characters (receive) or free places (transmit) at which RXFT and TXFT come, by RXFTCFG and TXFTCFG."""

_TOLERANCE = 0.0333
"""Largest deviation of the sender's baud rate that still gives the right character (RM0399 table 422, the
line for 8 data bits and oversampling by 16)."""

_PE, _FE, _NE, _ORE, _IDLE, _RXNE, _TC, _TXE = (1 << bit for bit in range(8))
_CMF = 1 << 17
_BUSY = 1 << 16
_TEACK, _REACK, _TXFE, _RXFF = (1 << bit for bit in range(21, 25))
_RXFT, _TXFT = 1 << 26, 1 << 27
_CLEARABLE = _PE | _FE | _NE | _ORE | _IDLE | _TC | _CMF

_CR1_INTERRUPTS = (
    (4, _IDLE),
    (5, _RXNE | _ORE),
    (6, _TC),
    (7, _TXE),
    (8, _PE),
    (14, _CMF),
    (30, _TXFE),
    (31, _RXFF),
)
_CR3_INTERRUPTS = ((0, _FE | _NE | _ORE), (23, _TXFT), (28, _RXFT))
"""Enable bit and the flags it lets through."""

_UE, _RE, _TE = 1 << 0, 1 << 2, 1 << 3
_CR1_FIXED_WHILE_ENABLED = 1 << 10 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 15 | 0x3FF << 16 | 1 << 28 | 1 << 29
_MODELLED = {
    "CR1": _UE | _RE | _TE | 0x1F0 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 14 | 1 << 15 | 0xF << 28,
    "CR2": 3 << 12 | 0xFF << 24,
    "CR3": 1 << 0 | 1 << 11 | 1 << 12 | 1 << 23 | 0x7F << 25,
}
_RXFRQ, _TXFRQ = 1 << 3, 1 << 4
_STOP_BITS = (1.0, 0.5, 2.0, 1.5)


class Usart(Peripheral):
    """One USART between the chip's registers and a line to the outside.

    Args:
        mcu: The chip.
        name: ``"USART3"`` or another whose registers are listed.
        irq: Its interrupt line, the same in both cores' NVIC.

    Attributes:
        on_transmit: Called with each character and the board time of its last stop bit, in picoseconds,
            if TX is switched to the pin. None while nobody listens.
    """

    def __init__(self, mcu: Mcu, name: str, irq: int) -> None:
        self.on_transmit: Callable[[int, int], None] | None = None
        self._irq = irq
        self._irq_level = False
        pins = _PINS.get(name)
        self._tx_pin = pins[0] if pins else None
        self._rx_pin = pins[1] if pins else None
        self._flags = _TC
        self._tx_queue: deque[int] = deque()
        self._shifting: int | None = None
        self._tx_event: Event | None = None
        self._rx_queue: deque[int] = deque()
        self._line: deque[tuple[int, int]] = deque()
        self._rx_event: Event | None = None
        self._idle_event: Event | None = None
        super().__init__(mcu, name)

    def reset(self) -> None:
        """Reset by a system reset or by RCC; what is on the line keeps coming, and is lost."""
        super().reset()
        self._abandon()

    # -- speed ----------------------------------------------------------------------------------

    @property
    def baud_rate(self) -> float:
        """Bits per second at the present kernel clock; 0 without a clock or with BRR below its minimum."""
        divider = self["BRR"]
        clock = self.mcu.usart_clock_hz(self.name) if self.mcu.clocked(self.name) else 0
        if divider < 16 or not clock:
            return 0.0
        prescaler = _PRESCALERS[min(self["PRESC"], len(_PRESCALERS) - 1)]
        if self.field("CR1", "OVER8"):
            return 2 * clock / prescaler / (divider & 0xFFF0 | (divider & 7) << 1)
        return clock / prescaler / divider

    @property
    def _data_bits(self) -> int:
        """Bits between start and stop bit, parity included, as M1 and M0 say."""
        return (8, 9, 7, 8)[self.field("CR1", "M1") << 1 | self.field("CR1", "M0")]

    def _frame_time(self, baud_rate: float) -> int:
        bits = 1 + self._data_bits + _STOP_BITS[self.field("CR2", "STOP")]
        return round(bits * PS_PER_S / baud_rate)

    @property
    def _data_mask(self) -> int:
        return (1 << self._data_bits - self.field("CR1", "PCE")) - 1

    @property
    def _fifo(self) -> bool:
        return bool(self.field("CR1", "FIFOEN"))

    def _enabled(self, bit: int) -> bool:
        return self["CR1"] & (_UE | bit) == _UE | bit

    def _connected(self, pin: PinFunction | None) -> bool:
        if pin is None:
            return False
        return self.mcu.gpio[pin.port].alternate_function(pin.number) == pin.function

    # -- transmitter ----------------------------------------------------------------------------

    def write_TDR(self, value: int, master: Master) -> None:
        """Queue a character; without FIFO a second one replaces the first, with a full FIFO it is lost."""
        if not self["CR1"] & _UE:
            return
        if not self._fifo:
            self._tx_queue.clear()
        if len(self._tx_queue) < FIFO_SIZE:
            self._tx_queue.append(value & self._data_mask)
        self._flags &= ~_TC
        self._start_frame()

    def read_TDR(self, master: Master) -> int:
        return self._tx_queue[-1] if self._tx_queue else 0

    def clock_changed(self) -> None:
        """Go on with a transmission that waited for the kernel clock."""
        if self._tx_event is None and (self._tx_queue or self._shifting is not None):
            self._start_frame()

    def _start_frame(self) -> None:
        if self._tx_event is None and self._enabled(_TE) and (self._tx_queue or self._shifting is not None):
            if self._shifting is None:
                self._shifting = self._tx_queue.popleft()
            self._schedule_frame()
        self._update_interrupt()

    def _schedule_frame(self) -> None:
        """Let a frame end in time: a character's, or the idle one that TE sends first."""
        baud_rate = self.baud_rate
        if baud_rate:
            self._tx_event = self.mcu.schedule(self._frame_time(baud_rate), self._finish_frame)

    def _finish_frame(self) -> None:
        character, self._shifting, self._tx_event = self._shifting, None, None
        if self.on_transmit is not None and character is not None and self._connected(self._tx_pin):
            self.on_transmit(character, self.mcu.now)
        if not self._tx_queue:
            self._flags |= _TC
        self._start_frame()

    def _stop_transmitting(self) -> None:
        if self._tx_event is not None:
            self._tx_event.cancel()
        self._tx_event = None
        self._shifting = None
        self._flags |= _TC

    # -- receiver -------------------------------------------------------------------------------

    def receive(self, data: Iterable[int], baud_rate: int = 115_200) -> None:
        """Put characters on the RX line, one frame of 10 bits after another, after those already on it.

        Args:
            data: The characters.
            baud_rate: The sender's speed. If it is too far from the USART's own, characters arrive broken.
        """
        self._line.extend((character, baud_rate) for character in data)
        self._next_character()

    def _next_character(self) -> None:
        if self._rx_event is None and self._line:
            self._cancel_idle()
            _, baud_rate = self._line[0]
            self._rx_event = self.mcu.schedule(10 * PS_PER_S // baud_rate, self._arrive)

    def _arrive(self) -> None:
        """A frame has ended on the line: RX has it, or it is lost."""
        character, sender = self._line.popleft()
        self._rx_event = None
        own = self.baud_rate
        if own and self._enabled(_RE) and self._connected(self._rx_pin):
            if not rates_match(sender, own):
                # The receiver samples the wrong bits; all ones stands for whatever it finds.
                character = self._data_mask
                self._flags |= _FE
            self._take(character & self._data_mask)
            if not self._line:
                self._idle_event = self.mcu.schedule(self._frame_time(own), self._line_idle)
        self._next_character()

    def _take(self, character: int) -> None:
        if len(self._rx_queue) >= (_RECEIVE_CAPACITY if self._fifo else 1):
            if not self.field("CR3", "OVRDIS"):
                self._flags |= _ORE
                self._update_interrupt()
                return
            self._rx_queue.pop()
        self._rx_queue.append(character)
        if character == self.field("CR2", "ADD"):
            self._flags |= _CMF
        self._update_interrupt()

    def _line_idle(self) -> None:
        self._idle_event = None
        self._flags |= _IDLE
        self._update_interrupt()

    def _cancel_idle(self) -> None:
        if self._idle_event is not None:
            self._idle_event.cancel()
        self._idle_event = None

    def read_RDR(self, master: Master) -> int:
        """Return the oldest character and take it out."""
        if self._rx_queue:
            self["RDR"] = self._rx_queue.popleft()
            self._update_interrupt()
        return self["RDR"]

    # -- control and status ---------------------------------------------------------------------

    def _abandon(self) -> None:
        """Drop everything under way, as clearing UE does; the configuration stays."""
        self._tx_queue.clear()
        self._stop_transmitting()
        self._rx_queue.clear()
        self._cancel_idle()
        self._flags = _TC
        self._update_interrupt()

    def write_CR1(self, value: int, master: Master) -> None:
        """Write CR1; frame format and FIFO can only be changed while UE is 0."""
        before = self["CR1"]
        if before & _UE:
            value = value & ~_CR1_FIXED_WHILE_ENABLED | before & _CR1_FIXED_WHILE_ENABLED
        self._store("CR1", value, master)
        if before & ~value & _UE:
            self._abandon()
        elif before & ~value & _TE:
            self._stop_transmitting()
        elif self._enabled(_TE) and before & (_UE | _TE) != _UE | _TE:
            self._schedule_frame()
        self._start_frame()

    def write_CR2(self, value: int, master: Master) -> None:
        self._store("CR2", value, master)

    def write_CR3(self, value: int, master: Master) -> None:
        self._store("CR3", value, master)
        self._update_interrupt()

    def _store(self, register: str, value: int, master: Master) -> None:
        self[register] = value & self.implemented(register)
        if self[register] & ~_MODELLED[register] and master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=True)

    def write_BRR(self, value: int, master: Master) -> None:
        """Set the divider; ignored while UE is 1."""
        if not self["CR1"] & _UE:
            self["BRR"] = value & 0xFFFF

    def write_PRESC(self, value: int, master: Master) -> None:
        """Set the prescaler; ignored while UE is 1."""
        if not self["CR1"] & _UE:
            self["PRESC"] = value & 0xF

    def read_ISR(self, master: Master) -> int:
        return self._status()

    def write_ICR(self, value: int, master: Master) -> None:
        self._flags &= ~(value & _CLEARABLE)
        self._update_interrupt()

    def write_RQR(self, value: int, master: Master) -> None:
        if value & _RXFRQ:
            self._rx_queue.clear()
        if value & _TXFRQ:
            self._tx_queue.clear()
        if value & ~(_RXFRQ | _TXFRQ) and master.is_core:
            self.mcu.count_unmodelled(self.name, "RQR", master, write=True)
        self._update_interrupt()

    def _status(self) -> int:
        status = self._flags
        received, waiting = len(self._rx_queue), len(self._tx_queue)
        receiving = self._rx_event is not None and self._enabled(_RE) and self._connected(self._rx_pin)
        conditions = [
            (_RXNE, received > 0),
            (_TXE, waiting < (FIFO_SIZE if self._fifo else 1)),
            (_BUSY, receiving),
            (_TEACK, self._enabled(_TE)),
            (_REACK, self._enabled(_RE)),
        ]
        if self._fifo:
            conditions += [
                (_TXFE, waiting == 0),
                (_RXFF, received == _RECEIVE_CAPACITY),
                (_RXFT, received >= self._threshold("RXFTCFG")),
                (_TXFT, FIFO_SIZE - waiting >= self._threshold("TXFTCFG")),
            ]
        return status | sum(flag for flag, holds in conditions if holds)

    def _threshold(self, field: str) -> int:
        return _THRESHOLDS[min(self.field("CR3", field), len(_THRESHOLDS) - 1)]

    def _update_interrupt(self) -> None:
        status = self._status()
        level = any(self["CR1"] >> bit & 1 and status & flags for bit, flags in _CR1_INTERRUPTS) or any(
            self["CR3"] >> bit & 1 and status & flags for bit, flags in _CR3_INTERRUPTS
        )
        if level != self._irq_level:
            self._irq_level = level
            for core in ("cm7", "cm4"):
                self.mcu.set_irq(core, self._irq, level)

"""USART1-3 and 6, UART4, 5, 7, 8 and LPUART1, as asynchronous ports at the speed of their kernel clock.

Sources: RM0399 chapter 51, for LPUART1 chapter 52. Transmitter and receiver are modules of their own. Not
modelled, and counted when firmware switches it on: synchronous, smartcard and IrDA mode, mute mode and 7-bit
addresses. Noise does not happen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.usart_receiver import RECEIVE_CAPACITY, Receiver
from pytest_h7.twin.peripherals.usart_settings import (
    CTSE,
    DDRE,
    DEM,
    DEP,
    FIFO_SIZE,
    FIFOEN,
    LPUART,
    RE,
    RTSE,
    TE,
    TXINV,
    UE,
    UESM,
    UsartSettings,
)
from pytest_h7.twin.peripherals.usart_transmitter import Transmitter

if TYPE_CHECKING:
    from pytest_h7.twin.bus import Master
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.serial_line import Frame, Reception

USARTS = ("USART1", "USART2", "USART3", "UART4", "UART5", "USART6", "UART7", "UART8", LPUART)

_PE, _FE, _NE, _ORE, _IDLE, _RXNE, _TC, _TXE, _LBDF, _CTSIF, _CTS, _RTOF = (1 << bit for bit in range(12))
_ABRE, _ABRF, _BUSY, _CMF, _SBKF = (1 << bit for bit in range(14, 19))
_WUF, _TEACK, _REACK, _TXFE, _RXFF = (1 << bit for bit in range(20, 25))
_RXFT, _TXFT = 1 << 26, 1 << 27
_CLEARABLE = _PE | _FE | _NE | _ORE | _IDLE | _TC | _LBDF | _CTSIF | _RTOF | _CMF | _WUF

_RECEIVE_INTERRUPTS = (
    ("CR1", 4, _IDLE),
    ("CR1", 5, _RXNE | _ORE),
    ("CR1", 8, _PE),
    ("CR1", 14, _CMF),
    ("CR1", 26, _RTOF),
    ("CR1", 31, _RXFF),
    ("CR2", 6, _LBDF),
    ("CR3", 0, _FE | _NE | _ORE),
    ("CR3", 22, _WUF),
    ("CR3", 28, _RXFT),
)
_TRANSMIT_INTERRUPTS = (
    ("CR1", 6, _TC),
    ("CR1", 7, _TXE),
    ("CR1", 30, _TXFE),
    ("CR3", 10, _CTSIF),
    ("CR3", 23, _TXFT),
)
"""Register and bit that enable an interrupt, and the flags that cause it."""

_WAKE_UP_LINES = {
    **{name: (line, line) for line, name in enumerate(("USART1", "USART2", "USART3", "USART6"), start=26)},
    **{name: (line, line) for line, name in enumerate(("UART4", "UART5", "UART7", "UART8"), start=30)},
    LPUART: (34, 35),
}
"""EXTI lines of reception and transmission (RM0399 table 152)."""

_FIXED_WHILE_ENABLED = {
    "CR1": 1 << 10 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 15 | 0x3FF << 16 | 1 << 28 | 1 << 29,
    "CR2": 3 << 12 | 0x3F << 14,
    "CR3": 1 << 3 | 3 << 8 | 7 << 11 | 3 << 14 | 3 << 20,
}
_NOT_MODELLED = {
    "CR1": 1 << 11 | 1 << 13 | 1 << 27,
    "CR2": 1 << 0 | 3 << 3 | 0xF << 8,
    "CR3": 3 << 1 | 3 << 4 | 7 << 17 | 1 << 24,
}
_DMAR, _DMAT = 1 << 6, 1 << 7
_ABRRQ, _SBKRQ, _MMRQ, _RXFRQ, _TXFRQ = (1 << bit for bit in range(5))


class Usart(UsartSettings):
    """One U(S)ART between the chip's registers and its pins.

    Args:
        mcu: The chip.
        name: One of `USARTS`.
    """

    def __init__(self, mcu: Mcu, name: str) -> None:
        self._flags = _TC
        self._wake_up_levels = [False, False]
        self._requests = {"RX": False, "TX": False}
        super().__init__(mcu, name)
        self._transmitter = Transmitter(self)
        self._receiver = Receiver(self)
        mcu.serial_lines.add_port(name, self)

    def reset(self) -> None:
        """Reset by a system reset or by RCC; what is on the line keeps coming, and is lost."""
        listening = self["CR3"] & CTSE
        super().reset()
        if listening:
            self._listen()
        self._abandon()

    def clock_changed(self) -> None:
        """Go on with a transmission that waited for the kernel clock."""
        if self._transmitter.waiting:
            self._transmitter.go_on()

    # -- from the transmitter -------------------------------------------------------------------

    @property
    def clear_to_send(self) -> bool:
        """Whether a frame may begin; a CTS that no pin is switched to is low."""
        return not self["CR3"] & CTSE or not self.mcu.pins.signal_level(self.signal("CTS"))

    def transmission_complete(self) -> None:
        """Note that nothing is left to send."""
        self._flags |= _TC

    def show_driver_enable(self, *, active: bool) -> None:
        """Drive DE, which is high while active unless DEP is set."""
        self.mcu.pins.set_signal(self.signal("DE"), active is not bool(self["CR3"] & DEP))

    # -- from the line --------------------------------------------------------------------------

    def frame_started(self) -> None:
        """Take a start bit."""
        self._receiver.frame_started()

    def frame_dropped(self) -> None:
        """Forget a start bit."""
        self._receiver.frame_dropped()

    def frame_ended(self, frame: Frame) -> None:
        """Take a frame."""
        self._receiver.frame_ended(frame)

    def count_errors(self, reception: Reception) -> None:
        """Note what was wrong with a frame."""
        if reception.parity_error:
            self._flags |= _PE
        if reception.framing_error:
            self._flags |= _FE

    def character_received(self, word: int) -> None:
        """Note that a character is in the queue."""
        if self.matches(word):
            self._flags |= _CMF
        self.update()

    def matches(self, word: int) -> bool:
        """Return whether a character is the one in ADD."""
        return word & 0xFF == self.field("CR2", "ADD")

    def overrun(self) -> None:
        """Note that a character is lost."""
        self._flags |= _ORE
        self.update()

    def line_idle(self) -> None:
        """Note that the line was idle for a frame."""
        self._flags |= _IDLE
        self.update()

    def timed_out(self) -> None:
        """Note that the line was idle for the time in RTOR."""
        self._flags |= _RTOF
        self.update()

    def lin_break_detected(self) -> None:
        """Note a LIN break."""
        self._flags |= _LBDF

    def wake_up(self) -> None:
        """Note the event that ends Stop mode."""
        self._flags |= _WUF
        self.update()

    @property
    def auto_baud_pending(self) -> bool:
        """Whether the next character decides on the baud rate."""
        return bool(self.option("CR2", "ABREN")) and not self._flags & _ABRF

    def auto_baud_done(self, *, error: bool) -> None:
        """Note that a character has decided on the baud rate, or could not."""
        self._flags |= _ABRF | (_ABRE if error else 0)

    # -- data -----------------------------------------------------------------------------------

    def write_TDR(self, value: int, master: Master) -> None:
        """Queue a character; ignored while UE is 0."""
        if self["CR1"] & UE:
            self._flags &= ~_TC
            self._transmitter.put(value & (1 << self.format.data_bits) - 1)
            self.update()

    def read_TDR(self, master: Master) -> int:
        return self._transmitter.queue[-1] if self._transmitter.queue else 0

    def read_RDR(self, master: Master) -> int:
        """Return the oldest character, with its parity bit, and take it out."""
        if self._receiver.queue:
            self["RDR"] = self._receiver.queue.popleft()
            self.update()
        return self["RDR"]

    # -- control --------------------------------------------------------------------------------

    def write_CR1(self, value: int, master: Master) -> None:
        """Write CR1; frame format and FIFO can only be changed while UE is 0."""
        before = self["CR1"]
        self._store("CR1", value, master)
        after = self["CR1"]
        if before & ~after & UESM:
            self._flags &= ~_WUF
        if before & ~after & UE:
            self._abandon()
            return
        if before & ~after & TE:
            self._transmitter.stop()
            self._flags |= _TC
        elif self.enabled(TE) and before & (UE | TE) != UE | TE:
            self._transmitter.send_idle()
        self._show_pins()
        self._transmitter.go_on()
        self.update()

    def write_CR2(self, value: int, master: Master) -> None:
        """Write CR2; what concerns the line can only be changed while UE is 0."""
        self._store("CR2", value, master)
        if not self.option("CR2", "ABREN"):
            self._flags &= ~(_ABRF | _ABRE)
        self._show_pins()
        self.update()

    def write_CR3(self, value: int, master: Master) -> None:
        """Write CR3; what concerns the line can only be changed while UE is 0."""
        listening = self["CR3"] & CTSE
        self._store("CR3", value, master)
        if (listening ^ self["CR3"]) & CTSE:
            self._listen()
        self._show_pins()
        self.update()

    def _store(self, register: str, value: int, master: Master) -> None:
        if self["CR1"] & UE:
            fixed = _FIXED_WHILE_ENABLED[register]
            value = value & ~fixed | self[register] & fixed
        self[register] = value & self.implemented(register)
        if self[register] & _NOT_MODELLED[register] and master.is_core:
            self.mcu.count_unmodelled(self.name, register, master, write=True)

    def write_BRR(self, value: int, master: Master) -> None:
        """Set the divider; ignored while UE is 1."""
        if not self["CR1"] & UE:
            self["BRR"] = value & self.implemented("BRR")

    def write_PRESC(self, value: int, master: Master) -> None:
        """Set the prescaler; ignored while UE is 1."""
        if not self["CR1"] & UE:
            self["PRESC"] = value & 0xF

    def write_RTOR(self, value: int, master: Master) -> None:
        self["RTOR"] = value

    def write_RQR(self, value: int, master: Master) -> None:
        """Take requests: for a break, to empty a queue, to detect the baud rate again."""
        if value & _ABRRQ:
            self._flags &= ~(_ABRF | _ABRE)
        if value & _SBKRQ and self["CR1"] & UE:
            self._transmitter.request_break()
        if value & _RXFRQ:
            self._receiver.queue.clear()
        if value & _TXFRQ:
            self._transmitter.queue.clear()
        if value & _MMRQ and master.is_core:
            self.mcu.count_unmodelled(self.name, "RQR", master, write=True)
        self.update()

    def _abandon(self) -> None:
        """Drop everything under way, as clearing UE does; the configuration stays."""
        self._transmitter.queue.clear()
        self._transmitter.stop()
        self._receiver.stop()
        self._flags = _TC
        self._show_pins()
        self.update()

    # -- pins -----------------------------------------------------------------------------------

    def _show_pins(self) -> None:
        """Drive what the set-up drives: TX idles high while the transmitter is on."""
        pins = self.mcu.pins
        drives = self.enabled(TE) and not self.half_duplex
        pins.set_signal(self.signal("RX"), None)
        pins.set_signal(self.signal("TX"), not self["CR2"] & TXINV if drives else None)
        if not self.enabled(0) or not self["CR3"] & DEM:
            pins.set_signal(self.signal("DE"), None)
        elif not self._transmitter.driving:
            self.show_driver_enable(active=False)

    def _listen(self) -> None:
        listener = self._cts_changed if self["CR3"] & CTSE else None
        self.mcu.pins.listen(self.signal("CTS"), listener)

    def _cts_changed(self, level: bool | None) -> None:
        self._flags |= _CTSIF
        self._transmitter.go_on()
        self.update()

    # -- status ---------------------------------------------------------------------------------

    def read_ISR(self, master: Master) -> int:
        return self._status()

    def write_ICR(self, value: int, master: Master) -> None:
        self._flags &= ~(value & _CLEARABLE)
        self.update()

    def _status(self) -> int:
        status = self._flags
        received, waiting = len(self._receiver.queue), len(self._transmitter.queue)
        if received:
            status |= _RXNE
        control = self["CR1"]
        if waiting < (FIFO_SIZE if control & FIFOEN else 1):
            status |= _TXE
        if control & (UE | TE) == UE | TE:
            status |= _TEACK
        if control & (UE | RE) == UE | RE:
            status |= _REACK
            if self._receiver.busy and self.receiver_connected:
                status |= _BUSY
        if self._transmitter.break_requested:
            status |= _SBKF
        if self["CR3"] & CTSE and self.clear_to_send:
            status |= _CTS
        if control & FIFOEN:
            status |= self._fifo_status(received, waiting)
        return status

    def _fifo_status(self, received: int, waiting: int) -> int:
        status = 0
        if not waiting:
            status |= _TXFE | _TXFT
        elif FIFO_SIZE - waiting >= self.threshold("TXFTCFG"):
            status |= _TXFT
        if received and received >= self.threshold("RXFTCFG"):
            status |= _RXFT
        if received == RECEIVE_CAPACITY:
            status |= _RXFF
        return status

    def update(self) -> None:
        """Drive interrupt, wake-up, DMA requests and RTS as the status says."""
        status = self._status()
        controls = {register: self[register] for register in _FIXED_WHILE_ENABLED}
        receive, transmit = (
            any(status & flags and controls[register] >> bit & 1 for register, bit, flags in causes)
            for causes in (_RECEIVE_INTERRUPTS, _TRANSMIT_INTERRUPTS)
        )
        self.mcu.drive_interrupt(self.name, self.name, receive or transmit)
        self._drive_wake_up(receive, transmit)
        self._drive_requests(status)
        if self["CR3"] & RTSE:
            ready = len(self._receiver.queue) < (FIFO_SIZE if self.fifo else 1)
            self.mcu.pins.set_signal(self.signal("RTS"), not (ready and self.enabled(RE)))
        else:
            self.mcu.pins.set_signal(self.signal("RTS"), None)

    def _drive_wake_up(self, receive: bool, transmit: bool) -> None:
        lines = _WAKE_UP_LINES[self.name]
        levels = [receive, transmit] if lines[0] != lines[1] else [receive or transmit] * 2
        for place, level in enumerate(levels):
            wanted = level and bool(self["CR1"] & UESM)
            if wanted is not self._wake_up_levels[place]:
                self._wake_up_levels[place] = wanted
                self.mcu.exti.set_direct_line(lines[place], wanted)

    def _drive_requests(self, status: int) -> None:
        """Request DMA transfers; with DDRE not while there is a reception error (RM0399 51.5.18)."""
        faulty = self["CR3"] & DDRE and status & (_PE | _FE | _NE)
        wanted = {
            "RX": bool(self["CR3"] & _DMAR and status & _RXNE and not faulty),
            "TX": bool(self["CR3"] & _DMAT and status & _TXE and self.enabled(TE)),
        }
        for line, level in wanted.items():
            if level is not self._requests[line]:
                self._requests[line] = level
                self.mcu.hold_dma_request(f"{self.name}_{line}", level)

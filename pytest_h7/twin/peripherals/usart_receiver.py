"""The receiver of a U(S)ART (RM0399 51.5.6, 51.5.8, 51.5.9, 51.5.17, 51.5.21)."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.usart_settings import FIFO_SIZE, RE

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.usart import Usart
    from pytest_h7.twin.serial_line import Format, Frame, Reception
    from pytest_h7.twin.timeline import Event

RECEIVE_CAPACITY = FIFO_SIZE + 1
"""RXFF stands for a full FIFO and one more character in RDR (RM0399 51.8.9)."""

_AUTO_BAUD_PATTERNS = ((0x01, 0x01), (0x03, 0x01), (0xFF, 0x7F), (0xFF, 0x55))
"""Mask and bits of the characters that a mode of automatic baud rate detection measures."""


class WakeUp(enum.IntEnum):
    """What ends Stop mode, as in WUS."""

    ADDRESS = 0
    START_BIT = 2
    NOT_EMPTY = 3


class Receiver:
    """Takes frames from the line into its queue.

    Attributes:
        queue: The receive FIFO; without FIFO mode, RDR.
        busy: Whether a frame is on the line.
    """

    def __init__(self, usart: Usart) -> None:
        self.queue: deque[int] = deque()
        self.busy = False
        self._usart = usart
        self._idle: Event | None = None
        self._timeout: Event | None = None

    @property
    def full(self) -> bool:
        """Whether one more character is an overrun."""
        return len(self.queue) >= (RECEIVE_CAPACITY if self._usart.fifo else 1)

    def stop(self) -> None:
        """Forget everything but what is on the line."""
        self.queue.clear()
        self._cancel_timers()

    def _cancel_timers(self) -> None:
        for event in (self._idle, self._timeout):
            if event is not None:
                event.cancel()
        self._idle = self._timeout = None

    # -- the line -------------------------------------------------------------------------------

    def frame_started(self) -> None:
        """Take a start bit."""
        self.busy = True
        self._cancel_timers()
        if self._wakes_by(WakeUp.START_BIT):
            self._usart.wake_up()

    def frame_dropped(self) -> None:
        """Forget a start bit: the sender has gone off."""
        self.busy = False

    def frame_ended(self, frame: Frame) -> None:
        """Take a frame, if the receiver works."""
        usart = self._usart
        self.busy = False
        if usart.auto_baud_pending and usart.enabled(RE) and usart.receiver_connected:
            self._detect_baud_rate(frame)
        own = usart.baud_rate
        if not own or not usart.enabled(RE) or not usart.receiver_connected:
            return
        reception = self._format.decode(frame, own)
        usart.count_errors(reception)
        if usart.option("CR2", "LINEN") and not frame.stop and not frame.bits:
            usart.lin_break_detected()
        self._take(reception)
        self._idle = usart.mcu.schedule(usart.frame_time(own), self._line_idle)
        if usart.option("CR2", "RTOEN"):
            duration = usart.bits(usart.field("RTOR", "RTO"), own)
            self._timeout = usart.mcu.schedule(duration, self._timed_out)

    @property
    def _format(self) -> Format:
        return dataclasses.replace(self._usart.format, line_inverted=bool(self._usart.field("CR2", "RXINV")))

    def _take(self, reception: Reception) -> None:
        usart = self._usart
        if self._wakes_by(WakeUp.NOT_EMPTY) or (
            self._wakes_by(WakeUp.ADDRESS) and usart.matches(reception.word)
        ):
            usart.wake_up()
        if self.full:
            if not usart.field("CR3", "OVRDIS"):
                usart.overrun()
                return
            self.queue.pop()
        self.queue.append(reception.word)
        usart.character_received(reception.word)

    def _wakes_by(self, event: WakeUp) -> bool:
        usart = self._usart
        return usart.stopped and usart.field("CR3", "WUS") == event and usart.enabled(RE)

    def _line_idle(self) -> None:
        self._idle = None
        self._usart.line_idle()

    def _timed_out(self) -> None:
        self._timeout = None
        self._usart.timed_out()

    # -- automatic baud rate ----------------------------------------------------------------------

    def _detect_baud_rate(self, frame: Frame) -> None:
        """Measure the sender's speed on the first character (RM0399 51.5.9).

        Mode 0 measures the start bit, so the first bit has to be 1; mode 1 needs bits 1 and 0 at the beginning;
        modes 2 and 3 wait for characters 0x7F and 0x55.
        """
        usart = self._usart
        mask, pattern = _AUTO_BAUD_PATTERNS[usart.field("CR2", "ABRMODE")]
        in_range = frame.bits & mask == pattern and usart.set_baud_rate(frame.baud_rate)
        usart.auto_baud_done(error=not in_range)

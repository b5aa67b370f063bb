"""The transmitter of a U(S)ART (RM0399 51.5.5, 51.5.19, 51.5.20)."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import TYPE_CHECKING

from pytest_h7.twin.peripherals.usart_settings import DEM, FIFO_SIZE, LPUART, TE, TXINV
from pytest_h7.twin.serial_line import Frame, Hearer, Waveform

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.usart import Usart
    from pytest_h7.twin.timeline import Event

_LIN_BREAK_BITS = 13
_BREAK_STOP_BITS = 2


class Transmitter:
    """Sends what is in its queue, frame by frame.

    Attributes:
        queue: The transmit FIFO; without FIFO mode, TDR.
        break_requested: SBKF.
        driving: Whether DE is active.
    """

    def __init__(self, usart: Usart) -> None:
        self.queue: deque[int] = deque()
        self.break_requested = False
        self.driving = False
        self._usart = usart
        self._character: int | None = None
        """In the shift register."""
        self._event: Event | None = None
        """The end of what is under way: a frame, or the time before or after it with the driver enabled."""
        self._hearers: list[Hearer] = []
        self._waveform = Waveform(usart.mcu, self._set_level)

    # -- what the registers ask for ---------------------------------------------------------------

    def put(self, character: int) -> None:
        """Queue a character; without FIFO a second one replaces the first, with a full FIFO it is lost."""
        if not self._usart.fifo:
            self.queue.clear()
        if len(self.queue) < FIFO_SIZE:
            self.queue.append(character)
        self.go_on()

    def request_break(self) -> None:
        """Send a break character after the one under way."""
        self.break_requested = True
        self.go_on()

    def send_idle(self) -> None:
        """Send an idle frame, as the transmitter does when it is enabled."""
        baud_rate = self._usart.baud_rate
        if baud_rate:
            self._event = self._usart.mcu.schedule(self._usart.frame_time(baud_rate), self._finish_idle)

    def stop(self) -> None:
        """Drop what is under way."""
        if self._event is not None:
            self._event.cancel()
        for hearer in self._hearers:
            hearer.frame_dropped()
        self._hearers = []
        self._event = None
        self._character = None
        self.break_requested = False
        self.driving = False
        self._waveform.stop()

    # -- frames ---------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether there is something to send that is not under way."""
        return self._event is None and (
            bool(self.queue) or self._character is not None or self.break_requested
        )

    def go_on(self) -> None:
        """Start the next frame if there is one, the clock runs and the other side is ready."""
        usart = self._usart
        if not self.waiting or not usart.enabled(TE):
            return
        if self._character is None and not self.break_requested:
            if not usart.clear_to_send:
                return
            self._character = self.queue.popleft()
        baud_rate = usart.baud_rate
        if not baud_rate:
            return
        if usart["CR3"] & DEM and not self.driving:
            self.driving = True
            usart.show_driver_enable(active=True)
            self._event = usart.mcu.schedule(self._driver_time("DEAT", baud_rate), self._start_driven)
        else:
            self._start(baud_rate)

    def _driver_time(self, field: str, baud_rate: float) -> int:
        """Return the time DEAT or DEDT stands for: samples, in LPUART kernel clocks (RM0399 51.8.1, 52.7.1)."""
        usart = self._usart
        samples = 8 if usart.option("CR1", "OVER8") else 16
        rate = usart.kernel_hz if usart.name == LPUART else samples * baud_rate
        return usart.bits(usart.field("CR1", field), rate or 1)

    def _start_driven(self) -> None:
        self._event = None
        baud_rate = self._usart.baud_rate
        if baud_rate:
            self._start(baud_rate)

    def _start(self, baud_rate: float) -> None:
        usart = self._usart
        is_break = self.break_requested
        frame = self._break(baud_rate) if is_break else self._encode(baud_rate)
        self._event = usart.mcu.schedule(frame.duration, lambda: self._finish(frame, is_break=is_break))
        if usart.mcu.pins.observed(usart.signal("TX")):
            self._waveform.play(frame)
        pins = usart.mcu.pins.switched_to(usart.signal("TX"))
        self._hearers = usart.mcu.serial_lines.start(pins, usart)
        if usart.half_duplex:
            usart.frame_started()

    def _encode(self, baud_rate: float) -> Frame:
        usart = self._usart
        assert self._character is not None
        frame = usart.format.encode(self._character, baud_rate, usart.frame_time(baud_rate))
        return dataclasses.replace(frame, inverted=bool(usart["CR2"] & TXINV))

    def _break(self, baud_rate: float) -> Frame:
        usart = self._usart
        low = _LIN_BREAK_BITS if usart.option("CR2", "LINEN") else usart.format.bits + 2
        duration = usart.bits(low + _BREAK_STOP_BITS, baud_rate)
        return Frame(0, low - 2, duration, baud_rate, bool(usart["CR2"] & TXINV), stop=False)

    def _finish(self, frame: Frame, *, is_break: bool) -> None:
        usart = self._usart
        self._event = None
        if is_break:
            self.break_requested = False
        else:
            self._character = None
        hearers, self._hearers = self._hearers, []
        for hearer in hearers:
            hearer.frame_ended(frame)
        if usart.half_duplex:
            usart.frame_ended(frame)
        self._end()

    def _finish_idle(self) -> None:
        self._event = None
        self._end()

    def _end(self) -> None:
        """Say that all is sent, or send the next."""
        usart = self._usart
        if not self.queue:
            usart.transmission_complete()
        if self.driving and not self.queue and not self.break_requested:
            delay = self._driver_time("DEDT", usart.baud_rate or 1)
            self._event = usart.mcu.schedule(delay, self._release_driver)
        self.go_on()
        usart.update()

    def _release_driver(self) -> None:
        self._event = None
        self.driving = False
        self._usart.show_driver_enable(active=False)
        self.go_on()
        self._usart.update()

    # -- the pin --------------------------------------------------------------------------------

    def _set_level(self, level: bool) -> None:
        """Drive TX; in half-duplex mode the line is only pulled low, and up by a resistor."""
        usart = self._usart
        released = usart.half_duplex and level
        usart.mcu.pins.set_signal(usart.signal("TX"), None if released else level)

"""pyserial's handler of ``h7twin://`` (the unnamed board) and ``h7twin://NAME``.

A read waits in board time: the board runs until something arrives or the time-out is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from serial import SerialBase, SerialException
from serial.serialutil import PortNotOpenError

from pytest_h7.twin.board import VirtualBoard, virtual_board

if TYPE_CHECKING:
    from pytest_h7.twin.serial_peer import SerialPeer

_STEP = 0.0005
"""Board time in seconds between looks at the port: a fraction of six characters at 115200 baud."""


class Serial(SerialBase):  # type: ignore[misc]
    """The virtual COM port of a virtual board's ST-LINK."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._board: VirtualBoard | None = None
        self._enumeration = 0
        self._vcp: SerialPeer | None = None
        super().__init__(*args, **kwargs)

    def open(self) -> None:
        """Open the port; raise SerialException if the probe is unplugged, or another process has the board."""
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        parts = urlsplit(self._port)
        if parts.scheme != "h7twin":
            raise SerialException(f"{self._port!r} is not of the form h7twin://NAME")
        board = virtual_board(parts.netloc or None)
        if board.vcp is None:
            raise SerialException(f"the {board.description.name} has no USART wired to its probe")
        if not board.stlink.plugged:
            raise SerialException("no such device: the probe is not plugged in")
        self._board, self._vcp = board, board.vcp
        self._enumeration = board.stlink.enumeration
        self._reconfigure_port()
        self.is_open = True

    def close(self) -> None:
        """Close the port."""
        self.is_open = False
        self._board = self._vcp = None

    def _require_open(self) -> tuple[VirtualBoard, SerialPeer]:
        if not self.is_open or self._board is None or self._vcp is None:
            raise PortNotOpenError
        stlink = self._board.stlink
        if not stlink.plugged or stlink.enumeration != self._enumeration:
            raise SerialException("the probe has been unplugged")
        return self._board, self._vcp

    def _reconfigure_port(self) -> None:
        """Take over the baud rate; the other line settings are always those of the board."""
        if self._vcp is not None:
            self._vcp.baud_rate = self._baudrate

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read without waiting."""
        return self._require_open()[1].in_waiting

    def read(self, size: int = 1) -> bytes:
        """Read up to `size` bytes, waiting in board time until they have come or the time-out is over."""
        board, vcp = self._require_open()
        deadline = None if self._timeout is None else board.time() + self._timeout
        data = vcp.read(size)
        while len(data) < size and (deadline is None or board.time() < deadline):
            board.sleep(_STEP if deadline is None else min(_STEP, deadline - board.time()))
            data += vcp.read(size - len(data))
        return data

    def write(self, data: Any) -> int:
        """Send bytes to the board."""
        content = bytes(data)
        self._require_open()[1].write(content)
        return len(content)

    def reset_input_buffer(self) -> None:
        """Forget what has arrived."""
        self._require_open()[1].clear()

    def reset_output_buffer(self) -> None:
        """Do nothing: what was written is on its way."""

    @property
    def cts(self) -> bool:
        """CTS: no control line is wired."""
        return False

    dsr = ri = cd = cts

    def _ignore_line(self) -> None:
        """A change of RTS, DTR or break goes nowhere."""

    _update_rts_state = _update_dtr_state = _update_break_state = _ignore_line

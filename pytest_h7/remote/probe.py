"""The ST-LINK of a board at another machine for pyOCD: its own driver, whose commands go over a connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyocd.probe.aggregator  # noqa: F401 - first, as in pytest_h7.twin.pyocd_plugin
from pyocd.core.exceptions import ProbeError
from pyocd.probe.stlink_probe import StlinkProbe

from pytest_h7.errors import ConnectionLost
from pytest_h7.remote.link import Link, text_of

if TYPE_CHECKING:
    from pytest_h7.remote.protocol import Message

_DEBUG = 0xF2
_MEMORY_READS = {0x07, 0x0C, 0x47}
_MEMORY_WRITES = {0x08, 0x0D, 0x48}
_LAST_STATUS = bytes((_DEBUG, 0x3E))
_STATUS_LENGTH = 12


class RemoteInterface:
    """The USB interface of an ST-LINK at another machine, as pyOCD's ST-LINK driver wants it.

    A command costs a round trip through the network. The driver reads or writes memory with two: the access, and a
    question for its status. Both go together here: a write waits for the question, a read is sent along with it.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.serial_number = text_of(link.board, "serial")
        self.vendor_name = text_of(link.board, "vendor")
        self.product_name = text_of(link.board, "product")
        self.version_name = text_of(link.board, "version")
        self.max_packet_size = int(link.board.get("packet", 64))
        self.is_open = False
        self._waiting: tuple[bytes, bytes, None, int] | None = None
        """A write that has not been sent."""
        self._status: bytearray | None = None
        """The answer to the question for the status that was sent along with the last command."""

    def open(self) -> None:
        """Claim the interface; raise USBError as pyusb does if it cannot be, ProbeError without a connection."""
        assert not self.is_open
        self._waiting = self._status = None
        self._ask({"do": "open"})
        self.is_open = True

    def close(self) -> None:
        """Release the interface."""
        assert self.is_open
        self.is_open = False
        self._waiting = self._status = None
        if self.link.is_open:
            self._ask({"do": "close"})

    def transfer(
        self,
        cmd: Sequence[int],
        writeData: Sequence[int] | None = None,  # noqa: N803
        readSize: int | None = None,  # noqa: N803
        timeout: int = 1000,
    ) -> bytearray | None:
        """Send a command and get `readSize` bytes of answer; arguments are named as pyOCD passes them.

        Raises:
            pyocd.core.exceptions.ProbeError: The device is unplugged, does not answer within `timeout`
                milliseconds, or not with all it should; or the connection to its machine is lost.
        """
        assert self.is_open
        command = bytes(cmd)
        status, self._status = self._status, None
        if status is not None and command == _LAST_STATUS and readSize == _STATUS_LENGTH:
            return status
        entry = (command, bytes(writeData or b""), readSize, timeout)
        kind = command[1] if command[0] == _DEBUG and len(command) > 1 else None
        if kind in _MEMORY_WRITES and readSize is None:
            self._send_waiting()
            self._waiting = entry  # type: ignore[assignment]
            return None
        batch = [self._waiting, entry] if self._waiting is not None else [entry]
        self._waiting = None
        if kind in _MEMORY_READS:
            batch.append((_LAST_STATUS, b"", _STATUS_LENGTH, timeout))
            *_, answer, self._status = self._exchange(batch)
            return answer
        return self._exchange(batch)[-1]

    def _send_waiting(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._exchange([waiting])

    def _exchange(self, batch: Sequence[tuple[bytes, bytes, int | None, int]]) -> list[bytearray | None]:
        commands = [[len(command), len(data), size, timeout] for command, data, size, timeout in batch]
        content = b"".join(command + data for command, data, _, _ in batch)
        patience = sum(timeout for *_, timeout in batch) / 1000
        answer = self._ask({"do": "usb", "commands": commands}, content, patience)
        answers: list[bytearray | None] = []
        place = 0
        for _, _, size, _ in batch:
            answers.append(None if size is None else bytearray(answer[place : place + size]))
            place += size or 0
        return answers

    def _ask(self, message: Message, data: bytes = b"", patience: float = 0.0) -> bytes:
        try:
            return self.link.ask(message, data, patience)[1]
        except ConnectionLost as error:
            # What the driver above expects from an interface; the reason is told by its cause.
            raise ProbeError(str(error)) from error

    def read_swv(self, size: int, timeout: int = 1000) -> bytearray:  # noqa: ARG002
        """Read trace data, which is not carried."""
        return bytearray(size)


class RemoteProbe(StlinkProbe):
    """An ST-LINK at another machine.

    Attributes:
        link: The connection to its machine.
    """

    def __init__(self, link: Link) -> None:
        super().__init__(RemoteInterface(link))
        self.link = link

    def sleep(self, seconds: float) -> None:
        """Wait in board time, while no other thread of pyOCD's servers uses the probe."""
        if not self.link.is_virtual:
            time.sleep(seconds)
            return
        with self._link._lock:
            self.link.sleep(seconds)

    def reset(self) -> None:
        """Pulse NRST, in board time."""
        assert self.session is not None
        self.assert_reset(True)
        self.sleep(self.session.options.get("reset.hold_time"))
        self.assert_reset(False)
        self.sleep(self.session.options.get("reset.post_delay"))

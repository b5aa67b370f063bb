"""The ST-LINK of a board at another machine for pyOCD: its own driver, whose commands go over a connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

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
_AP_FAULT = 0x11


class _Command(NamedTuple):
    """A command to the ST-LINK: its bytes, those of data, how many answer it, and milliseconds.

    `only_after` is the first byte of the answer before it that this command is for, None for any.
    """

    command: bytes
    data: bytes
    answer: int | None
    timeout: int
    only_after: int | None = None


_LAST_STATUS = _Command(bytes((_DEBUG, 0x3E)), b"", 12, 1000)
_CLEAR_STICKY_ERRORS = _Command(
    bytes((_DEBUG, 0x46, 0xFF, 0xFF, 0, 0, 0x1E, 0, 0, 0)), b"", 2, 1000, only_after=_AP_FAULT
)
"""What the driver asks after each memory command, and does after an answer that tells of a fault: ABORT."""


class RemoteInterface:
    """The USB interface of an ST-LINK at another machine, as pyOCD's ST-LINK driver wants it.

    A command costs a round trip through the network. The driver reads or writes memory with two or, after a fault,
    three, of which the later ones are known: they go together here. A write waits for the question for its status.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.serial_number = text_of(link.board, "serial")
        self.vendor_name = text_of(link.board, "vendor")
        self.product_name = text_of(link.board, "product")
        self.version_name = text_of(link.board, "version")
        self.max_packet_size = int(link.board.get("packet", 64))
        self.is_open = False
        self._waiting: list[_Command] = []
        """A write that has not been sent."""
        self._ahead: list[tuple[bytes, bytearray]] = []
        """Commands that were carried out before the driver has sent them, with their answers."""

    def open(self) -> None:
        """Claim the interface; raise USBError as pyusb does if it cannot be, ProbeError without a connection."""
        assert not self.is_open
        self._waiting, self._ahead = [], []
        self._ask({"do": "open"})
        self.is_open = True

    def close(self) -> None:
        """Release the interface."""
        assert self.is_open
        self.is_open = False
        self._waiting, self._ahead = [], []
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
        command = _Command(bytes(cmd), bytes(writeData or b""), readSize, timeout)
        ahead, self._ahead = self._ahead, []
        if ahead and ahead[0][0] == command.command:
            self._ahead = ahead[1:]
            return ahead[0][1]
        kind = cmd[1] if cmd[0] == _DEBUG else None
        if kind in _MEMORY_WRITES and not self._waiting:
            self._waiting = [command]
            return None
        batch, self._waiting = [*self._waiting, command], []
        known = []
        if kind in _MEMORY_READS:
            known = [_LAST_STATUS, _CLEAR_STICKY_ERRORS]
        elif command.command == _LAST_STATUS.command:
            known = [_CLEAR_STICKY_ERRORS]
        answer, *others = self._exchange(batch + known)[len(batch) - 1 :]
        self._ahead = [(later.command, reply) for later, reply in zip(known, others, strict=True) if reply]
        return answer if readSize is not None else None

    def _exchange(self, batch: Sequence[_Command]) -> list[bytearray]:
        """Have commands carried out; return their answers, empty for those that were not to be."""
        commands = [
            [len(entry.command), len(entry.data), entry.answer, entry.timeout, entry.only_after]
            for entry in batch
        ]
        content = b"".join(entry.command + entry.data for entry in batch)
        patience = sum(entry.timeout for entry in batch) / 1000
        answer = self._ask({"do": "usb", "commands": commands}, content, patience)
        answers = []
        for entry in batch:
            size = entry.answer or 0
            answers.append(bytearray(answer[:size]))
            answer = answer[size:]
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

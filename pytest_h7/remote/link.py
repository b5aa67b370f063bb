"""The run's end of the connection to a board at another machine."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.lease import Holder
from pytest_h7.errors import BoardInUse, ConnectionLost, ConsoleUnavailable, InfrastructureError
from pytest_h7.remote.failures import rebuilt
from pytest_h7.remote.protocol import (
    GREETING,
    LONGEST_GREETING,
    Message,
    ProtocolError,
    check_greeting,
    decode,
    encode,
)

if TYPE_CHECKING:
    from pytest_h7.remote.address import Address

_CONNECT_TIME = 5.0
_GREETING_TIME = 15.0
_ANSWER_TIME = 15.0
"""Seconds after which the other side counts as gone; its answer to a command comes in milliseconds, that of a
virtual board to a tenth of a second of board time in less than a second."""

LONGEST_SLEEP = 0.1
"""Board time in seconds of one step of the simulation."""

_PAUSE = 0.005
_MOST_WAITING = 8
"""A sleep that is no longer than this, in seconds, is one between two looks: it goes along with the next look."""

_CHUNK = 65_536


class Link:
    """A connection that has the board, until `close`.

    Args:
        address: Where ``pytest-h7 serve`` listens.
        timeout: Seconds to wait for a board that somebody else has, 0 not to.
        announce: Tells the user, once, that this waits and for whom.

    Attributes:
        address: Where it leads.
        board: What the server says about the board.
        time: Board time of a virtual board in seconds, as of the last answer.
        said: Characters of a virtual board's console that wait to be read, as of the last answer.
        round_trips: How often this has waited for an answer.

    Raises:
        InfrastructureError: nothing answers there, or not in this version of the protocol, or the board did not
            become free in time; the message names the holder.
    """

    def __init__(self, address: Address, timeout: float, announce: Callable[[str], None]) -> None:
        self.address = address
        self.time = 0.0
        self.said = 0
        self.round_trips = 0
        self.board: Message = {}
        self._token = uuid.uuid4().hex
        self._time_before = 0.0
        self._socket: socket.socket | None = None
        self._loss = f"The connection to the board at {self.address} is closed."
        self._received = bytearray()
        self._waiting: list[bytes] = []
        self._connect(timeout, announce)

    def reconnect(self) -> None:
        """Connect again after the connection was lost, for the board that this had; board time goes on.

        Raises:
            InfrastructureError: nothing answers there, or somebody else has the board meanwhile.
        """
        self.close()
        before = self.time
        self._connect(0.0, lambda _: None)
        self._time_before += before - self.time
        self.time = before

    def _connect(self, timeout: float, announce: Callable[[str], None]) -> None:
        self._received.clear()
        with uninterrupted():
            try:
                self._socket = socket.create_connection(self.address, timeout=_CONNECT_TIME)
            except OSError as error:
                raise ConnectionLost(
                    f"No board at {self.address} ({_reason(error)}): is `pytest-h7 serve` running there, and the "
                    "port open?"
                ) from error
        try:
            with uninterrupted():
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._greet()
                who, waits = str(Holder.myself()), timeout > 0
                self._send(encode({"do": "hello", "who": who, "waits": waits, "token": self._token}))
                answer = self._answer(_GREETING_TIME)[0]
            if "busy" in answer:
                answer = self._wait(str(answer["busy"]), timeout, announce)
            self.board = answer
            self._note(answer)
        except BaseException:
            self.close()
            raise

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual board."""
        return bool(self.board.get("virtual"))

    def console_url(self) -> str:
        """Return the URL of the board's console for pyserial; raise ConsoleUnavailable if it has none."""
        if not self.board.get("console"):
            raise ConsoleUnavailable(
                f"The board at {self.address} has no serial port there: start `pytest-h7 serve` with "
                "--console=PORT, or choose one here with --h7-console."
            )
        return f"rfc2217://{self.address}"

    def _greet(self) -> None:
        assert self._socket is not None
        try:
            self._socket.settimeout(_GREETING_TIME)
            self._socket.sendall(GREETING)
            line = b""
            while not line.endswith(b"\n") and len(line) < LONGEST_GREETING:
                byte = self._socket.recv(1)
                if not byte:
                    break
                line += byte
            check_greeting(line)
        except OSError as error:
            raise ConnectionLost(f"What is at {self.address} does not answer ({_reason(error)}).") from error
        except ProtocolError as error:
            raise InfrastructureError(f"What is at {self.address} {error}.") from None

    def _wait(self, holder: str, timeout: float, announce: Callable[[str], None]) -> Message:
        if not timeout:
            raise BoardInUse(
                f"The board at {self.address} is in use by {holder}; end that, or use another board."
            )
        announce(f"waiting up to {timeout:g} s for the board at {self.address}, in use by {holder}")
        try:
            return self._answer(timeout)[0]
        except ConnectionLost as error:
            if not isinstance(error.__cause__, TimeoutError):
                raise
            raise BoardInUse(
                f"The board at {self.address} did not become free within {timeout:g} s: it is in use by {holder}; "
                "end that, use another board, or wait longer with --h7-lease-timeout."
            ) from None

    def ask(self, message: Message, data: bytes = b"", patience: float = 0.0) -> tuple[Message, bytes]:
        """Have the server do something; return its answer.

        Args:
            message: What to do.
            data: The bytes that belong to it.
            patience: Seconds by which it may take longer.

        Raises:
            ConnectionLost: the server is gone or does not answer.
            Exception: What has failed there, as if it were here.
        """
        self._waiting.append(encode(message, data))
        return self._send_waiting(patience)

    def settle(self) -> None:
        """Have done what waits to be sent along with the next command."""
        if self._waiting and self.is_open:
            self._send_waiting(0.0)

    def _send_waiting(self, patience: float) -> tuple[Message, bytes]:
        with uninterrupted():
            waiting, self._waiting = self._waiting, []
            self._send(b"".join(waiting))
            self.round_trips += 1
            answers = [self._answer(_ANSWER_TIME + patience) for _ in waiting]
        self._note(answers[-1][0])
        for answer, _ in answers:
            if answer.get("error") is not None:
                raise rebuilt(answer["error"])
        return answers[-1]

    def _note(self, answer: Message) -> None:
        if "time" in answer:
            self.time = self._time_before + float(answer["time"])
        self.said = int(answer.get("said", self.said))

    def _send(self, messages: bytes) -> None:
        if self._socket is None:
            raise ConnectionLost(self._loss)
        try:
            self._socket.settimeout(_ANSWER_TIME)
            self._socket.sendall(messages)
        except OSError as error:
            raise self._lost(error) from error

    def _answer(self, timeout: float) -> tuple[Message, bytes]:
        """Return the next message from the server; without one in time, the connection is of no use any more."""
        assert self._socket is not None
        try:
            self._socket.settimeout(timeout)
            while True:
                answer = decode(self._received)
                if answer is not None:
                    return answer
                chunk = self._socket.recv(_CHUNK)
                if not chunk:
                    raise ConnectionResetError("it has closed the connection")
                self._received += chunk
        except OSError as error:
            raise self._lost(error) from error
        except ProtocolError as error:
            self.close()
            raise ConnectionLost(f"What is at {self.address} {error}.") from error

    def _lost(self, error: OSError) -> ConnectionLost:
        self.close()
        self._loss = (
            f"The connection to the board at {self.address} is lost ({_reason(error)}): is `pytest-h7 serve` "
            "still running there, and the network up?"
        )
        return ConnectionLost(self._loss)

    def sleep(self, seconds: float) -> None:
        """Let the board time of a virtual board pass; it does so without a connection, too."""
        while seconds > 0 and self.is_open:
            step = min(seconds, LONGEST_SLEEP)
            seconds -= step
            message: Message = {"do": "sleep", "seconds": step}
            if step <= _PAUSE and len(self._waiting) < _MOST_WAITING:
                self._waiting.append(encode(message))
            else:
                self.ask(message)
        if seconds > 0:
            time.sleep(seconds)
            self.time += seconds
            self._time_before += seconds

    @property
    def is_open(self) -> bool:
        """Whether the connection is there, as far as is known."""
        return self._socket is not None

    def close(self) -> None:
        """End the connection, which gives the board away."""
        self._waiting.clear()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error.strerror or error).rstrip(".")


def text_of(board: Message, key: str) -> str:
    """Return a text of a board's description, empty if it is missing."""
    return str(board.get(key) or "")

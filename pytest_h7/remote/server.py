"""``pytest-h7 serve``: lends a board of this machine to one run after another, over TCP.

One thread does everything, for neither a probe nor a virtual board can do two things at once. A run that waits is
told who has the board, and gets it as soon as the connection of the other one ends, however that ends.
"""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_h7.errors import InfrastructureError
from pytest_h7.remote.address import Address
from pytest_h7.remote.failures import describe
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
    from pytest_h7.remote.served_board import ServedBoard

_TELNET = 0xFF
_CHUNK = 65_536
_SEND_TIME = 10.0
"""Seconds after which a client that takes no answer counts as gone."""

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A client's machine that is gone without a word is noticed after 25 s."""


class Server:
    """Serves a board at an address.

    Args:
        board: The board.
        address: Where to listen; port 0 chooses one.
        say: Tells who has come and gone.

    Attributes:
        address: Where it listens.

    Raises:
        InfrastructureError: the address cannot be listened at.
    """

    def __init__(self, board: ServedBoard, address: tuple[str, int], say: Callable[[str], None]) -> None:
        self.board = board
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._runs: deque[_Run] = deque()
        """Those that have said who they are; the first one has the board."""
        self._terminals: list[_Terminal] = []
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._listener = socket.create_server(address, family=family)
        except OSError as error:
            raise InfrastructureError(
                f"Cannot listen at {Address(*address)}: {error.strerror or error}."
            ) from error
        self.address = Address(*self._listener.getsockname()[:2])
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._watch_console()

    def _watch_console(self) -> None:
        """Look at a real serial port when it has something; a virtual one speaks only while the board is used."""
        with suppress(AttributeError, OSError, ValueError):
            self._selector.register(
                self.board.console.fileno(), selectors.EVENT_READ, lambda: self.pass_console_on()
            )

    def serve(self) -> None:
        """Serve until an exception such as KeyboardInterrupt ends it."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj in self._selector.get_map():  # not dropped meanwhile
                    key.data()

    def close(self) -> None:
        """Close all connections, and leave the board as `ServedBoard.forget_run` does."""
        for run in reversed(list(self._runs)):
            run.close()
        for terminal in list(self._terminals):
            terminal.close()
        self._listener.close()
        self._selector.close()
        self.board.forget_run()

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(_SEND_TIME)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            self.watch(connection, lambda: self._look_at_newcomer(connection))

    def watch(self, connection: socket.socket, receive: Callable[[], None]) -> None:
        """Have something called when a connection has something to say."""
        if connection in self._selector.get_map():
            self._selector.modify(connection, selectors.EVENT_READ, receive)
        else:
            self._selector.register(connection, selectors.EVENT_READ, receive)

    def drop(self, connection: socket.socket) -> None:
        """End a connection."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        with suppress(OSError):
            connection.close()

    def _look_at_newcomer(self, connection: socket.socket) -> None:
        """Find out from the first byte whether a run or a terminal program has come."""
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except OSError:
            first = b""
        if not first:
            self.drop(connection)
        elif first[0] != _TELNET:
            _Run(self, connection)
        elif self.board.console is not None:
            self._terminals.append(_Terminal(self, connection))
        else:
            self.drop(connection)

    # -- runs -----------------------------------------------------------------------------------------

    def has_board(self, run: _Run) -> bool:
        """Return whether a run has the board."""
        return bool(self._runs) and self._runs[0] is run

    def enqueue(self, run: _Run) -> None:
        """Give a run the board, or have it wait for it; a run that comes again takes its old place."""
        for earlier in [other for other in self._runs if other.token == run.token]:
            earlier.close()
        if self._runs and not run.waits:
            run.send({"busy": self._runs[0].who})
            return
        self._runs.append(run)
        if self.has_board(run):
            self._lend()
        else:
            run.send({"busy": self._runs[0].who})

    def _lend(self) -> None:
        run = self._runs[0]
        self.pass_console_on()
        self.board.said.clear()
        self._say(f"lent to {run.who}")
        run.send(self.board.describe())

    def forget(self, run: _Run) -> None:
        """Take the board from a run that is gone, and give it to the next one."""
        if run not in self._runs:
            return
        had_board = self.has_board(run)
        self._runs.remove(run)
        if had_board:
            self.board.forget_run()
            self._say(f"given back by {run.who}")
            if self._runs:
                self._lend()

    # -- the console ----------------------------------------------------------------------------------

    def pass_console_on(self) -> None:
        """Send what the console has said to the terminal programs."""
        data = self.board.hear()
        for terminal in list(self._terminals) if data else ():
            terminal.show(data)

    def forget_terminal(self, terminal: _Terminal) -> None:
        """Stop sending to a terminal program that is gone."""
        if terminal in self._terminals:
            self._terminals.remove(terminal)


class _Run:
    """The connection of a run of tests.

    Attributes:
        who: Who it is, as it says.
        waits: Whether it waits for a board that is in use.
        token: What it can be known by when it comes again.
    """

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._received = bytearray()
        self._is_greeted = False
        self.who = ""
        self.token = ""
        self.waits = False
        server.watch(connection, self._receive)

    def _receive(self) -> None:
        try:
            chunk = self._connection.recv(_CHUNK)
            if not chunk:
                raise ConnectionResetError
            self._received += chunk
            if not self._is_greeted and not self._greet():
                return
            while (request := decode(self._received)) is not None:
                self._answer(*request)
        except (OSError, ProtocolError, KeyError, TypeError, ValueError):
            self.close()

    def _greet(self) -> bool:
        """Exchange the first lines; return whether that has been done."""
        line, end, rest = self._received.partition(b"\n")
        if not end and len(line) < LONGEST_GREETING:
            return False
        # The other side tells the user what does not fit.
        self._connection.sendall(GREETING)
        check_greeting(bytes(line + end))
        self._received = rest
        self._is_greeted = True
        return True

    def _answer(self, message: Message, data: bytes) -> None:
        if not self._server.has_board(self):
            if message.get("do") == "hello":
                self.who, self.token = str(message["who"]), str(message["token"])
                self.waits = bool(message["waits"])
                self._server.enqueue(self)
            return
        board = self._server.board
        answer, error = b"", None
        try:
            answer = board.carry_out(message, data)
        except Exception as raised:  # whatever it is, the run shall know
            error = describe(raised)
        self._server.pass_console_on()
        reply = board.state()
        if error is not None:
            reply["error"] = error
        self.send(reply, answer)

    def send(self, message: Message, data: bytes = b"") -> None:
        """Send a message; a run that does not take it is gone."""
        try:
            self._connection.sendall(encode(message, data))
        except OSError:
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._server.drop(self._connection)
        self._server.forget(self)


class _Terminal:
    """The connection of a program that uses the console by RFC 2217."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        from serial.rfc2217 import PortManager

        self._server = server
        self._connection = connection
        server.watch(connection, self._receive)
        self._manager: Any = PortManager(server.board.console, self)

    def write(self, data: bytes) -> None:
        """Send what pyserial's end of the protocol has to say."""
        try:
            self._connection.sendall(data)
        except OSError:
            self.close()

    def show(self, data: bytes) -> None:
        """Send what the console has said."""
        self.write(b"".join(self._manager.escape(data)))

    def _receive(self) -> None:
        try:
            chunk = self._connection.recv(_CHUNK)
            if not chunk:
                raise ConnectionResetError
            typed = b"".join(self._manager.filter(chunk))
            if typed:
                self._server.board.console.write(typed)
        except Exception:  # whatever a terminal program sends, the board is to stay there for the runs
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._server.drop(self._connection)
        self._server.forget_terminal(self)

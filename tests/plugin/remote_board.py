"""A board lent by ``pytest-h7 serve`` in a process of its own, and a network that is far or false."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

SERVE = [sys.executable, "-c", "from pytest_h7.cli import main; raise SystemExit(main())", "serve"]


class Served:
    """A running ``pytest-h7 serve``."""

    def __init__(self, home: Path, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("H7_")}
        environment |= {"H7_TWIN_HOME": str(home / "twins"), "XDG_STATE_HOME": str(home / "state")}
        self.log = home / f"serve-{time.monotonic_ns()}.log"
        command = [*SERVE, "--port=0", *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        self.port = int(self.wait_for(r"serving board \S+ at \S+:(\d+)")[1])

    @property
    def probe(self) -> str:
        return f"remote:127.0.0.1:{self.port}"

    def wait_for(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until a line has been said for a number of times; return the last match."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = list(re.finditer(pattern, self.log.read_text()))
            if len(found) >= times:
                return found[times - 1]
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"no {pattern!r} in {self.log.read_text()!r}")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def served(home: Path, *arguments: str) -> Iterator[Served]:
    server = Served(home, *arguments)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


class FarNetwork:
    """A way to a port of this machine that takes its time.

    Attributes:
        port: Its near end.
        requests: How often the near side has sent something.
    """

    def __init__(self, port: int, round_trip: float) -> None:
        self._far = port
        self._delay = round_trip / 2
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def probe(self) -> str:
        return f"remote:127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._far))
                self._sockets += [near, far]
                self._near = near
                for source, sink in ((near, far), (far, near)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._carry(source, sink)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        under_way: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

        def receive() -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    self.requests += source is self._near
                    under_way.put((time.monotonic() + self._delay, data))
            under_way.put((0.0, b""))

        def deliver() -> None:
            with suppress(OSError):
                while (entry := under_way.get())[1]:
                    time.sleep(max(entry[0] - time.monotonic(), 0.0))
                    sink.sendall(entry[1])
            with suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)

        for work in (receive, deliver):
            threading.Thread(target=work, daemon=True).start()

    def cut_connections(self) -> None:
        """End all connections."""
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End all connections, and take no more."""
        self.cut_connections()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for end in [self._listener, *self._sockets]:
            end.close()


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """Give the port of something that answers each connection with some bytes, and then says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                for answer in answers:
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for end in [listener, *connections]:
            end.close()

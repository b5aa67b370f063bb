"""``--h7-gdb``: GDB at both cores when a test has failed, as ``--pdb`` is Python's debugger then."""

from __future__ import annotations

import select
import shutil
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pytest_h7.errors import H7Error, SafetyError

if TYPE_CHECKING:
    import pytest

    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.board import Board
    from pytest_h7.board.core import Core

FIRST_PORT = 3333
"""The usual port of a GDB server; the second core has the next. One that is taken is replaced by a free one."""

PATIENCE = 60.0
"""Seconds of wall time to wait for a debugger where nobody can press Enter."""

_DEBUGGERS = ("gdb-multiarch", "arm-none-eabi-gdb")
_POLL = 0.1


class _Clients(list[Any]):
    """The debuggers at a server, which also knows if there has been one.

    pyOCD counts them, too, but a while before they are in its list.
    """

    have_come = False

    def append(self, client: Any) -> None:
        super().append(client)
        self.have_come = True


def debug(config: pytest.Config, board: Board) -> None:
    """Serve GDB at both cores until the person is done: has pressed Enter or, without a terminal, detached.

    The cores are as they were left; a server halts its core, if it runs, when GDB connects.
    """
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    terminal = config.get_terminal_writer()
    terminal.line()
    terminal.sep(">", "h7: the board is as the test has left it")
    try:
        with _servers(board, terminal.line) as servers:
            if servers:
                _wait(servers, terminal.line)
    finally:
        terminal.sep("<", "h7: the run goes on")
        if capture is not None:
            capture.resume_global_capture()


@contextmanager
def _servers(board: Board, say: Callable[[str], object]) -> Iterator[list[Any]]:
    """Run a server for each core that can be reached, and say how to use it."""
    options = board.bench.connection.session.options
    before = {name: options.get(name) for name in ("persist", "stdio_mode", "vector_catch")}
    # Without the hard-fault catch that pyOCD arms for GDB: the cores are to be left as they are.
    options.update({"persist": True, "stdio_mode": "off", "vector_catch": "none"})
    servers: list[Any] = []
    try:
        with ExitStack() as guards:
            for core in board.cores:
                guards.enter_context(_checked_writes(board.bench.connection, core.apsel, say))
                server = _serve(core, FIRST_PORT + len(servers), options, say)
                if server is not None:
                    servers.append(server)
            yield servers
    finally:
        for server in servers:
            server.stop()
        options.update(before)


@contextmanager
def _checked_writes(connection: Connection, apsel: int, say: Callable[[str], object]) -> Iterator[None]:
    """Have what GDB writes pass `bench.safety`, too: what that refuses, GDB cannot access."""
    from pyocd.core.exceptions import TransferError

    port = connection.target.access_port(apsel)
    write, write_words, write_bytes = port.write_memory, port.write_memory_block32, port.write_memory_block8

    def check(address: int, data: bytes) -> None:
        try:
            connection.check_write(apsel, address, data)
        except SafetyError as error:
            say(str(error))
            raise TransferError(str(error)) from None

    def checked_write(addr: int, data: int, transfer_size: int = 32) -> None:
        check(addr, data.to_bytes(transfer_size // 8, "little"))
        write(addr, data, transfer_size)

    def checked_words(addr: int, data: Sequence[int]) -> None:
        check(addr, struct.pack(f"<{len(data)}I", *data))
        write_words(addr, data)

    def checked_bytes(addr: int, data: Sequence[int]) -> None:
        check(addr, bytes(data))
        write_bytes(addr, data)

    port.write_memory, port.write_memory_block32 = checked_write, checked_words
    port.write_memory_block8 = checked_bytes
    try:
        yield
    finally:
        port.write_memory, port.write_memory_block32 = write, write_words
        port.write_memory_block8 = write_bytes


def _serve(core: Core, port: int, options: Any, say: Callable[[str], object]) -> Any:
    """Start the server of a core; return None, and say why, where it cannot be reached."""
    from pyocd.gdbserver import GDBServer

    try:
        with core.control("start a GDB server") as driver:
            options.update({"gdbserver_port": port - driver.core_number if _is_free(port) else 0})
            server = GDBServer(driver.session, core=driver.core_number)
    except H7Error as error:
        say(str(error))
        return None
    server.client_sessions = _Clients()
    server.start()
    image = core.image
    program = f" {image.path}" if image is not None else ""
    debugger = next(filter(shutil.which, _DEBUGGERS), _DEBUGGERS[0])
    say(f'{core.name}: {debugger}{program} -ex "target remote :{server.port}"')
    return server


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("localhost", port))
        except OSError:
            return False
    return True


def _wait(servers: list[Any], say: Callable[[str], object]) -> None:
    if sys.stdin is not None and sys.stdin.isatty():
        say("Press Enter here to go on.")
        while not select.select([sys.stdin], [], [], _POLL)[0]:
            pass
        sys.stdin.readline()
        return
    say(f"The run goes on when GDB has detached, or if none comes within {PATIENCE:g} s.")
    deadline = time.monotonic() + PATIENCE
    while not any(server.client_sessions.have_come for server in servers):
        if time.monotonic() >= deadline:
            return
        time.sleep(_POLL)
    while any(server.client_sessions for server in servers):
        time.sleep(_POLL)

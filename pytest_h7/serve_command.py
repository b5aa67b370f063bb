"""``pytest-h7 serve``: lends a board of this machine to runs at other machines."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from types import FrameType

from pytest_h7.errors import H7Error
from pytest_h7.remote.address import DEFAULT_PORT


def add_serve_command(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the command and its arguments."""
    serve = add_parser(
        "serve",
        help="lend a board to runs at other machines (--h7-probe=remote:HOST)",
        description=(
            "Lends a board to one run after another. The port takes the commands to the ST-LINK, and connections "
            "to the console by RFC 2217. Whoever reaches it can do with the board what he likes: listen to other "
            "machines only in a network where that is wanted, or have them come through SSH."
        ),
    )
    serve.add_argument("--probe", metavar="PROBE", default="twin", help="as --h7-probe (default: twin)")
    serve.add_argument(
        "--board", metavar="BOARD", help="what is wired to a virtual board's chip, as --h7-board"
    )
    serve.add_argument("--console", metavar="PORT", help="its serial port (default: that of the ST-LINK)")
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="listen at this address; 0.0.0.0 for all of this machine (default: %(default)s)",
    )
    serve.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="TCP port; 0 for any (default: %(default)s)"
    )
    serve.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> None:
    """Serve until a signal comes.

    Raises:
        H7Error: the board or the port cannot be had.
    """
    from pytest_h7.bench.settings import DEFAULT_BOARD, Settings
    from pytest_h7.remote.served_board import ServedBoard
    from pytest_h7.remote.server import Server

    if not 0 <= arguments.port < 65536:
        raise H7Error(f"{arguments.port} is no TCP port.")
    settings = Settings(
        probe=arguments.probe,
        board=arguments.board or DEFAULT_BOARD,
        console=arguments.console,
        lease_timeout=0.0,
    )
    signal.signal(signal.SIGTERM, _end)
    board = ServedBoard(settings, _say)
    try:
        server = Server(board, (arguments.host, arguments.port), _say)
        try:
            _say(f"serving board {board.serial} at {server.address}")
            server.serve()
        except KeyboardInterrupt:
            _say("ended")
        finally:
            server.close()
    finally:
        board.close()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(message: str) -> None:
    sys.stdout.write(f"pytest-h7: {message}\n")
    sys.stdout.flush()

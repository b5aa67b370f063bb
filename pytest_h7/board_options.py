"""``--probe``, ``--board`` and ``--lease-timeout`` of the commands: which board, and how long to wait for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_h7.errors import H7Error

if TYPE_CHECKING:
    import argparse


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Declare both; the environment variables are those of the plugin's options."""
    parser.add_argument(
        "--probe",
        metavar="PROBE",
        default=os.environ.get("H7_PROBE") or "twin",
        help="as --h7-probe (default: H7_PROBE, else twin)",
    )
    parser.add_argument(
        "--board",
        metavar="BOARD",
        default=os.environ.get("H7_BOARD"),
        help="as --h7-board (default: H7_BOARD, else nucleo-h755zi-q)",
    )


def add_lease_option(parser: argparse.ArgumentParser) -> None:
    """Declare how long a command waits for its board."""
    parser.add_argument(
        "--lease-timeout",
        metavar="SECONDS",
        default=os.environ.get("H7_LEASE_TIMEOUT"),
        help="as --h7-lease-timeout (default: H7_LEASE_TIMEOUT, else 60)",
    )


def lease_timeout_of(arguments: argparse.Namespace) -> float:
    """Return the seconds that were given, checked.

    Raises:
        H7Error: it is no time to wait.
    """
    from pytest_h7.bench.settings import Settings, seconds_of

    if not arguments.lease_timeout:
        return Settings().lease_timeout
    try:
        return seconds_of(arguments.lease_timeout)
    except ValueError as error:
        raise H7Error(f"--lease-timeout: {error}.") from None


def board_of(arguments: argparse.Namespace) -> str:
    """Return the board that was given, checked.

    Raises:
        H7Error: there is no such board.
    """
    from pytest_h7.bench.settings import DEFAULT_BOARD
    from pytest_h7.chip.boards import BoardFileError, board_description

    board: str = arguments.board or DEFAULT_BOARD
    try:
        board_description(board)
    except BoardFileError as error:
        raise H7Error(f"--board: {error}") from None
    return board

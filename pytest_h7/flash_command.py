"""``pytest-h7 flash``: have both images in flash without running a test, or see what that would take."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_h7.board_options import add_board_options, add_lease_option, board_of, lease_timeout_of
from pytest_h7.flash_progress import shown_on

if TYPE_CHECKING:
    from pytest_h7.board.flashing import FlashResult


def add_flash_command(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the command and its arguments."""
    parser = add_parser("flash", help="program both images where flash differs, and reset the board")
    parser.add_argument(
        "--dry-run", action="store_true", help="only show what would be done; resets the board"
    )
    add_board_options(parser)
    add_lease_option(parser)
    for core in ("CM7", "CM4"):
        parser.add_argument(
            f"--{core.lower()}-image",
            metavar="FILE",
            help=f"firmware of the {core}: ELF, HEX, or BIN@ADDRESS (default: the reference firmware)",
        )
    parser.set_defaults(run=_flash)


def _flash(arguments: argparse.Namespace) -> None:
    """Flash, or print the plan.

    Raises:
        H7Error: an image is unusable, or the board cannot be connected or flashed.
    """
    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.settings import FlashPolicy, Settings
    from pytest_h7.board.board import Board
    from pytest_h7.board.flashing import Flasher
    from pytest_h7.board.images import load_pair

    pair = load_pair(arguments.cm7_image, arguments.cm4_image)
    settings = Settings(
        probe=arguments.probe, board=board_of(arguments), lease_timeout=lease_timeout_of(arguments)
    )
    bench = Bench(settings, _announce)
    try:
        board = Board(bench)
        if arguments.dry_run:
            report = str(Flasher(board).plan(pair))
        else:
            board.option_ledger.open()
            if board.option_ledger.recovered is not None:
                _announce(board.option_ledger.recovered)
            with shown_on(sys.stderr) as progress:
                report = _describe(board.flash(pair, FlashPolicy.AUTO, progress))
        board.reset()
    finally:
        bench.close()
    sys.stdout.write(f"{report}\n")


def _describe(result: FlashResult) -> str:
    if not result.programmed:
        return "Flash holds both images already."
    names = " and ".join(image.path.name for image in result.programmed)
    return f"Flash holds {names} now: {result.sectors or 'no'} sector{'s' * (result.sectors != 1)} erased."


def _announce(message: str) -> None:
    sys.stderr.write(f"pytest-h7: {message}\n")
    sys.stderr.flush()

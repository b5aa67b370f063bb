"""``pytest-h7 doctor``: what is wrong with a board, as it is now, and what to do about it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_h7.board_options import add_board_options, board_of

if TYPE_CHECKING:
    from pytest_h7.bench.observation import Observation
    from pytest_h7.bench.settings import Settings
    from pytest_h7.board.images import ImagePair
    from pytest_h7.diagnosis.report import Report

_SETTLE = 0.1
"""Seconds after a fix until the board is looked at again: the start of both cores takes less."""

_ROUNDS = 3
"""How often fixing is tried: what runs again may fall asleep."""

_REACH = 1.0
"""Seconds of board time in which ``--at`` has to be reached."""


def add_doctor_command(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the command and its arguments."""
    parser = add_parser(
        "doctor",
        help="find out what is wrong with a board, without changing it",
        description=(
            "Looks at host, probe, debug port, chip and both cores as they are now: attaches without a reset, "
            "halts nothing, leaves halted cores halted and DBGMCU as it was."
        ),
        epilog=(
            "The exit code is 0 for a healthy board, 1 for a problem of firmware, option bytes or the state in "
            "which a debugger has left the cores, 2 for one of host, probe, supply or wires."
        ),
    )
    add_board_options(parser)
    parser.add_argument(
        "--frequency", metavar="HZ", type=int, default=8_000_000, help="SWCLK in Hz (default: 8 MHz)"
    )
    parser.add_argument(
        "--at",
        metavar="SYMBOL",
        help=(
            "first reset the board and stop the CM7 at a symbol of its image, as an IDE does when a debug session "
            "begins, to see what the debugger of the CM4 finds then"
        ),
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help=(
            "do what a debugger can do safely: let halted cores run, have DBGMCU keep sleeping cores visible, set "
            "DBGSWEN, release a core that BCM7 or BCM4 holds; then look again"
        ),
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead, as its schema describes it")
    parser.add_argument("--trace", action="store_true", help="print every access to the chip on stderr")
    for core in ("CM7", "CM4"):
        parser.add_argument(
            f"--{core.lower()}-image",
            metavar="FILE",
            help=f"firmware of the {core} for symbols, if flash holds it (default: the reference firmware)",
        )
    parser.set_defaults(run=_examine)


def _examine(arguments: argparse.Namespace) -> int:
    """Examine a board; return the exit code.

    Raises:
        H7Error: an image is unusable, or the symbol of ``--at`` was not reached.
    """
    from pytest_h7.bench.observation import Observation
    from pytest_h7.bench.settings import ConnectMode, Settings
    from pytest_h7.board.images import load_pair
    from pytest_h7.diagnosis.doctor import report_without_probe
    from pytest_h7.errors import InfrastructureError

    pair = load_pair(arguments.cm7_image, arguments.cm4_image)
    # Who has the board is an answer, too, and no reason to wait.
    settings = Settings(
        probe=arguments.probe,
        board=board_of(arguments),
        connect=ConnectMode.ATTACH,
        frequency=arguments.frequency,
        lease_timeout=0,
    )
    try:
        observation = Observation(settings, _tell, _tell_access if arguments.trace else None)
    except InfrastructureError as error:
        return _show(
            report_without_probe(settings.probe, is_virtual=settings.is_twin, error=error), arguments
        )
    try:
        if arguments.at is not None:
            try:
                _stop_at(observation, settings, pair, arguments.at)
            except InfrastructureError as error:
                _tell(str(error))
        return _show(_consult(observation, pair, fixing=arguments.fix), arguments)
    finally:
        observation.close()


def _consult(observation: Observation, pair: ImagePair, *, fixing: bool) -> Report:
    from pytest_h7.diagnosis.doctor import Doctor
    from pytest_h7.diagnosis.fixes import fix

    doctor = Doctor(observation, observation.settings.probe, pair)
    report = doctor.examine()
    for _ in range(_ROUNDS if fixing else 0):
        done = (
            fix(observation, doctor.examination.connection, report) if doctor.examination is not None else []
        )
        if not done:
            break
        report.fixes += done
        observation.clock.sleep(_SETTLE)
        doctor.look(report)
    return report


def _stop_at(observation: Observation, settings: Settings, pair: ImagePair, symbol: str) -> None:
    """Stop the CM7 where an IDE does: after a reset, with DBGMCU keeping nothing clocked."""
    from pytest_h7.bench.settings import ConnectMode, LowPowerDebug
    from pytest_h7.board.access_port import AccessPort
    from pytest_h7.board.core import Core

    under_reset = settings._replace(connect=ConnectMode.UNDER_RESET, low_power_debug=LowPowerDebug.OFF)
    with observation.debugging(under_reset) as connection:
        port = AccessPort(connection, 0)
        core = Core("cm7", connection, observation.clock, port, lambda: pair.cm7)
        core.run_until(symbol, _REACH)


def _show(report: Report, arguments: argparse.Namespace) -> int:
    if arguments.json:
        sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n")
    else:
        from rich.console import Console

        from pytest_h7.diagnosis.view import show

        show(report, Console(highlight=False))
    return int(report.health)


def _tell(message: str) -> None:
    sys.stderr.write(f"pytest-h7: {message}\n")
    sys.stderr.flush()


def _tell_access(line: str) -> None:
    sys.stderr.write(f"{line}\n")

"""The fixtures. See ``pytest --fixtures`` for what each gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.settings import FlashPolicy, OptionBytesPolicy
from pytest_h7.errors import H7Error, InfrastructureError
from pytest_h7.markers import option_bytes
from pytest_h7.session import BoardSession, session_key, uses_board_key

if TYPE_CHECKING:
    from pytest_h7.bench.console import Console
    from pytest_h7.bench.probes import Probe
    from pytest_h7.board.board import Board
    from pytest_h7.board.core import Core
    from pytest_h7.board.images import ImagePair
    from pytest_h7.release.measure import Measure

_CONSOLE_LATENCY = 0.01
"""Seconds after which what has been sent has arrived; an assumption of what an ST-LINK and its driver hold."""


@pytest.fixture(scope="session")
def _h7_session(pytestconfig: pytest.Config) -> BoardSession:
    """The run's connection to the board; a test that has it in its fixtures uses the board."""
    return pytestconfig.stash[session_key]


@pytest.fixture(scope="session")
def h7_probe(_h7_session: BoardSession) -> Probe:
    """The debug probe: `serial`, `product`, `firmware`, `voltage`, `is_virtual`, `transfers`."""
    return _h7_session.board.bench.probe


@pytest.fixture
def h7_images(request: pytest.FixtureRequest) -> ImagePair:
    """The firmware images of this test, `.cm7` and `.cm4`."""
    return request.config.stash[session_key].images(request.node)


@pytest.fixture
def h7_board(request: pytest.FixtureRequest, _h7_session: BoardSession) -> Iterator[Board]:
    """The board, connected and clean: no breakpoints, no driven pins, DBGMCU as configured, no core halted.

    What the test cost is recorded in its report: `h7_board_time_s`, seconds of board time, and
    `h7_transfers`, commands to the probe, and `h7_transfers_for`, how many of them for what; and `h7_bench`,
    which board it had, and `h7_firmware`, the images.
    """
    marked = option_bytes(request.node)
    # Symbols of the images are good for what is in flash already, too.
    images = request.getfixturevalue("h7_images") if "h7_images" in request.fixturenames else None
    board = _h7_session.board
    request.node.stash[uses_board_key] = True
    _h7_session.leave_halted = False
    board.images = images
    _h7_session.begin_evidence(request.node)
    with _recorded_cost(request.node, board), _h7_session.recorded():
        board.bench.listen()
        board.bench.insist(board.clean)
        with _kept_as_it_was(request.node.nodeid, board, marked, _h7_session.settings.option_bytes):
            try:
                yield board
            finally:
                with board.bench.probe.usage.purpose("clean-up"):
                    board.bench.release_pins()


@contextmanager
def _recorded_cost(item: pytest.Item, board: Board) -> Iterator[None]:
    from pytest_h7.bench_time import cost_properties
    from pytest_h7.header import run_properties

    start, usage = board.time(), board.bench.probe.usage
    before = usage.by_purpose.copy()
    try:
        yield
    finally:
        item.user_properties += cost_properties(board.time() - start, usage.by_purpose - before)
        item.user_properties += run_properties(board)


@contextmanager
def _kept_as_it_was(
    test: str, board: Board, marked: Mapping[str, int], policy: OptionBytesPolicy
) -> Iterator[None]:
    """Have option bytes in force for a test; put them back whatever happens."""
    bench, ledger = board.bench, board.option_ledger

    def settle() -> None:
        ledger.settle(marked, check=policy is OptionBytesPolicy.CHECK)

    with bench.probe.usage.purpose("clean-up"):
        bench.insist(lambda: ledger.begin(test))
    try:
        if marked:
            bench.insist(lambda: board.option_bytes.set(**marked))
        yield
    finally:
        with bench.probe.usage.purpose("clean-up"):
            try:
                settle()
            except InfrastructureError:
                with suppress(H7Error):
                    bench.reconnect()
                settle()


@pytest.fixture
def h7_console(h7_board: Board) -> Console:
    """The serial console: `expect(pattern, timeout)`, `write`, `lines`, `log`, from the start of this test."""
    return h7_board.bench.console


@pytest.fixture
def h7_flashed(request: pytest.FixtureRequest, h7_board: Board, h7_images: ImagePair) -> ImagePair:
    """The images, proven to be in flash (programmed where it differs, read back); board reset and running."""
    from pytest_h7.flash_progress import shown_in_pytest

    policy = request.config.stash[session_key].settings.flash
    bench = h7_board.bench

    def flash_and_reset() -> None:
        with shown_in_pytest(request.config) as progress:
            h7_board.flash(h7_images, policy, progress)
        with uninterrupted():
            # In reset the firmware is silent, so that the console begins with its first words.
            bench.connection.hold_in_reset()
            bench.clock.sleep(_CONSOLE_LATENCY)
            bench.listen()
            h7_board.reset()

    h7_board.images = h7_images
    if policy is FlashPolicy.ALWAYS:
        flash_and_reset()
    else:
        name = ("flashed", h7_images.cm7.sha256, h7_images.cm4.sha256, policy)
        bench.checkpoints.reach(name, flash_and_reset, anew=True)
    return h7_images


@pytest.fixture
def h7_measure(request: pytest.FixtureRequest) -> Measure:
    """Record a figure of this test: `h7_measure("hsem_wake_us", 12.5, "us", better="lower")`.

    Its methods measure what every firmware has: `boot()`, `image_sizes()`, `cycles(name, core, start, end)`,
    `interrupt(name, core, handler, trigger)`, `stack(core)`, `console(request, answer)`.
    """
    from pytest_h7.release.measure import Measure

    return Measure(request)


@pytest.fixture
def cm7(h7_board: Board) -> Core:
    """The Cortex-M7 of the board."""
    return h7_board.cm7


@pytest.fixture
def cm4(h7_board: Board) -> Core:
    """The Cortex-M4 of the board; that it cannot be reached at this moment is a state, not an error."""
    return h7_board.cm4

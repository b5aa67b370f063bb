"""The fixtures. See ``pytest --fixtures`` for what each gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_h7.session import BoardSession, session_key

if TYPE_CHECKING:
    from pytest_h7.bench.console import Console
    from pytest_h7.bench.probes import Probe
    from pytest_h7.board.board import Board
    from pytest_h7.board.core import Core
    from pytest_h7.board.images import ImagePair


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
    """The board, connected and clean: no breakpoints, no driven pins, DBGMCU as configured, no core halted."""
    board = _h7_session.board
    board.images = None
    board.clean()
    values: dict[str, int] = {}
    for marker in reversed(list(request.node.iter_markers("h7_option_bytes"))):
        values.update(marker.kwargs)
    before = board.option_bytes.read(*values) if values else {}
    try:
        board.option_bytes.set(**values)
        yield board
    finally:
        board.bench.release_pins()
        if before:
            board.option_bytes.set(**before)


@pytest.fixture
def h7_console(h7_board: Board) -> Console:
    """The serial console: `expect(pattern, timeout)`, `write`, `lines`, `log`, from the start of this test."""
    console = h7_board.bench.console
    console.clear()
    return console


@pytest.fixture
def h7_flashed(request: pytest.FixtureRequest, h7_board: Board, h7_images: ImagePair) -> ImagePair:
    """The images, proven to be in flash (programmed where it differs, read back); board reset and running."""
    console = None
    if "h7_console" in request.fixturenames:
        # Open before the reset, or the first lines would be lost.
        console = request.getfixturevalue("h7_console")
    h7_board.flash(h7_images, request.config.stash[session_key].settings.flash)
    if console is not None:
        console.clear()
    h7_board.reset()
    return h7_images


@pytest.fixture
def cm7(h7_board: Board) -> Core:
    """The Cortex-M7 of the board."""
    return h7_board.cm7


@pytest.fixture
def cm4(h7_board: Board) -> Core:
    """The Cortex-M4 of the board; that it cannot be reached at this moment is a state, not an error."""
    return h7_board.cm4

"""The suite for boards: the same tests on a NUCLEO-H755ZI-Q and on the virtual one."""

import pytest

from pytest_h7 import Board, ImagePair

READY = 5
"""Last stage of the start of the reference firmware (firmware/common/test_points.h)."""


@pytest.fixture
def started(h7_board: Board, h7_flashed: ImagePair) -> Board:
    """The board with the reference firmware, both cores in their main loop."""
    h7_board.reach("both cores ready", lambda: wait_until_ready(h7_board))
    return h7_board


def wait_until_ready(board: Board) -> None:
    """Wait until both cores of the reference firmware have started."""
    board.wait_until(lambda: board.ap[3].readable, timeout=1.0, message="the CM4 becoming reachable")
    for core in board.cores:
        board.wait_until(
            lambda core=core: core.variable("boot_stage").value == READY,
            timeout=1.0,
            message=f"{core.name} getting ready",
        )


@pytest.fixture
def counts(started: Board):
    """How often each core has seen the button since this test began."""
    before = {core.name: core.variable("exti_count").value for core in started.cores}

    def since_start(settle: float = 0.005) -> tuple[int, int]:
        started.sleep(settle)
        cm7, cm4 = (core.variable("exti_count").value - before[core.name] for core in started.cores)
        return cm7, cm4

    return since_start

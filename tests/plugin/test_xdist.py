"""Runs in several processes: each has a virtual board of its own, and the report says what they had."""

import pytest

from .conftest import Run

TOGETHER = """
import os, time
from pathlib import Path

def test_each_has_its_own_board(h7_board, cm7, worker_id):
    here = Path(__file__).parent
    value = int(worker_id.removeprefix("gw")) + 0x1000
    cm7.write_u32(0x2000_0100, value)
    (here / worker_id).touch()
    deadline = time.monotonic() + 20
    while not all((here / name).exists() for name in ("gw0", "gw1")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    h7_board.sleep(0.01)
    assert cm7.read_u32(0x2000_0100) == value
"""


def test_each_process_has_its_own_board(run_apart: Run) -> None:
    result = run_apart(TOGETHER, "--dist=each", "--tx=2*popen", "-p", "no:randomly")
    result.assert_outcomes(passed=2)
    for worker in ("gw0", "gw1"):
        result.stdout.fnmatch_lines(
            [
                f"{worker} h7: virtual board H7TWIN, STLINK-V3 *",
                f"{worker} h7: cm7 cm7.elf (*), cm4 cm4.elf (*)",
                f"{worker} h7: BCM7=1 BCM4=1 *",
            ]
        )


ALONE = """
from pathlib import Path

def test_has_the_board_alone(h7_board):
    present = Path(__file__).parent / "present"
    present.touch(exist_ok=False)
    h7_board.sleep(0.01)
    present.unlink()
"""


def test_named_board_goes_from_one_process_to_the_next(run_apart: Run) -> None:
    result = run_apart(ALONE, "--dist=each", "--tx=2*popen", "--h7-probe=twin:desk")
    result.assert_outcomes(passed=2)


def test_failures_of_a_process_show_its_board(run_apart: Run) -> None:
    source = """
        def test_fails(h7_board): assert False
        def test_sleeps(h7_board): h7_board.sleep(0.1)
        """
    result = run_apart(source, "-n2")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*- h7 board -*", "failure class: test", "cm7: *", "cm4: *"])


def test_bad_option_is_refused_before_any_process_starts(run: Run) -> None:
    result = run("def test_it(): pass", "-n2", "--h7-flash=maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: --h7-flash: 'maybe' is none of auto, always, never"
    ]

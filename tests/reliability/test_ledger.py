"""A test changes option bytes, and then the process is killed or the power is cut: the next run puts them back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from killed import COUNT, VARIABLE

from pytest_h7.bench.bench import Bench
from pytest_h7.bench.lease import who_has
from pytest_h7.bench.settings import Settings
from pytest_h7.board.board import Board
from pytest_h7.errors import H7Error
from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import virtual_board
from pytest_h7.twin.board_store import board_folder
from pytest_h7.twin.timeline import PS_PER_S

BOARD = Settings(probe="twin:desk")
CHANGED = {"BCM4": 0, "BOOT_CM7_ADD1": 0x1FF1, "SWAP_BANK_OPT": 1}
"""Words of both kinds, and one that changes the place of everything."""
FACTORY = {"BCM4": 1, "BOOT_CM7_ADD1": 0x1FF0, "SWAP_BANK_OPT": 0}

CHANGE_AND_PUT_BACK = """
import killed
from test_ledger import connected, change, put_back

with connected() as board:
    change(board)
    put_back(board)
"""

KILLED = """
import os, signal

def test_before(h7_board): pass

def test_killed(h7_board):
    h7_board.option_bytes.set(BCM4=0, BOOT_CM4_ADD0=0x0818)
    os.kill(os.getpid(), signal.SIGKILL)
"""

SAMPLE = 2
SAMPLE_OF_CUTS = 6
CUTS = 250


@contextmanager
def connected() -> Iterator[Board]:
    """Connect as a run does, until its end."""
    bench = Bench(BOARD)
    try:
        board = Board(bench)
        board.option_ledger.open()
        yield board
    finally:
        bench.close()


def change(board: Board) -> None:
    board.option_ledger.begin("test_it.py::test_it")
    board.option_bytes.set(**CHANGED)


def put_back(board: Board) -> None:
    board.option_ledger.settle({}, check=False)


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No boards are there, and none is known to this process."""
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))
    monkeypatch.setattr(twin_board, "_boards", {})


def check_next_run() -> str | None:
    """Connect once more, and see that everything is as it was; return what the header says of it."""
    assert who_has(board_folder("desk")) is None
    with connected() as board:
        assert board.option_bytes.read(*FACTORY) == FACTORY
        recovered = board.option_ledger.recovered
    assert not (board_folder("desk") / "option-bytes-before.json").exists()
    with connected() as board:
        assert board.option_ledger.recovered is None
    return recovered


# -- killed ---------------------------------------------------------------------------------------------


def run_killed(moment: int, count: Path) -> int:
    environment = os.environ | {
        VARIABLE: str(moment),
        COUNT: str(count),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    return subprocess.run(
        [sys.executable, "-c", CHANGE_AND_PUT_BACK], env=environment, check=False
    ).returncode


def test_process_is_killed_at_any_moment(
    tmp_path: Path, choose: Callable[[Sequence[int], int], list[int]]
) -> None:
    count = tmp_path / "count"
    assert check_next_run() is None  # and the board is there, which is a moment of its own
    assert run_killed(0, count) == 0
    moments = range(1, int(count.read_text()) + 1)
    for moment in choose(moments, SAMPLE):
        assert run_killed(moment, count) == -signal.SIGKILL, moment
        check_next_run()


def test_header_tells_of_a_run_that_was_killed(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(KILLED)
    arguments = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--h7-probe=twin:desk", path)
    assert pytester.runpytest_subprocess(*arguments).ret == -signal.SIGKILL
    result = pytester.runpytest_subprocess(*arguments, "-k", "before")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "h7: BCM7=1 BCM4=1 BOOT_CM7_ADD0=0x0800 BOOT_CM4_ADD0=0x0810 RDP=0xAA",
            "h7: option bytes put back: BCM4=1 BOOT_CM4_ADD0=0x0810 (a run that was cut in *::test_killed had "
            "left BCM4=0 BOOT_CM4_ADD0=0x0818)",
        ]
    )
    result = pytester.runpytest_subprocess(*arguments, "-k", "before")
    result.stdout.no_fnmatch_line("*put back*")


# -- without power ----------------------------------------------------------------------------------------


def duration() -> int:
    """Return the board time that the change and its end take, in picoseconds."""
    with connected() as board:
        start = virtual_board("desk").picoseconds()
        change(board)
        put_back(board)
        return virtual_board("desk").picoseconds() - start


def cut_power(moment: int) -> None:
    """Change and put back, with the power cut at a moment."""
    with connected() as board:
        chip = virtual_board("desk")

        def cut() -> None:
            chip.mcu.power_off()
            chip.stlink.debug_port.power_on_reset()

        chip.mcu.schedule(moment, cut)
        with suppress(H7Error):
            change(board)
            put_back(board)
        assert not chip.mcu.powered


def test_power_is_cut_at_any_moment(choose: Callable[[Sequence[int], int], list[int]]) -> None:
    whole = duration()
    for moment in choose(range(1, whole, whole // CUTS), SAMPLE_OF_CUTS):
        cut_power(moment)
        check_next_run()


def test_power_is_cut_while_they_are_changed_back() -> None:
    """The new values are in force; those before have been waiting to be programmed since the begin."""
    cut_power(duration() - round(0.1 * PS_PER_S))
    assert check_next_run() == (
        "option bytes put back: BCM4=1 BOOT_CM7_ADD1=0x1FF0 SWAP_BANK_OPT=0 "
        "(a run that was cut in test_it.py::test_it had left BCM4=0 BOOT_CM7_ADD1=0x1FF1 SWAP_BANK_OPT=1)"
    )


def test_power_is_cut_while_the_next_run_puts_them_back() -> None:
    cut_power(duration() // 2)
    bench = Bench(BOARD)
    chip = virtual_board("desk")
    chip.mcu.schedule(round(0.2 * PS_PER_S), chip.mcu.power_off)
    with pytest.raises(H7Error, match=r"could not be put back after test_it\.py::test_it"):
        Board(bench).option_ledger.open()
    bench.close()
    assert check_next_run() is not None

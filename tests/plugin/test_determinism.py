"""The same tests cost the same board time and the same transfers, to the picosecond, in every run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run

COMPARE = Path(__file__).parents[2] / "ci" / "compare_runs.py"

SUITE = """
import pytest

def test_start(started, h7_board):
    h7_board.boot_contract(1.0)

@pytest.mark.parametrize("presses", [1, 3])
def test_presses(started, h7_board, h7_console, presses):
    for _ in range(presses):
        h7_board.button.press(0.01)
    h7_console.expect(rf"\\[CM4\\] EXTI13 {presses}")

@pytest.mark.h7_option_bytes(BCM4=0)
def test_held(h7_board, h7_flashed):
    h7_board.sleep(0.0123456789)

def test_fails(started, cm4):
    cm4.run_until("SysTick_Handler")
    assert False
"""


def compare(*reports: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, COMPARE, *reports], capture_output=True, text=True, check=False)


def test_two_runs_are_equal(run_apart: Run, pytester: pytest.Pytester) -> None:
    reports = [pytester.path / "first.xml", pytester.path / "second.xml"]
    for report in reports:
        run_apart(SUITE, f"--junitxml={report}").assert_outcomes(passed=4, failed=1)
    done = compare(*reports)
    assert done.stdout.startswith("5 tests, ")
    assert done.stdout.endswith(" s of board time: 0 differ.\n")
    assert done.returncode == 0


REPORT = """<testsuites><testsuite><testcase classname="test_x" name="test_a"><properties>
<property name="h7_board_time_s" value="{time}"/><property name="h7_transfers" value="40"/>
</properties></testcase></testsuite></testsuites>"""


def test_difference_is_named(tmp_path: Path) -> None:
    first, second = tmp_path / "first.xml", tmp_path / "second.xml"
    first.write_text(REPORT.format(time="0.125"))
    second.write_text(REPORT.format(time="0.125000000001"))
    done = compare(first, second)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "test_x.test_a: h7_board_time_s 0.125 and 0.125000000001",
        "1 tests, 0.125000 s of board time: 1 differ.",
    ]
    shutil.copy(first, second)
    assert compare(first, second).returncode == 0


def test_other_outcome_is_a_difference(tmp_path: Path) -> None:
    first, second = tmp_path / "first.xml", tmp_path / "second.xml"
    first.write_text(REPORT.format(time="0.125"))
    second.write_text(REPORT.format(time="0.125").replace("</testcase>", "<failure/></testcase>"))
    done = compare(first, second)
    assert done.returncode == 1
    assert done.stdout.startswith("test_x.test_a: outcome passed and failure\n")


def test_runs_without_figures_prove_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty.xml"
    empty.write_text("<testsuites/>")
    done = compare(empty, empty)
    assert done.returncode == 1
    assert done.stdout == "Neither run has recorded board times.\n"

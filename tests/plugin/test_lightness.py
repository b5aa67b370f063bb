"""A run that needs no board imports neither pyOCD nor the virtual board, and touches no USB device."""

import pytest

from .conftest import QUICKLY, Run

SPY = """
import sys
from pathlib import Path

def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        Path(__file__).with_name("imported.txt").write_text("\\n".join(sys.modules))
"""

TESTS = """
import pytest
from pytest_h7 import Board, Cause, Core, CoreState, H7Error, ImageError

def test_without(): pass

def test_of_another_kind(tmp_path): pass
"""

OF_BOARD = """
@pytest.mark.h7_option_bytes(BCM4=0)
def test_of_board(h7_board, h7_flashed, h7_console, cm7, cm4): pass

@pytest.mark.h7_hardware
def test_of_hardware(h7_board): pass
"""

HEAVY = {"pyocd", "unicorn", "serial", "usb", "elftools", "intelhex", "filelock", "hid", "pylink"}


def imported(pytester: pytest.Pytester) -> set[str]:
    return set(pytester.path.joinpath("imported.txt").read_text().splitlines())


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        (TESTS + OF_BOARD, ("--help",)),
        (TESTS + OF_BOARD, ("--markers",)),
        (TESTS + OF_BOARD, ("--fixtures",)),
        (TESTS + OF_BOARD, ("--collect-only",)),
        (TESTS, ()),
        (TESTS + OF_BOARD, ("-k", "without")),
        (TESTS + OF_BOARD, ("-n1",)),
    ],
    ids=["help", "markers", "fixtures", "collect-only", "without", "deselected", "xdist"],
)
def test_nothing_heavy_is_imported(
    pytester: pytest.Pytester, own_boards: None, source: str, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(source)
    pytester.makeconftest(SPY)
    result = pytester.runpytest_subprocess(*QUICKLY, *arguments, timeout=120)
    assert result.ret == pytest.ExitCode.OK
    modules = imported(pytester)
    assert "pytest_h7.plugin" in modules
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()
    assert not any(name.startswith(("pytest_h7.twin", "pytest_h7.target")) for name in modules)


def test_without_the_plugin(pytester: pytest.Pytester, own_boards: None) -> None:
    pytester.makepyfile("def test_without(): pass")
    pytester.makeconftest(SPY)
    result = pytester.runpytest_subprocess("-p", "no:h7", *QUICKLY, timeout=120)
    result.assert_outcomes(passed=1)
    assert not any(name.startswith("pytest_h7") for name in imported(pytester))


def test_a_run_without_the_board_adds_nothing_to_the_report(run: Run) -> None:
    result = run("def test_passes(): pass\ndef test_fails(): assert False\n", "-rA")
    result.assert_outcomes(passed=1, failed=1)
    assert "h7:" not in result.stdout.str()
    assert "h7 board" not in result.stdout.str()

"""``--h7-boards``: several boards in a run, one for each process of pytest-xdist."""

import re
from collections import Counter
from pathlib import Path

import pytest

from pytest_h7.bench.lease import Lease
from pytest_h7.twin.board_store import board_folder

from .conftest import Run

TESTS = """
import time
from pathlib import Path
import pytest
from pytest_h7.twin import board as twin_board

LOG = Path(__file__).with_name("log")

def note(board, number):
    with LOG.open("a") as log:
        log.write(f"{board.bench.probe.serial} {number}\\n")

@pytest.mark.parametrize("number", range(%d))
def test_it(h7_board, h7_flashed, worker_id, number):
    %s
    note(h7_board, number)
    h7_board.boot_contract(1.0)
"""
KILL = """
    if h7_board.bench.probe.serial == "H7TWIN-a":
        twin_board._boards["a"].stlink.plugged = False
"""


def log(pytester: pytest.Pytester) -> list[tuple[str, int]]:
    """Return which board has come to the end of which test."""
    lines = pytester.path.joinpath("log").read_text().splitlines()
    return [(serial, int(number)) for serial, number in map(str.split, lines)]


def test_each_process_takes_a_board(run_apart: Run, pytester: pytest.Pytester) -> None:
    wait = """
    LOG.with_name(worker_id).touch()
    while not all(LOG.with_name(name).exists() for name in ("gw0", "gw1")): time.sleep(0.01)
"""
    result = run_apart(TESTS % (8, wait), "-n2", "--h7-boards=twin:a,twin:b")
    result.assert_outcomes(passed=8)
    assert {serial for serial, _ in log(pytester)} == {"H7TWIN-a", "H7TWIN-b"}
    result.stdout.re_match_lines_random(
        [r"gw\d h7: virtual board H7TWIN-a, ", r"gw\d h7: virtual board H7TWIN-b, "]
    )


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_board_that_dies_costs_no_test(run_apart: Run, pytester: pytest.Pytester, processes: int) -> None:
    """More processes than boards are no harm either."""
    arguments = [f"-n{processes}"] if processes > 1 else []
    source = TESTS % (8, KILL)
    if not arguments:
        source = source.replace("worker_id, ", "")
    result = run_apart(source, *arguments, "--h7-boards=twin:a,twin:b")
    result.assert_outcomes(passed=8)
    done = [number for serial, number in log(pytester) if serial == "H7TWIN-b"]
    assert sorted(done) == list(range(8))
    found = re.findall(r"^(?:gw\d )?h7: board twin:a was set aside: (.*)$", result.stdout.str(), re.MULTILINE)
    assert len(found) == 1
    assert "does not answer over USB" in found[0]


def test_all_boards_dead(run_apart: Run) -> None:
    kill = "for board in twin_board._boards.values(): board.stlink.plugged = False"
    result = run_apart(TESTS % (6, kill), "-n2", "--h7-boards=twin:a,twin:b")
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) == 0
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 6
    result.stdout.fnmatch_lines(["*No board is left of those of --h7-boards: twin:* was set aside (*"])


@pytest.mark.parametrize("at_end", ["", "1"], ids=["its own test", "test of another process"])
def test_process_that_dies_costs_one_test(run_apart: Run, pytester: pytest.Pytester, at_end: str) -> None:
    """The board that it leaves is taken by another process, which runs the others."""
    pytester.makepyfile(
        tell_the_end="""
        import os
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_sessionfinish():
            os.environ["AT_END"] = "1"
            return (yield)
        """
    )
    die = f"""
    import os
    died = LOG.with_name("died")
    if os.environ.get("AT_END", "") == "{at_end}" and not died.exists():
        died.write_text(str(number))
        os._exit(3)
"""
    result = run_apart(TESTS % (6, die), "-n2", "--h7-boards=twin:a", "-p", "tell_the_end")
    result.assert_outcomes(failed=1, passed=5)
    killed = pytester.path.joinpath("died").read_text()
    assert re.search(rf"^FAILED .*::test_it\[{killed}\] - .*gw\d", result.stdout.str(), re.MULTILINE)
    done = {number for _, number in log(pytester)}
    assert done == set(range(6)) - {int(killed)}


def test_failures_of_firmware_stay_where_they_are(run_apart: Run) -> None:
    result = run_apart("def test_it(h7_board): assert False", "-n2", "--h7-boards=twin:a,twin:b")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*set aside*")


def test_board_in_use_is_passed_over(run_apart: Run, pytester: pytest.Pytester, own_boards: None) -> None:
    lease = Lease("twin:a", board_folder("a"), 0, print)
    try:
        source = (TESTS % (3, "")).replace("worker_id, ", "")
        run_apart(source, "--h7-boards=twin:a,twin:b").assert_outcomes(passed=3)
    finally:
        lease.release()
    assert Counter(serial for serial, _ in log(pytester)) == {"H7TWIN-b": 3}


def test_no_free_board(run_apart: Run, own_boards: None) -> None:
    lease = Lease("twin:a", board_folder("a"), 0, print)
    try:
        result = run_apart("def test_it(h7_board): pass", "--h7-boards=twin:a")
    finally:
        lease.release()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: No board is left of those of --h7-boards: 1 in use; *"])


def test_auto_starts_a_process_per_free_board(
    run_apart: Run, own_boards: None, pytester: pytest.Pytester
) -> None:
    lease = Lease("twin:c", board_folder("c"), 0, print)
    try:
        result = run_apart("def test_it(h7_board): pass", "-nauto", "--h7-boards=twin:a,twin:b,twin:c,twin:d")
    finally:
        lease.release()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*3/3 workers*"])


def test_auto_without_probes(run_apart: Run) -> None:
    result = run_apart("def test_it(h7_board): pass", "-nauto", "--h7-boards=all")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--h7-boards=all: no debug probe is connected."])


@pytest.mark.parametrize("value", ["twin:a,twin:a", "twin:a,,twin:b", "twin"])
def test_selection_that_cannot_be(run: Run, value: str) -> None:
    result = run("def test_it(h7_board): pass", f"--h7-boards={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --h7-boards: *"])


def test_nothing_is_left_behind(
    run_apart: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(place))
    run_apart(TESTS % (4, KILL), "-n2", "--h7-boards=twin:a,twin:b").assert_outcomes(passed=4)
    assert not list(Path(place).glob("pytest-h7-*"))

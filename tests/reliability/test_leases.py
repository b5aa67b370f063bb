"""Several processes want one board, and some are killed: whoever tests has it alone, and it is never stuck.

Witness of that is a lock of its own, taken before anything else in each process, so that it is freed before the
lease when the process dies; and what each test writes to the board and finds again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_h7.bench.lease import who_has
from pytest_h7.twin.board_store import board_folder

PROCESSES, TESTS = 4, 5
EVERY_PROCESS, EVERY_TEST = 8, 100
MOMENTS = 40
"""A process that is to be killed is so within so many moments of a test, the fewest that two tests have."""

WITNESS = """
import os
from pathlib import Path

witness = (Path(__file__).parent / "witness").open("a")
import killed

def pytest_runtest_setup(item):
    if os.environ["H7_TEST_KILL_IN"] == str(item.callspec.params["number"]):
        killed.moments.arm(int(os.environ["H7_TEST_KILL_AFTER"]))
"""

TESTS_OF_A_PROCESS = """
import fcntl, os
from pathlib import Path
import pytest
from conftest import witness

SCRATCH = 0x2400_0000

@pytest.fixture
def alone(h7_board):
    fcntl.flock(witness, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield h7_board
    fcntl.flock(witness, fcntl.LOCK_UN)

@pytest.mark.parametrize("number", range(int(os.environ["H7_TEST_TESTS"])))
def test_has_the_board_alone(alone, cm7, number, request):
    assert alone.option_bytes.read("BCM4", "BOOT_CM4_ADD0") == {"BCM4": 1, "BOOT_CM4_ADD0": 0x0810}
    match number % 5:
        case 1:
            alone.option_bytes.set(BCM4=0)
        case 2:
            alone.option_bytes.set(BOOT_CM4_ADD0=0x0818)
        case 4:
            request.getfixturevalue("h7_flashed")
            alone.boot_contract(1.0)
    cm7.halt()
    alone.ap[0].write_u32(SCRATCH, os.getpid())
    alone.sleep(0.01)
    assert alone.ap[0].read_u32(SCRATCH) == os.getpid()
    with (Path(__file__).parent / "notes").open("a") as notes:
        notes.write(f"{os.getpid()}\\n")
"""

ARGUMENTS = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
    "-q",
    "--rootdir=.",
    "--h7-probe=twin:shared",
)


class Runs:
    """Runs of pytest in a folder, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        (folder / "conftest.py").write_text(WITNESS)
        (folder / "test_shared.py").write_text(TESTS_OF_A_PROCESS)

    def start(
        self, tests: int, end: tuple[int, int] | None = None, timeout: int = 3600
    ) -> subprocess.Popen[bytes]:
        """Start a process with its tests, perhaps to be killed at a moment after the begin of one of them."""
        kill_in, kill_after = end or (-1, 0)
        environment = os.environ | {
            "H7_TEST_KILL_IN": str(kill_in),
            "H7_TEST_KILL_AFTER": str(kill_after),
            "H7_TEST_TESTS": str(tests),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-m", "pytest", *ARGUMENTS, f"--h7-lease-timeout={timeout}"]
        with (self._folder / f"output {len(self._started)}").open("w") as output:
            process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=output, stderr=output
            )
        self._started.append(process)
        return process

    def output(self, process: subprocess.Popen[bytes]) -> str:
        """Return what a process has printed."""
        return (self._folder / f"output {self._started.index(process)}").read_text()

    def tests_done(self) -> Counter[int]:
        """Return how many tests have come to their end, by process."""
        return Counter(map(int, (self._folder / "notes").read_text().split()))

    def end(self) -> None:
        """End what a failure has left."""
        for process in self._started:
            process.kill()
            process.wait()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path / "twins"))
    runs = Runs(tmp_path)
    yield runs
    runs.end()


def test_one_board_for_several_processes(request: pytest.FixtureRequest, runs: Runs) -> None:
    every = request.config.getoption("every_case", default=False)
    count, tests = (EVERY_PROCESS, EVERY_TEST) if every else (PROCESSES, TESTS)
    chance = random.Random(1)
    ends = [
        (chance.randrange(tests - 2), chance.randint(1, MOMENTS)) if number % 2 else None
        for number in range(count)
    ]
    started = {runs.start(tests, end): end for end in ends}
    for process, end in started.items():
        process.wait()
        assert process.returncode == (-signal.SIGKILL if end else 0), (end, runs.output(process))
    assert who_has(board_folder("shared")) is None
    done = runs.tests_done()
    assert [done[process.pid] for process, end in started.items() if not end] == [tests] * (count // 2)
    last = runs.start(1, timeout=0)
    last.wait()
    assert last.returncode == 0, runs.output(last)
    assert not (board_folder("shared") / "option-bytes-before.json").exists()

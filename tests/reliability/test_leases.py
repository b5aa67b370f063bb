"""Several processes want one board, and some are killed: whoever tests has it alone, and it is never stuck.

At a desk a process follows the one that was killed, until one comes to its end. Processes are killed between two
things that they do to the board, within a test, or at any time by the clock: while they start, wait or end.

Witness of all this is a lock of its own, taken before anything else in each process, so that it is freed before
the lease when the process dies; and what each test writes to the board and finds again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from pytest_h7.bench.lease import who_has
from pytest_h7.twin.board_store import board_folder

DESKS, EVERY_DESK = 3, 8
TESTS, EVERY_TEST = 5, 100
KILLED, EVERY_KILLED = 1, 3
"""How many processes are killed at each desk but the first."""

MOMENTS = 40
"""A process that is to be killed is so within so many moments of a test, the fewest that two tests have."""

LONGEST_LIFE = 6.0
"""Seconds within which a process is killed by the clock, if it has not come to its end."""

LOOK_AGAIN = 0.02
LEASE_TIMEOUT = 3600

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
def alone(h7_board, h7_flashed):
    fcntl.flock(witness, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield h7_board
    fcntl.flock(witness, fcntl.LOCK_UN)

@pytest.mark.parametrize("number", range(int(os.environ["H7_TEST_TESTS"])))
def test_has_the_board_alone(alone, cm7, number):
    assert alone.option_bytes.read("BCM4", "BOOT_CM4_ADD1") == {"BCM4": 1, "BOOT_CM4_ADD1": 0x1000}
    match number % 5:
        case 1:
            alone.option_bytes.set(BCM4=0)
        case 2:
            alone.option_bytes.set(BOOT_CM4_ADD1=0x1001)
        case 4:
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


@dataclass(frozen=True)
class End:
    """How a process is to be killed: at a moment of a test, or after so many seconds; else it is not."""

    test: int = -1
    moment: int = 0
    seconds: float | None = None

    @classmethod
    def by_chance(cls, tests: int) -> End:
        if random.random() < 0.5:
            return cls(seconds=random.uniform(0, LONGEST_LIFE))
        return cls(random.randrange(tests - 2), random.randint(1, MOMENTS))

    @property
    def exit_codes(self) -> tuple[int, ...]:
        """What the process may end with."""
        if self.seconds is not None:
            return -signal.SIGKILL, 0
        return (-signal.SIGKILL,) if self.test >= 0 else (0,)


class Process:
    """A run of pytest in a folder."""

    def __init__(self, folder: Path, tests: int, end: End, timeout: float = LEASE_TIMEOUT) -> None:
        environment = os.environ | {
            "H7_TEST_KILL_IN": str(end.test),
            "H7_TEST_KILL_AFTER": str(end.moment),
            "H7_TEST_TESTS": str(tests),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-m", "pytest", *ARGUMENTS, f"--h7-lease-timeout={timeout}"]
        self._output = folder / f"output-{uuid4()}"
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=output
            )
        self._start = time.monotonic()
        self.end = end

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        """Look after the process: kill it when its time has come; fail if it has ended as it must not."""
        if self.end.seconds is not None and time.monotonic() - self._start > self.end.seconds:
            self.kill()
        code = self._process.poll()
        if code is None:
            return False
        output = self._output.read_text()
        assert code in self.end.exit_codes, (self.end, output)
        assert "FAILED" not in output, (self.end, output)
        assert "ERROR" not in output, (self.end, output)
        return True

    def wait(self) -> None:
        self._process.wait()
        assert self.has_ended()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tests are, and the board."""
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path / "twins"))
    (tmp_path / "conftest.py").write_text(WITNESS)
    (tmp_path / "test_shared.py").write_text(TESTS_OF_A_PROCESS)
    return tmp_path


def work_at_desks(folder: Path, desks: Iterable[list[End]], tests: int) -> list[Process]:
    """Let processes follow each other at each desk, the desks at the same time; return those not killed."""
    waiting = {desk: iter(ends) for desk, ends in enumerate(desks)}
    at_work = {desk: Process(folder, tests, next(ends)) for desk, ends in waiting.items()}
    survivors = []
    try:
        while at_work:
            time.sleep(LOOK_AGAIN)
            for desk, process in list(at_work.items()):
                if not process.has_ended():
                    continue
                del at_work[desk]
                if process.end == End():
                    survivors.append(process)
                following = next(waiting[desk], None)
                if following is not None:
                    at_work[desk] = Process(folder, tests, following)
    finally:
        for process in at_work.values():
            process.kill()
    return survivors


def test_one_board_for_several_processes(request: pytest.FixtureRequest, folder: Path) -> None:
    every = request.config.getoption("every_case", default=False)
    desks, tests, killed = (EVERY_DESK, EVERY_TEST, EVERY_KILLED) if every else (DESKS, TESTS, KILLED)
    ends = [[End.by_chance(tests) for _ in range(killed if desk else 0)] for desk in range(desks)]
    survivors = work_at_desks(folder, [[*some, End()] for some in ends], tests)
    assert who_has(board_folder("shared")) is None
    done = Counter(map(int, (folder / "notes").read_text().split()))
    assert [done[process.pid] for process in survivors] == [tests] * desks, ends
    Process(folder, 1, End(), timeout=0).wait()
    assert not (board_folder("shared") / "option-bytes-before.json").exists()

"""What several boards gain: the board suite in several processes, each with a virtual board of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from pytest_h7.firmware_build import ROOT

_ROUNDS = 2
_REPEATS = 8
"""Of the suite in a run, so that what is measured is the tests and not the start of Python."""


def two_boards() -> dict[str, float]:
    """Measure the time of one process over that of two, on two boards."""
    return {"xdist_speedup_2": _speedup(2)}


def eight_boards() -> dict[str, float]:
    """Measure the time of one process over that of eight, on eight boards."""
    return {"xdist_speedup_8": _speedup(8)}


def _speedup(boards: int) -> float:
    def seconds(count: int) -> float:
        return min(_run(count) for _ in range(_ROUNDS))

    return seconds(1) / seconds(boards)


def _run(boards: int) -> float:
    """Run the board suite several times over; return the seconds of wall time it takes."""
    with tempfile.TemporaryDirectory() as home:
        names = ",".join(f"twin:{number}" for number in range(boards))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--h7-boards={names}"]
        command += ["-n", str(boards)] if boards > 1 else []
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("H7_", "PYTEST_"))
        }
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--keep-duplicates", *["tests/board"] * _REPEATS],
            cwd=ROOT,
            env={**environment, "H7_TWIN_HOME": home},
            stdout=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the board suite fails: {done.stdout.decode()[-500:]}")
        return time.perf_counter() - start

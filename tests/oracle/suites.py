"""The suites of the virtual board with and without jumps over busy-wait loops, which must not make a difference.

Every test must end in the same way, in the same board time, and leave every core that it ran at the same cycle
in the same state, with the same in its memories. What a test runs in a process of its own has jumps both times.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "oracle"

SUITES = ("tests/board", "tests/twin", "tests/plugin")
REAL_TIME = (
    "tests/plugin/test_timeout.py",
    "tests/plugin/test_options.py::test_console_from_another_port",
    "tests/plugin/ctests/test_running.py::test_time_out_of_the_wall_clock",
)
"""Tests that end after some real time, or wait for a port that is not the board's: no two runs are equal."""


def run(report: Path, *options: str) -> bool:
    """Run the suites; return whether all tests have passed."""
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "core_states", *options]
    command += ["--hypothesis-seed=0", f"--junitxml={report}", *(f"--deselect={test}" for test in REAL_TIME)]
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([*command, *SUITES], cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    """Run the suites in both ways; return 1 if anything differs, or fails."""
    BUILD.mkdir(parents=True, exist_ok=True)
    reports = BUILD / "suites-with-jumps.xml", BUILD / "suites-without-jumps.xml"
    passed = [run(reports[0]), run(reports[1], "--without-jumps")]
    if not all(report.is_file() for report in reports):
        return 1
    compare = subprocess.run([sys.executable, ROOT / "ci" / "compare_runs.py", *reports], check=False)
    return 1 if compare.returncode or not all(passed) else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a board elsewhere costs: tests at a virtual board behind an artificial delay."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_h7.firmware_build import ROOT

sys.path.insert(0, str(ROOT / "tests" / "plugin"))
from remote_board import FarNetwork, Served, served

_SUITE = ["tests/board/test_hsem.py"]


def round_trips() -> dict[str, float]:
    """Measure wall time and round trips of a test with 0, 5 and 20 ms for each round trip."""
    figures = {}
    with tempfile.TemporaryDirectory() as home, served(Path(home)) as server:
        _run(server, 0.0)  # flashes the board
        for milliseconds in (0, 5, 20):
            seconds, trips, tests = _run(server, milliseconds / 1000)
            figures[f"remote_test_ms_{milliseconds}"] = 1000 * seconds / tests
            figures["remote_test_round_trips"] = trips / tests
    return figures


def _run(server: Served, delay: float) -> tuple[float, int, int]:
    """Run the suite; return its seconds, those of the start excluded, its round trips and its tests."""
    network = FarNetwork(server.port, delay)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--h7-probe={network.probe}"]
    process = subprocess.Popen(
        [*command, *_SUITE], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    start, lines = 0.0, []
    for line in process.stdout:
        if line.startswith("h7: ") and not start:
            start = time.perf_counter()
        lines.append(line)
    seconds = time.perf_counter() - start
    network.cut()
    if process.wait():
        raise RuntimeError(f"the tests fail at a board elsewhere: {''.join(lines)[-500:]}")
    return seconds, network.requests, sum(line.count(".") for line in lines if line.endswith("%]\n"))

"""The benchmarks themselves: what is measured is there and, where it is the same in every run, as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bench
import mix
import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

BENCH = Path(__file__).parent / "bench.py"


def measure(folder: Path, *metrics: str) -> dict[str, float]:
    output = folder / "figures" / "bench.json"
    command = [sys.executable, BENCH, "--output", output, *metrics]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, float] = json.loads(output.read_text())
    for name, figure in figures.items():
        assert f"{name} " in done.stdout
        assert f" {figure:.6g} " in done.stdout
    return figures


def test_transfers_and_board_time_of_the_connection(tmp_path: Path) -> None:
    metrics = ("connect_transfers", "flash_transfers", "reflash_unchanged_transfers", "boot_board_time_ms")
    figures = measure(tmp_path, *metrics)
    assert set(figures) == set(metrics)
    # pyOCD's own discovery takes 284; every access to memory takes two.
    assert 20 < figures["connect_transfers"] <= 50
    assert 50 < figures["flash_transfers"] <= 350
    # One read for each image.
    assert figures["reflash_unchanged_transfers"] == 4
    # The reset pulse alone takes 10 ms.
    assert 10 < figures["boot_board_time_ms"] < 100
    assert measure(tmp_path, "boot_board_time_ms") == {"boot_board_time_ms": figures["boot_board_time_ms"]}


def test_transfers_of_a_test(tmp_path: Path) -> None:
    figures = measure(tmp_path, "test_transfers", "flashed_test_transfers", "test_overhead_ms")
    # Is DBGMCU as configured, is the CM7 halted, is the CM4: three reads.
    assert figures["test_transfers"] == 6
    # And one read for each image, and NRST low and high.
    assert figures["test_transfers"] < figures["flashed_test_transfers"] <= 13
    assert 0 < figures["test_overhead_ms"] < 1000


def test_both_cores_compute_what_the_benchmark_expects(tmp_path: Path, make_mcu: Callable[..., Mcu]) -> None:
    rounds = 3
    pair = mix.build(tmp_path, rounds)
    mcu = make_mcu(*pair)
    mcu.run_for(20 * PS_PER_MS)
    for image in pair:
        found = mcu.read(image.symbol("checksum"), 4, Master(image.core))
        assert found == mix.checksum(rounds)
        assert found != mix.checksum(rounds - 1)


def broken() -> dict[str, float]:
    raise RuntimeError("the clock has stopped")


@pytest.fixture
def figures_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, dict[str, float]]]:
    """Run the command with arguments, on invented measurements; return the exit code and what it has written."""
    measurements = {
        lambda: {"time_ms": 3.0, "speed": 5.0}: {
            "time_ms": bench.Metric("ms", 2),
            "speed": bench.Metric("MIPS", 5, at_least=True),
        },
        broken: {"hours": bench.Metric("h")},
    }
    monkeypatch.setattr(bench, "MEASUREMENTS", measurements)
    output = tmp_path / "bench.json"

    def run(*arguments: str) -> tuple[int, dict[str, float]]:
        code = bench.main(["--output", str(output), *arguments])
        return code, json.loads(output.read_text())

    return run


def test_missed_target_is_marked_and_fails_only_a_check(
    figures_of, capsys: pytest.CaptureFixture[str]
) -> None:
    both = {"time_ms": 3.0, "speed": 5.0}
    assert figures_of("time_ms", "speed") == (0, both)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["time_ms", "3", "ms", "<=", "2", "MISSED"]
    assert lines[2].split() == ["speed", "5", "MIPS", ">=", "5"]
    assert figures_of("--check", "time_ms", "speed") == (1, both)
    assert figures_of("--check", "speed") == (0, {"speed": 5.0})


def test_failed_measurement_leaves_the_others(figures_of, capsys: pytest.CaptureFixture[str]) -> None:
    assert figures_of() == (1, {"time_ms": 3.0, "speed": 5.0})
    assert "hours: not measured: the clock has stopped" in capsys.readouterr().out


def test_unknown_metric_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench.main(["speed_of_light"])
    assert stopped.value.code == 2
    assert "there is no metric speed_of_light" in capsys.readouterr().err

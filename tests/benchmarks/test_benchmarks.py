"""The benchmarks themselves: what is measured is there and, where it is the same in every run, as it should be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bench
import comparison
import mix
import pytest
import waiting
from compiling import for_virtual_board

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

BENCH = Path(__file__).parent / "bench.py"
WAYS = ("IDLE", "BUSY_WAIT", "FOREVER_LOOP")
"""To wait, of programs/wait.c."""


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


def test_cost_of_a_test_in_c(tmp_path: Path) -> None:
    figures = measure(tmp_path, "c_test_ms", "c_test_transfers")
    assert 0 < figures["c_test_ms"] < 300
    # A digest of flash takes 38 of them; the rest is the start, choosing the test, its result and its record.
    assert 80 < figures["c_test_transfers"] <= 120


def test_transfers_of_a_test(tmp_path: Path) -> None:
    figures = measure(tmp_path, "test_transfers", "flashed_test_transfers", "test_overhead_ms")
    # Is DBGMCU as configured, the state of each core, that again at the end, and the option bytes: six reads.
    assert figures["test_transfers"] == 12
    # And one read for each image, NRST low and high, and why there was a reset.
    assert figures["test_transfers"] < figures["flashed_test_transfers"] <= 21
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


def test_time_of_a_second_of_waiting(tmp_path: Path) -> None:
    figures = measure(tmp_path, "busy_wait_second_ms", "forever_loop_second_ms")
    assert set(figures) == {"busy_wait_second_ms", "forever_loop_second_ms"}
    assert all(0 < figure < 1000 for figure in figures.values())


def test_second_of_waiting_at_another_clock_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(waiting.CORES_HZ, "cm4", 240_000_000)
    with pytest.raises(RuntimeError, match=r"has \[\(1000, 400000000\), \(1000, 200000000\)\]"):
        waiting.second("BUSY_WAIT", "-Os")


@pytest.mark.parametrize(
    ("way", "level"), [("IDLE", "-O2"), ("BUSY_WAIT", "-O0"), ("BUSY_WAIT", "-O2"), ("FOREVER_LOOP", "-O2")]
)
def test_waiting_is_the_same_turn_by_turn(
    tmp_path: Path, make_mcu: Callable[..., Mcu], way: str, level: str
) -> None:
    pair = for_virtual_board(tmp_path, "wait", f"-DWAY={way}", level)

    def run(*, jumps: bool) -> list[object]:
        mcu = make_mcu(*pair)
        for core in mcu.cores.values():
            core.skips_busy_loops = jumps
        mcu.run_for(20 * PS_PER_MS)
        ticks = [mcu.read(image.symbol("ticks"), 4, Master(image.core)) for image in pair]
        return [*ticks, *((core.cycles, core.registers()) for core in mcu.cores.values())]

    assert run(jumps=True) == run(jumps=False)


@pytest.fixture
def quick_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the other engines for a moment, and the virtual board not at all."""
    monkeypatch.setattr(comparison, "our_mix", lambda: 1.0)
    monkeypatch.setattr(comparison, "second", lambda *_: 1.0)
    monkeypatch.setattr(comparison, "ROUNDS", 3)
    monkeypatch.setattr(comparison, "REPEATS", 1)
    monkeypatch.setattr(comparison, "UNICORN_TICKS", 2)
    monkeypatch.setattr(comparison, "LONG_MS", dict.fromkeys(WAYS, 20))


def test_programs_do_the_same_on_unicorn(quick_comparison: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(figure > 0 for figure in comparison.with_unicorn().values())
    monkeypatch.setattr(mix, "checksum", lambda rounds: rounds)
    with pytest.raises(RuntimeError, match=r"^the result of mix is \d+, not 3$"):
        comparison.with_unicorn()


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="QEMU is not installed")
def test_programs_do_the_same_on_qemu(quick_comparison: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(comparison.with_qemu()) == 4
    monkeypatch.setattr(mix, "checksum", lambda rounds: rounds)
    with pytest.raises(RuntimeError, match=r"^the result of mix is \d+, not 1$"):
        comparison.with_qemu()


def test_comparison_with_what_is_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    output = tmp_path / "bench.json"
    assert bench.main(["--check", "--output", str(output), "idle_vs_qemu", "mips_vs_qemu"]) == 0
    assert json.loads(output.read_text()) == {}
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["mips_vs_qemu, idle_vs_qemu: not compared: qemu-system-arm is not installed."]


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

"""Measures what was asked for, or everything; prints a table and writes the figures as JSON.

Usage: python tests/benchmarks/bench.py [--check] [--output FILE] [METRIC ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import accesses
import c_tests
import comparison
import day
import distance
import flashing
import measure
import parallel
import waiting

from pytest_h7.errors import H7Error
from pytest_h7.firmware_build import ROOT


@dataclass(frozen=True)
class Metric:
    """A figure's unit, and what it should be: at most or at least `target`; None where there is no target."""

    unit: str
    target: float | None = None
    at_least: bool = False

    def met(self, figure: float) -> bool:
        """Return whether a figure is as good as it should be."""
        if self.target is None:
            return True
        return figure >= self.target if self.at_least else figure <= self.target

    def wish(self) -> str:
        """Return the target as text."""
        return "" if self.target is None else f"{'>=' if self.at_least else '<='} {self.target:g}"


MEASUREMENTS: dict[Callable[[], measure.Figures], dict[str, Metric]] = {
    measure.plugin_import: {"plugin_import_ms": Metric("ms", 10)},
    measure.session_start: {"session_start_s": Metric("s", 2)},
    measure.empty_tests: {
        "test_overhead_ms": Metric("ms", 15),
        "test_transfers": Metric("transfers", 12),
        "flashed_test_transfers": Metric("transfers"),
    },
    measure.failing_tests: {
        "evidence_ms": Metric("ms", 400),
        "evidence_first_ms": Metric("ms"),
        "evidence_transfers": Metric("transfers", 200),
    },
    measure.connection: {
        "boot_to_ap3_wall_ms": Metric("ms", 30),
        "boot_board_time_ms": Metric("ms"),
        "connect_transfers": Metric("transfers", 120),
        "flash_transfers": Metric("transfers"),
        "reflash_unchanged_transfers": Metric("transfers"),
    },
    measure.doctor: {"doctor_wall_s": Metric("s", 2.5)},
    c_tests.on_both_cores: {"c_test_ms": Metric("ms", 30), "c_test_transfers": Metric("transfers")},
    flashing.both_banks: {
        "flash_pair_board_s": Metric("s", 1.4),
        "flash_pair_256k_board_s": Metric("s"),
        "flash_256k_serial_vs_parallel": Metric("times"),
        "reflash_unchanged_board_s": Metric("s", 0.15),
    },
    measure.two_cores: {"twin_mips_two_cores": Metric("MIPS", 200, at_least=True)},
    measure.one_core: {"twin_mips_one_core": Metric("MIPS", 200, at_least=True)},
    measure.idle_second: {"idle_second_ms": Metric("ms", 20)},
    waiting.busy_wait_second: {"busy_wait_second_ms": Metric("ms", 60)},
    waiting.forever_loop_second: {"forever_loop_second_ms": Metric("ms", 60)},
    day.day_of_board_time: {"day_of_board_time_s": Metric("s")},
    comparison.with_qemu: {
        "mips_vs_qemu": Metric("times"),
        "idle_vs_qemu": Metric("times"),
        "busy_wait_vs_qemu": Metric("times"),
        "forever_loop_vs_qemu": Metric("times"),
    },
    comparison.with_unicorn: {
        "mips_vs_unicorn": Metric("times"),
        "busy_wait_vs_unicorn": Metric("times"),
        "forever_loop_vs_unicorn": Metric("times"),
    },
    accesses.mmio_access: {
        "mmio_access_us": Metric("us", 0.6),
        "mmio_pin_move_us": Metric("us"),
    },
    measure.snapshots: {
        "board_snapshot_ms": Metric("ms", 1),
        "board_restore_ms": Metric("ms", 1),
    },
    measure.memory: {"rss_mb": Metric("MiB", 200)},
    parallel.two_boards: {"xdist_speedup_2": Metric("times", 1.6, at_least=True)},
    parallel.eight_boards: {"xdist_speedup_8": Metric("times")},
    distance.round_trips: {
        "remote_test_round_trips": Metric("round trips"),
        "remote_test_ms_0": Metric("ms"),
        "remote_test_ms_5": Metric("ms"),
        "remote_test_ms_20": Metric("ms"),
    },
}


def main(arguments: list[str] | None = None) -> int:
    """Return 1 if a measurement fails or, with ``--check``, a figure misses its target."""
    names = [name for metrics in MEASUREMENTS.values() for name in metrics]
    parser = argparse.ArgumentParser(prog="ci/bench", description=__doc__.splitlines()[0])
    parser.add_argument("metric", nargs="*", help=f"what to measure: {', '.join(names)} (default: all)")
    parser.add_argument("--check", action="store_true", help="fail if a figure misses its target")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json", help="the JSON file")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.metric if name not in names]
    if unknown:
        parser.error(f"there is no metric {', '.join(unknown)}")
    wanted = options.metric or names
    figures: dict[str, float] = {}
    failed = missed = False
    sys.stdout.write(f"{'metric':<30}{'figure':>10} {'unit':<11}target\n")
    for measurement, metrics in MEASUREMENTS.items():
        chosen = [name for name in metrics if name in wanted]
        if not chosen:
            continue
        try:
            found = measurement()
        except comparison.NotHere as reason:
            sys.stdout.write(f"{', '.join(chosen)}: not compared: {reason}.\n")
            continue
        except (H7Error, RuntimeError, subprocess.CalledProcessError) as error:
            failed = True
            sys.stdout.write(f"{', '.join(chosen)}: not measured: {error}\n")
            continue
        for name in chosen:
            figures[name] = found[name]
            met = metrics[name].met(found[name])
            missed = missed or not met
            row = f"{name:<30}{found[name]:>10.6g} {metrics[name].unit:<11}{metrics[name].wish()}"
            sys.stdout.write(row.rstrip() + ("\n" if met else "  MISSED\n"))
        sys.stdout.flush()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if failed or (missed and options.check) else 0


if __name__ == "__main__":
    sys.exit(main())

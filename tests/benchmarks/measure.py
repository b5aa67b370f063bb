"""The measurements of ``ci/bench``. Each function returns figures by the names of their metrics.

Where the same work is done several times, the shortest time counts: what else the machine does only adds to it.
The virtual board alone is timed in processor time, which is wall time where nothing else runs: it never waits.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mix

from pytest_h7.firmware_build import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_h7.board.board import Board
    from pytest_h7.board.images import Image
    from pytest_h7.twin.board import VirtualBoard

Figures = dict[str, float]

_SUITE = Path(__file__).parent / "suite"
_EMPTY_RUN = """
import contextlib, io, time
import pytest
start = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    pytest.main(["-q", "-p", "no:cacheprovider"])
print(time.process_time() - start)
"""
_PAIRS = 25
_STARTS = 4
_BOOTS = 8
_IDLE_SECONDS = 6
_SNAPSHOTS = 50
_ROUNDS = 500
_WINDOW = 0.02
"""Board time in seconds over which instructions are counted; the cores run at 64 MHz."""


def _environment(**variables: str) -> dict[str, str]:
    """Return the environment without what changes how pytest runs, and with compiled modules kept."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("H7_", "PYTEST_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    return kept | variables


# -- the plugin -----------------------------------------------------------------------------------------


def plugin_import() -> Figures:
    """Measure what the plugin adds to a pytest run that does not use it.

    The processor time of an empty run is taken in new processes, with the plugin and without it in turn, from
    the call of `pytest.main` to its return: importing the plugin, its options, hooks and fixtures. Python and
    pytest are loaded before, other plugins are not, and the modules are compiled already, as after an
    installation. The figure is the median of the differences. The plugins that this one brings along as
    dependencies are not part of it.
    """
    with tempfile.TemporaryDirectory() as folder:

        def run(**variables: str) -> float:
            environment = _environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", **variables)
            command = [sys.executable, "-c", _EMPTY_RUN]
            return float(subprocess.check_output(command, cwd=folder, env=environment, text=True))

        def difference() -> float:
            return run(PYTEST_PLUGINS="pytest_h7.plugin") - run()

        difference()
        return {"plugin_import_ms": 1e3 * statistics.median(difference() for _ in range(_PAIRS))}


def session_start() -> Figures:
    """Measure the time to the first line of the first test with `h7_board`, from the start of the process."""

    def start() -> float:
        begin = time.time()
        return float(run_suite("empty.py::test_board[0]")["test_board[0]"]["began"]) - begin

    start()
    return {"session_start_s": min(start() for _ in range(_STARTS))}


def empty_tests() -> Figures:
    """Measure tests that do nothing, from the second on: set-up, call and tear-down, as pytest times them.

    The reference firmware is in flash and runs. The transfers are those of one test.
    """
    records = run_suite("empty.py")
    flashed = [record for test, record in records.items() if test.startswith("test_flashed")][1:]
    empty = [record for test, record in records.items() if test.startswith("test_board")][1:]
    return {
        "test_overhead_ms": 1e3 * statistics.median(record["seconds"] for record in empty),
        "test_transfers": max(record["h7_transfers"] for record in empty),
        "flashed_test_transfers": max(record["h7_transfers"] for record in flashed),
    }


def failing_tests() -> Figures:
    """Measure what a failed test costs: looking at the board, and writing page, snapshot, core files and timeline.

    `evidence_ms` is of tests from the second on, `evidence_first_ms` of the first, which imports what it needs and
    reads the debug information of both images.
    """
    first, *others = run_suite("failing.py", exit_code=1).values()
    purposes = [dict(part.split() for part in record["h7_transfers_for"].split(", ")) for record in others]
    return {
        "evidence_ms": 1e3 * statistics.median(record["report_s"] for record in others),
        "evidence_first_ms": 1e3 * first["report_s"],
        "evidence_transfers": max(int(counts["report"]) for counts in purposes),
    }


def run_suite(
    selection: str, exit_code: int = 0, prepare: Callable[[Path], object] | None = None
) -> dict[str, dict[str, Any]]:
    """Run tests of ``suite`` outside of this repository; return what is recorded of each.

    Args:
        selection: The tests.
        exit_code: How the run is to end.
        prepare: Is called with the folder of the run, to put more into it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if prepare is not None:
            prepare(folder)
        for path in _SUITE.glob("*.py"):
            shutil.copy(path, folder)
        record = folder / "record.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "recorder",
            "-p",
            "no:cacheprovider",
            selection,
        ]
        environment = _environment(BENCH_RECORD=str(record))
        done = subprocess.run(command, cwd=folder, env=environment, check=False, stdout=subprocess.PIPE)
        if done.returncode != exit_code:
            raise RuntimeError(f"{selection} ends with {done.returncode}: {done.stdout.decode()[-500:]}")
        records: dict[str, dict[str, Any]] = json.loads(record.read_text())
        return records


def doctor() -> Figures:
    """Measure ``pytest-h7 doctor`` at the virtual board with the reference firmware, start of Python included."""
    images = ",".join(str(ROOT / "pytest_h7" / "images" / f"{core}.elf") for core in ("cm7", "cm4"))
    command = [Path(sysconfig.get_path("scripts")) / "pytest-h7", "doctor", "--json"]
    environment = _environment(H7_TWIN_IMAGES=images)

    def examine() -> float:
        begin = time.perf_counter()
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        taken = time.perf_counter() - begin
        if not json.loads(done.stdout)["flash"]:
            raise RuntimeError("the doctor has not come to the chip")
        return taken

    return {"doctor_wall_s": min(examine() for _ in range(_STARTS))}


def memory() -> Figures:
    """Measure the peak resident memory of a whole run of the board suite, in MiB."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/board"]
    run = subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise RuntimeError(f"the board suite fails: exit code {run.returncode}")
    return {"rss_mb": usage.ru_maxrss / 1024}


# -- the debug connection ---------------------------------------------------------------------------------


def connection() -> Figures:
    """Measure the connection to a board as it leaves the factory, flashing it, and its start.

    Transfers are commands to the ST-LINK. Connecting counts from the first command to the probe; flashing is
    comparing, programming both reference images and reading them back; flashing again finds them unchanged.
    The start is from a hardware reset through every step of the boot contract, up to where AP3 shows the CM4 and
    both cores run; in wall time and in board time.
    """
    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.settings import FlashPolicy, Settings
    from pytest_h7.board.board import Board
    from pytest_h7.board.images import load_pair

    bench = Bench(Settings())
    try:
        figures: Figures = {"connect_transfers": bench.probe.transfers}
        board = Board(bench)
        pair = load_pair(None, None)
        for metric in ("flash_transfers", "reflash_unchanged_transfers"):
            before = bench.probe.transfers
            board.flash(pair, FlashPolicy.AUTO)
            figures[metric] = bench.probe.transfers - before
        wall_times, board_times = zip(*(_boot(board) for _ in range(_BOOTS)), strict=True)
    finally:
        bench.close()
    figures["boot_to_ap3_wall_ms"] = 1e3 * min(wall_times)
    figures["boot_board_time_ms"] = 1e3 * max(board_times)
    return figures


def _boot(board: Board) -> tuple[float, float]:
    """Reset the board and follow its start; return how long that took, by the wall clock and in board time."""
    board_start, start = board.time(), time.perf_counter()
    board.boot_contract()
    # Board time is exact to the picosecond, differences of it in seconds are not quite.
    return time.perf_counter() - start, round(board.time() - board_start, 9)


# -- the virtual board --------------------------------------------------------------------------------------


def two_cores() -> Figures:
    """Measure how fast both cores execute: see `_instruction_rate`."""
    return {"twin_mips_two_cores": _instruction_rate(("cm7", "cm4"))}


def one_core() -> Figures:
    """Measure how fast the CM7 executes while the CM4 has nothing in flash and is locked up."""
    return {"twin_mips_one_core": _instruction_rate(("cm7",))}


def _instruction_rate(names: Iterable[str]) -> float:
    """Return the millions of instructions that these cores execute in a second, together.

    Each runs ``programs/mix.c`` (list, matrix and CRC work) at the clock after reset, in turn with the other.

    Raises:
        RuntimeError: a core has not computed what `mix.checksum` has.
    """
    with tempfile.TemporaryDirectory() as folder:
        pair = mix.build(Path(folder), _ROUNDS)
        images = [getattr(pair, name) for name in names]
        board = powered(images)
        cores = [board.mcu.cores[image.core] for image in images]
        board.sleep(0.01)
        rates = []
        while True:
            before, start = sum(core.cycles for core in cores), time.process_time()
            board.sleep(_WINDOW)
            executed, duration = sum(core.cycles for core in cores) - before, time.process_time() - start
            if not all(core.running for core in cores):
                break
            rates.append(executed / duration / 1e6)
        board.sleep(_WINDOW)
        expected = (_ROUNDS, mix.checksum(_ROUNDS))
        for image in images:
            found = variable(board, image, "rounds"), variable(board, image, "checksum")
            if found != expected:
                raise RuntimeError(f"{image.core} has computed {found} (rounds, checksum), not {expected}")
    return max(rates)


def idle_second() -> Figures:
    """Measure a second of board time in which both cores of the reference firmware sleep but for 1 kHz ticks.

    Raises:
        RuntimeError: a core has not been woken by its ticks alone.
    """
    from pytest_h7.board.images import load_pair
    from pytest_h7.twin.cpu import Sleep

    pair = load_pair(None, None)
    board = powered(pair)
    board.sleep(0.1)
    before = [variable(board, image, "ticks") for image in pair]
    times = []
    for _ in range(_IDLE_SECONDS):
        start = time.process_time()
        board.sleep(1.0)
        times.append(time.process_time() - start)
    ticks = [variable(board, image, "ticks") - count for image, count in zip(pair, before, strict=True)]
    asleep = [core.sleep for core in board.mcu.cores.values()]
    if set(ticks) != {1000 * _IDLE_SECONDS} or set(asleep) != {Sleep.SLEEP}:
        raise RuntimeError(f"the cores do not idle: {ticks} ticks in {_IDLE_SECONDS} s, now in {asleep}")
    return {"idle_second_ms": 1e3 * min(times)}


def snapshots() -> Figures:
    """Measure saving the whole board while the reference firmware runs, and putting that back."""
    from pytest_h7.board.images import load_pair

    board = powered(load_pair(None, None))
    board.sleep(0.1)
    snapshot = board.take_snapshot()
    saving, restoring = [], []
    for _ in range(_SNAPSHOTS):
        board.sleep(0.001)
        start = time.process_time()
        board.take_snapshot()
        saved = time.process_time()
        board.restore(snapshot)
        saving.append(saved - start)
        restoring.append(time.process_time() - saved)
    return {"board_snapshot_ms": 1e3 * min(saving), "board_restore_ms": 1e3 * min(restoring)}


def powered(images: Iterable[Image]) -> VirtualBoard:
    """Return a new board with `images` in its flash, just powered."""
    from pytest_h7.chip.memory import FLASH_BANKS
    from pytest_h7.twin.board import VirtualBoard

    board = VirtualBoard()
    board.mcu.power_off()
    for image in images:
        for segment in image.segments:
            bank = next(bank for bank in FLASH_BANKS if segment.address in bank)
            start = segment.address - bank.start
            board.mcu.memory(bank.name)[start : start + len(segment.data)] = segment.data
    board.mcu.power_on()
    return board


def variable(board: VirtualBoard, image: Image, name: str) -> int:
    """Return a word of a core's memory by the name it has in its program."""
    from pytest_h7.twin.bus import Master

    return board.mcu.read(image.symbol(name), 4, Master(image.core))

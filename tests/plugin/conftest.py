"""Runs of pytest within a test, each at a virtual board in a known state."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol

import pytest

from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import Settings
from pytest_h7.board.board import Board
from pytest_h7.board.images import load_pair
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

Content = dict[int, bytes]

QUICKLY = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
"""For runs in a process of their own: without what costs time and is not of interest."""

STARTED = """
import pytest

@pytest.fixture
def started(h7_board, h7_flashed):
    h7_board.wait_until(lambda: h7_board.ap[3].readable, 1.0)
    for core in h7_board.cores:
        h7_board.wait_until(lambda core=core: core.variable("boot_stage").value == 5, 1.0)
    return h7_board
"""
"""For the tests of the runs: the board with the reference firmware, both cores in their main loop."""


class Run(Protocol):
    """Runs pytest in this process on a test file with this source."""

    def __call__(self, source: str, *arguments: str | Path) -> pytest.RunResult: ...


@pytest.fixture(scope="session")
def spare_board() -> Iterator[VirtualBoard]:
    """One board for all runs in this process, apart from the one that other tests use."""
    # What a run imports first is forgotten after it, so all of it is imported now.
    for name in (
        "allure",
        "hypothesis.internal.observability",
        "intelhex",
        "pytest_h7.header",
        "pytest_h7.report",
        "pytest_h7.tracebacks",
        "serial.tools.list_ports",
    ):
        import_module(name)
    own = {"": VirtualBoard()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twin_board, "_boards", own)
        bench = Bench(Settings())
        board = Board(bench)
        board.flash(load_pair(None, None), bench.settings.flash)
        bench.listen()
        bench.close()
    # Each run collects garbage several times, and need not look at all of pyOCD for that.
    gc.collect()
    gc.freeze()
    yield own[""]
    gc.unfreeze()


@pytest.fixture(scope="session")
def factory_options(spare_board: VirtualBoard) -> dict[str, int]:
    return spare_board.mcu.flash.save()


def restore(board: VirtualBoard, factory_options: dict[str, int], content: Content) -> None:
    """Bring a board into the state it leaves the factory in, with `content` in its flash, and power it."""
    mcu, stlink = board.mcu, board.stlink
    stlink.plugged, stlink.claimed_elsewhere, stlink.claimed_by = True, False, None
    mcu.power_off()
    stlink.debug_port.power_on_reset()
    mcu.flash.load(factory_options)
    mcu.flash.load_broken_words([[], []])
    for bank in FLASH_BANKS:
        memory = mcu.memory(bank.name)
        memory[:] = b"\xff" * bank.size
        for address, data in content.items():
            if address in bank:
                memory[address - bank.start : address - bank.start + len(data)] = data
        mcu.code_changed(bank.start, bank.size)
    mcu.power_on()
    board.vcp.clear()


@pytest.fixture(scope="session")
def reference_content() -> Content:
    return {segment.address: segment.data for image in load_pair(None, None) for segment in image.segments}


@pytest.fixture
def own_boards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spare_board: VirtualBoard) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("H7_", "PYTEST_XDIST_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path / "twins"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    boards = {"": spare_board}
    monkeypatch.setattr(twin_board, "_boards", boards)
    yield
    for board in boards.values():
        board.close()


@pytest.fixture
def virtual(
    own_boards: None, spare_board: VirtualBoard, factory_options: dict[str, int], reference_content: Content
) -> VirtualBoard:
    """The virtual board of the runs, with the reference firmware in flash."""
    restore(spare_board, factory_options, reference_content)
    return spare_board


@pytest.fixture
def erased(virtual: VirtualBoard, factory_options: dict[str, int]) -> VirtualBoard:
    """The virtual board of the runs, with nothing in flash."""
    restore(virtual, factory_options, {})
    return virtual


@pytest.fixture
def run(pytester: pytest.Pytester, virtual: VirtualBoard) -> Run:
    def run(source: str, *arguments: str | Path) -> pytest.RunResult:
        pytester.makeconftest(STARTED)
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-Werror", *arguments)

    return run


@pytest.fixture
def run_apart(pytester: pytest.Pytester, own_boards: None) -> Run:
    """Runs pytest in a process of its own, which has a board of its own."""

    def run(source: str, *arguments: str | Path) -> pytest.RunResult:
        pytester.makeconftest(STARTED)
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess(*QUICKLY, *arguments, timeout=120)

    return run


@pytest.fixture
def real_board(monkeypatch: pytest.MonkeyPatch, virtual: VirtualBoard) -> str:
    """Have the ST-LINK of the virtual board taken for a real one; gives its serial number."""
    monkeypatch.setattr("pytest_h7.bench.probes.connected_probes", lambda: [TwinProbe.for_board(None)])
    for name in ("bench.board_behind", "probes.board_behind", "probes.name_behind"):
        monkeypatch.setattr(f"pytest_h7.bench.{name}", lambda _driver: None)
    return virtual.serial

"""The main job of this plugin - connect, flash, boot, AP3, EXTI, teardown - as a run of pytest in this process.

A run may have a fault injected into the virtual board's probe. What comes out is judged as a user would see it:
the outcome of each test, what was printed, and whether board and probe are free for whoever comes next.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_h7.bench.lease import who_has
from pytest_h7.board.images import reference_image
from pytest_h7.errors import BootContractBroken, InfrastructureError
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.board_store import board_folder
from pytest_h7.twin.faults import Fault
from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

BOARD = "desk"
OLDER_FIRMWARE = {"cm7": "cm7_never_releases", "cm4": "cm4_never_sleeps"}

MAIN_JOB = """
READY = 5

def test_main_job(h7_board, h7_flashed, cm7, cm4, h7_console):
    h7_board.boot_contract(timeout=1.0)
    for core in h7_board.cores:
        h7_board.wait_until(lambda: core.variable("boot_stage").value == READY, timeout=1.0)
    assert h7_board.ap[3].readable
    assert cm4.cpuid.part_name == "Cortex-M4"
    before = [core.variable("exti_count").value for core in h7_board.cores]
    with cm4.breakpoint("exti_toggle_led") as stop:
        h7_board.exti[13].trigger()
        stop.wait()
        assert cm4.registers["pc"] == stop.address
    cm4.resume()
    h7_board.button.press(0.02)
    h7_board.sleep(0.005)
    assert [core.variable("exti_count").value - count for core, count in zip(h7_board.cores, before)] == [2, 2]
    h7_console.expect("ready")

def test_afterwards(h7_board, h7_flashed):
    h7_board.boot_contract(timeout=1.0)
"""
FIRST, SECOND = "test_main_job", "test_afterwards"

HANGS_AFTER = 300.0
"""Seconds after which a run is taken to hang, which ends the process."""

NOISE = ("Traceback (most recent call last)", "site-packages", "INTERNALERROR", "Warning: ")
"""What nobody wants to read, in any output."""


@dataclass
class Result:
    """What a run has come to.

    Attributes:
        exit_code: Of pytest.
        errors: What a test, or the run before the first of them, has ended with; by the test's name.
        output: What was printed.
        wall_time: Seconds it has taken.
        board_time: Seconds it would have taken a real board.
        transfers: Commands the probe has got.
        in_the_way: What keeps others from using the board afterwards.
    """

    exit_code: int = -1
    errors: dict[str, type[BaseException]] = field(default_factory=dict)
    output: str = ""
    wall_time: float = 0.0
    board_time: float = 0.0
    transfers: int = 0
    in_the_way: str | None = None

    @property
    def has_passed(self) -> bool:
        return self.exit_code == pytest.ExitCode.OK

    @property
    def is_reported(self) -> bool:
        """Whether all that has failed has failed with an error of the bench: none looks like the firmware's."""
        expected = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR)
        return (
            self.exit_code in expected
            and bool(self.errors)
            and all(issubclass(error, InfrastructureError) for error in self.errors.values())
        )

    @property
    def noise(self) -> str | None:
        return next((noise for noise in NOISE if noise in self.output), None)


class _Recorder:
    """A plugin of a run that keeps what its tests have ended with."""

    def __init__(self, result: Result) -> None:
        self._result = result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and call.excinfo is not None:
            self._result.errors.setdefault(item.name, call.excinfo.type)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_report_collectionfinish(self) -> Generator[None, object, object]:
        try:
            return (yield)
        except pytest.UsageError as error:
            # What has kept the board from being connected.
            self._result.errors["connect"] = type(error.__context__ or error)
            raise


class Desk:
    """A named virtual board in a folder, and runs of the main job at it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._job = folder / "test_job.py"
        self._job.write_text(MAIN_JOB)
        (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
        self._injected: tuple[Fault, int] | None = None
        self._boards: list[VirtualBoard] = []

    @contextlib.contextmanager
    def set_up(self) -> Iterator[None]:
        """Have the boards of this process in the folder, and see each that is opened."""
        for_board = TwinProbe.for_board.__func__

        def observed(cls: type[TwinProbe], *args: object) -> TwinProbe:
            probe: TwinProbe = for_board(cls, *args)
            if probe.virtual_board not in self._boards:
                self._boards.append(probe.virtual_board)
                if self._injected is not None:
                    fault, transfer = self._injected
                    probe.virtual_board.stlink.inject(fault, transfer=transfer)
            return probe

        with pytest.MonkeyPatch.context() as patch:
            for name in list(os.environ):
                if name.startswith(("H7_", "PYTEST_")):
                    patch.delenv(name)
            patch.setenv("H7_TWIN_HOME", str(self._folder / "boards"))
            patch.setattr(TwinProbe, "for_board", classmethod(observed))
            yield

    def prepare(self) -> None:
        """Keep the board, as the other firmware leaves it, for `new_board`."""
        older = [f"--h7-{core}-image={reference_image(name)}" for core, name in OLDER_FIRMWARE.items()]
        assert self.run(None, 0, *older, "-k", SECOND).errors == {SECOND: BootContractBroken}
        (self._folder / "boards").rename(self._folder / "kept")

    def new_board(self) -> None:
        """Exchange the board for one with other firmware in its flash."""
        shutil.rmtree(self._folder / "boards", ignore_errors=True)
        shutil.copytree(self._folder / "kept", self._folder / "boards")

    def run(self, fault: Fault | None = None, transfer: int = 0, *arguments: str) -> Result:
        """Do the main job, with a fault at a transfer."""
        result = Result()
        self._boards.clear()
        self._injected = (fault, transfer) if fault is not None else None
        printed = io.StringIO()
        begin = time.perf_counter()
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            result.exit_code = pytest.main(
                [
                    f"--rootdir={self._folder}",
                    "-p",
                    "no:cacheprovider",
                    "-p",
                    "no:hypothesispytest",
                    "-p",
                    "no:allure_pytest",  # what it registers in a run stays for all later ones
                    "--import-mode=importlib",
                    "--assert=plain",
                    f"--h7-probe=twin:{BOARD}",
                    str(self._job),
                    *arguments,
                ],
                plugins=[_Recorder(result)],
            )
        faulthandler.cancel_dump_traceback_later()
        result.wall_time = time.perf_counter() - begin
        result.output = printed.getvalue()
        self._look_around(result)
        return result

    def _look_around(self, result: Result) -> None:
        for board in self._boards:
            result.board_time += board.time()
            result.transfers += board.stlink.transfers
            if board.stlink.claimed_by is not None:
                result.in_the_way = "the USB interface is still claimed"
        holder = who_has(board_folder(BOARD))
        if holder is not None:
            result.in_the_way = f"the lease is still held by {holder}"

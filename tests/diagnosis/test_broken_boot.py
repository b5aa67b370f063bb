"""A boot contract that breaks says at which stage, and why."""

from __future__ import annotations

import pytest

from pytest_h7 import BootContractBroken, BootStage, Cause
from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import Settings
from pytest_h7.board.board import Board
from pytest_h7.board.images import load_pair

from .conftest import Firmware, Patient
from .test_diagnosed_causes import COUNT, FAULT, LOCK_UP


@pytest.fixture
def follow(patient: Patient):
    def follow(firmware: Firmware, timeout: float = 0.3):
        patient.give(firmware)
        bench = Bench(Settings())
        board = Board(bench)
        board.images = load_pair(None, None)
        try:
            return board.boot_contract(timeout)
        finally:
            bench.close()

    return follow


def test_every_stage_has_its_board_time(follow) -> None:
    report = follow(Firmware())
    assert list(report.times) == list(BootStage)
    times = list(report.times.values())
    assert times == sorted(times)
    assert times[0] == 0 < times[-1] < 0.1
    assert report.missing is report.diagnosis is None


@pytest.mark.parametrize(
    ("firmware", "missing", "cause"),
    [
        (Firmware(cm7="cm7_never_releases"), BootStage.CM4_WOKEN, Cause.CM4_IN_STOP_WAITING_FOR_HSEM),
        (Firmware(cm4=None), BootStage.CM4_STOPPED, Cause.CM4_WITHOUT_FIRMWARE),
        (Firmware(cm4=LOCK_UP), BootStage.CM4_STOPPED, Cause.CM4_LOCKED_UP),
        (Firmware(cm7=FAULT), BootStage.CLOCKS_SET, Cause.CM7_IN_FAULT_HANDLER),
        (Firmware(cm7=LOCK_UP), BootStage.CLOCKS_SET, Cause.CM7_LOCKED_UP),
        (Firmware(options={"BCM4": 0}), BootStage.CM4_STOPPED, Cause.CM4_HELD_BY_OPTION_BYTES),
    ],
)
@pytest.mark.parametrize("answer", ["zero", "fault", "wait"])
def test_first_stage_that_did_not_come(
    follow, patient: Patient, firmware: Firmware, missing: BootStage, cause: Cause, answer: str
) -> None:
    patient.board.set_closed_policy(answer)
    with pytest.raises(BootContractBroken) as broken:
        follow(firmware)
    report = broken.value.report
    assert report is not None
    assert report.missing is missing
    assert report.diagnosis is not None
    assert report.diagnosis.cause is cause
    assert missing.value in str(broken.value)
    assert cause.value in str(broken.value)
    assert list(report.times) == list(BootStage)[: list(BootStage).index(missing)]


def test_nothing_is_wrong_but_the_cores_do_not_follow_it(follow) -> None:
    with pytest.raises(BootContractBroken) as broken:
        follow(Firmware(cm7=COUNT, cm4=COUNT))
    assert broken.value.report is not None
    assert broken.value.report.missing is BootStage.CM4_STOPPED
    assert broken.value.report.diagnosis is None
    assert "cm4 is running" in str(broken.value)

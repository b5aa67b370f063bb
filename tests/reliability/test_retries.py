"""What is tried again before an error is believed, and what is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_h7 import Board
from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import Settings
from pytest_h7.errors import ConnectionLost, TargetAccessError
from pytest_h7.target.patience import ATTEMPTS, ATTEMPTS_AFTER_WAIT
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.faults import Fault

SRAM4, SRAM_OF_CM7 = 0x3800_0000, 0x2400_0000
IDR = 0x5477_0002
LIMITS = {Fault.WAIT: ATTEMPTS_AFTER_WAIT, Fault.FAULT: ATTEMPTS, Fault.PARITY: ATTEMPTS}


@pytest.fixture
def board(chip: VirtualBoard) -> Iterator[Board]:
    bench = Bench(Settings())
    board = Board(bench)
    board.ap[1].write_u32(SRAM4, 0x1234_5678)
    yield board
    bench.close()


@pytest.mark.parametrize("fault", LIMITS)
@pytest.mark.parametrize("offset", [0, 1])
def test_access_that_fails_less_often_than_it_is_made(
    chip: VirtualBoard, board: Board, fault: Fault, offset: int
) -> None:
    for times in range(1, LIMITS[fault]):
        chip.stlink.inject(fault, transfer=offset, times=times)
        board.ap[1].write_u32(SRAM4, times)
        assert board.ap[1].read_u32(SRAM4) == times
        chip.stlink.inject(fault, times=times)
        assert board.ap[2].idr == IDR


@pytest.mark.parametrize("fault", LIMITS)
def test_access_that_fails_each_time(chip: VirtualBoard, board: Board, fault: Fault) -> None:
    chip.stlink.inject(fault, times=1000)
    with pytest.raises(TargetAccessError, match="0x38000000 through AP1"):
        board.ap[1].read_u32(SRAM4)
    with pytest.raises(TargetAccessError, match="register 0xFC of AP2"):
        assert board.ap[2].idr
    chip.stlink.mend()
    assert board.ap[1].read_u32(SRAM4) == 0x1234_5678
    assert board.ap[2].idr == IDR


def test_what_the_chip_refuses_costs_two_attempts(board: Board) -> None:
    before = board.bench.probe.transfers
    with pytest.raises(TargetAccessError):
        board.ap[1].read_u32(SRAM_OF_CM7)
    assert board.bench.probe.transfers - before == ATTEMPTS * 3  # the read, its status, the cleared flag


@pytest.mark.parametrize("fault", [Fault.USB_ERROR, Fault.TIMEOUT, Fault.SHORT_REPLY])
def test_usb_is_not_tried_again_in_a_test(chip: VirtualBoard, board: Board, fault: Fault) -> None:
    chip.stlink.inject(fault)
    with pytest.raises(ConnectionLost, match="through AP1"):
        board.ap[1].read_u32(SRAM4)
    assert board.ap[1].read_u32(SRAM4) == 0x1234_5678  # and not what came too late


@pytest.mark.parametrize("fault", [Fault.USB_ERROR, Fault.TIMEOUT, Fault.SHORT_REPLY, Fault.PROBE_BACK])
@pytest.mark.parametrize("transfer", [0, 3, 15])
def test_connection_is_opened_once_more(chip: VirtualBoard, fault: Fault, transfer: int) -> None:
    chip.stlink.inject(fault, transfer=transfer)
    bench = Bench(Settings())
    assert Board(bench).ap[2].idr == IDR
    bench.close()


def test_connection_is_not_opened_a_third_time(chip: VirtualBoard) -> None:
    chip.stlink.inject(Fault.USB_ERROR, transfer=3, times=1000)
    with pytest.raises(ConnectionLost, match="does not answer over USB"):
        Bench(Settings())
    assert chip.stlink.claimed_by is None


@pytest.mark.parametrize("fault", [Fault.USB_ERROR, Fault.PROBE_BACK, Fault.VOLTAGE_DROP, Fault.FAULT])
def test_what_is_insisted_on(chip: VirtualBoard, board: Board, fault: Fault) -> None:
    chip.stlink.inject(fault, times=2)
    assert board.bench.insist(lambda: board.ap[2].idr) == IDR
    assert board.bench.trouble() is None


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault.PROBE_GONE, "it is not there any more; plug it in again"),
        (Fault.POWER_CUT, "has no power: the probe measures 0.00 V"),
    ],
)
def test_insisting_has_an_end(chip: VirtualBoard, board: Board, fault: Fault, sentence: str) -> None:
    chip.stlink.inject(fault)
    for _ in range(2):
        start = board.time()
        with pytest.raises(ConnectionLost if fault is Fault.POWER_CUT else Exception, match=sentence):
            board.bench.insist(lambda: board.ap[2].idr)
        assert board.time() - start < 3
    assert sentence in str(board.bench.trouble())
    chip.stlink.mend()
    assert board.bench.insist(lambda: board.ap[2].idr) == IDR
    assert board.bench.trouble() is None


def test_transfers_are_counted_by_purpose(board: Board) -> None:
    usage = board.bench.probe.usage
    assert usage.by_purpose["connect"] <= 120
    before = usage.by_purpose.copy()
    board.ap[1].read_u32(SRAM4)
    board.clean()
    assert usage.by_purpose - before == {"test": 2, "clean-up": usage.by_purpose["clean-up"]}

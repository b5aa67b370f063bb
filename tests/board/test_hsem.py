"""Hardware semaphores as seen, and - on the virtual board - used, from the debugger."""

import pytest

from pytest_h7 import Board, ImagePair, PeripheralUnclocked

FREE, TAKEN_BY_CM7 = 0, 0x8000_0300
RLR0, R0 = 0x5802_6480, 0x5802_6400


def test_all_semaphores_are_free_after_the_start(started: Board) -> None:
    assert [started.hsem[index].owner for index in range(32)] == [None] * 32


def test_observing_does_not_take(started: Board) -> None:
    for _ in range(3):
        assert started.hsem[0].owner is None
    assert started.ap[1].read_u32(R0) == FREE


def test_without_a_clock_there_is_no_answer(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.reset(halt=True)
    h7_board.wait_until(lambda: not h7_board.ap[3].readable, 0.1)
    with pytest.raises(PeripheralUnclocked, match="HSEM"):
        _ = h7_board.hsem[0].owner


@pytest.mark.h7_virtual
def test_one_step_lock_through_ap0_is_the_cm7s(started: Board) -> None:
    assert started.ap[0].read_u32(RLR0) == TAKEN_BY_CM7
    assert started.hsem[0].owner == "cm7"
    started.ap[0].write_u32(R0, 0x300)
    assert started.hsem[0].owner is None


@pytest.mark.h7_virtual
def test_two_step_lock_through_ap3_is_the_cm4s(started: Board) -> None:
    started.ap[3].write_u32(R0 + 4, 0x8000_0142)
    assert started.hsem[1].owner == "cm4"
    assert started.hsem[1].process == 0x42
    for not_the_owner in (0x342, 0x142):  # the second as if the CM4 wrote it
        started.ap[0].write_u32(R0 + 4, not_the_owner)
        assert started.hsem[1].owner == "cm4"
    started.ap[3].write_u32(R0 + 4, 0x143)  # another process of the owner
    assert started.hsem[1].owner == "cm4"
    started.ap[3].write_u32(R0 + 4, 0x142)
    assert started.hsem[1].owner is None


@pytest.mark.h7_virtual
def test_d3_bus_master_cannot_lock(started: Board) -> None:
    assert started.ap[1].read_u32(RLR0) == FREE
    assert started.hsem[0].owner is None


@pytest.mark.h7_virtual
def test_releasing_from_the_debugger_wakes_the_cm4(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.reset(halt=True)
    h7_board.wait_until(lambda: not h7_board.ap[3].readable, 0.1)
    h7_board.registers.RCC_C1.AHB4ENR.HSEMEN = 1
    assert h7_board.ap[0].read_u32(RLR0) == TAKEN_BY_CM7
    h7_board.ap[0].write_u32(R0, 0x300)
    h7_board.wait_until(lambda: h7_board.ap[3].readable, 0.1)

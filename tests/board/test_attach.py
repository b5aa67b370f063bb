"""The CM4 is attached whenever AP3 opens: late, and again after it was lost."""

import pytest

from pytest_h7 import Board, Core, CoreState, CoreUnreachable, ImagePair

from .conftest import wait_until_ready

SRAM1 = 0x1000_0000


@pytest.fixture
def closed(h7_board: Board, h7_flashed: ImagePair) -> Board:
    """The board with the CM7 at its first instruction, and the CM4 asleep behind a closed AP3."""
    hold_before_the_release(h7_board)
    return h7_board


def hold_before_the_release(board: Board) -> None:
    board.reset(halt=True)
    board.wait_until(lambda: not board.ap[3].readable, 0.1, "AP3 closing")


def open_ap3(board: Board) -> None:
    board.cm7.resume()
    board.wait_until(lambda: board.ap[3].readable, 0.5, "AP3 opening")


def test_closed_cm4_is_unreachable_and_says_why(closed: Board, cm4: Core) -> None:
    with pytest.raises(
        CoreUnreachable, match=r"halt the core: cm4 is unreachable\..* D2 stop .* semaphore 0"
    ):
        cm4.halt()
    assert cm4.state is CoreState.UNREACHABLE


def test_memory_of_a_closed_cm4_is_not_guessed(closed: Board, cm4: Core) -> None:
    for access in (
        lambda: cm4.read_u32(SRAM1),
        lambda: cm4.read_bytes(SRAM1, 64),
        lambda: cm4.write_u32(SRAM1, 1),
        lambda: cm4.variable("ticks").value,
        lambda: cm4.fault,
        lambda: cm4.cpuid,
    ):
        with pytest.raises(CoreUnreachable, match="cm4 is unreachable"):
            access()


def test_cm7_is_not_disturbed_by_a_closed_cm4(closed: Board, cm7: Core, cm4: Core) -> None:
    with pytest.raises(CoreUnreachable):
        cm4.halt()
    assert cm7.state is CoreState.HALTED
    before = cm7.pc
    cm7.step()
    assert cm7.pc != before


def test_late_attach(closed: Board, cm4: Core) -> None:
    open_ap3(closed)
    cm4.run_until("SysTick_Handler", timeout=0.1)
    assert cm4.pc == cm4.address_of("SysTick_Handler")
    assert cm4.registers["xpsr"] & 0x1FF == 15


def test_attached_again_after_it_was_lost(closed: Board, cm4: Core) -> None:
    for _ in range(2):
        open_ap3(closed)
        cm4.halt()
        assert cm4.state is CoreState.HALTED
        hold_before_the_release(closed)
        assert cm4.state is CoreState.UNREACHABLE


def test_breakpoint_of_a_core_that_was_lost_is_no_burden(closed: Board, cm7: Core, cm4: Core) -> None:
    open_ap3(closed)
    with cm4.breakpoint("exti_toggle_led"):
        hold_before_the_release(closed)
    cm7.step()
    cm7.resume()
    wait_until_ready(closed)
    closed.exti[13].trigger()
    closed.sleep(0.005)
    assert cm4.state is not CoreState.HALTED
    assert cm4.variable("exti_count").value == 1

"""What DBGMCU changes for a core in CSleep: whether the debugger reaches it, and whether CYCCNT counts."""

import pytest

from pytest_h7 import reference_image
from pytest_h7.board.images import Image
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.bus import Master

DEMCR, TRCENA = 0xE000_EDFC, 1 << 24
DWT_CTRL, CYCCNT, CYCCNTENA = 0xE000_1000, 0xE000_1004, 1
DBGMCU_CR = 0x5C00_1004
DBG_SLEEP = {"cm7": 1 << 0, "cm4": 1 << 3}
HZ = {"cm7": 400_000_000, "cm4": 200_000_000}


@pytest.fixture
def board() -> VirtualBoard:
    """A board whose cores sleep in WFI between ticks."""
    board = VirtualBoard()
    for core, bank in zip(("cm7", "cm4"), FLASH_BANKS, strict=True):
        for segment in Image(core, reference_image(core)).segments:
            start = segment.address - bank.start
            board.mcu.memory(bank.name)[start : start + len(segment.data)] = segment.data
    board.power_cycle(0.001)
    board.sleep(0.02)
    return board


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_debugger_keeps_the_clock_of_a_sleeping_core(board: VirtualBoard, core: str) -> None:
    board.mcu.write(DBGMCU_CR, 4, 0, Master.CM7)
    assert not board.mcu.core_clocked(core)
    board.mcu.write(DBGMCU_CR, 4, DBG_SLEEP[core], Master.CM7)
    assert board.mcu.core_clocked(core)


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_cycle_counter_counts_in_sleep_with_the_debug_clock_only(board: VirtualBoard, core: str) -> None:
    engine = board.mcu.cores[core]
    engine.write_debug(DEMCR, TRCENA)
    engine.write_debug(DWT_CTRL, CYCCNTENA)

    def cycles_in_ten_milliseconds() -> int:
        before = engine.read_debug(CYCCNT)
        board.sleep(0.01)
        return engine.read_debug(CYCCNT) - before & 0xFFFF_FFFF

    board.mcu.write(DBGMCU_CR, 4, 0, Master.CM7)
    assert 0 < cycles_in_ten_milliseconds() < HZ[core] // 100 // 10  # the ticks' handlers only
    board.mcu.write(DBGMCU_CR, 4, DBG_SLEEP[core], Master.CM7)
    assert cycles_in_ten_milliseconds() == pytest.approx(HZ[core] // 100, rel=0.001)

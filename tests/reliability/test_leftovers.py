"""What stops a core never outlives the test, or the run, that has set it: not even one that was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pytest_h7 import Board, CoreState
from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import ConnectMode, FlashPolicy, Settings
from pytest_h7.board.core import Core
from pytest_h7.board.images import load_pair
from pytest_h7.chip.registers import private_peripheral
from pytest_h7.twin.board import VirtualBoard

DEMCR = private_peripheral("cm7", "SCS").registers["DEMCR"]
VC_CORERESET, VC_HARDERR, TRCENA = (
    DEMCR.fields[name].mask for name in ("VC_CORERESET", "VC_HARDERR", "TRCENA")
)
FPB, DWT = (private_peripheral("cm7", unit).base for unit in ("FPB", "DWT"))
FP_COMP0, DWT_COMP0, DWT_FUNCTION0 = FPB + 8, DWT + 0x20, DWT + 0x28
ON_WRITE = 6
READY = 5


def set_breakpoint(core: Core) -> None:
    """In a function that an edge calls, as the core's version of the unit has it (Arm DDI0403E C1.11.5)."""
    address = core.address_of("exti_toggle_led") & ~1
    half = 2 if address & 2 else 1
    version_2 = address | 1
    version_1 = half << 30 | address & 0x1FFF_FFFC | 1
    core.write_u32(FP_COMP0, version_2 if core.name == "cm7" else version_1)
    core.write_u32(FPB, 3)


def set_watchpoint(core: Core) -> None:
    core.write_u32(DEMCR.address, TRCENA)
    core.write_u32(DWT_COMP0, core.address_of("exti_count"))
    core.write_u32(DWT_FUNCTION0, ON_WRITE)


def set_vector_catch(core: Core) -> None:
    core.write_u32(DEMCR.address, VC_CORERESET | VC_HARDERR)


SET: dict[str, Callable[[Core], None]] = {
    "breakpoint": set_breakpoint,
    "watchpoint": set_watchpoint,
    "vector catch": set_vector_catch,
}


@pytest.fixture
def board(chip: VirtualBoard) -> Iterator[Board]:
    """The board with the reference firmware at work."""
    bench = Bench(Settings())
    board = Board(bench)
    board.flash(load_pair(None, None), FlashPolicy.AUTO)
    start(board)
    yield board
    if bench.probe.driver.is_open:
        bench.close()


def start(board: Board) -> None:
    board.images = load_pair(None, None)
    board.reset()
    for core in board.cores:
        board.wait_until(lambda core=core: core.variable("boot_stage").value == READY, timeout=1.0)


def stopped_by_an_edge(board: Board) -> list[str]:
    """Have the firmware of both cores handle an edge, with the DWT at work; return the cores that stop there."""
    for core in board.cores:
        core.write_u32(DEMCR.address, TRCENA | core.read_u32(DEMCR.address))
    board.exti[13].trigger()
    board.sleep(0.01)
    return stopped(board)


def stopped(board: Board) -> list[str]:
    return [core.name for core in board.cores if core.state is CoreState.HALTED]


def stopped_by_a_reset(board: Board) -> list[str]:
    board.reset()
    board.sleep(0.1)
    return stopped(board)


def killed(board: Board, chip: VirtualBoard) -> None:
    """What a process that is killed leaves: the host closes its USB interface, and nobody has cleaned up."""
    board.bench.probe.driver._link._device.close()
    chip.stlink.claimed_by = None


@pytest.mark.parametrize("what", SET)
@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_it_stops_the_core(board: Board, name: str, what: str) -> None:
    """What the other tests rely on."""
    SET[what](getattr(board, name))
    stops = stopped_by_a_reset if what == "vector catch" else stopped_by_an_edge
    assert stops(board) == [name]


@pytest.mark.parametrize("what", SET)
@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_after_the_test(board: Board, name: str, what: str) -> None:
    SET[what](getattr(board, name))
    board.clean()
    assert stopped_by_an_edge(board) == []
    assert stopped_by_a_reset(board) == []


@pytest.mark.parametrize("mode", ConnectMode)
@pytest.mark.parametrize("what", SET)
@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_after_a_run_that_was_killed(
    board: Board, chip: VirtualBoard, name: str, what: str, mode: ConnectMode
) -> None:
    SET[what](getattr(board, name))
    killed(board, chip)
    bench = Bench(Settings(connect=mode))
    following = Board(bench)
    following.clean()
    start(following)
    assert stopped_by_an_edge(following) == []
    assert stopped_by_a_reset(following) == []
    bench.close()


@pytest.mark.parametrize("what", SET)
def test_after_the_run(board: Board, chip: VirtualBoard, what: str) -> None:
    """The firmware goes on alone when the probe has been let go of."""
    for core in board.cores:
        SET[what](core)
    board.bench.close()
    if what == "vector catch":
        chip.mcu.set_nrst(True)
        chip.mcu.set_nrst(False)
    else:
        chip.mcu.pins.drive("PC13", True)
    chip.sleep(0.1)
    assert not any(core.halted or core.lockup for core in chip.mcu.cores.values())


def test_core_that_is_asleep_meanwhile(board: Board) -> None:
    """A core that cannot be reached when it is cleaned up is cleaned up later."""
    set_breakpoint(board.cm4)
    board.reset(halt=True)  # the CM4 waits in D2 stop for the CM7
    board.wait_until(lambda: board.cm4.state is CoreState.UNREACHABLE, timeout=0.1)
    board.clean()
    start(board)
    board.clean()
    assert stopped_by_an_edge(board) == []

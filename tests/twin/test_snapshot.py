"""Snapshots of the virtual board: from one, everything happens again, to the cycle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from pytest_h7.board.images import load_pair
from pytest_h7.chip.memory import FLASH_BANK1, FLASH_BANK2, MEMORIES
from pytest_h7.chip.registers import peripheral, peripheral_names
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US

READY = 0.05
"""Board time in seconds in which both cores of the reference firmware have started."""

WITH_EFFECT = {"RDR", "DR", "RXDR"}
"""Registers that lose something when they are read."""


def make_board() -> VirtualBoard:
    board = VirtualBoard()
    for image, bank in zip(load_pair(None, None), (FLASH_BANK1, FLASH_BANK2), strict=True):
        for segment in image.segments:
            start = segment.address - bank.start
            board.mcu.memory(bank.name)[start : start + len(segment.data)] = segment.data
    board.power_cycle(0.001)
    return board


def registers_of_peripherals(board: VirtualBoard) -> dict[str, int]:
    found = {}
    for name in peripheral_names():
        for register in peripheral(name).registers.values():
            if register.name in WITH_EFFECT or register.name.startswith("RLR"):
                continue
            for master in (Master.AP0, Master.AP3):
                try:
                    value = board.mcu.read(register.address, 4, master)
                except BusFault:
                    value = -1
                found[f"{name}.{register.name} {master.value}"] = value
    return found


def everything(board: VirtualBoard) -> dict[str, object]:
    """Return what anybody could find out about the board."""
    return {
        "now": board.mcu.now,
        "cores": {name: (core.cycles, core.registers()) for name, core in board.mcu.cores.items()},
        "memories": {
            memory.name: hashlib.sha256(board.mcu.memory(memory.name)).hexdigest() for memory in MEMORIES
        },
        "peripherals": registers_of_peripherals(board),
        "pins": [board.mcu.pins.level(f"P{port}{number}") for port in "ABCDE" for number in range(16)],
        "domains": dict(board.mcu.domains.states),
    }


def press_and_talk(board: VirtualBoard) -> list[bytes]:
    """Do something with the board that touches pins, EXTI, interrupts, serial port and sleep."""
    heard = []
    for _ in range(2):
        board.mcu.pins.drive("PC13", True)
        board.sleep(0.0123)
        board.mcu.pins.release("PC13")
        board.vcp.write(b"?")
        board.sleep(0.02)
        heard.append(board.vcp.read(1000))
    return heard


def change_everything(board: VirtualBoard) -> None:
    board.mcu.pins.drive("PC13", True)
    board.mcu.pins.drive("PA0", True)
    board.mcu.system_reset()
    board.sleep(0.003)
    board.mcu.write(0x3800_0000, 4, 0xDEAD_BEEF, Master.AP1)
    board.mcu.flash.banks[0].erase_all()
    board.sleep(9.0)
    board.mcu.flash.load({**board.mcu.flash.save(), "OPTSR": board.mcu.flash.save()["OPTSR"] ^ 1 << 22})
    board.power_cycle(0.1)
    board.vcp.write(b"nobody listens")
    board.sleep(0.05)


def nothing(_board: VirtualBoard) -> None:
    """Change nothing."""


@pytest.mark.parametrize("between", [nothing, press_and_talk, change_everything])
@pytest.mark.parametrize("moment", [0.0, 0.00123, READY])
def test_everything_happens_again(between: Callable[[VirtualBoard], object], moment: float) -> None:
    board = make_board()
    board.sleep(moment)
    snapshot = board.take_snapshot()
    at_snapshot = everything(board)
    heard = press_and_talk(board)
    outcome = everything(board)
    between(board)
    for _ in range(2):
        board.restore(snapshot)
        assert everything(board) == at_snapshot
        assert press_and_talk(board) == heard
        assert everything(board) == outcome


def test_taking_a_snapshot_changes_nothing() -> None:
    watched, alone = make_board(), make_board()
    for board in (watched, alone):
        board.sleep(0.004)
    watched.take_snapshot()
    for board in (watched, alone):
        board.sleep(0.006)
    assert press_and_talk(watched) == press_and_talk(alone)
    assert everything(watched) == everything(alone)


def test_several_snapshots_do_not_mix() -> None:
    board = make_board()
    taken = []
    for _ in range(3):
        board.sleep(0.007)
        taken.append((board.take_snapshot(), everything(board)))
    for snapshot, state in (taken[1], taken[0], taken[2], taken[1]):
        board.restore(snapshot)
        assert everything(board) == state
        change_everything(board)


def test_board_time_never_goes_back() -> None:
    board = make_board()
    board.sleep(0.25)
    snapshot = board.take_snapshot()
    board.sleep(0.5)
    before = board.time()
    board.restore(snapshot)
    assert board.time() == before
    board.restore(snapshot, after=0.125)
    assert board.time() == before + 0.125
    board.sleep(0.5)
    assert board.time() == before + 0.625


def test_text_on_its_way_arrives_once() -> None:
    board = make_board()
    board.sleep(READY)
    board.vcp.clear()
    board.mcu.pins.drive("PC13", True)
    board.sleep(0.002)  # some frames have been sent, others wait
    board.mcu.pins.release("PC13")
    snapshot = board.take_snapshot()
    text = board.vcp.read(100)
    board.sleep(0.1)
    rest = board.vcp.read(1000)
    assert text
    assert rest
    board.restore(snapshot)
    board.sleep(0.1)
    assert board.vcp.read(1000) == text + rest


def test_pending_events_are_those_of_the_snapshot() -> None:
    """An event that was due happens, one scheduled since does not."""
    board = make_board()
    happened = []
    board.mcu.schedule(1_000_000, lambda: happened.append("due"))
    snapshot = board.take_snapshot()
    later = board.mcu.schedule(2_000_000, lambda: happened.append("later"))
    board.sleep(1e-5)
    board.restore(snapshot)
    assert not later.pending
    board.sleep(1e-5)
    assert happened == ["due", "later", "due"]


def test_register_that_had_no_clock_has_none_again(
    make_mcu: Callable[..., Mcu], build_program: Callable[..., object]
) -> None:
    """What a core has learned about the way to a register is forgotten."""
    source = "void program(void) { for (;;) result[0] = TIM2_ARR; }"
    mcu = make_mcu(build_program("cm7", source))
    mcu.run_for(PS_PER_MS)

    def seen() -> int:
        mcu.run_for(10 * PS_PER_US)
        return int.from_bytes(mcu.memory("SRAM4")[:4], "little")

    assert seen() == 0
    snapshot = mcu.save()
    mcu.write(peripheral("RCC_C1").registers["APB1LENR"].address, 4, 1, Master.AP1)
    assert seen() == 0xFFFF_FFFF
    mcu.restore(snapshot)
    assert seen() == 0


def test_no_snapshot_inside_of_an_event() -> None:
    board = make_board()
    board.mcu.schedule(1000, board.take_snapshot)
    with pytest.raises(RuntimeError, match="between runs"):
        board.sleep(1e-3)
    board.sleep(1e-3)

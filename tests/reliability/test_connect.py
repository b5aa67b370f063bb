"""Connecting to a board whose firmware or option bytes are against it: what can be had, and what is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from pytest_h7 import Board, Cause, CoreState
from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import ConnectMode, LowPowerDebug, Settings
from pytest_h7.board.images import load_pair
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.cli import main
from pytest_h7.errors import ChipSilent, CoreUnreachable, H7Error, InfrastructureError
from pytest_h7.twin.board import VirtualBoard

HALTED, RUNNING, SLEEPING = CoreState.HALTED, CoreState.RUNNING, CoreState.SLEEPING
LOCKUP, HELD, UNREACHABLE = CoreState.LOCKUP, CoreState.HELD, CoreState.UNREACHABLE
STATES = tuple[CoreState, CoreState]

COUNT = "void program(void) { for (;;) result[0] = result[0] + 1; }"
SLEEP = "void program(void) { for (;;) wfi(); }"
STOP = "void program(void) { SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk; dsb(); for (;;) wfi(); }"
STANDBY = """
void program(void)
{
    OWN_CPUCR = 7;
    SCS_SCR |= SCS_SCR_SLEEPDEEP_Msk;
    dsb();
    for (;;) wfi();
}"""
STANDBY_CM7, STANDBY_CM4 = STANDBY.replace("OWN", "PWR"), STANDBY.replace("OWN_CPUCR", "PWR_CPU2CR")
TAKE_THE_PINS = """
void program(void)
{
    RCC_AHB4ENR |= RCC_AHB4ENR_GPIOAEN_Msk;
    (void)RCC_AHB4ENR;
    GPIOA_MODER &= ~(0xFu << 26);
    for (;;) result[0] = result[0] + 1;
}"""
DIE = """
void program(void) { __asm volatile("udf #0"); }
void HardFault_Handler(void) { __asm volatile("udf #0"); }"""
CRAWL = """
void program(void)
{
    RCC_CR |= RCC_CR_CSION_Msk;
    while (!(RCC_CR & RCC_CR_CSIRDY_Msk)) {}
    RCC_CFGR = (RCC_CFGR & ~7u) | 1;
    while ((RCC_CFGR >> 3 & 7) != 1) {}
    RCC_D1CFGR = 0xF0F;
    for (;;) result[0] = result[0] + 1;
}"""
WRONG_SUPPLY = "void program(void) { PWR_CR3 = 0x2; for (;;) result[0] = result[0] + 1; }"


@dataclass(frozen=True)
class Case:
    """Firmware, option bytes, and the states of both cores that are found; the reason where the chip is silent."""

    cm7: str = COUNT
    cm4: str = COUNT
    options: dict[str, int] = field(default_factory=dict)
    attached: STATES | str = (RUNNING, RUNNING)
    under_reset: STATES = (HALTED, RUNNING)


CASES = {
    "runs": Case(),
    "sleeps": Case(cm7=SLEEP, cm4=SLEEP, attached=(SLEEPING, SLEEPING), under_reset=(HALTED, SLEEPING)),
    "cm4 stops": Case(cm4=STOP, attached=(RUNNING, UNREACHABLE), under_reset=(HALTED, UNREACHABLE)),
    "cm7 stops": Case(cm7=STOP, attached=(UNREACHABLE, RUNNING)),
    "both stop": Case(
        cm7=STOP, cm4=STOP, attached=(UNREACHABLE, UNREACHABLE), under_reset=(HALTED, UNREACHABLE)
    ),
    "standby": Case(
        cm7=STANDBY_CM7,
        cm4=STANDBY_CM4,
        attached="or have put the system into Standby: connect with --h7-connect=under-reset",
        under_reset=(HALTED, UNREACHABLE),
    ),
    "takes the debug pins": Case(cm7=TAKE_THE_PINS, attached="may use PA13 and PA14 for something else"),
    "dies at once": Case(cm7=DIE, cm4=DIE, attached=(LOCKUP, LOCKUP), under_reset=(HALTED, LOCKUP)),
    "crawls": Case(cm7=CRAWL),
    "cm7 held": Case(options={"BCM7": 0}, attached=(HELD, RUNNING), under_reset=(HELD, RUNNING)),
    "cm4 held": Case(options={"BCM4": 0}, attached=(RUNNING, HELD), under_reset=(HALTED, HELD)),
}


@pytest.fixture
def chip(chip: VirtualBoard) -> Iterator[VirtualBoard]:
    """The board that is connected to, and let go of in the end."""
    yield chip
    assert chip.stlink.claimed_by is None
    assert not chip.mcu.nrst_asserted


@pytest.fixture
def powered(chip: VirtualBoard, build_program: Callable[..., object]) -> Callable[[Case], VirtualBoard]:
    """Give the board firmware and option bytes, and power."""

    def power(case: Case) -> VirtualBoard:
        mcu = chip.mcu
        mcu.power_off()
        for core, source, bank in zip(("cm7", "cm4"), (case.cm7, case.cm4), FLASH_BANKS, strict=True):
            for segment in build_program(core, source).image.segments:
                start = segment.address - bank.start
                mcu.memory(bank.name)[start : start + len(segment.data)] = segment.data
            mcu.code_changed(bank.start, bank.size)
        words = mcu.flash.save()
        for name, value in case.options.items():
            option = OPTION_BYTES[name]
            words[option.register] = words[option.register] & ~option.mask | value << option.lsb
        mcu.flash.load(words)
        mcu.power_on()
        chip.sleep(0.05)
        return chip

    return power


@contextmanager
def connected(mode: ConnectMode, debug: LowPowerDebug = LowPowerDebug.SLEEP) -> Iterator[Board]:
    bench = Bench(Settings(connect=mode, low_power_debug=debug))
    try:
        yield Board(bench)
    finally:
        bench.close()


def states(board: Board) -> STATES:
    board.sleep(0.01)
    return board.cm7.state, board.cm4.state


@pytest.mark.parametrize("name", CASES)
def test_attach(powered: Callable[[Case], VirtualBoard], name: str) -> None:
    case = CASES[name]
    powered(case)
    if isinstance(case.attached, str):
        with pytest.raises(ChipSilent, match=re.escape(case.attached)), connected(ConnectMode.ATTACH):
            pass
        return
    with connected(ConnectMode.ATTACH) as board:
        assert states(board) == case.attached
        assert all(port.readable for port in (board.ap[1], board.ap[2])) or name == "both stop"
        for core, state in zip(board.cores, case.attached, strict=True):
            if state in (HELD, UNREACHABLE):
                with pytest.raises(CoreUnreachable, match=f"{core.name} is unreachable"):
                    core.halt()
            elif state is not LOCKUP:
                core.halt()
                assert core.state is HALTED
                core.resume()


@pytest.mark.parametrize("name", CASES)
def test_under_reset(powered: Callable[[Case], VirtualBoard], name: str) -> None:
    """Whatever the firmware does, the board can be flashed, and works with good firmware."""
    case = CASES[name]
    powered(case)
    with connected(ConnectMode.UNDER_RESET) as board:
        assert states(board) == case.under_reset
        board.flash(load_pair(None, None), board.bench.settings.flash)
        if not case.options:
            board.boot_contract()


@pytest.mark.parametrize(
    ("name", "apsel", "cause"),
    [
        ("cm4 stops", 3, Cause.CM4_IN_STOP),
        ("cm7 stops", 0, Cause.CM7_IN_STOP),
        ("both stop", 0, Cause.SYSTEM_STOP),
        ("both stop", 3, Cause.SYSTEM_STOP),
        ("cm7 held", 0, Cause.CM7_HELD_BY_OPTION_BYTES),
        ("cm4 held", 3, Cause.CM4_HELD_BY_OPTION_BYTES),
    ],
)
def test_what_cannot_be_had_is_said(
    powered: Callable[[Case], VirtualBoard], name: str, apsel: int, cause: Cause
) -> None:
    powered(CASES[name])
    with connected(ConnectMode.ATTACH) as board:
        assert board.ap[apsel].explain().cause is cause


@pytest.mark.parametrize("name", ["cm4 stops", "cm7 stops", "both stop"])
def test_stopped_cores_can_be_had_if_dbgmcu_is_set_first(
    powered: Callable[[Case], VirtualBoard], name: str
) -> None:
    powered(CASES[name])
    with connected(ConnectMode.UNDER_RESET, LowPowerDebug.ON) as board:
        board.cm7.resume()
        assert UNREACHABLE not in states(board)
        assert board.halt() == ("cm7", "cm4")


def test_firmware_that_takes_the_pins_later_is_caught_by_the_next_reset(
    powered: Callable[[Case], VirtualBoard],
) -> None:
    powered(CASES["takes the debug pins"])
    with connected(ConnectMode.UNDER_RESET) as board:
        board.cm7.resume()
        board.sleep(0.01)
        with pytest.raises(H7Error):
            board.cm7.halt()
        assert "PA13 and PA14" in str(board.bench.trouble())
        board.bench.reconnect()
        assert board.cm7.state is HALTED


# -- pytest-h7 recover ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_recover(
    powered: Callable[[Case], VirtualBoard], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chip = powered(CASES[name])
    assert main(["recover"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Both cores start. The board can be used again."
    for option in CASES[name].options:
        assert f"Option bytes changed: {option} 0 -> 1." in lines
        assert chip.mcu.flash.option(option) == 1
    chip.power_cycle()
    with connected(ConnectMode.ATTACH) as board:
        assert set(states(board)) <= {RUNNING, SLEEPING}


def test_recover_needs_a_finger(
    powered: Callable[[Case], VirtualBoard], capsys: pytest.CaptureFixture[str]
) -> None:
    """Firmware that chooses a supply the board has not is never caught in time."""
    chip = powered(Case(cm7=WRONG_SUPPLY))
    assert main(["recover"]) == 1
    assert "join BOOT0 (BT0 on CN11 of the NUCLEO-H755ZI-Q) to 3.3 V" in capsys.readouterr().err
    chip.mcu.boot0 = True
    chip.power_cycle()
    assert main(["recover"]) == 1
    assert "If BOOT0 is high, release it" in capsys.readouterr().err
    chip.mcu.boot0 = False
    chip.power_cycle()
    assert main(["recover"]) == 0


def test_recover_without_power(
    powered: Callable[[Case], VirtualBoard], capsys: pytest.CaptureFixture[str]
) -> None:
    chip = powered(Case())
    chip.mcu.power_off()
    assert main(["recover"]) == 1
    assert "has no power" in capsys.readouterr().err


def test_recover_with_nrst_stuck(
    powered: Callable[[Case], VirtualBoard], capsys: pytest.CaptureFixture[str]
) -> None:
    chip = powered(Case())
    chip.stlink.nrst_stuck = True
    assert main(["recover"]) == 1
    assert "NRST is low, and it is not the probe that holds it" in capsys.readouterr().err
    chip.stlink.mend()


def test_recover_leaves_protection_alone(
    powered: Callable[[Case], VirtualBoard], capsys: pytest.CaptureFixture[str]
) -> None:
    powered(Case(options={"RDP": 0x55}))
    assert main(["recover"]) == 1
    assert "read-protected (RDP 0x55)" in capsys.readouterr().err


# -- the CM4 comes and goes -------------------------------------------------------------------------


def test_reset_button_at_any_moment(chip: VirtualBoard) -> None:
    """A reset takes the CM4 away for a while; the session goes on, and finds it again."""
    with connected(ConnectMode.UNDER_RESET) as board:
        pair = load_pair(None, None)
        board.images = pair
        board.flash(pair, board.bench.settings.flash)
        board.boot_contract()

        def use_cm4() -> None:
            board.cm4.halt()
            board.cm4.registers.read("pc", "sp")
            with board.cm4.breakpoint("exti_toggle_led"):
                board.cm4.step()
                board.cm4.resume()
            board.cm4.variable("boot_stage")

        def press_reset_after(transfers: int) -> None:
            execute, count = chip.stlink.execute, chip.stlink.transfers + transfers

            def press_then_execute(command: bytes, data: bytes) -> bytes:
                if chip.stlink.transfers == count:
                    chip.mcu.set_nrst(True)
                    chip.mcu.set_nrst(False)
                    chip.sleep(0.0002)
                return execute(command, data)

            chip.stlink.execute = press_then_execute  # type: ignore[method-assign]

        before = board.bench.probe.transfers
        use_cm4()
        for moment in range(0, board.bench.probe.transfers - before, 3):
            press_reset_after(moment)
            try:
                use_cm4()
            except InfrastructureError:
                raise
            except H7Error:
                pass  # unreachable, or running although it was halted a moment ago
            del chip.stlink.execute
            board.clean()
            board.boot_contract()
            use_cm4()

"""One edge on PC13 interrupts both cores; masks and pending bits are each core's own."""

from collections.abc import Callable

import pytest

from pytest_h7 import Board, Core, CoreState, PinMode

LINE = 13
Counts = Callable[[], tuple[int, int]]


@pytest.fixture
def line(started: Board):
    """EXTI line 13 of the started board; what a test changes of it is gone with the next reset."""
    return started.exti[LINE]


def test_line_is_set_up_for_both_cores(line) -> None:
    assert line.edges == {"rising"}
    assert line.enabled("cm7")
    assert line.enabled("cm4")


def test_line_13_is_fed_by_port_c(started: Board, line) -> None:
    assert started.registers.SYSCFG.EXTICR4.EXTI13 == 2
    assert started.gpio["PC13"].mode is PinMode.INPUT


def test_software_trigger_interrupts_both_cores_once(line, counts: Counts) -> None:
    line.trigger()
    assert counts() == (1, 1)


def test_software_triggers_add_up(started: Board, line, counts: Counts) -> None:
    for _ in range(5):
        line.trigger()
        started.sleep(0.001)
    assert counts() == (5, 5)


def test_button_interrupts_both_cores_once(started: Board, counts: Counts) -> None:
    started.button.press(0.02)
    assert counts() == (1, 1)


@pytest.mark.h7_requires("pin")
def test_holding_the_button_is_one_edge(started: Board, counts: Counts) -> None:
    pin = started.gpio["PC13"]
    pin.drive(True)
    started.sleep(0.1)
    assert pin.level
    assert counts() == (1, 1)
    pin.release()
    assert not pin.level
    assert counts() == (1, 1)


@pytest.mark.h7_requires("pin")
def test_both_edges(started: Board, line, counts: Counts) -> None:
    line.edges = {"rising", "falling"}
    started.button.press(0.01)
    assert counts() == (2, 2)


@pytest.mark.h7_requires("pin")
def test_falling_edge_only(started: Board, line, counts: Counts) -> None:
    line.edges = {"falling"}
    pin = started.gpio["PC13"]
    pin.drive(True)
    assert counts() == (0, 0)
    pin.release()
    assert counts() == (1, 1)


@pytest.mark.h7_requires("pin")
def test_no_edge_selected(started: Board, line, counts: Counts) -> None:
    line.edges = set()
    started.button.press(0.01)
    assert counts() == (0, 0)


@pytest.mark.parametrize(("masked", "expected"), [("cm7", (0, 1)), ("cm4", (1, 0))])
def test_masked_core_is_not_interrupted(line, counts: Counts, masked: str, expected: tuple[int, int]) -> None:
    line.enable(masked, False)
    line.trigger()
    assert counts() == expected
    assert not line.pending(masked)


def test_both_cores_masked(started: Board, line, counts: Counts) -> None:
    line.enable("cm7", False)
    line.enable("cm4", False)
    line.trigger()
    assert counts() == (0, 0)


@pytest.mark.parametrize(("halted", "other"), [("cm7", "cm4"), ("cm4", "cm7")])
def test_pending_is_cleared_by_each_core_for_itself(started: Board, line, halted: str, other: str) -> None:
    core: Core = getattr(started, halted)
    core.halt()
    line.trigger()
    started.sleep(0.005)
    assert line.pending(halted)
    assert not line.pending(other)
    core.resume()
    started.wait_until(lambda: not line.pending(halted), 0.1)


def test_pending_clears_by_writing_one(started: Board, line) -> None:
    for core in started.cores:
        core.halt()
    line.trigger()
    assert (line.pending("cm7"), line.pending("cm4")) == (True, True)
    started.registers.EXTI.C2PR1.PR13 = 1
    assert (line.pending("cm7"), line.pending("cm4")) == (True, False)


def test_interrupt_enters_the_handler_of_both_cores(started: Board, line) -> None:
    cm7, cm4 = started.cores
    with cm7.breakpoint("exti_toggle_led") as on_cm7, cm4.breakpoint("exti_toggle_led") as on_cm4:
        line.trigger()
        on_cm7.wait(0.1)
        on_cm4.wait(0.1)
        # IPSR: EXTI15_10 is interrupt 40, so exception 56, on both cores.
        assert [core.registers["xpsr"] & 0x1FF for core in (cm7, cm4)] == [56, 56]
        for core in (cm7, cm4):
            core.resume()


def test_leds_are_dark_after_the_start(started: Board) -> None:
    assert [led.is_on for led in started.leds.values()] == [False, False, False]


def test_each_press_toggles_both_leds(started: Board, line) -> None:
    for expected in (True, False, True):
        line.trigger()
        started.sleep(0.005)
        assert started.leds["LD1"].is_on is expected
        assert started.leds["LD2"].is_on is expected
    assert not started.leds["LD3"].is_on


def test_led_of_a_masked_core_stays_dark(started: Board, line) -> None:
    line.enable("cm4", False)
    line.trigger()
    started.sleep(0.005)
    assert started.leds["LD1"].is_on
    assert not started.leds["LD2"].is_on


def test_cores_go_back_to_sleep(started: Board, line) -> None:
    line.trigger()
    started.sleep(0.005)
    for core in started.cores:
        started.wait_until(lambda core=core: core.state is CoreState.SLEEPING, 0.1)

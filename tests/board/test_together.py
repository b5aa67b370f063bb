"""Both cores are halted and started together, where both can be reached."""

import pytest

from pytest_h7 import Board, Core, CoreState

CTI_CONTROL = 0xE004_3000
ALIVE = {CoreState.RUNNING, CoreState.SLEEPING}


def test_both_halt_and_go_on(started: Board) -> None:
    assert started.halt() == ("cm7", "cm4")
    assert {core.state for core in started.cores} == {CoreState.HALTED}
    before = [core.variable("ticks").value for core in started.cores]
    started.sleep(0.02)
    assert [core.variable("ticks").value for core in started.cores] == before
    started.resume()
    started.sleep(0.02)
    assert {core.state for core in started.cores} <= ALIVE
    assert all(
        core.variable("ticks").value > ticks for core, ticks in zip(started.cores, before, strict=True)
    )


def test_one_that_is_halted_already_is_no_obstacle(started: Board, cm7: Core, cm4: Core) -> None:
    cm4.halt()
    assert started.halt() == ("cm7", "cm4")
    cm4.resume()
    assert cm7.state is CoreState.HALTED
    assert cm4.state in ALIVE
    started.resume()
    assert cm7.state in ALIVE


def test_each_can_be_started_by_itself(started: Board, cm7: Core, cm4: Core) -> None:
    for first, second in ((cm7, cm4), (cm4, cm7)):
        started.halt()
        first.resume()
        assert first.state in ALIVE
        assert second.state is CoreState.HALTED
        second.step()
        second.resume()
        assert second.state in ALIVE


def test_nothing_stays_connected(started: Board, cm7: Core, cm4: Core) -> None:
    """What halts one core later leaves the other one alone."""
    started.halt()
    assert [core.read_u32(CTI_CONTROL) for core in started.cores] == [0, 0]
    started.resume()
    assert [core.read_u32(CTI_CONTROL) for core in started.cores] == [0, 0]
    with cm4.breakpoint("SysTick_Handler") as stop:
        stop.wait(0.1)
        assert cm7.state in ALIVE
        cm7.halt()
    cm7.resume()
    assert cm4.state is CoreState.HALTED


def test_breakpoint_stops_both_after_they_were_started_together(started: Board, cm4: Core) -> None:
    started.halt()
    with cm4.breakpoint("SysTick_Handler") as stop:
        started.resume()
        stop.wait(0.1)
    cm4.resume()


def test_cm4_that_is_closed_is_left_out(started: Board, cm7: Core, cm4: Core) -> None:
    started.reset(halt=True)
    started.wait_until(lambda: cm4.state is CoreState.UNREACHABLE, 0.1)
    assert started.halt() == ("cm7",)
    assert cm7.state is CoreState.HALTED
    started.resume()
    started.wait_until(lambda: cm4.state in ALIVE, 0.5)


@pytest.mark.h7_requires("simulation")
def test_no_cycle_lies_between(started: Board) -> None:
    from pytest_h7.bench.probes import board_behind

    board = board_behind(started.bench.probe.driver)
    assert board is not None
    mcu = board.mcu

    def cycles() -> tuple[int, int]:
        return mcu.cores["cm7"].cycles, mcu.cores["cm4"].cycles

    ratio = mcu.clock_hz("cm7") // mcu.clock_hz("cm4")
    started.halt()
    before = cycles()
    started.resume()
    started.sleep(0.0123)
    started.halt()
    ran = [after - earlier for after, earlier in zip(cycles(), before, strict=True)]
    assert ran[0] == ratio * ran[1] > 0

"""Halt, step, breakpoints, registers and variables of each core while the other one runs."""

import pytest

from pytest_h7 import Board, Core, CoreState, DomainState, H7Error, ImageError, WaitTimeout

CORES = pytest.mark.parametrize("name", ["cm7", "cm4"])


def other(board: Board, name: str) -> Core:
    return board.cm4 if name == "cm7" else board.cm7


@CORES
def test_halting_one_core_leaves_the_other_running(started: Board, name: str) -> None:
    core = getattr(started, name)
    running = other(started, name)
    core.halt()
    ticks = core.variable("ticks").value
    before = running.variable("ticks").value
    started.sleep(0.02)
    assert core.state is CoreState.HALTED
    assert core.variable("ticks").value == ticks
    assert running.variable("ticks").value - before >= 15


@CORES
def test_resumed_core_ticks_on(started: Board, name: str) -> None:
    core = getattr(started, name)
    core.halt()
    ticks = core.variable("ticks").value
    core.resume()
    started.sleep(0.02)
    assert core.variable("ticks").value - ticks == pytest.approx(20, abs=5)


@CORES
def test_step_executes_one_instruction(started: Board, name: str) -> None:
    core = getattr(started, name)
    core.run_until("SysTick_Handler", timeout=0.1)
    first = core.pc
    is_wide = core.read_u16(first) >> 11 >= 0x1D
    core.step()
    assert core.pc == first + (4 if is_wide else 2)
    assert core.state is CoreState.HALTED


@CORES
def test_breakpoint_stops_at_a_function_every_time(started: Board, name: str) -> None:
    core = getattr(started, name)
    address = core.address_of("SysTick_Handler")
    for _ in range(3):
        core.run_until("SysTick_Handler", timeout=0.1)
        assert core.pc == address


@CORES
def test_removed_breakpoint_does_not_stop(started: Board, name: str) -> None:
    core = getattr(started, name)
    with core.breakpoint("SysTick_Handler") as point:
        point.wait(0.1)
        assert point.is_hit
    core.resume()
    started.sleep(0.02)
    assert core.state is not CoreState.HALTED


@CORES
def test_breakpoint_that_a_test_has_left_is_cleaned_up(started: Board, name: str) -> None:
    core = getattr(started, name)
    left = core.breakpoint("exti_toggle_led")
    left.__enter__()
    started.clean()
    before = core.variable("exti_count").value
    started.exti[13].trigger()
    started.sleep(0.005)
    assert core.variable("exti_count").value == before + 1
    assert core.state is not CoreState.HALTED
    del left  # its context would have ended here


@CORES
def test_breakpoint_that_is_not_reached(started: Board, name: str) -> None:
    core = getattr(started, name)
    with pytest.raises(WaitTimeout, match=f"{name} did not reach exti_toggle_led"):
        core.run_until("exti_toggle_led", timeout=0.02)
    assert core.state is not CoreState.HALTED


@CORES
def test_registers_are_read_and_written(started: Board, name: str) -> None:
    core = getattr(started, name)
    core.halt()
    saved = core.registers["r5"]
    core.registers["r5"] = 0xCAFE_F00D
    assert core.registers["r5"] == 0xCAFE_F00D
    core.registers["r5"] = saved
    assert core.registers["xpsr"] & 1 << 24  # Thumb state


def test_registers_of_a_running_core_are_refused(started: Board) -> None:
    core = started.cm7
    core.halt()
    core.registers["r0"] = core.registers["r0"]
    core.resume()
    with pytest.raises(H7Error, match="cm7 is not halted"):
        _ = core.registers["r0"]


@CORES
def test_variable_is_read_and_written(started: Board, name: str) -> None:
    core = getattr(started, name)
    core.variable("exti_count").value = 41
    started.exti[13].trigger()
    started.sleep(0.005)
    assert core.variable("exti_count").value == 42


def test_cores_have_variables_of_their_own(started: Board) -> None:
    started.cm7.variable("exti_count").value = 7
    started.cm4.variable("exti_count").value = 9
    assert [core.variable("exti_count").value for core in started.cores] == [7, 9]


def test_unknown_variable(started: Board) -> None:
    with pytest.raises(ImageError, match="no symbol 'no_such_thing'"):
        started.cm7.variable("no_such_thing")


@CORES
def test_location_names_the_source(started: Board, name: str) -> None:
    core = getattr(started, name)
    core.halt()
    assert f"{name}.c:" in core.location or "core.h:" in core.location


@CORES
def test_backtrace_of_an_interrupt(started: Board, name: str) -> None:
    core = getattr(started, name)
    with core.breakpoint("exti_toggle_led") as point:
        started.exti[13].trigger()
        point.wait(0.1)
        functions = [frame.function for frame in core.backtrace()]
        assert functions[:2] == ["exti_toggle_led", "EXTI15_10_IRQHandler"]
        core.resume()


def test_sram4_is_shared(started: Board) -> None:
    unused = 0x3800_F000
    started.cm7.write_u32(unused, 0x600D_F00D)
    assert started.cm4.read_u32(unused) == 0x600D_F00D
    assert started.ap[1].read_u32(unused) == 0x600D_F00D


@CORES
def test_bytes_of_any_alignment(started: Board, name: str) -> None:
    core = getattr(started, name)
    unused = 0x3800_F101
    core.write_bytes(unused, b"dual-core")
    assert core.read_bytes(unused, 9) == b"dual-core"
    assert core.read_u8(unused) == ord("d")


def test_snapshot_shows_both_cores_and_changes_nothing(started: Board) -> None:
    started.cm7.halt()
    snapshot = started.snapshot()
    assert {name: core.state for name, core in snapshot.cores.items()} == {
        core.name: core.state for core in started.cores
    }
    assert snapshot.cores["cm7"].registers["pc"] == started.cm7.pc
    assert set(snapshot.domains.values()) == {DomainState.RUN}
    assert snapshot.semaphores == {}
    assert started.hsem.owners() == {}
    assert started.cm7.state is CoreState.HALTED


def test_no_fault_is_recorded_after_the_start(started: Board) -> None:
    assert [core.fault for core in started.cores] == [None, None]


def test_tick_rate_of_both_cores(started: Board) -> None:
    before = [core.variable("ticks").value for core in started.cores]
    start = started.time()
    started.sleep(0.2)
    elapsed = started.time() - start
    ticks = [core.variable("ticks").value - first for core, first in zip(started.cores, before, strict=True)]
    assert ticks == pytest.approx([elapsed * 1000] * 2, rel=0.05)

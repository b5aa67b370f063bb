"""Kinds of reset, told apart by the reset flags, and what survives them."""

import pytest

from pytest_h7 import Board, CoreState, H7Error, ImagePair

from .conftest import wait_until_ready

AIRCR, SYSRESETREQ = 0xE000_ED0C, 0x05FA_0004


def remove_reset_flags(board: Board) -> None:
    board.registers.RCC_C1.RSR.RMVF = 1
    board.registers.RCC_C1.RSR.RMVF = 0


def test_hardware_reset_sets_the_pin_flag(started: Board) -> None:
    remove_reset_flags(started)
    assert started.registers.RCC_C1.RSR.PINRSTF == 0
    started.reset(kind="hardware")
    flags = started.registers.RCC_C1.RSR
    assert (flags.PINRSTF, flags.SFT1RSTF, flags.SFT2RSTF, flags.PORRSTF) == (1, 0, 0, 0)


def test_system_reset_sets_the_flag_of_the_cm7(started: Board) -> None:
    remove_reset_flags(started)
    started.reset(kind="system")
    flags = started.registers.RCC_C1.RSR
    assert (flags.PINRSTF, flags.SFT1RSTF, flags.SFT2RSTF, flags.PORRSTF) == (1, 1, 0, 0)


def test_system_reset_by_the_cm4_sets_its_flag(started: Board) -> None:
    remove_reset_flags(started)
    started.cm4.halt()
    with started.expect_reset(timeout=0.001) as expected:
        started.ap[3].write_u32(AIRCR, SYSRESETREQ)
    assert "SFT2RSTF" in expected.flags
    wait_until_ready(started)
    flags = started.registers.RCC_C1.RSR
    assert (flags.PINRSTF, flags.SFT1RSTF, flags.SFT2RSTF) == (1, 0, 1)


def test_reset_flags_of_the_cores_are_removed_one_by_one(started: Board) -> None:
    started.reset()
    remove_reset_flags(started)
    assert (started.registers.RCC_C1.RSR.PINRSTF, started.registers.RCC_C2.RSR.PINRSTF) == (0, 1)


@pytest.mark.h7_requires("power")
def test_power_reset_sets_the_power_on_flag(started: Board) -> None:
    remove_reset_flags(started)
    started.reset(kind="power")
    wait_until_ready(started)
    flags = started.registers.RCC_C1.RSR
    assert (flags.PORRSTF, flags.SFT1RSTF) == (1, 0)


@pytest.mark.h7_requires("power")
def test_power_reset_clears_ram_and_keeps_flash(started: Board, h7_flashed: ImagePair) -> None:
    unused = 0x2407_0000
    started.cm7.write_u32(unused, 0x1234_5678)
    started.reset()
    assert started.cm7.read_u32(unused) == 0x1234_5678
    started.reset(kind="power")
    assert started.cm7.read_u32(unused) != 0x1234_5678
    first = h7_flashed.cm7.segments[0]
    assert started.cm7.read_bytes(first.address, 256) == first.data[:256]


def test_power_reset_takes_no_halt(started: Board) -> None:
    with pytest.raises(ValueError, match="power reset"):
        started.reset(halt=True, kind="power")


def test_power_reset_needs_a_power_switch(started: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(started.bench, "power", None)
    with pytest.raises(H7Error, match="cannot switch"):
        started.reset(kind="power")


@pytest.mark.parametrize("kind", ["hardware", "system"])
def test_both_cores_start_again(started: Board, kind: str) -> None:
    started.exti[13].trigger()
    started.sleep(0.005)
    assert started.cm4.variable("exti_count").value == 1
    started.reset(kind=kind)
    wait_until_ready(started)
    assert [core.variable("exti_count").value for core in started.cores] == [0, 0]


@pytest.mark.parametrize("kind", ["hardware", "system"])
def test_halting_reset_holds_the_cm7_only(started: Board, kind: str) -> None:
    started.reset(halt=True, kind=kind)
    assert started.cm7.state is CoreState.HALTED
    started.wait_until(lambda: started.cm4.state is CoreState.UNREACHABLE, 0.1)


def test_debug_configuration_survives_a_reset(started: Board) -> None:
    before = started.registers.DBGMCU.CR.value
    started.reset()
    assert started.registers.DBGMCU.CR.value == before

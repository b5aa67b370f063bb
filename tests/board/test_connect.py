"""What is connected: probe, debug port, access ports, chip."""

import pytest

from pytest_h7 import AccessPort, Board, CoreState, Probe, TargetAccessError


def test_probe_is_an_stlink_v3(h7_probe: Probe) -> None:
    assert h7_probe.serial
    assert h7_probe.firmware.startswith("V3J")


def test_target_has_its_supply_voltage(h7_probe: Probe) -> None:
    assert h7_probe.voltage == pytest.approx(3.3, abs=0.3)


@pytest.mark.parametrize(
    ("apsel", "idr"), [(0, 0x84770001), (1, 0x84770001), (2, 0x54770002), (3, 0x24770011)]
)
def test_access_port_identification(h7_board: Board, apsel: int, idr: int) -> None:
    assert h7_board.ap[apsel].idr == idr


def test_chip_is_an_stm32h755(h7_board: Board) -> None:
    assert h7_board.registers.DBGMCU.IDCODE.DEV_ID == 0x450


def test_package_is_lqfp144(started: Board) -> None:
    # SYSCFG has its clock because the firmware uses it for EXTI.
    assert started.registers.SYSCFG.PKGR.PKG == 3


def test_flash_size_and_unique_id_through_the_cm7_only(started: Board) -> None:
    flash_size = 0x1FF1_E880
    assert started.cm7.read_u16(flash_size) == 2048
    assert started.cm7.read_bytes(0x1FF1_E800, 12) != bytes(12)
    with pytest.raises(TargetAccessError, match="AP3"):
        started.cm4.read_u16(flash_size)


def test_cores_identify_themselves(started: Board) -> None:
    assert (started.cm7.cpuid.part_name, started.cm7.cpuid.value) == ("Cortex-M7", 0x411FC271)
    assert (started.cm4.cpuid.part_name, started.cm4.cpuid.value) == ("Cortex-M4", 0x410FC241)


def test_both_cores_run_after_the_start(started: Board) -> None:
    alive = {CoreState.RUNNING, CoreState.SLEEPING}
    assert {core.state for core in started.cores} <= alive


def test_ap1_reaches_d3_only(started: Board) -> None:
    d3: AccessPort = started.ap[1]
    assert d3.read_u32(0x5802_4400) != 0
    for elsewhere in (0x0800_0000, 0x2400_0000, 0x3000_0000, 0x4000_4800, 0x5200_2000):
        with pytest.raises(TargetAccessError, match=f"0x{elsewhere:08X} through AP1"):
            d3.read_u32(elsewhere)


def test_voltage_and_clock_of_the_reference_firmware(started: Board) -> None:
    rcc = started.registers.RCC
    assert rcc.CFGR.SWS == 3  # PLL1
    assert rcc.CR.HSEBYP == 1
    assert (rcc.PLL1DIVR.N1 + 1, rcc.PLLCKSELR.DIVM1, rcc.PLL1DIVR.P1 + 1) == (400, 4, 2)
    assert rcc.D1CFGR.HPRE == 8  # HCLK, the CM4's clock, is half of the CM7's
    assert started.registers.PWR.D3CR.VOS == 3  # VOS1
    assert started.registers.PWR.CR3.value & 7 == 4  # direct SMPS, as this board is wired

"""Clocks that silicon would not stand: the chip warns, once each, with both figures (RM0399 tables 16 and 62)."""

from __future__ import annotations

import pytest

from pytest_h7.board.images import load_pair
from pytest_h7.twin.timeline import PS_PER_MS

SMPS, LATENCY = 4, 2 << 4


@pytest.fixture
def clocks(desk):
    """Set the clock tree: ``clocks(mhz, vos=1, latency=2)`` runs sys_ck at twice the bus clock `mhz`."""

    def start(bus_mhz: int, vos: int = 1, latency: int = 4, delay: int = 2, **registers: int):
        desk.write("PWR.CR3", SMPS)
        desk.run(50)
        desk.set("PWR.D3CR", VOS={0: 3, 1: 3, 2: 2, 3: 1}[vos])
        if vos == 0:
            desk.set("RCC_C1.APB4ENR", SYSCFGEN=1)
            desk.write("SYSCFG.PWRCR", 1)
        desk.run(50)
        desk.write("FLASH.ACR", delay << 4 | max(latency, 1))
        desk.set("RCC.CR", HSEBYP=1)
        desk.set("RCC.CR", HSEON=1)
        desk.run(100)
        settings = {"DIVM1": 2, "RGE": 2, "VCOSEL": 0, "N1": bus_mhz - 1, "P1": 1} | registers
        desk.write("RCC.PLLCKSELR", 2 | settings["DIVM1"] << 4)
        desk.set("RCC.PLLCFGR", PLL1RGE=settings["RGE"], PLL1VCOSEL=settings["VCOSEL"])
        desk.set("RCC.PLL1DIVR", N1=settings["N1"], P1=settings["P1"])
        desk.set("RCC.CR", PLL1ON=1)
        desk.run(100)
        desk.write("RCC.D1CFGR", 8 | 4 << 4)
        desk.write("RCC.D2CFGR", 4 << 4 | 4 << 8)
        desk.write("RCC.D3CFGR", 4 << 4)
        desk.set("RCC.CFGR", SW=3)
        desk.run(10)
        desk.write("FLASH.ACR", delay << 4 | latency)
        return list(desk.mcu.warnings)

    return start


def test_nothing_to_warn_of_after_reset(desk) -> None:
    desk.run(10_000)
    assert not desk.mcu.warnings


def test_reference_firmware_is_within_all_limits(make_mcu) -> None:
    mcu = make_mcu(*load_pair(None, None))
    mcu.run_for(100 * PS_PER_MS)
    assert mcu.clock_hz("cm7") == 400_000_000
    assert not mcu.warnings


@pytest.mark.parametrize(
    ("vos", "bus_mhz", "needed"),
    [
        (3, 45, 0), (3, 46, 1), (3, 90, 1), (3, 91, 2),
        (2, 55, 0), (2, 56, 1), (2, 110, 1), (2, 111, 2),
        (1, 70, 0), (1, 71, 1), (1, 140, 1), (1, 141, 2), (1, 200, 2),
        (0, 140, 1), (0, 210, 2), (0, 211, 3), (0, 226, 4),
    ],
)  # fmt: skip
def test_wait_states(clocks, vos: int, bus_mhz: int, needed: int) -> None:
    divider = 1 if bus_mhz > 48 else 3
    settings = {"N1": bus_mhz - 1, "P1": 1} if divider == 1 else {"N1": 2 * bus_mhz - 1, "P1": 3}
    assert clocks(bus_mhz, vos, needed, **settings) == []


@pytest.mark.parametrize(
    ("vos", "bus_mhz", "latency", "needed"), [(3, 91, 1, 2), (1, 200, 1, 2), (0, 240, 2, 4)]
)
def test_too_few_wait_states(clocks, vos: int, bus_mhz: int, latency: int, needed: int) -> None:
    assert clocks(bus_mhz, vos, latency) == [
        f"FLASH_ACR.LATENCY is {latency}; the flash needs {needed} wait states at {bus_mhz} MHz in VOS{vos} "
        "(RM0399 table 16)."
    ]


def test_wait_states_that_are_taken_away_later(clocks, desk) -> None:
    assert clocks(200) == []
    desk.run(1_000)
    desk.write("FLASH.ACR", 0x21)
    (warning,) = desk.mcu.warnings
    assert warning.startswith("FLASH_ACR.LATENCY is 1; the flash needs 2 wait states at 200 MHz")
    desk.write("FLASH.ACR", 0x24)
    desk.write("FLASH.ACR", 0x21)
    assert len(desk.mcu.warnings) == 1


def test_system_clock_too_fast_for_the_voltage(clocks) -> None:
    warnings = clocks(160, vos=2)
    assert warnings == [
        "sys_ck runs at 320 MHz; VOS2 allows 300 MHz (RM0399 table 62).",
        "The AXI and AHB clock runs at 160 MHz; VOS2 allows 150 MHz (RM0399 table 62).",
        "rcc_pclk1 runs at 80 MHz; VOS2 allows 75 MHz (RM0399 table 62).",
        "rcc_pclk2 runs at 80 MHz; VOS2 allows 75 MHz (RM0399 table 62).",
        "rcc_pclk3 runs at 80 MHz; VOS2 allows 75 MHz (RM0399 table 62).",
        "rcc_pclk4 runs at 80 MHz; VOS2 allows 75 MHz (RM0399 table 62).",
    ]


def test_boost_allows_480_mhz_and_vos1_does_not(clocks, desk) -> None:
    assert clocks(240, vos=0) == []
    desk.write("SYSCFG.PWRCR", 0)
    desk.set("RCC.D1CFGR", D1CPRE=0)
    assert "sys_ck runs at 480 MHz; VOS1 allows 400 MHz (RM0399 table 62)." in desk.mcu.warnings


def test_voltage_that_is_lowered_under_a_fast_clock(clocks, desk) -> None:
    clocks(200)
    desk.set("PWR.D3CR", VOS=1)
    assert next(iter(desk.mcu.warnings)) == "sys_ck runs at 400 MHz; VOS3 allows 200 MHz (RM0399 table 62)."


def test_clock_that_does_not_wait_for_the_voltage(desk) -> None:
    """VOSRDY is there to be waited for: until then the old scale counts."""
    desk.write("PWR.CR3", SMPS)
    desk.run(50)
    desk.write("FLASH.ACR", 0x24)
    desk.write("RCC.PLLCKSELR", 0 | 16 << 4)
    desk.set("RCC.PLLCFGR", PLL1RGE=1)
    desk.set("RCC.PLL1DIVR", N1=124, P1=1)
    desk.set("RCC.CR", PLL1ON=1)
    desk.run(100)
    desk.set("RCC.D1CFGR", HPRE=8, D1PPRE=4)
    desk.write("RCC.D2CFGR", 4 << 4 | 4 << 8)
    desk.write("RCC.D3CFGR", 4 << 4)
    desk.set("PWR.D3CR", VOS=3)
    desk.set("RCC.CFGR", SW=3)
    assert next(iter(desk.mcu.warnings)) == "sys_ck runs at 250 MHz; VOS3 allows 200 MHz (RM0399 table 62)."


def test_voltage_scale_before_the_supply(desk) -> None:
    desk.set("PWR.D3CR", VOS=3)
    (warning,) = desk.mcu.warnings
    assert warning == (
        "The voltage scale was changed before the supply was configured in PWR_CR3 and ACTVOSRDY was set "
        "(RM0399 7.4.1)."
    )


@pytest.mark.parametrize(
    ("registers", "sentence"),
    [
        ({"DIVM1": 16, "N1": 399}, "PLL1's input is 0.5 MHz; PLL1RGE selects 4 to 8 MHz (RM0399 9.7.11)."),
        ({"RGE": 0}, "PLL1's input is 4 MHz; PLL1RGE selects 1 to 2 MHz (RM0399 9.7.11)."),
        ({"N1": 249}, "PLL1's VCO runs at 1000 MHz; PLL1VCOSEL selects 192 to 960 MHz (RM0399 9.7.12)."),
        ({"N1": 39}, "PLL1's VCO runs at 160 MHz; PLL1VCOSEL selects 192 to 960 MHz (RM0399 9.7.12)."),
        ({"VCOSEL": 1}, "PLL1's VCO runs at 400 MHz; PLL1VCOSEL selects 150 to 420 MHz (RM0399 9.7.12)."),
        ({"P1": 2}, "PLL1's output P is divided by 3; only 1 and even numbers are allowed (RM0399 9.7.12)."),
    ],
)
def test_pll_out_of_range(clocks, registers: dict[str, int], sentence: str) -> None:
    wanted = sentence if registers != {"VCOSEL": 1} else None
    warnings = clocks(100, vos=1, **registers)
    assert (wanted in warnings) if wanted else warnings == []


def test_flash_is_programmed_with_too_short_a_delay(clocks, desk) -> None:
    assert clocks(200, delay=1) == []
    desk.write("FLASH.KEYR2", 0x4567_0123)
    desk.write("FLASH.KEYR2", 0xCDEF_89AB)
    desk.write("FLASH.CR2", 0x30 | 1 << 2 | 7 << 8 | 1 << 7)
    assert list(desk.mcu.warnings) == [
        "FLASH_ACR.WRHIGHFREQ is 1 while the flash is changed; at 200 MHz in VOS1 it is to be 2 (RM0399 table 16)."
    ]

"""Supply voltage: power-down, brownout, voltage detectors, and what a probe measures (RM0399 7.5)."""

from __future__ import annotations

import pytest

from pytest_h7.chip.option_bytes import OPTION_BYTES

COUNT = "void program(void) { result[0] = result[0] + 1; for (;;) ++result[1]; }"
PVDEN, AVDEN = 1 << 4, 1 << 16


def choose_brownout_level(desk, level: int) -> None:
    words = desk.mcu.flash.save()
    option = OPTION_BYTES["BOR_LEV"]
    desk.mcu.flash.load({"OPTSR": words["OPTSR"] & ~option.mask | level << option.lsb})


def test_chip_works_down_to_its_power_down_threshold(run) -> None:
    desk = run(cm7=COUNT)
    desk.mcu.set_supply(1700)
    desk.run(100)
    assert (desk.mcu.powered, desk.result("cm7")) == (True, 1)
    desk.mcu.set_supply(1500)
    assert not desk.mcu.powered
    desk.mcu.set_supply(1650)  # the rising threshold is higher
    desk.run(1_000)
    assert not desk.mcu.powered
    desk.mcu.set_supply(3300)
    desk.run(1_000)
    assert desk.result("cm7") == 1  # SRAM4 was lost
    assert desk.field("RCC_C1.RSR.PORRSTF") == 1


@pytest.mark.parametrize(("level", "falling", "rising"), [(1, 2000, 2100), (2, 2310, 2410), (3, 2610, 2700)])
def test_brownout_holds_the_chip_in_reset_and_keeps_the_ram(
    run, level: int, falling: int, rising: int
) -> None:
    desk = run(cm7=COUNT)
    choose_brownout_level(desk, level)
    desk.write("RCC_C1.RSR", 1 << 16)
    desk.write("RCC_C1.RSR", 0)
    desk.mcu.set_supply(falling)
    desk.run(100)
    assert desk.result("cm7") == 1
    desk.mcu.set_supply(falling - 1)
    counted = desk.result("cm7", 1)
    desk.run(10_000)
    assert desk.result("cm7", 1) == counted
    desk.mcu.set_supply(rising - 1)
    desk.run(10_000)
    assert desk.result("cm7", 1) == counted
    desk.mcu.set_supply(rising)
    desk.run(1_000)
    assert desk.result("cm7") == 2
    flags = {name: desk.field(f"RCC_C1.RSR.{name}") for name in ("BORRSTF", "PINRSTF", "PORRSTF")}
    assert flags == {"BORRSTF": 1, "PINRSTF": 1, "PORRSTF": 0}


def test_brownout_is_off_at_first(run) -> None:
    desk = run(cm7=COUNT)
    desk.mcu.set_supply(1900)
    desk.run(1_000)
    assert desk.result("cm7") == 1


@pytest.mark.parametrize(("level", "millivolts"), list(enumerate((1950, 2100, 2250, 2400, 2550, 2700, 2850))))
def test_programmable_voltage_detector(desk, level: int, millivolts: int) -> None:
    desk.write("PWR.CR1", PVDEN | level << 5)
    assert desk.field("PWR.CSR1.PVDO") == 0
    desk.mcu.set_supply(millivolts - 1)
    assert desk.field("PWR.CSR1.PVDO") == 1
    desk.mcu.set_supply(millivolts)
    assert desk.field("PWR.CSR1.PVDO") == 0
    desk.mcu.set_supply(1700)
    desk.write("PWR.CR1", level << 5)
    assert desk.field("PWR.CSR1.PVDO") == 0


@pytest.mark.parametrize(("level", "millivolts"), list(enumerate((1700, 2100, 2500, 2800))))
def test_analog_voltage_detector(desk, level: int, millivolts: int) -> None:
    desk.write("PWR.CR1", AVDEN | level << 17)
    desk.mcu.set_supply(millivolts)
    assert desk.field("PWR.CSR1.AVDO") == 0
    desk.mcu.set_supply(millivolts - 1)
    assert desk.field("PWR.CSR1.AVDO") == 1


def test_voltage_detector_interrupts_at_the_edge_that_is_selected(run) -> None:
    source = """
    void PVD_AVD_IRQHandler(void)
    {
        result[3] = result[3] + 1;
        EXTI_C1PR1 = 1u << 16;
    }

    void program(void)
    {
        EXTI_RTSR1 |= 1u << 16;
        EXTI_C1IMR1 |= 1u << 16;
        enable_interrupt(PVD_AVD_IRQn, 1);
        PWR_CR1 |= 1u << 4 | 5u << 5;
        for (;;) wfi();
    }
    """
    desk = run(cm7=source)
    for count, millivolts in ((0, 2700), (1, 2600), (1, 2500), (1, 3300), (2, 2000)):
        desk.mcu.set_supply(millivolts)
        desk.run(10)
        assert desk.result("cm7", 3) == count

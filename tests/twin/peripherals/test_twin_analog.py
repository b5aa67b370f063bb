"""Voltages, DAC, reference buffer, comparators and amplifiers on the registers. VREF+ is 3.3 V."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wiring import OUTPUT, configure, enable, pending

if TYPE_CHECKING:
    from conftest import Desk


@pytest.fixture
def analog(desk: Desk) -> Desk:
    enable(
        desk, "APB1LENR.DAC12EN", "APB1HENR.OPAMPEN", "APB4ENR.COMP12EN", "APB4ENR.VREFEN", "APB4ENR.SYSCFGEN"
    )
    return desk


def volts(desk: Desk, name: str) -> float:
    return desk.mcu.analog.voltage(name)


# -- wires --------------------------------------------------------------------------------------


def test_a_pin_has_the_voltage_that_is_set_until_it_is_released(analog: Desk) -> None:
    assert volts(analog, "PA3") == 0.0
    analog.mcu.analog.set("PA3", 1.25)
    assert volts(analog, "PA3") == 1.25
    analog.mcu.analog.release("PA3")
    assert volts(analog, "PA3") == 0.0


def test_a_wire_has_one_voltage(analog: Desk) -> None:
    analog.mcu.analog.set("PA3", 1.25)
    analog.mcu.pins.connect("PA3", "PC0")
    assert volts(analog, "PC0") == 1.25
    analog.mcu.analog.set("PC0", 1.0)
    assert volts(analog, "PA3") == 1.0
    analog.mcu.pins.disconnect("PA3", "PC0")
    assert volts(analog, "PA3") == 1.25


def test_a_digital_output_is_worth_the_supply_or_ground(analog: Desk) -> None:
    configure(analog, "PD0", OUTPUT)
    analog.mcu.pins.connect("PD0", "PA3")
    assert volts(analog, "PA3") == 0.0
    analog.write("GPIOD.BSRR", 1)
    assert volts(analog, "PA3") == 3.3


def test_a_direct_pad_is_joined_to_its_pin_while_the_switch_is_closed(analog: Desk) -> None:
    analog.mcu.analog.set("PC2_C", 2.0)
    assert volts(analog, "PC2") == 2.0
    analog.set("SYSCFG.PMCR", PC2SO=1)
    assert volts(analog, "PC2") == 0.0
    assert volts(analog, "PC2_C") == 2.0


@pytest.mark.parametrize("name", ["PZ1", "PA3_C"])
def test_an_unknown_pin_is_an_error(analog: Desk, name: str) -> None:
    with pytest.raises(ValueError, match="there is no"):
        analog.mcu.analog.set(name, 1.0)


# -- DAC ----------------------------------------------------------------------------------------

EN1, TEN1, DMAEN1, CEN1 = 1 << 0, 1 << 1, 1 << 12, 1 << 14
EN2, TEN2 = 1 << 16, 1 << 17


def test_without_a_trigger_data_is_converted_at_once(analog: Desk) -> None:
    analog.write("DAC1.CR", EN1)
    analog.write("DAC1.DHR12R1", 2048)
    assert analog.read("DAC1.DOR1") == 2048
    assert volts(analog, "PA4") == pytest.approx(1.65)
    analog.write("DAC1.CR", 0)
    assert volts(analog, "PA4") == 0.0


def test_the_output_is_a_share_of_the_reference(analog: Desk) -> None:
    analog.mcu.analog.external_reference = 2.5
    analog.write("DAC1.CR", EN1)
    analog.write("DAC1.DHR12R1", 1024)
    assert volts(analog, "PA4") == pytest.approx(0.625)


@pytest.mark.parametrize(
    ("register", "value", "outputs"),
    [
        ("DHR12R2", 0xABC, (0, 0xABC)),
        ("DHR12L1", 0xABC0, (0xABC, 0)),
        ("DHR8R1", 0xAB, (0xAB0, 0)),
        ("DHR12RD", 0x0123_0ABC, (0xABC, 0x123)),
        ("DHR12LD", 0x1230_ABC0, (0xABC, 0x123)),
        ("DHR8RD", 0x12AB, (0xAB0, 0x120)),
    ],
)
def test_data_formats(analog: Desk, register: str, value: int, outputs: tuple[int, int]) -> None:
    analog.write("DAC1.CR", EN1 | EN2)
    analog.write(f"DAC1.{register}", value)
    assert (analog.read("DAC1.DOR1"), analog.read("DAC1.DOR2")) == outputs


def test_a_software_trigger(analog: Desk) -> None:
    analog.write("DAC1.CR", EN1 | TEN1 | EN2 | TEN2)
    analog.write("DAC1.DHR12RD", 0x0200_0100)
    assert analog.read("DAC1.DOR1") == 0
    analog.write("DAC1.SWTRGR", 2)
    assert (analog.read("DAC1.DOR1"), analog.read("DAC1.DOR2")) == (0, 0x200)
    analog.write("DAC1.SWTRGR", 1)
    assert analog.read("DAC1.DOR1") == 0x100


def test_a_timer_triggers_by_its_rising_edge(analog: Desk) -> None:
    analog.write("DAC1.CR", EN1 | TEN1 | 5 << 2)
    analog.write("DAC1.DHR12R1", 0x100)
    analog.mcu.triggers.set("TIM6_TRGO", True)
    assert analog.read("DAC1.DOR1") == 0x100
    analog.write("DAC1.DHR12R1", 0x200)
    analog.mcu.triggers.set("TIM6_TRGO", False)
    assert analog.read("DAC1.DOR1") == 0x100


def test_a_trigger_before_dma_has_served_the_last_one_is_an_underrun(analog: Desk) -> None:
    analog.write("DAC1.CR", EN1 | TEN1 | 5 << 2 | DMAEN1 | 1 << 13)
    analog.mcu.triggers.pulse("TIM6_TRGO")
    assert not analog.read("DAC1.SR")
    analog.mcu.triggers.pulse("TIM6_TRGO")
    assert analog.read("DAC1.SR") == 1 << 13
    assert pending(analog, "TIM6_DAC")
    analog.write("DAC1.SR", 1 << 13)
    assert not analog.read("DAC1.SR")


@pytest.mark.parametrize(
    ("mode", "pin", "inside"), [(0, 1.65, 0.0), (1, 1.65, 1.65), (2, 1.65, 0.0), (3, 0.0, 1.65)]
)
def test_the_mode_says_where_the_voltage_goes(analog: Desk, mode: int, pin: float, inside: float) -> None:
    analog.write("DAC1.MCR", mode)
    analog.write("DAC1.CR", EN1)
    analog.write("DAC1.DHR12R1", 2048)
    assert volts(analog, "PA4") == pytest.approx(pin)
    assert volts(analog, "DAC1_OUT1") == pytest.approx(inside)


def test_trimming_finds_an_end(analog: Desk) -> None:
    analog.write("DAC1.CR", CEN1)
    trims = []
    for trim in range(32):
        analog.write("DAC1.CCR", trim)
        trims.append(bool(analog.read("DAC1.SR") & 1 << 14))
    assert trims == sorted(trims)
    assert True in trims
    assert False in trims


def test_a_reset_switches_the_outputs_off(analog: Desk) -> None:
    analog.write("DAC1.CR", EN1)
    analog.write("DAC1.DHR12R1", 4095)
    analog.set("RCC.APB1LRSTR", DAC12RST=1)
    assert volts(analog, "PA4") == 0.0


# -- reference ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("selection", "reference"), [(0, 2.5), (1, 2.048), (2, 1.8), (3, 1.5)])
def test_the_reference_buffer_is_ready_after_a_while(analog: Desk, selection: int, reference: float) -> None:
    analog.mcu.analog.external_reference = None
    assert analog.read("VREFBUF.CSR") == 2
    analog.write("VREFBUF.CSR", selection << 4 | 1)
    assert not analog.read("VREFBUF.CSR") & 8
    assert analog.mcu.analog.reference == 0.0
    analog.run(300)
    assert analog.read("VREFBUF.CSR") & 8
    assert analog.mcu.analog.reference == reference


def test_the_boards_own_reference_wins(analog: Desk) -> None:
    analog.write("VREFBUF.CSR", 1)
    analog.run(300)
    assert analog.read("VREFBUF.CSR") & 8
    assert analog.mcu.analog.reference == 3.3


# -- comparators --------------------------------------------------------------------------------


def test_a_comparator_compares_with_parts_of_the_reference(analog: Desk) -> None:
    analog.write("COMP12.CFGR1", 3 << 16 | 1)
    analog.mcu.analog.set("PB0", 1.2)
    assert analog.read("COMP12.SR") == 0
    analog.mcu.analog.set("PB0", 1.3)
    assert analog.read("COMP12.SR") == 1 << 16 | 1
    analog.write("COMP12.ICFR", 1 << 16)
    assert analog.read("COMP12.SR") == 1
    analog.write("COMP12.CFGR1", 3 << 16 | 8 | 1)
    assert analog.read("COMP12.SR") == 0


def test_both_inputs_can_be_pins(analog: Desk) -> None:
    analog.mcu.analog.set("PE11", 2.0)
    analog.mcu.analog.set("PE7", 1.9)
    analog.write("COMP12.CFGR2", 1 << 20 | 7 << 16 | 1)
    assert analog.read("COMP12.SR") & 2
    analog.mcu.analog.set("PE7", 2.1)
    assert not analog.read("COMP12.SR") & 2


def test_a_comparator_interrupts_through_exti(analog: Desk) -> None:
    analog.write("EXTI.RTSR1", 1 << 20)
    analog.write("EXTI.C1IMR1", 1 << 20)
    analog.write("COMP12.CFGR1", 3 << 16 | 1)
    analog.mcu.analog.set("PB0", 2.0)
    assert pending(analog, "COMP")


def test_a_locked_comparator_keeps_its_settings(analog: Desk) -> None:
    analog.write("COMP12.CFGR1", 1 << 31 | 1)
    analog.write("COMP12.CFGR1", 0)
    assert analog.read("COMP12.CFGR1") == 1 << 31 | 1


# -- amplifiers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "expected"), [(3 << 5, 0.3), (2 << 5, 0.6), (2 << 5 | 2 << 14, 2.4), (2 << 5 | 3 << 14, 3.3)]
)
def test_an_amplifier_follows_or_multiplies(analog: Desk, control: int, expected: float) -> None:
    analog.mcu.analog.set("PB0", 0.3)
    analog.write("OPAMP.OPAMP1_CSR", control | 1)
    assert volts(analog, "PC4") == pytest.approx(expected)
    analog.write("OPAMP.OPAMP1_CSR", control)
    assert volts(analog, "PC4") == 0.0


def test_an_amplifier_follows_the_voltage_as_it_changes(analog: Desk) -> None:
    analog.write("OPAMP.OPAMP2_CSR", 3 << 5 | 1)
    analog.mcu.analog.set("PE9", 1.1)
    assert volts(analog, "PE7") == 1.1
    analog.mcu.analog.set("PE9", 1.2)
    assert volts(analog, "PE7") == 1.2


def test_calibration_of_an_amplifier_finds_an_end(analog: Desk) -> None:
    analog.write("OPAMP.OPAMP1_CSR", 1 << 18 | 1 << 11 | 1)
    outputs = []
    for trim in range(32):
        analog.write("OPAMP.OPAMP1_OTR", trim << 8)
        outputs.append(bool(analog.read("OPAMP.OPAMP1_CSR") & 1 << 30))
    assert outputs == sorted(outputs, reverse=True)
    assert True in outputs
    assert False in outputs

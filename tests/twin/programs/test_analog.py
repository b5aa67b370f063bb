"""ADC (RM0399 chapter 26), DAC (27), comparators (29) as programs use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    StartProgram = Callable[..., RunningProgram]


@pytest.mark.parametrize("millivolts", [0, 1234, 3300])
def test_a_single_conversion(load_program: StartProgram, millivolts: int) -> None:
    program = load_program("adc_single_poll")
    program.mcu.analog.set("PA3", millivolts / 1000)
    program.power_on()
    program.expect(f"millivolts={millivolts}\r\nagain=0\r\n")


def test_continuous_conversions_by_interrupts(load_program: StartProgram) -> None:
    program = load_program("adc_continuous_interrupt")
    program.mcu.analog.set("PC0", 1.0)
    program.mcu.analog.set("PA3", 2.0)
    program.power_on()
    program.run(ms=10)
    assert [program.variable("cm4", "results", index) for index in range(2)] == [1241, 2482]
    before = program.variable("cm4", "conversions")
    program.mcu.analog.set("PC0", 0.5)
    program.run(ms=100)
    microseconds = (810.5 + 6.5) / 8
    assert program.variable("cm4", "conversions") - before == pytest.approx(100_000 / microseconds, abs=1)
    assert program.variable("cm4", "sequences") == pytest.approx(
        program.variable("cm4", "conversions") / 2, abs=1
    )
    assert program.variable("cm4", "overruns") == 0
    assert program.variable("cm4", "results") == 620


def test_a_timer_starts_the_conversions(load_program: StartProgram) -> None:
    program = load_program("adc_timer_trigger")
    program.mcu.analog.set("PF3", 1.65)
    program.power_on()
    program.run(ms=2.5)
    before = program.variable("cm7", "samples")
    program.run(ms=50)
    assert program.variable("cm7", "samples") == before + 50
    assert program.variable("cm7", "last") == pytest.approx(0x8000, abs=1)


@pytest.mark.parametrize(("supply", "temperature"), [(3.3, 30), (3.0, 85)])
def test_supply_and_temperature(load_program: StartProgram, supply: float, temperature: int) -> None:
    program = load_program("adc_internal_channels")
    program.mcu.analog.external_reference = supply
    program.mcu.analog.temperature = temperature
    program.power_on()
    found = program.expect(r"millivolts=(\d+)\r\ndegrees=(\d+)\r\n")
    assert int(found[1]) == pytest.approx(supply * 1000, abs=2)
    assert int(found[2]) == pytest.approx(temperature, abs=1)


def test_dma_collects_a_scan(load_program: StartProgram) -> None:
    program = load_program("adc_dma")
    for pin, volts in (("PA3", 0.5), ("PC0", 1.0), ("PA6", 3.0)):
        program.mcu.analog.set(pin, volts)
    program.power_on()
    sums = "".join(f"sum={8 * round(volts / 3.3 * 0xFFFF)}\r\n" for volts in (0.5, 1.0, 3.0))
    program.expect(f"{sums}overrun=0\r\n")


def test_the_watchdog_wakes_the_core_when_the_voltage_leaves_its_window(load_program: StartProgram) -> None:
    program = load_program("adc_watchdog")
    program.mcu.analog.set("PA3", 1.5)
    program.power_on()
    program.run(ms=20)
    assert program.variable("cm4", "alarms") == 0
    program.mcu.analog.set("PA3", 2.1)
    program.run(ms=1)
    assert program.variable("cm4", "alarms") == 1


def test_a_wire_brings_the_voltage_of_the_dac_to_the_adc(load_program: StartProgram) -> None:
    program = load_program("dac_to_adc")
    for one, other in (("PA4", "PC0"), ("PG9", "PD1"), ("PD0", "PG12")):
        program.mcu.pins.connect(one, other)
    program.power_on()
    program.expect("measured=0\r\nmeasured=1024\r\nmeasured=2048\r\nmeasured=4094\r\n")


def test_a_timer_and_dma_make_a_wave(start_program: StartProgram) -> None:
    program = start_program("dac_timer_wave")
    program.run(ms=1.5)
    steps = []
    for _ in range(16):
        steps.append(round(program.mcu.analog.voltage("PA4") / 3.3 * 8))
        program.run(ms=1)
    start = steps.index(0)
    assert steps[start : start + 8] == list(range(8))
    assert steps[:8] == steps[8:]


def test_a_comparator_follows_the_voltage(start_program: StartProgram) -> None:
    program = start_program("comparator_interrupt")
    program.run(ms=1)
    levels = []
    for volts in (1.3, 1.1, 1.0, 2.0):
        program.mcu.analog.set("PB0", volts)
        program.run(ms=1)
        levels.append(program.mcu.pins.level("PB14"))
    assert levels == [True, False, False, True]
    assert program.variable("cm4", "crossings") == 3

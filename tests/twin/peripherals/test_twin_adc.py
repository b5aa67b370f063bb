"""ADC on the registers: with the synchronous clock HCLK/4 = 16 MHz, halved in the ADC, a cycle takes 125 ns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wiring import enable, pending

from pytest_h7.chip.dma_requests import request_number
from pytest_h7.chip.interrupts import irq_number
from pytest_h7.twin.bus import Master

if TYPE_CHECKING:
    from conftest import Desk

ADEN, ADDIS, ADSTART, JADSTART, ADSTP, JADSTP = (1 << bit for bit in range(6))
ADCALLIN, ADVREGEN, DEEPPWD, ADCAL = 1 << 16, 1 << 28, 1 << 29, 1 << 31
ADRDY, EOSMP, EOC, EOS, OVR, JEOC, JEOS, AWD1, AWD2, AWD3 = (1 << bit for bit in range(10))
LDORDY = 1 << 12
OVRMOD, CONT, AUTDLY, DISCEN, JDISCEN, AWD1SGL, AWD1EN, JAWD1EN, JAUTO, JQDIS = (
    1 << bit for bit in (12, 13, 14, 16, 20, 22, 23, 24, 25, 31)
)
RES_12 = 6 << 2
CYCLE = 0.125
SRAM4 = 0x3800_0000
SYNCHRONOUS_4 = 3 << 16
PA3, PC0, PA6 = 15, 10, 3
CONVERSION = (1.5 + 8.5) * CYCLE


@pytest.fixture
def adc(desk: Desk) -> Desk:
    """All ADCs clocked; voltages on PA3, PC0 and PA6."""
    enable(desk, "AHB1ENR.ADC12EN", "AHB4ENR.ADC3EN", "APB4ENR.SYSCFGEN")
    for common in ("ADC12_COMMON", "ADC3_COMMON"):
        desk.write(f"{common}.CCR", SYNCHRONOUS_4)
    for pin, volts in (("PA3", 1.0), ("PC0", 2.0), ("PA6", 3.0)):
        desk.mcu.analog.set(pin, volts)
    return desk


def start_up(desk: Desk, name: str = "ADC1") -> None:
    desk.write(f"{name}.CR", 0)
    desk.write(f"{name}.CR", ADVREGEN)
    desk.run(10)
    desk.write(f"{name}.CR", ADVREGEN | ADEN)
    desk.run(2)
    desk.write(f"{name}.ISR", ADRDY)


def select(desk: Desk, *channels: int, name: str = "ADC1") -> None:
    """Make a regular sequence of up to four channels."""
    desk.write(f"{name}.PCSEL", sum(1 << channel for channel in set(channels)))
    sequence = sum(channel << 6 * (place + 1) for place, channel in enumerate(channels))
    desk.write(f"{name}.SQR1", sequence | len(channels) - 1)


def start(desk: Desk, name: str = "ADC1") -> None:
    desk.write(f"{name}.CR", ADVREGEN | ADEN | ADSTART)


def flags(desk: Desk, name: str = "ADC1") -> int:
    return desk.read(f"{name}.ISR") & ~LDORDY


def code(volts: float, bits: int = 16) -> int:
    return round(volts / 3.3 * ((1 << bits) - 1))


# -- power --------------------------------------------------------------------------------------


def test_the_way_out_of_deep_power_down(adc: Desk) -> None:
    assert adc.read("ADC1.CR") == DEEPPWD
    adc.write("ADC1.CR", DEEPPWD | ADVREGEN)
    assert adc.read("ADC1.CR") == DEEPPWD
    adc.write("ADC1.CR", 0)
    adc.write("ADC1.CR", ADVREGEN)
    assert adc.read("ADC1.CR") == ADVREGEN
    assert not adc.read("ADC1.ISR") & LDORDY
    adc.run(10)
    assert adc.read("ADC1.ISR") & LDORDY
    adc.write("ADC1.CR", DEEPPWD)
    assert adc.read("ADC1.CR") == DEEPPWD
    assert not adc.read("ADC1.ISR") & LDORDY


def test_enabling_and_disabling(adc: Desk) -> None:
    adc.write("ADC1.CR", 0)
    adc.write("ADC1.CR", ADVREGEN)
    adc.run(10)
    adc.write("ADC1.CR", ADVREGEN | ADEN)
    assert flags(adc) == 0
    adc.run(2)
    assert flags(adc) == ADRDY
    adc.write("ADC1.CR", ADVREGEN | ADEN | ADDIS)
    assert adc.read("ADC1.CR") == ADVREGEN


@pytest.mark.parametrize(("linearity", "cycles"), [(0, 1_280), (ADCALLIN, 165_010)])
def test_calibration_takes_its_time(adc: Desk, linearity: int, cycles: int) -> None:
    adc.write("ADC1.CR", 0)
    adc.write("ADC1.CR", ADVREGEN)
    adc.run(10)
    adc.write("ADC1.CR", ADVREGEN | ADCAL | linearity)
    adc.run(cycles * CYCLE - 1)
    assert adc.read("ADC1.CR") & ADCAL
    adc.run(2)
    assert adc.read("ADC1.CR") & ~(0x3F << 22) == ADVREGEN | linearity
    assert bool(adc.read("ADC1.CR") & 0x3F << 22) is bool(linearity)


def test_the_linearity_factor_is_read_word_by_word(adc: Desk) -> None:
    adc.write("ADC1.CR", 0)
    adc.write("ADC1.CR", ADVREGEN)
    adc.run(10)
    adc.write("ADC1.CR", ADVREGEN | ADCAL | ADCALLIN)
    adc.run(21_000)
    adc.write("ADC1.CR", adc.read("ADC1.CR") | ADEN)
    adc.run(2)
    word6 = 1 << 27
    assert adc.read("ADC1.CR") & word6
    adc.write("ADC1.CR", adc.read("ADC1.CR") & ~word6)
    assert not adc.read("ADC1.CR") & word6
    adc.write("ADC1.CALFACT2", 0x123)
    adc.write("ADC1.CR", adc.read("ADC1.CR") | word6)
    assert adc.read("ADC1.CR") & word6


def test_without_a_clock_calibration_does_not_end(adc: Desk) -> None:
    adc.write("ADC12_COMMON.CCR", 0)
    adc.write("ADC1.CR", 0)
    adc.write("ADC1.CR", ADVREGEN)
    adc.run(10)
    adc.write("ADC1.CR", ADVREGEN | ADCAL)
    adc.run(10_000)
    assert adc.read("ADC1.CR") & ADCAL
    adc.set("RCC.D3CCIPR", ADCSEL=2)
    adc.write("RCC.D1CFGR", adc.read("RCC.D1CFGR"))
    adc.run(100)
    assert not adc.read("ADC1.CR") & ADCAL


# -- single conversions ---------------------------------------------------------------------------


def test_a_single_conversion(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    start(adc)
    adc.run(CONVERSION - 0.01)
    assert flags(adc) == 0
    assert adc.read("ADC1.CR") & ADSTART
    adc.run(0.02)
    assert flags(adc) == EOSMP | EOC | EOS
    assert not adc.read("ADC1.CR") & ADSTART
    assert adc.read("ADC1.DR") == code(1.0)
    assert flags(adc) == EOSMP | EOS


@pytest.mark.parametrize(
    ("smp", "res", "cycles"),
    [(0, 0, 10), (1, 0, 11), (2, 1 << 2, 16), (5, 6 << 2, 71), (6, 3 << 2, 393), (7, 7 << 2, 815)],
)
def test_the_conversion_time_follows_sampling_time_and_resolution(
    adc: Desk, smp: int, res: int, cycles: int
) -> None:
    start_up(adc)
    select(adc, PA6)
    adc.write("ADC1.SMPR1", smp << 3 * PA6)
    adc.write("ADC1.CFGR", JQDIS | res)
    start(adc)
    adc.run(cycles * CYCLE - 0.01)
    assert not flags(adc) & EOC
    adc.run(0.02)
    assert flags(adc) & EOC


@pytest.mark.parametrize(
    ("ckmode", "presc", "hz"), [(1, 0, 32e6), (2, 0, 16e6), (3, 0, 8e6), (0, 0, 32e6), (0, 3, 64e6 / 6 / 2)]
)
def test_the_clock_is_halved(adc: Desk, ckmode: int, presc: int, hz: float) -> None:
    adc.set("RCC.D3CCIPR", ADCSEL=2)
    adc.write("ADC12_COMMON.CCR", ckmode << 16 | presc << 18)
    start_up(adc)
    select(adc, PA3)
    start(adc)
    microseconds = 10 / hz * 1e6
    adc.run(microseconds - 0.01)
    assert not flags(adc) & EOC
    adc.run(0.02)
    assert flags(adc) & EOC


@pytest.mark.parametrize(
    ("volts", "expected"), [(-1.0, 0), (0.0, 0), (3.3, 0xFFFF), (5.0, 0xFFFF), (1.65, 0x8000)]
)
def test_the_range_is_from_ground_to_the_reference(adc: Desk, volts: float, expected: int) -> None:
    adc.mcu.analog.set("PA3", volts)
    start_up(adc)
    select(adc, PA3)
    start(adc)
    adc.run(5)
    assert abs(adc.read("ADC1.DR") - expected) <= 1


@pytest.mark.parametrize(("res", "bits"), [(0, 16), (1, 14), (2, 12), (3, 10), (5, 14), (6, 12), (7, 8)])
def test_the_resolution(adc: Desk, res: int, bits: int) -> None:
    start_up(adc)
    select(adc, PC0)
    adc.write("ADC1.CFGR", JQDIS | res << 2)
    start(adc)
    adc.run(5)
    assert adc.read("ADC1.DR") == code(2.0, bits)


def test_a_channel_that_is_not_preselected_reads_zero(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.PCSEL", 0)
    start(adc)
    adc.run(5)
    assert adc.read("ADC1.DR") == 0


def test_a_differential_channel(adc: Desk) -> None:
    adc.mcu.analog.set("PA6", 2.0)
    adc.mcu.analog.set("PA7", 1.0)
    adc.write("ADC1.DIFSEL", 1 << PA6)
    start_up(adc)
    select(adc, PA6)
    start(adc)
    adc.run(5)
    assert adc.read("ADC1.DR") == round((1 + 1.0 / 3.3) / 2 * 0xFFFF)


@pytest.mark.parametrize(
    ("channel", "enabled", "volts"),
    [(19, 1 << 22, 1.216), (18, 1 << 23, 0.62), (17, 1 << 24, 3.0 / 4), (19, 0, 0.0), (18, 0, 0.0)],
)
def test_internal_channels(adc: Desk, channel: int, enabled: int, volts: float) -> None:
    adc.mcu.analog.temperature = 30.0
    adc.mcu.analog.battery = 3.0
    adc.write("ADC3_COMMON.CCR", SYNCHRONOUS_4 | enabled)
    start_up(adc, "ADC3")
    select(adc, channel, name="ADC3")
    start(adc, "ADC3")
    adc.run(5)
    assert adc.read("ADC3.DR") == code(volts)


def test_the_factory_has_measured_reference_and_sensor_at_3v3(adc: Desk) -> None:
    reference, cold, hot = (
        adc.mcu.read(address, 2, Master.CM7) for address in (0x1FF1_E860, 0x1FF1_E820, 0x1FF1_E840)
    )
    adc.mcu.analog.external_reference = 3.0
    adc.mcu.analog.temperature = 70.0
    adc.write("ADC3_COMMON.CCR", SYNCHRONOUS_4 | 3 << 22)
    start_up(adc, "ADC3")
    select(adc, 19, 18, name="ADC3")
    start(adc, "ADC3")
    adc.run(10)
    volts = 3.3 * reference / adc.read("ADC3.DR")
    assert volts == pytest.approx(3.0, abs=0.001)
    sensor = adc.read("ADC3.DR") * volts / 3.3
    assert 30 + (sensor - cold) * 80 / (hot - cold) == pytest.approx(70.0, abs=0.1)


# -- sequences ------------------------------------------------------------------------------------


def test_a_sequence_of_channels(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3, PC0, PA6)
    start(adc)
    adc.run(3 * CONVERSION + 0.01)
    assert flags(adc) == EOSMP | EOC | EOS
    assert [adc.read("ADC1.DR") for _ in range(3)] == [code(1.0), code(2.0), code(3.0)]
    assert not flags(adc) & EOC


def test_sixteen_ranks_over_four_registers(adc: Desk) -> None:
    start_up(adc)
    channels = [PA3, PC0, PA6, PA3, PC0, PA6, PC0, PC0, PA3, PA6, PA6, PC0, PA3, PA3, PA6, PC0]
    volts = {PA3: 1.0, PC0: 2.0, PA6: 3.0}
    adc.write("ADC1.PCSEL", 1 << PA3 | 1 << PC0 | 1 << PA6)
    adc.write("ADC1.SQR1", 15 | sum(channel << 6 * (n + 1) for n, channel in enumerate(channels[:4])))
    for register, first, count in (("SQR2", 4, 5), ("SQR3", 9, 5), ("SQR4", 14, 2)):
        part = channels[first : first + count]
        adc.write(f"ADC1.{register}", sum(channel << 6 * n for n, channel in enumerate(part)))
    start(adc)
    results = []
    for _ in channels:
        adc.run(CONVERSION)
        results.append(adc.read("ADC1.DR"))
    assert results == [code(volts[channel]) for channel in channels]
    assert flags(adc) & EOS


def test_discontinuous_mode_takes_part_of_the_sequence_each_time(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3, PC0, PA6)
    adc.write("ADC1.CFGR", JQDIS | DISCEN | 1 << 17)
    start(adc)
    adc.run(10)
    assert not adc.read("ADC1.CR") & ADSTART
    assert [adc.read("ADC1.DR") for _ in range(2)] == [code(1.0), code(2.0)]
    assert not flags(adc) & EOS
    start(adc)
    adc.run(10)
    assert adc.read("ADC1.DR") == code(3.0)
    assert flags(adc) & EOS


def test_continuous_mode_goes_on_until_it_is_stopped(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3, PC0)
    adc.write("ADC1.CFGR", JQDIS | CONT)
    start(adc)
    for expected in (1.0, 2.0, 1.0, 2.0):
        adc.run(CONVERSION)
        assert adc.read("ADC1.DR") == code(expected)
    assert adc.read("ADC1.CR") & ADSTART
    adc.write("ADC1.CR", ADVREGEN | ADEN | ADSTP)
    assert not adc.read("ADC1.CR") & (ADSTART | ADSTP)
    adc.write("ADC1.ISR", 0x7FF)
    adc.run(10)
    assert flags(adc) == 0


def test_an_overrun_keeps_the_first_eight_results(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.CFGR", JQDIS | CONT)
    start(adc)
    adc.run(8 * CONVERSION + 0.1)
    assert not flags(adc) & OVR
    adc.run(CONVERSION)
    assert flags(adc) & OVR
    adc.mcu.analog.set("PA3", 3.0)
    adc.run(100)
    assert [adc.read("ADC1.DR") for _ in range(8)] == [code(1.0)] * 8
    adc.write("ADC1.ISR", OVR)
    adc.run(CONVERSION + 0.01)
    assert adc.read("ADC1.DR") == code(3.0)


def test_overwriting_keeps_the_latest_result(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3, PC0)
    adc.write("ADC1.CFGR", JQDIS | CONT | OVRMOD)
    start(adc)
    adc.run(1001 * CONVERSION + 0.01)
    assert flags(adc) & OVR
    assert adc.read("ADC1.DR") == code(1.0)
    adc.run(CONVERSION)
    assert adc.read("ADC1.DR") == code(2.0)
    adc.run(1_000_000 * CONVERSION)
    assert adc.read("ADC1.DR") == code(2.0)


def test_conversions_nobody_sees_cost_no_events(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.CFGR", JQDIS | CONT | OVRMOD)
    start(adc)
    adc.run(100)
    scheduled: list[int] = []
    schedule = adc.mcu.schedule
    adc.mcu.schedule = lambda delay, action: scheduled.append(delay) or schedule(delay, action)
    adc.run(100_000)
    assert not scheduled


def test_auto_delay_waits_for_the_data_to_be_read(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3, PC0)
    adc.write("ADC1.CFGR", JQDIS | CONT | AUTDLY)
    start(adc)
    for expected in (1.0, 2.0, 1.0):
        adc.run(100)
        assert flags(adc) & OVR == 0
        assert adc.read("ADC1.DR") == code(expected)


# -- injected group -------------------------------------------------------------------------------


def inject(desk: Desk, *channels: int, flags: int = 0) -> None:
    sequence = sum(channel << 9 + 6 * place for place, channel in enumerate(channels))
    desk.write("ADC1.JSQR", sequence | len(channels) - 1 | flags)


def test_an_injected_sequence_has_its_own_registers(adc: Desk) -> None:
    start_up(adc)
    adc.write("ADC1.PCSEL", 0xF_FFFF)
    inject(adc, PA6, PA3)
    adc.write("ADC1.CR", ADVREGEN | ADEN | JADSTART)
    adc.run(CONVERSION + 0.01)
    assert flags(adc) == JEOC
    adc.run(CONVERSION)
    assert flags(adc) == JEOC | JEOS
    assert not adc.read("ADC1.CR") & JADSTART
    assert adc.read("ADC1.JDR1") == code(3.0)
    assert adc.read("ADC1.JDR2") == code(1.0)


def test_an_injected_conversion_interrupts_a_regular_one(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3, PC0)
    adc.write("ADC1.PCSEL", 0xF_FFFF)
    inject(adc, PA6)
    start(adc)
    adc.run(1.5 * CONVERSION)
    adc.write("ADC1.CR", ADVREGEN | ADEN | JADSTART)
    adc.run(CONVERSION + 0.01)
    assert flags(adc) & (JEOS | EOS) == JEOS
    adc.run(CONVERSION - 0.1)
    assert not flags(adc) & EOS
    adc.run(0.1)
    assert flags(adc) & EOS
    assert [adc.read("ADC1.DR") for _ in range(2)] == [code(1.0), code(2.0)]


def test_the_injected_group_can_follow_the_regular_one(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.PCSEL", 0xF_FFFF)
    inject(adc, PA6)
    adc.write("ADC1.CFGR", JQDIS | JAUTO)
    start(adc)
    adc.run(2 * CONVERSION + 0.01)
    assert flags(adc) & (EOS | JEOS) == EOS | JEOS
    assert adc.read("ADC1.JDR1") == code(3.0)


# -- triggers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exten", "conversions"), [(1, 1), (2, 1), (3, 2)])
def test_a_timer_starts_conversions_by_its_edges(adc: Desk, exten: int, conversions: int) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.CFGR", JQDIS | exten << 10 | 13 << 5)
    adc.mcu.triggers.set("TIM6_TRGO", True)
    adc.mcu.triggers.set("TIM6_TRGO", False)
    start(adc)
    adc.run(10)
    assert flags(adc) == 0
    count = 0
    for level in (True, False):
        adc.mcu.triggers.set("TIM6_TRGO", level)
        adc.run(10)
        count += bool(flags(adc) & EOC)
        adc.read("ADC1.DR")
    assert count == conversions
    assert adc.read("ADC1.CR") & ADSTART


def test_a_trigger_during_a_conversion_is_ignored(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.CFGR", JQDIS | 1 << 10 | 13 << 5)
    start(adc)
    adc.mcu.triggers.pulse("TIM6_TRGO")
    adc.run(CONVERSION / 2)
    adc.mcu.triggers.pulse("TIM6_TRGO")
    adc.run(CONVERSION)
    adc.read("ADC1.DR")
    adc.run(10)
    assert not flags(adc) & EOC


def test_an_injected_trigger(adc: Desk) -> None:
    start_up(adc)
    adc.write("ADC1.PCSEL", 0xF_FFFF)
    inject(adc, PA6, flags=1 << 7 | 0 << 2)
    adc.write("ADC1.CR", ADVREGEN | ADEN | JADSTART)
    adc.mcu.triggers.pulse("TIM1_TRGO")
    adc.run(5)
    assert flags(adc) & JEOS
    assert adc.read("ADC1.CR") & JADSTART


def test_an_edge_on_line_11_of_exti_starts_a_conversion(adc: Desk) -> None:
    enable(adc, "AHB4ENR.GPIOAEN")
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.CFGR", JQDIS | 1 << 10 | 6 << 5)
    start(adc)
    adc.write("EXTI.RTSR1", 1 << 11)
    adc.mcu.exti.edge(11, True)
    adc.run(5)
    assert flags(adc) & EOC


# -- data -----------------------------------------------------------------------------------------


def test_oversampling_adds_up_and_shifts_back(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.CFGR", JQDIS | RES_12)
    adc.write("ADC1.CFGR2", 15 << 16 | 1)
    start(adc)
    adc.run(16 * 8 * CYCLE - 0.1)
    assert not flags(adc) & EOC
    adc.run(0.2)
    assert adc.read("ADC1.DR") == 16 * code(1.0, 12)
    adc.write("ADC1.CFGR2", 15 << 16 | 4 << 5 | 1)
    start(adc)
    adc.run(20)
    assert adc.read("ADC1.DR") == code(1.0, 12)


def test_results_can_be_shifted_left(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.CFGR", JQDIS | RES_12)
    adc.write("ADC1.CFGR2", 4 << 28)
    start(adc)
    adc.run(5)
    assert adc.read("ADC1.DR") == code(1.0, 12) << 4


@pytest.mark.parametrize(
    ("volts", "ssate", "rshift", "expected"),
    [(3.3, 0, 0, 0x7FFF), (0.0, 0, 0, 0xFFFF_8000), (0.0, 0, 1, 0xFFFF_C000), (0.0, 1, 0, 0xFFFF_8000)],
)
def test_an_offset_makes_the_result_signed(
    adc: Desk, volts: float, ssate: int, rshift: int, expected: int
) -> None:
    adc.mcu.analog.set("PA3", volts)
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.OFR1", ssate << 31 | PA3 << 26 | 0x8000)
    adc.write("ADC1.CFGR2", rshift << 11)
    start(adc)
    adc.run(5)
    assert adc.read("ADC1.DR") == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 0xFFFF, 0), (20_000, 0xFFFF, AWD1), (0, 19_000, AWD1)]
)
def test_the_watchdog_barks_outside_its_window(adc: Desk, low: int, high: int, expected: int) -> None:
    start_up(adc)
    select(adc, PA3)
    adc.write("ADC1.LTR1", low)
    adc.write("ADC1.HTR1", high)
    adc.write("ADC1.CFGR", JQDIS | AWD1EN | AWD1SGL | PA3 << 26)
    adc.write("ADC1.IER", AWD1)
    start(adc)
    adc.run(5)
    assert flags(adc) & AWD1 == expected
    assert pending(adc, "ADC") is bool(expected)


def test_the_watchdog_compares_left_aligned_data_of_its_channels_only(adc: Desk) -> None:
    start_up(adc)
    select(adc, PA3, PC0)
    adc.write("ADC1.CFGR", JQDIS | RES_12)
    adc.write("ADC1.HTR2", code(1.5))
    adc.write("ADC1.AWD2CR", 1 << PA3)
    adc.write("ADC1.HTR3", code(1.5))
    adc.write("ADC1.AWD3CR", 1 << PC0)
    start(adc)
    adc.run(5)
    assert flags(adc) & (AWD1 | AWD2 | AWD3) == AWD3


def test_adc1_and_adc2_share_an_interrupt_and_the_common_status(adc: Desk) -> None:
    start_up(adc)
    start_up(adc, "ADC2")
    for name in ("ADC1", "ADC2"):
        select(adc, PA3, name=name)
        adc.write(f"{name}.IER", EOC)
        start(adc, name)
    adc.run(5)
    assert adc.read("ADC12_COMMON.CSR") & (EOC | EOC << 16) == EOC | EOC << 16
    irq = irq_number("cm7", "ADC")
    assert irq == 18
    adc.read("ADC1.DR")
    pending(adc, "ADC")
    assert pending(adc, "ADC")
    adc.read("ADC2.DR")
    pending(adc, "ADC")
    assert not pending(adc, "ADC")


STREAM = ("DMA1", "S0PAR", "S0M0AR", "S0NDTR", "S0CR", 1 << 13 | 1 << 11 | 1 << 10)
CHANNEL = ("BDMA", "CPAR0", "CM0AR0", "CNDTR0", "CCR0", 1 << 10 | 1 << 8 | 1 << 7)


@pytest.mark.parametrize(
    ("name", "request_of", "dma"), [("ADC1", "DMAMUX1", STREAM), ("ADC3", "DMAMUX2", CHANNEL)]
)
@pytest.mark.parametrize(("mode", "end"), [(1, 0), (3, OVR)])
def test_one_shot_dma_ends_the_conversions_without_an_overrun(
    adc: Desk, name: str, request_of: str, dma: tuple[str, str, str, str, str, int], mode: int, end: int
) -> None:
    enable(adc, "AHB1ENR.DMA1EN", "AHB4ENR.BDMAEN")
    start_up(adc, name)
    select(adc, 0, name=name)
    controller, source, target, count, control, settings = dma
    adc.write(f"{request_of}.C0CR", request_number(request_of, name))
    adc.write(f"{controller}.{source}", adc.address(f"{name}.DR"))
    adc.write(f"{controller}.{target}", SRAM4)
    adc.write(f"{name}.CFGR", RES_12 | CONT | mode)
    for _ in range(2):
        adc.write(f"{controller}.{control}", settings)
        adc.write(f"{controller}.{count}", 5)
        adc.write(f"{controller}.{control}", settings | 1)
        adc.write(f"{name}.ISR", OVR)
        start(adc, name)
        adc.run(40 * CONVERSION)
        assert adc.read(f"{controller}.{count}") == 0
        assert flags(adc, name) & OVR == end
        assert adc.read(f"{name}.CR") & ADSTART
        adc.write(f"{name}.CR", ADVREGEN | ADEN | ADSTP)


def test_what_is_not_modelled_is_counted(adc: Desk) -> None:
    before = sum(adc.mcu.unmodelled.values())
    adc.write("ADC12_COMMON.CCR", SYNCHRONOUS_4 | 6)
    adc.write("ADC1.CFGR", 0)
    adc.write("ADC1.CFGR2", 1 << 9)
    assert sum(adc.mcu.unmodelled.values()) == before + 3

"""Timers (RM0399 chapters 40 to 44) and low-power timers (chapter 45) as programs use them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    StartProgram = Callable[..., RunningProgram]


def pulses(edges: list[tuple[int, bool]]) -> list[tuple[int, int]]:
    """Return what comes one after another on a pin: microseconds high, then microseconds low."""
    rising = next(index for index, (_, level) in enumerate(edges) if level)
    times = [time for time, _ in edges[rising:]]
    lengths = [round((end - start) / PS_PER_US) for start, end in pairwise(times)]
    return list(zip(lengths[::2], lengths[1::2], strict=False))


def test_time_base_interrupts_a_thousand_times_a_second(start_program: StartProgram) -> None:
    program = start_program("timer_time_base")
    program.expect("update=10\r\n")
    before = program.variable("cm7", "interrupts")
    program.run(ms=100)
    assert program.variable("cm7", "interrupts") == before + 100


def test_pwm_dims_two_leds(start_program: StartProgram) -> None:
    program = start_program("timer_pwm")
    one, three = program.edges("PB0"), program.edges("PB14")
    program.run(ms=20)
    assert pulses(one)[1:8] == [(250, 750)] * 7
    assert pulses(one)[-4:] == [(750, 250)] * 4
    assert set(pulses(one)[1:]) == {(250, 750), (750, 250)}  # no period in between
    assert set(pulses(three)) == {(1500, 500)}


def test_output_compare_makes_two_frequencies(start_program: StartProgram) -> None:
    program = start_program("timer_output_compare")
    one, three = program.edges("PA5"), program.edges("PB10")
    program.run(ms=10)
    assert set(pulses(one)) == {(200, 200)}
    assert set(pulses(three)) == {(350, 350)}


def test_input_capture_measures_a_pulse_through_a_wire(start_program: StartProgram) -> None:
    program = start_program("timer_input_capture")
    program.mcu.pins.connect("PD12", "PA5")
    found = program.expect(r"width=(\d+)\s+period=(\d+)\r")
    assert found.groups() == ("150", "400")


def test_one_pulse_for_each_edge(start_program: StartProgram) -> None:
    program = start_program("timer_one_pulse")
    program.run(ms=1)
    edges = program.edges("PE9")
    for _ in range(2):
        start = program.mcu.now
        edges.clear()
        program.mcu.pins.drive("PE11", True)
        program.run(ms=1)
        program.mcu.pins.drive("PE11", False)
        program.run(ms=1)
        times = [((time - start) / PS_PER_US, level) for time, level in edges]
        assert times == [(pytest.approx(100, abs=1), True), (pytest.approx(150, abs=1), False)]


def test_basic_timers_interrupt_a_core_each(start_program: StartProgram) -> None:
    program = start_program("timer_basic")
    program.run(ms=101)
    assert program.variable("cm7", "interrupts") == 50
    assert program.variable("cm4", "interrupts") == 20


def test_encoder_follows_the_knob(start_program: StartProgram) -> None:
    program = start_program("timer_encoder")
    program.run(ms=1)

    def turn(steps: int, *pins: str) -> None:
        for _ in range(steps):
            for level in (True, False):
                for pin in pins:
                    program.mcu.pins.drive(pin, level)
                    program.run(us=100)

    turn(5, "PC6", "PC7")
    assert (program.variable("cm4", "position"), program.variable("cm4", "backwards")) == (20, 0)
    turn(7, "PC7", "PC6")
    assert (program.variable("cm4", "position"), program.variable("cm4", "backwards")) == (992, 1)


def test_slaves_are_clocked_and_gated_by_their_masters(start_program: StartProgram) -> None:
    program = start_program("timer_gated_slave")
    assert int(program.expect(r"gated=(\d+)\r").group(1)) == pytest.approx(3000, abs=10)
    assert int(program.expect(r"prescaled=(\d+)\r").group(1)) == pytest.approx(1000, abs=10)


def test_repetition_counter_spares_interrupts(start_program: StartProgram) -> None:
    program = start_program("timer_repetition")
    edges = program.edges("PE9")
    program.run(ms=10)
    widths = [high for high, _ in pulses(edges)]
    assert widths[5:30] == [20] * 5 + [40] * 5 + [60] * 5 + [20] * 5 + [40] * 5
    assert program.variable("cm4", "updates") == 19  # of 99 periods


def test_complementary_outputs_never_overlap_and_obey_the_break(start_program: StartProgram) -> None:
    program = start_program("timer_complementary")
    program.mcu.pins.drive("PE15", True)
    program.run(ms=1)
    high, low = program.edges("PE9"), program.edges("PE8")
    program.run(ms=1)
    assert set(pulses(high)) == {(23, 27)}
    assert set(pulses(low)) == {(23, 27)}
    both = sorted((time, pin, level) for pin, edges in (("h", high), ("l", low)) for time, level in edges)
    levels = {"h": False, "l": False}
    last_off = 0
    for time, pin, level in both[2:]:
        if level:
            assert not any(levels.values())
            assert time - last_off == 2 * PS_PER_US
        else:
            last_off = time
        levels[pin] = level
    program.mcu.pins.drive("PE15", False)
    program.run(us=10)
    assert program.variable("cm7", "breaks") == 1
    high.clear()
    program.run(ms=1)
    assert not high
    assert not program.mcu.pins.level("PE8")


def test_timer_clock_follows_the_prescaler_of_the_bus(start_program: StartProgram) -> None:
    program = start_program("timer_clock_change")
    for label, factor in (("div2", 1), ("div4", 2), ("div8", 4), ("div4 timpre", 1), ("div8 timpre", 2)):
        program.expect(f"{label}={factor}\r\n")


def test_a_timer_sleeps_with_its_core_if_it_is_told_to(start_program: StartProgram) -> None:
    program = start_program("timer_in_sleep")
    assert int(program.expect(r"TIM2=(\d+)\r").group(1)) in (99, 100)
    assert int(program.expect(r"TIM3=(\d+)\r").group(1)) <= 1


def test_low_power_timer_wakes_the_chip_from_stop(start_program: StartProgram) -> None:
    program = start_program("low_power_timer_stop")
    program.run(ms=5)
    assert [program.mcu.domain_state(domain) for domain in ("D1", "D2", "D3")] == ["stop"] * 3
    edges = program.edges("PB0")
    program.run(ms=1000)
    assert program.variable("cm7", "wake_ups") == 10
    times = [time for time, _ in edges]
    intervals = [(end - start) / PS_PER_MS for start, end in pairwise(times)]
    assert intervals == [pytest.approx(100, abs=0.01)] * 9


def test_low_power_timer_counts_pulses_of_a_pin(start_program: StartProgram) -> None:
    program = start_program("low_power_timer_pulse_counter")
    program.run(ms=1)
    for _ in range(23):
        program.mcu.pins.drive("PD12", True)
        program.run(us=20)
        program.mcu.pins.drive("PD12", False)
        program.run(us=20)
    assert program.variable("cm4", "tens") == 2

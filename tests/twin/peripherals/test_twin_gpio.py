"""GPIO ports, the pins behind them, and the way of an edge through SYSCFG to EXTI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.twin.bus import Master
from pytest_h7.twin.pins import PinContention, Pull

if TYPE_CHECKING:
    from conftest import Bench

INPUT, OUTPUT, ALTERNATE, ANALOG = range(4)
LCKK = 1 << 16


def configure(chip: Bench, pin: str, mode: int, *, pull: int = 0, open_drain: bool = False) -> None:
    port, number = pin[1], int(pin[2:])
    for register, width, value in (("PUPDR", 2, pull), ("OTYPER", 1, int(open_drain)), ("MODER", 2, mode)):
        name = f"GPIO{port}.{register}"
        mask = ((1 << width) - 1) << width * number
        chip.write(name, chip.read(name) & ~mask | value << width * number)


def test_all_pins_start_analog_except_those_of_the_debug_port(chip: Bench) -> None:
    assert chip.read("GPIOA.MODER") == 0xABFF_FFFF
    assert chip.read("GPIOB.MODER") == 0xFFFF_FEBF
    assert chip.read("GPIOC.MODER") == chip.read("GPIOK.MODER") == 0xFFFF_FFFF
    assert chip.pins.level("PA13")
    assert not chip.pins.level("PA14")


def test_an_output_shows_on_the_wire_and_in_idr(chip: Bench) -> None:
    configure(chip, "PB0", OUTPUT)
    assert not chip.pins.level("PB0")
    chip.write("GPIOB.BSRR", 1)
    assert chip.pins.level("PB0")
    assert chip.read("GPIOB.IDR") & 1
    chip.write("GPIOB.BSRR", 1 << 16)
    assert not chip.pins.level("PB0")
    assert chip.read("GPIOB.BSRR") == 0


@given(odr=st.integers(0, 0xFFFF), bsrr=st.integers(0, 0xFFFF_FFFF))
def test_bsrr_sets_and_clears_and_set_wins(make_chip: type[Bench], odr: int, bsrr: int) -> None:
    chip = make_chip()
    chip.write("GPIOE.ODR", odr)
    chip.write("GPIOE.BSRR", bsrr)
    result = chip.read("GPIOE.ODR")
    for bit in range(16):
        set_bit, reset_bit, old = bsrr >> bit & 1, bsrr >> bit + 16 & 1, odr >> bit & 1
        assert result >> bit & 1 == (1 if set_bit else 0 if reset_bit else old)


def test_half_of_bsrr_can_be_written_alone(chip: Bench) -> None:
    chip.write("GPIOE.ODR", 0x00FF)
    offset = chip.gpio["E"].map.registers["BSRR"].offset
    chip.gpio["E"].write(offset + 2, 2, 0x000F, Master.CM7)
    assert chip.read("GPIOE.ODR") == 0x00F0
    chip.gpio["E"].write(offset, 2, 0x0100, Master.CM7)
    assert chip.read("GPIOE.ODR") == 0x01F0


def test_an_open_drain_output_only_pulls_low(chip: Bench) -> None:
    configure(chip, "PG9", OUTPUT, pull=1, open_drain=True)
    assert not chip.pins.level("PG9")
    chip.write("GPIOG.ODR", 1 << 9)
    assert chip.pins.level("PG9")
    chip.pins.drive("PG9", False)
    assert not chip.read("GPIOG.IDR") >> 9 & 1


@pytest.mark.parametrize(("pull", "level"), [(0, False), (1, True), (2, False)])
def test_an_undriven_input_follows_its_pull(chip: Bench, pull: int, level: bool) -> None:
    configure(chip, "PG12", INPUT, pull=pull)
    assert bool(chip.read("GPIOG.IDR") >> 12 & 1) is level


def test_a_pull_on_the_board_wins_over_the_chips_own(chip: Bench) -> None:
    configure(chip, "PC13", INPUT, pull=1)
    chip.pins.set_external_pull("PC13", Pull.DOWN)
    assert not chip.read("GPIOC.IDR") >> 13 & 1


def test_a_driven_input_reads_that_level_until_it_is_released(chip: Bench) -> None:
    configure(chip, "PC13", INPUT)
    chip.pins.drive("PC13", True)
    assert chip.read("GPIOC.IDR") == 1 << 13
    chip.pins.release("PC13")
    assert chip.read("GPIOC.IDR") == 0


def test_a_pin_in_analog_mode_reads_zero_whatever_its_level(chip: Bench) -> None:
    configure(chip, "PC13", ANALOG)
    chip.pins.drive("PC13", True)
    assert chip.pins.level("PC13")
    assert chip.read("GPIOC.IDR") == 0


def test_driving_against_an_output_is_an_error_that_names_the_pin(chip: Bench) -> None:
    configure(chip, "PB0", OUTPUT)
    chip.pins.drive("PB0", False)
    with pytest.raises(PinContention, match="PB0 is an output at low and is driven high"):
        chip.pins.drive("PB0", True)


def test_firmware_that_drives_against_a_held_level_is_an_error_too(chip: Bench) -> None:
    chip.pins.drive("PC13", True)
    with pytest.raises(PinContention, match="PC13 is an output at low and is driven high"):
        configure(chip, "PC13", OUTPUT)


def test_output_that_changes_against_a_held_level_is_an_error(chip: Bench) -> None:
    configure(chip, "PB2", OUTPUT)
    chip.pins.drive("PB2", False)
    with pytest.raises(PinContention):
        chip.write("GPIOB.ODR", 1 << 2)
    assert chip.read("GPIOB.ODR") == 1 << 2
    assert not chip.pins.level("PB2")


def test_output_shows_on_every_pin_of_its_wire(chip: Bench) -> None:
    configure(chip, "PB2", OUTPUT)
    configure(chip, "PC5", INPUT)
    chip.pins.connect("PB2", "PC5")
    for odr in (1 << 2, 0, 1 << 2):
        chip.write("GPIOB.ODR", odr)
        assert bool(chip.read("GPIOC.IDR") & 1 << 5) is bool(odr)


@pytest.mark.parametrize("mode", [INPUT, ALTERNATE, ANALOG])
def test_pin_that_is_no_output_any_more_does_not_follow_odr(chip: Bench, mode: int) -> None:
    configure(chip, "PB2", OUTPUT)
    configure(chip, "PB2", mode)
    chip.write("GPIOB.ODR", 1 << 2)
    assert not chip.pins.level("PB2")
    configure(chip, "PB2", OUTPUT)
    assert chip.pins.level("PB2")


def test_an_unknown_pin_is_an_error(chip: Bench) -> None:
    with pytest.raises(ValueError, match="no pin PZ1"):
        chip.pins.level("PZ1")


def test_watchers_hear_changes_of_the_wire_only(chip: Bench) -> None:
    heard: list[bool] = []
    chip.pins.watch("PB14", heard.append)
    configure(chip, "PB14", OUTPUT)
    for value in (1 << 14, 1 << 14, 0):
        chip.write("GPIOB.ODR", value)
    assert heard == [True, False]


def test_a_reset_lets_go_of_all_outputs(chip: Bench) -> None:
    configure(chip, "PB0", OUTPUT)
    chip.write("GPIOB.ODR", 1)
    chip.reset()
    assert not chip.pins.level("PB0")
    assert chip.read("GPIOB.MODER") == 0xFFFF_FEBF


def test_the_alternate_function_is_known_in_alternate_mode_only(chip: Bench) -> None:
    chip.write("GPIOD.AFRH", 0x0000_0077)
    assert chip.gpio["D"].alternate_function(8) is None
    configure(chip, "PD8", ALTERNATE)
    assert chip.gpio["D"].alternate_function(8) == 7
    chip.write("GPIOD.AFRL", 0x0A00_0000)
    configure(chip, "PD6", ALTERNATE)
    assert chip.gpio["D"].alternate_function(6) == 10


# -- lock ---------------------------------------------------------------------------------------


def test_the_lock_sequence_freezes_the_pins_it_names(chip: Bench) -> None:
    for value in (LCKK | 1, 1, LCKK | 1):
        chip.write("GPIOE.LCKR", value)
    assert chip.read("GPIOE.LCKR") == LCKK | 1
    chip.write("GPIOE.MODER", 0)
    assert chip.read("GPIOE.MODER") == 3
    chip.write("GPIOE.AFRL", 0xFF)
    assert chip.read("GPIOE.AFRL") == 0xF0
    chip.write("GPIOE.ODR", 3)
    assert chip.read("GPIOE.ODR") == 3
    chip.write("GPIOE.LCKR", 0)
    assert chip.read("GPIOE.LCKR") == LCKK | 1
    chip.gpio["E"].reset()
    assert chip.read("GPIOE.LCKR") == 0
    chip.write("GPIOE.MODER", 0)
    assert chip.read("GPIOE.MODER") == 0


@pytest.mark.parametrize(
    "sequence",
    [
        (LCKK | 1, 1),
        (LCKK | 1, 3, LCKK | 1),
        (LCKK | 1, LCKK | 1, LCKK | 1),
        (1, LCKK | 1, 1),
        (LCKK | 1, 1, LCKK | 3),
        (LCKK | 1, 1, LCKK | 1, 1),
    ],
)
def test_a_wrong_sequence_locks_nothing(chip: Bench, sequence: tuple[int, ...]) -> None:
    for value in sequence:
        chip.write("GPIOE.LCKR", value)
    assert not chip.read("GPIOE.LCKR") & LCKK
    chip.write("GPIOE.MODER", 0)
    assert chip.read("GPIOE.MODER") == 0


def test_a_byte_write_aborts_the_sequence(chip: Bench) -> None:
    offset = chip.gpio["E"].map.registers["LCKR"].offset
    chip.write("GPIOE.LCKR", LCKK | 1)
    chip.gpio["E"].write(offset, 1, 1, Master.CM7)
    chip.write("GPIOE.LCKR", 1)
    chip.write("GPIOE.LCKR", LCKK | 1)
    assert not chip.read("GPIOE.LCKR") & LCKK


# -- the way to EXTI ----------------------------------------------------------------------------


def watch_line_13(chip: Bench, *, port: int) -> None:
    chip.write("SYSCFG.EXTICR4", port << 4)
    chip.write("EXTI.RTSR1", 1 << 13)
    chip.write("EXTI.FTSR1", 1 << 13)
    chip.write("EXTI.C1IMR1", 1 << 13)


def pending_13(chip: Bench) -> bool:
    seen = bool(chip.read("EXTI.C1PR1") >> 13 & 1)
    chip.write("EXTI.C1PR1", 1 << 13)
    return seen


def test_an_edge_reaches_exti_from_the_selected_port_only(chip: Bench) -> None:
    configure(chip, "PC13", INPUT)
    configure(chip, "PD13", INPUT)
    watch_line_13(chip, port=2)
    chip.pins.drive("PD13", True)
    assert not pending_13(chip)
    chip.pins.drive("PC13", True)
    assert pending_13(chip)
    chip.pins.drive("PC13", True)
    assert not pending_13(chip)
    chip.pins.drive("PC13", False)
    assert pending_13(chip)


def test_a_pin_in_analog_mode_makes_no_edges(chip: Bench) -> None:
    watch_line_13(chip, port=2)
    chip.pins.drive("PC13", True)
    chip.pins.drive("PC13", False)
    assert not pending_13(chip)


def test_an_output_makes_edges_too(chip: Bench) -> None:
    configure(chip, "PC13", OUTPUT)
    watch_line_13(chip, port=2)
    chip.write("GPIOC.BSRR", 1 << 13)
    assert pending_13(chip)


def test_selecting_a_port_of_the_same_level_is_no_edge(chip: Bench) -> None:
    for pin in ("PC13", "PD13"):
        configure(chip, pin, INPUT)
        chip.pins.drive(pin, True)
    watch_line_13(chip, port=2)
    chip.write("EXTI.C1PR1", 1 << 13)
    chip.write("SYSCFG.EXTICR4", 3 << 4)
    assert not pending_13(chip)


def test_selecting_a_port_of_the_other_level_is_a_change_of_the_line(chip: Bench) -> None:
    configure(chip, "PD13", INPUT)
    chip.pins.drive("PD13", True)
    watch_line_13(chip, port=2)
    chip.write("SYSCFG.EXTICR4", 3 << 4)
    assert pending_13(chip)


def test_a_reserved_port_code_selects_nothing(chip: Bench) -> None:
    watch_line_13(chip, port=15)
    assert chip.syscfg.selected_port(13) is None
    assert not pending_13(chip)

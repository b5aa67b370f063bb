"""Wires between pins, and the signals of peripherals on pins in alternate mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.pins import PinContention, Pull

if TYPE_CHECKING:
    from conftest import Bench

OUTPUT, ALTERNATE = 1, 2
TX, RX = "UART4_TX", "UART4_RX"  # PA0 and PA1, function 8


def configure(
    chip: Bench, pin: str, mode: int, *, function: int = 0, pull: int = 0, open_drain: bool = False
) -> None:
    port, number = pin[1], int(pin[2:])
    half = "AFRL" if number < 8 else "AFRH"
    for register, width, place, value in (
        (half, 4, number % 8, function),
        ("PUPDR", 2, number, pull),
        ("OTYPER", 1, number, int(open_drain)),
        ("MODER", 2, number, mode),
    ):
        name = f"GPIO{port}.{register}"
        mask = ((1 << width) - 1) << width * place
        chip.write(name, chip.read(name) & ~mask | value << width * place)


def write(chip: Bench, pin: str, high: bool) -> None:
    chip.write(f"GPIO{pin[1]}.BSRR", 1 << int(pin[2:]) if high else 1 << int(pin[2:]) + 16)


# -- wires ------------------------------------------------------------------------------------------


def test_a_wire_carries_an_output_to_an_input(chip: Bench) -> None:
    configure(chip, "PA5", OUTPUT)
    configure(chip, "PE12", 0)
    chip.pins.connect("PA5", "PE12")
    for level in (True, False, True):
        write(chip, "PA5", level)
        assert chip.read("GPIOE.IDR") >> 12 & 1 == level
    chip.pins.disconnect("PE12", "PA5")
    assert not chip.read("GPIOE.IDR") >> 12 & 1


def test_wires_make_chains(chip: Bench) -> None:
    for one, other in (("PA5", "PE12"), ("PE12", "PG9"), ("PG9", "PA5")):
        chip.pins.connect(one, other)
    chip.pins.drive("PA5", True)
    assert chip.pins.level("PG9")
    chip.pins.disconnect("PA5", "PE12")
    assert chip.pins.level("PE12")
    chip.pins.disconnect("PE12", "PG9")
    assert not chip.pins.level("PE12")


def test_a_wire_carries_an_edge_to_exti(chip: Bench) -> None:
    configure(chip, "PA5", OUTPUT)
    configure(chip, "PE12", 0)
    chip.write("SYSCFG.EXTICR4", 4)
    chip.write("EXTI.RTSR1", 1 << 12)
    chip.write("EXTI.C1IMR1", 1 << 12)
    chip.pins.connect("PA5", "PE12")
    write(chip, "PA5", True)
    assert chip.read("EXTI.C1PR1") == 1 << 12


def test_two_outputs_that_disagree_are_told(chip: Bench) -> None:
    configure(chip, "PA5", OUTPUT)
    configure(chip, "PE12", OUTPUT)
    chip.pins.connect("PA5", "PE12")
    with pytest.raises(
        PinContention, match="PA5 is an output at high and is wired to PE12, an output at low"
    ):
        write(chip, "PA5", True)
    assert not chip.pins.level("PE12")


def test_open_drain_outputs_share_a_wire(chip: Bench) -> None:
    for pin in ("PA5", "PE12"):
        configure(chip, pin, OUTPUT, pull=1, open_drain=True)
        write(chip, pin, True)
    chip.pins.connect("PA5", "PE12")
    assert chip.pins.level("PA5")
    write(chip, "PE12", False)
    assert not chip.pins.level("PA5")
    write(chip, "PE12", True)
    assert chip.pins.level("PA5")


def test_of_pull_resistors_that_disagree_low_wins(chip: Bench) -> None:
    configure(chip, "PA5", 0, pull=1)
    configure(chip, "PE12", 0, pull=2)
    chip.pins.connect("PA5", "PE12")
    assert not chip.pins.level("PA5")
    chip.pins.set_external_pull("PE12", Pull.UP)
    assert chip.pins.level("PA5")


def test_a_pin_is_not_wired_to_itself(chip: Bench) -> None:
    with pytest.raises(ValueError, match="not to itself"):
        chip.pins.connect("PA5", "PA5")


# -- signals ----------------------------------------------------------------------------------------


def test_a_signal_shows_on_the_pins_switched_to_it(chip: Bench) -> None:
    chip.pins.set_signal(TX, True)
    assert not chip.pins.level("PA0")
    configure(chip, "PA0", ALTERNATE, function=8)
    assert chip.pins.level("PA0")
    configure(chip, "PC10", ALTERNATE, function=8)
    chip.pins.set_signal(TX, False)
    assert (chip.pins.level("PA0"), chip.pins.level("PC10")) == (False, False)
    chip.pins.set_signal(TX, True)
    configure(chip, "PA0", ALTERNATE, function=7)
    assert (chip.pins.level("PA0"), chip.pins.level("PC10")) == (False, True)


def test_a_signal_that_is_not_driven_leaves_the_pin_to_its_pull(chip: Bench) -> None:
    configure(chip, "PA0", ALTERNATE, function=8, pull=1)
    assert chip.pins.level("PA0")
    chip.pins.set_signal(TX, False)
    assert not chip.pins.level("PA0")
    chip.pins.set_signal(TX, None)
    assert chip.pins.level("PA0")


def test_an_open_drain_signal_only_pulls_low(chip: Bench) -> None:
    configure(chip, "PB6", ALTERNATE, function=4, open_drain=True)
    chip.pins.set_signal("I2C1_SCL", True)
    assert not chip.pins.level("PB6")
    chip.pins.set_external_pull("PB6", Pull.UP)
    assert chip.pins.level("PB6")
    chip.pins.set_signal("I2C1_SCL", False)
    assert not chip.pins.level("PB6")


def test_an_input_signal_sees_its_pin_only(chip: Bench) -> None:
    assert chip.pins.signal_level(RX) is None
    configure(chip, "PA1", ALTERNATE, function=8)
    assert chip.pins.signal_level(RX) is False
    chip.pins.drive("PA1", True)
    assert chip.pins.signal_level(RX) is True


def test_a_listener_hears_changes_until_it_stops(chip: Bench) -> None:
    heard: list[bool | None] = []
    chip.pins.listen(RX, heard.append)
    chip.pins.drive("PA1", True)
    assert heard == []
    configure(chip, "PA1", ALTERNATE, function=8)
    chip.pins.drive("PA1", False)
    configure(chip, "PA1", 0)
    assert heard == [True, False, None]
    chip.pins.listen(RX, None)
    configure(chip, "PA1", ALTERNATE, function=8)
    assert heard == [True, False, None]


def test_an_output_is_heard_through_a_wire(chip: Bench) -> None:
    heard: list[bool | None] = []
    configure(chip, "PA0", ALTERNATE, function=8)
    configure(chip, "PA1", ALTERNATE, function=8)
    chip.pins.listen(RX, heard.append)
    chip.pins.connect("PA0", "PA1")
    chip.pins.set_signal(TX, True)
    chip.pins.set_signal(TX, False)
    assert heard == [True, False]


class Clockwork:
    """Drives a signal by what the time is, when it is asked or when somebody would notice."""

    def __init__(self, chip: Bench) -> None:
        self._chip = chip
        self.asked = 0
        self.observed = False
        chip.pins.add_source(self, [TX])

    def catch_up(self) -> None:
        self.asked += 1
        self._chip.pins.set_signal(TX, self._chip.now // 100 % 2 == 1)

    def observation_changed(self) -> None:
        self.observed = self._chip.pins.observed(TX)


def test_a_source_is_asked_when_somebody_looks(chip: Bench) -> None:
    source = Clockwork(chip)
    assert not chip.pins.level("PA0")
    assert not source.asked
    configure(chip, "PA0", ALTERNATE, function=8)
    chip.run(100)
    assert chip.pins.level("PA0")
    chip.run(100)
    assert not chip.read("GPIOA.IDR") & 1


@pytest.mark.parametrize("how", ["watch", "drive", "listen", "wire", "exti"])
def test_a_source_knows_who_would_notice(chip: Bench, how: str) -> None:
    source = Clockwork(chip)
    configure(chip, "PA0", ALTERNATE, function=8)
    assert not source.observed
    if how == "watch":
        chip.pins.watch("PA0", lambda level: None)
    elif how == "drive":
        chip.pins.drive("PA0", False)
    elif how == "listen":
        configure(chip, "PA1", ALTERNATE, function=8)
        chip.pins.listen(RX, lambda level: None)
        assert not source.observed
        chip.pins.connect("PA0", "PA1")
    elif how == "wire":
        chip.pins.watch("PG9", lambda level: None)
        chip.pins.connect("PA0", "PG9")
    else:
        chip.write("EXTI.FTSR1", 1)
    assert source.observed
    configure(chip, "PA0", 0)
    assert not source.observed


def test_selecting_edges_makes_none(chip: Bench) -> None:
    """The level that nobody has looked at for a while is brought up to date first."""
    Clockwork(chip)
    configure(chip, "PA0", ALTERNATE, function=8)
    chip.write("EXTI.C1IMR1", 1)
    chip.run(100)
    chip.write("EXTI.RTSR1", 1)
    assert not chip.read("EXTI.C1PR1")

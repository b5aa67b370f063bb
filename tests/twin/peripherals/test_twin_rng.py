"""RNG (RM0399 chapter 35)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.mcu import Mcu
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..conftest import Desk

RNGEN, IE, CED = 1 << 2, 1 << 3, 1 << 5
DRDY, CECS, SECS, CEIS = 1 << 0, 1 << 1, 1 << 2, 1 << 5
HSI48, PLL1_Q, LSE, LSI = range(4)
FIRST = 128 / 48 + 426 / 64
"""Microseconds to the first number at 48 MHz and 64 MHz."""


class Generator:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        desk.set("RCC.AHB2ENR", RNGEN=1)
        desk.set("RCC.CR", HSI48ON=1)
        desk.run(10)

    def status(self) -> int:
        return self.desk.read("RNG.SR")

    def numbers(self, count: int) -> list[int]:
        taken = []
        for _ in range(count):
            for _ in range(100):
                if self.status() & DRDY:
                    break
                self.desk.run(1)
            taken.append(self.desk.read("RNG.DR"))
        return taken


@pytest.fixture
def generator(desk: Desk) -> Generator:
    return Generator(desk)


def test_a_number_is_ready_after_some_time(generator: Generator) -> None:
    generator.desk.write("RNG.CR", RNGEN)
    generator.desk.run(FIRST - 0.1)
    assert generator.status() == 0
    assert generator.desk.read("RNG.DR") == 0
    generator.desk.run(0.2)
    assert generator.status() == DRDY


def test_numbers_come_in_fours_and_differ(generator: Generator) -> None:
    generator.desk.write("RNG.CR", RNGEN)
    generator.desk.run(20)
    numbers = [generator.desk.read("RNG.DR") for _ in range(4)]
    assert generator.status() == 0
    assert 0 not in numbers
    numbers += generator.numbers(60)
    assert len(set(numbers)) == 64


def test_a_run_repeats_and_another_board_differs(desk_of: Callable[[bytes], Desk]) -> None:
    sequences = []
    for unique_id in (bytes(12), bytes(12), b"another chip"):
        generator = Generator(desk_of(unique_id))
        generator.desk.write("RNG.CR", RNGEN)
        sequences.append(generator.numbers(8))
    assert sequences[0] == sequences[1] != sequences[2]


@pytest.fixture
def desk_of(desk: Desk) -> Callable[[bytes], Desk]:
    """Return a chip with a given unique id."""

    def make(unique_id: bytes) -> Desk:
        other = type(desk)(Mcu(unique_id, 8_000_000))
        other.mcu.power_on()
        other.run(100)
        return other

    return make


def test_without_a_clock_there_are_no_numbers(generator: Generator) -> None:
    generator.desk.set("RCC.CR", HSI48ON=0)
    generator.desk.write("RNG.CR", RNGEN | CED)
    generator.desk.run(1000)
    assert generator.status() == 0
    generator.desk.set("RCC.CR", HSI48ON=1)
    generator.desk.run(100)
    assert generator.status() == DRDY


def test_too_slow_a_clock_is_an_error(generator: Generator) -> None:
    generator.desk.set("RCC.CSR", LSION=1)
    generator.desk.run(1000)
    generator.desk.set("RCC.D2CCIP2R", RNGSEL=LSI)
    generator.desk.write("RNG.CR", RNGEN)
    assert generator.status() & (CECS | CEIS) == CECS | CEIS
    generator.desk.set("RCC.D2CCIP2R", RNGSEL=HSI48)
    assert generator.status() & (CECS | CEIS) == CEIS
    generator.desk.write("RNG.SR", 0)
    assert not generator.status() & CEIS


def test_the_clock_check_can_be_switched_off(generator: Generator) -> None:
    generator.desk.set("RCC.CR", HSI48ON=0)
    generator.desk.write("RNG.CR", RNGEN | CED)
    assert generator.status() == 0


def test_the_interrupt(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: set[tuple[str, int]] = set()
    monkeypatch.setattr(
        generator.desk.mcu,
        "set_irq",
        lambda core, irq, level: (lines.add if level else lines.discard)((core, irq)),
    )
    generator.desk.write("RNG.CR", RNGEN | IE)
    assert not lines
    generator.desk.run(20)
    assert lines == {("cm7", 80), ("cm4", 80)}
    for _ in range(4):
        assert lines
        generator.desk.read("RNG.DR")
    assert not lines
    generator.desk.run(20)
    generator.desk.write("RNG.CR", 0)
    assert not lines


def test_everything_is_modelled(generator: Generator) -> None:
    generator.desk.write("RNG.CR", RNGEN)
    generator.numbers(1)
    generator.desk.run(PS_PER_US / 1e6)
    assert not generator.desk.mcu.unmodelled

"""SPI (RM0399 chapter 53) as programs use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    StartProgram = Callable[..., RunningProgram]


def test_loopback_by_polling(load_program: StartProgram) -> None:
    program = load_program("spi_loopback_polling")
    program.mcu.pins.connect("PB5", "PA6")
    program.power_on()
    program.expect("equal=37\r\nfirst=1\r\n")


def test_loopback_without_the_wire_reads_a_floating_line(start_program: StartProgram) -> None:
    start_program("spi_loopback_polling").expect("equal=0\r\nfirst=0\r\n")


def test_loopback_by_interrupts_on_cm4(load_program: StartProgram) -> None:
    program = load_program("spi_loopback_interrupt")
    program.mcu.pins.connect("PE14", "PE13")
    program.power_on()
    program.run_until(lambda: program.variable("cm4", "ends") == 1, ms=10)
    assert program.variable("cm4", "taken") == 64
    words = [program.variable("cm4", "received", index) for index in range(16)]
    text = b"".join(word.to_bytes(4, "little") for word in words)
    assert text.rstrip(b"\0") == b"interrupts carry this text, sixty-three letters, out and back."


def test_an_absent_device_is_read_as_ones(start_program: StartProgram) -> None:
    start_program("spi_absent_device").expect(f"identification={0xFFFFFF}\r\n")


class Flash:
    """A serial flash that knows its identification."""

    def __init__(self) -> None:
        self._answer: list[int] = []

    def select(self, active: bool) -> None:
        self._answer.clear()

    def transfer(self, frame: int, bits: int) -> int:
        if frame == 0x9F and not self._answer:
            self._answer += [0xEF, 0x40, 0x18]
            return 0
        return self._answer.pop(0) if self._answer else 0


def test_a_device_answers_when_it_is_selected(load_program: StartProgram) -> None:
    program = load_program("spi_absent_device")
    program.mcu.peripherals["SPI1"].attach(Flash(), "PD14")
    program.power_on()
    program.expect(f"identification={0xEF4018}\r\n")


@pytest.fixture
def two_controllers(load_program: StartProgram) -> RunningProgram:
    program = load_program("spi_two_controllers")
    for one, other in (("PA5", "PE12"), ("PA6", "PE13"), ("PB5", "PE14"), ("PG9", "PG12")):
        program.mcu.pins.connect(one, other)
    return program


def test_master_and_slave_of_one_board(two_controllers: RunningProgram) -> None:
    two_controllers.power_on()
    two_controllers.expect(f"sum={sum(range(100, 108))}\r\n")
    assert [two_controllers.variable("cm4", "received", index) for index in range(8)] == [
        0x1000 * index + 1 for index in range(8)
    ]
    assert two_controllers.variable("cm4", "finished") == 1


def test_a_slave_whose_miso_is_not_wired_is_not_heard(two_controllers: RunningProgram) -> None:
    two_controllers.mcu.pins.disconnect("PA6", "PE13")
    two_controllers.power_on()
    two_controllers.expect("sum=0\r\n")


def test_dma_carries_both_directions(load_program: StartProgram) -> None:
    program = load_program("spi_dma")
    program.mcu.pins.connect("PB5", "PA6")
    program.power_on()
    program.expect("equal=100\r\n")

"""Programs that keep data in flash (RM0399 4.3.8 to 4.3.10, 4.7.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    Start = Callable[..., RunningProgram]

BUTTON = "PC13"


def press(program: RunningProgram) -> None:
    program.mcu.pins.drive(BUTTON, level=True)
    program.run(ms=1)
    program.mcu.pins.release(BUTTON)
    program.run(ms=5)


def press_until_busy(program: RunningProgram) -> None:
    """Press the button and wait until the program changes the flash."""
    program.mcu.pins.drive(BUTTON, level=True)
    for _ in range(1_000):
        if program.mcu.flash.busy:
            return
        program.run(us=5)
    pytest.fail("the program has not changed the flash")


def restart(program: RunningProgram) -> str:
    """Cut the power, start again and return what the program prints."""
    program.mcu.power_off()
    program.mcu.pins.release(BUTTON)
    program.run(ms=100)
    program.console = ""
    program.power_on()
    program.run(ms=10)
    return program.console


def test_records_outlive_the_power(start_program: Start) -> None:
    program = start_program("flash_records")
    program.run(ms=10)
    assert program.console == "valid=0\r\nbroken=0\r\n"
    for number in (1, 2, 3):
        program.console = ""
        press(program)
        assert program.console == f"record={number}\r\n"
    assert restart(program) == "valid=3\r\nbroken=0\r\n"
    press(program)
    assert program.variable("cm7", "sequence") == 4


def test_record_that_a_loss_of_power_has_broken(start_program: Start) -> None:
    program = start_program("flash_records")
    program.run(ms=10)
    press(program)
    press_until_busy(program)
    program.run(us=20)
    assert restart(program) == "valid=1\r\nbroken=1\r\n"
    program.console = ""
    press(program)
    assert program.console == "record=2\r\n", "behind the broken one"
    assert restart(program) == "valid=2\r\nbroken=1\r\n"


def test_full_sector_is_erased(start_program: Start) -> None:
    program = start_program("flash_records")
    program.run(ms=10)
    for _ in range(4):
        press(program)
    program.console = ""
    press(program)
    program.expect("erase\r\nrecord=5\r\n", ms=1_100)
    assert restart(program) == "valid=1\r\nbroken=0\r\n"


@pytest.mark.parametrize("ms", [1, 500, 990])
def test_loss_of_power_in_mid_erase(start_program: Start, ms: int) -> None:
    """Half of the words are broken then, and the next erase repairs them."""
    program = start_program("flash_records")
    program.run(ms=10)
    for _ in range(4):
        press(program)
    press_until_busy(program)
    program.run(ms=ms)
    assert restart(program) == "valid=0\r\nbroken=2\r\n"
    press(program)
    program.expect("erase\r\nrecord=1\r\n", ms=1_100)
    assert restart(program) == "valid=1\r\nbroken=0\r\n"

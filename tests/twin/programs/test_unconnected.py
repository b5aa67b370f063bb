"""Interfaces that are started with nothing at their other end, as vendor drivers start them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    StartProgram = Callable[..., RunningProgram]


def test_ethernet_starts_without_a_link(start_program: StartProgram) -> None:
    program = start_program("ethernet_no_cable")
    program.expect("reset\r\nphy=0\r\nlink=0\r\nstarted\r\n")
    assert not [key for key in program.mcu.unmodelled if key[0] == "ETH"]


def test_can_without_a_bus_never_leaves_its_start(start_program: StartProgram) -> None:
    """PD0 is pulled up, and no transceiver brings back what is sent: bit errors, then bus-off."""
    program = start_program("fdcan_no_bus")
    program.run(ms=10)
    assert program.variable("cm4", "started") == 1
    assert program.variable("cm4", "warnings") == 1
    assert program.variable("cm4", "passive") == 1


def test_can_with_a_transceiver_alone_becomes_error_passive(load_program: StartProgram) -> None:
    program = load_program("fdcan_no_bus")
    program.mcu.pins.connect("PD1", "PD0")
    program.power_on()
    program.run(ms=20)
    assert program.variable("cm4", "passive") == 1
    assert program.variable("cm4", "counter") == 128
    assert program.variable("cm4", "pending") == 1


def test_a_usb_device_without_a_cable_is_suspended(start_program: StartProgram) -> None:
    program = start_program("usb_no_cable")
    program.expect("reset\r\nconnected\r\n")
    program.run(ms=5)
    assert program.variable("cm7", "suspends") == 1
    assert program.variable("cm7", "resets") == 0


def test_no_card_answers(start_program: StartProgram) -> None:
    start_program("sdmmc_no_card").expect("CMD0 sent\r\nno card\r\n")


def test_no_memory_answers(start_program: StartProgram) -> None:
    start_program("quadspi_no_memory").expect(f"identification={0xFFFFFF}\r\nbusy=0\r\n")

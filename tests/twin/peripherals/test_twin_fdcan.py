"""FDCAN1 without a bus: 40 quanta of 8 MHz HSE by 2, so a bit takes 10 us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wiring import enable, pending, read_bytes, switch, write_bytes

from pytest_h7.twin.bus import Master

if TYPE_CHECKING:
    from conftest import Desk

INIT, CCE, CSA, CSR, DAR, TEST = (1 << bit for bit in (0, 1, 3, 4, 6, 7))
TCF, EP, EW, BO, PEA = (1 << bit for bit in (10, 23, 24, 25, 27))
BIT = 10
FRAME_BITS = 36 + 8 * 8
ERROR_BITS = 17
RAM = 0x4000_AC00


@pytest.fixture
def can(desk: Desk) -> Desk:
    """FDCAN1 on PD0 (RX, pulled up) and PD1 (TX), clocked by HSE, with a FIFO of three messages."""
    enable(desk, "APB1HENR.FDCANEN")
    desk.set("RCC.CR", HSEBYP=1)
    desk.set("RCC.CR", HSEON=1)
    desk.run(100)
    switch(desk, "PD0", "FDCAN1_RX", pull=1)
    switch(desk, "PD1", "FDCAN1_TX")
    desk.write("FDCAN1.CCCR", INIT)
    desk.write("FDCAN1.CCCR", INIT | CCE)
    desk.write("FDCAN1.NBTP", 29 << 8 | 8 | 1 << 16)
    desk.write("FDCAN1.TXBC", 3 << 24 | 4 << 2)
    return desk


def alone(desk: Desk) -> None:
    """Fit a transceiver that has nobody at its other end."""
    desk.mcu.pins.connect("PD1", "PD0")


def send(desk: Desk, buffer: int = 0, *, size: int = 8) -> None:
    desk.mcu.write(RAM + 4 * 4 + 16 * buffer, 4, 0x123 << 18, Master.CM7)
    desk.mcu.write(RAM + 4 * 4 + 16 * buffer + 4, 4, size << 16, Master.CM7)
    desk.write("FDCAN1.TXBAR", 1 << buffer)


def go(desk: Desk) -> None:
    desk.set("FDCAN1.CCCR", INIT=0)
    desk.run(11 * BIT)


def attempts(desk: Desk, count: int) -> None:
    desk.run(count * (FRAME_BITS + ERROR_BITS) * BIT + 1)


def test_the_way_into_and_out_of_configuration(desk: Desk) -> None:
    enable(desk, "APB1HENR.FDCANEN")
    assert desk.read("FDCAN1.CCCR") == INIT
    desk.write("FDCAN1.CCCR", 0)
    assert desk.read("FDCAN1.CCCR") == 0
    desk.write("FDCAN1.CCCR", INIT | CCE)
    assert desk.read("FDCAN1.CCCR") == INIT
    desk.write("FDCAN1.CCCR", INIT | CCE)
    assert desk.read("FDCAN1.CCCR") == INIT | CCE
    desk.write("FDCAN1.CCCR", CCE)
    assert desk.read("FDCAN1.CCCR") == 0


def test_a_stopped_clock_is_acknowledged_and_initialises(desk: Desk) -> None:
    enable(desk, "APB1HENR.FDCANEN")
    desk.write("FDCAN1.CCCR", 0)
    desk.write("FDCAN1.CCCR", CSR)
    assert desk.read("FDCAN1.CCCR") == CSR | CSA | INIT
    desk.write("FDCAN1.CCCR", INIT)
    assert desk.read("FDCAN1.CCCR") == INIT


def test_settings_are_locked_outside_configuration(can: Desk) -> None:
    can.write("FDCAN1.CCCR", INIT | CCE | DAR | TEST)
    can.write("FDCAN1.RXF0C", 0x123_0004)
    go(can)
    can.write("FDCAN1.RXF0C", 0)
    can.write("FDCAN1.NBTP", 0)
    assert can.read("FDCAN1.RXF0C") == 0x123_0004
    assert can.read("FDCAN1.NBTP") == 29 << 8 | 8 | 1 << 16
    assert can.read("FDCAN1.CCCR") == DAR | TEST
    can.write("FDCAN1.CCCR", 0)
    assert can.read("FDCAN1.CCCR") == DAR
    can.write("FDCAN1.CCCR", TEST)
    assert can.read("FDCAN1.CCCR") == DAR


def test_identification(can: Desk) -> None:
    assert can.read("FDCAN1.CREL") == 0x3214_1218
    assert can.read("FDCAN1.ENDN") == 0x8765_4321


def test_the_message_ram_keeps_its_words_for_both(can: Desk) -> None:
    last = RAM + 10 * 1024 - 4
    can.mcu.write(last, 4, 0x1234_5678, Master.CM7)
    assert can.mcu.read(last, 4, Master.CM7) == 0x1234_5678
    assert can.mcu.read(last + 2, 2, Master.CM7) == 0x1234
    assert can.mcu.read(RAM, 4, Master.CM7) == 0


def test_the_fifo_fills_up(can: Desk) -> None:
    assert can.read("FDCAN1.TXFQS") == 3
    can.write("FDCAN1.CCCR", 0)
    for number in range(3):
        send(can, number)
    assert can.read("FDCAN1.TXBRP") == 0b111
    assert can.read("FDCAN1.TXFQS") == 1 << 21
    send(can, 3)
    assert can.read("FDCAN1.TXBRP") == 0b111


def test_without_acknowledge_the_node_becomes_error_passive_and_goes_on(can: Desk) -> None:
    alone(can)
    go(can)
    send(can)
    attempts(can, 1)
    assert can.read("FDCAN1.ECR") & 0xFFFF == 8
    assert can.read("FDCAN1.PSR") & 0x7 == 3
    assert can.read("FDCAN1.PSR") & 0x7 == 7
    attempts(can, 11)
    assert can.read("FDCAN1.ECR") & 0xFFFF == 96
    assert can.read("FDCAN1.PSR") & 0xE0 == 0x40
    attempts(can, 10)
    assert can.read("FDCAN1.ECR") & 0xFFFF == 128
    assert can.read("FDCAN1.PSR") & 0xE0 == 0x60
    can.run(1_000_000)
    assert can.read("FDCAN1.ECR") & 0xFFFF == 128
    assert can.read("FDCAN1.TXBRP") == 1
    assert can.read("FDCAN1.IR") == EP | EW | PEA


def test_logged_errors_are_forgotten_when_read(can: Desk) -> None:
    alone(can)
    go(can)
    send(can)
    attempts(can, 3)
    assert can.read("FDCAN1.ECR") >> 16 == 3
    assert can.read("FDCAN1.ECR") >> 16 == 0


def test_without_a_transceiver_the_node_goes_bus_off(can: Desk) -> None:
    go(can)
    send(can)
    can.run(32 * 18 * BIT + 1)
    assert can.read("FDCAN1.CCCR") & INIT
    assert can.read("FDCAN1.PSR") & 0xE7 == 0xE5
    assert can.read("FDCAN1.IR") & BO
    can.write("FDCAN1.CCCR", 0)
    can.run(128 * 11 * BIT)
    assert can.read("FDCAN1.PSR") & 0x80
    can.run(11 * BIT)
    assert not can.read("FDCAN1.PSR") & 0x80


def test_a_line_that_is_low_is_never_idle(can: Desk) -> None:
    switch(can, "PD0", "FDCAN1_RX")
    go(can)
    send(can)
    can.run(100_000)
    assert can.read("FDCAN1.PSR") == 0x707
    assert can.read("FDCAN1.ECR") == 0
    assert can.read("FDCAN1.TXBRP") == 1
    can.mcu.pins.drive("PD0", True)
    can.run(12 * BIT)
    assert can.read("FDCAN1.PSR") >> 3 & 3 == 3


def test_with_retransmission_off_there_is_one_attempt(can: Desk) -> None:
    alone(can)
    can.write("FDCAN1.CCCR", INIT | CCE | DAR)
    go(can)
    send(can)
    attempts(can, 1)
    assert can.read("FDCAN1.TXBRP") == 0
    assert can.read("FDCAN1.TXBCF") == 1
    assert can.read("FDCAN1.TXBTO") == 0
    attempts(can, 5)
    assert can.read("FDCAN1.ECR") & 0xFFFF == 8


def test_requests_can_be_cancelled(can: Desk) -> None:
    alone(can)
    can.write("FDCAN1.TXBCIE", 1)
    go(can)
    send(can)
    send(can, 1)
    can.write("FDCAN1.TXBCR", 1)
    assert can.read("FDCAN1.TXBRP") == 2
    assert can.read("FDCAN1.TXBCF") == 1
    assert can.read("FDCAN1.IR") & TCF
    assert can.read("FDCAN1.TXFQS") == 2 | 1 << 8 | 2 << 16


def test_configuration_forgets_messages(can: Desk) -> None:
    alone(can)
    go(can)
    send(can)
    can.write("FDCAN1.CCCR", INIT)
    assert can.read("FDCAN1.TXBRP") == 1
    can.write("FDCAN1.CCCR", INIT | CCE)
    assert can.read("FDCAN1.TXBRP") == 0
    assert can.read("FDCAN1.TXFQS") == 3


@pytest.mark.parametrize(("ils", "line"), [(0, "FDCAN1_IT0"), (PEA, "FDCAN1_IT1")])
def test_interrupts_choose_a_line(can: Desk, ils: int, line: str) -> None:
    alone(can)
    can.write("FDCAN1.IE", PEA)
    can.write("FDCAN1.ILS", ils)
    can.write("FDCAN1.ILE", 3)
    go(can)
    send(can)
    attempts(can, 1)
    for name in ("FDCAN1_IT0", "FDCAN1_IT1"):
        assert pending(can, name) is (name == line)
    can.write("FDCAN1.IR", PEA)
    assert not can.read("FDCAN1.IR") & PEA


def test_loop_back_is_counted(can: Desk) -> None:
    can.write("FDCAN1.CCCR", INIT | CCE | TEST)
    before = sum(can.mcu.unmodelled.values())
    can.write("FDCAN1.TEST", 1 << 4)
    assert sum(can.mcu.unmodelled.values()) == before + 1


def test_the_calibration_unit_resets_itself(can: Desk) -> None:
    can.write("FDCAN_CCU.CCFG", 1 << 6 | 1 << 31)
    assert can.read("FDCAN_CCU.CCFG") == 4
    write_bytes(can, "FDCAN_CCU.CWD", 7, 1)
    assert read_bytes(can, "FDCAN_CCU.CWD", 1) == 7

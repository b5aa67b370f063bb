"""I2C on the registers: 8 MHz are not to be had, so 64 MHz of HSI, PRESC 15 (250 ns), 100 kHz of Sm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wiring import OUTPUT, configure, enable, pending, switch

from pytest_h7.twin.pins import Pull

if TYPE_CHECKING:
    from conftest import Desk

PE, TXIE, RXIE, ADDRIE, NACKIE, STOPIE, TCIE, ERRIE, ANFOFF = (
    1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 7, 12)
)
RD_WRN, START, STOP, NACK, RELOAD, AUTOEND = (1 << bit for bit in (10, 13, 14, 15, 24, 25))
TXE, TXIS, RXNE, ADDR, NACKF, STOPF, TC, TCR, BERR, ARLO = (1 << bit for bit in range(10))
BUSY, DIR = 1 << 15, 1 << 16
TIMING = 15 << 28 | 15 << 8 | 19
CLOCK_US = (20 + 16) * 0.25 + 4 / 64 + 0.1
BYTE_US = 9 * CLOCK_US
HSI = 2


class Memory:
    """A device with a pointer and bytes behind it, as an EEPROM has them."""

    def __init__(self, size: int = 16) -> None:
        self.cells = bytearray(range(0x40, 0x40 + size))
        self.log: list[str] = []
        self._pointer = 0
        self._first = False

    def start(self, read: bool) -> bool:
        self.log.append("read" if read else "write")
        self._first = not read
        return True

    def write(self, byte: int) -> bool:
        if self._first:
            self._pointer, self._first = byte, False
            return byte < len(self.cells)
        self.cells[self._pointer] = byte
        self._pointer += 1
        return True

    def read(self) -> int:
        self._pointer += 1
        return self.cells[self._pointer - 1]

    def stop(self) -> None:
        self.log.append("stop")


@pytest.fixture
def i2c(desk: Desk) -> Desk:
    """I2C1 on PB8 and PB9 with pull-up resistors on the board, and I2C2 on PF1 and PF0, all clocked."""
    enable(desk, "APB1LENR.I2C1EN", "APB1LENR.I2C2EN")
    desk.set("RCC.D2CCIP2R", I2C123SEL=HSI)
    for pin in ("PB8", "PB9"):
        desk.mcu.pins.set_external_pull(pin, Pull.UP)
    for pin, signal in (("PB8", "I2C1_SCL"), ("PB9", "I2C1_SDA"), ("PF1", "I2C2_SCL"), ("PF0", "I2C2_SDA")):
        switch(desk, pin, signal, open_drain=True)
    return desk


def join(desk: Desk) -> None:
    desk.mcu.pins.connect("PB8", "PF1")
    desk.mcu.pins.connect("PB9", "PF0")


def open_port(desk: Desk, name: str = "I2C1", *, address: int = 0, flags: int = 0) -> None:
    desk.write(f"{name}.TIMINGR", TIMING)
    if address:
        desk.write(f"{name}.OAR1", 1 << 15 | address << 1)
    desk.write(f"{name}.CR1", PE | flags)


def command(desk: Desk, address: int, count: int, flags: int, name: str = "I2C1") -> None:
    desk.write(f"{name}.CR2", address << 1 | count << 16 | flags)


def status(desk: Desk, name: str = "I2C1") -> int:
    return desk.read(f"{name}.ISR")


def flags(desk: Desk, name: str = "I2C1") -> int:
    """The lower flags, without BUSY."""
    return status(desk, name) & 0x3FF


def test_reset_values(i2c: Desk) -> None:
    assert status(i2c) == TXE
    assert i2c.read("I2C1.CR2") == 0


def test_an_absent_device_ends_with_nack_and_stop_in_its_time(i2c: Desk) -> None:
    open_port(i2c)
    command(i2c, 0x50, 2, START | AUTOEND)
    assert status(i2c) & BUSY
    i2c.run(CLOCK_US + BYTE_US - 0.01)
    assert flags(i2c) == TXE
    assert i2c.read("I2C1.CR2") & START
    i2c.run(0.02)
    assert flags(i2c) == TXE | NACKF
    assert not i2c.read("I2C1.CR2") & START
    i2c.run(CLOCK_US)
    assert status(i2c) == TXE | NACKF | STOPF
    i2c.write("I2C1.ICR", NACKF | STOPF)
    assert status(i2c) == TXE


@pytest.mark.parametrize(
    ("timing", "cr1", "microseconds"),
    [
        (TIMING, 0, CLOCK_US),
        (0 << 28 | 15 << 8 | 19, ANFOFF, (36 + 4) / 64),
        (3 << 28 | 99 << 8 | 149, ANFOFF | 5 << 8, (250 * 4 + 4 + 10) / 64),
    ],
)
def test_timingr_gives_the_period_of_scl(i2c: Desk, timing: int, cr1: int, microseconds: float) -> None:
    i2c.write("I2C1.TIMINGR", timing)
    i2c.write("I2C1.CR1", PE | cr1)
    command(i2c, 0x50, 0, START | AUTOEND)
    i2c.run(10 * microseconds - 0.01)
    assert not flags(i2c) & NACKF
    i2c.run(0.02)
    assert flags(i2c) & NACKF


def test_writing_to_a_device(i2c: Desk) -> None:
    memory = Memory()
    i2c.mcu.peripherals["I2C1"].attach(memory, 0x50)
    open_port(i2c)
    command(i2c, 0x50, 3, START | AUTOEND)
    for byte in (4, 0xAB, 0xCD):
        i2c.run(2 * BYTE_US)
        assert flags(i2c) == TXE | TXIS
        i2c.write("I2C1.TXDR", byte)
        assert flags(i2c) & TXIS == 0
    i2c.run(2 * BYTE_US)
    assert status(i2c) == TXE | STOPF
    assert memory.cells[4:6] == b"\xab\xcd"
    assert memory.log == ["write", "stop"]


def test_reading_behind_a_repeated_start(i2c: Desk) -> None:
    memory = Memory()
    i2c.mcu.peripherals["I2C1"].attach(memory, 0x50)
    open_port(i2c)
    command(i2c, 0x50, 1, START)
    i2c.run(2 * BYTE_US)
    i2c.write("I2C1.TXDR", 7)
    i2c.run(2 * BYTE_US)
    assert flags(i2c) == TXE | TC
    command(i2c, 0x50, 2, START | AUTOEND | RD_WRN)
    assert not flags(i2c) & TC
    received = []
    for _ in range(2):
        i2c.run(3 * BYTE_US)
        assert flags(i2c) & RXNE
        received.append(i2c.read("I2C1.RXDR"))
        assert not flags(i2c) & RXNE
    i2c.run(BYTE_US)
    assert received == [0x47, 0x48]
    assert status(i2c) == TXE | STOPF
    assert memory.log == ["write", "read", "stop"]


def test_a_byte_that_is_not_read_holds_the_bus(i2c: Desk) -> None:
    memory = Memory()
    i2c.mcu.peripherals["I2C1"].attach(memory, 0x50)
    open_port(i2c)
    command(i2c, 0x50, 2, START | AUTOEND | RD_WRN)
    i2c.run(20 * BYTE_US)
    assert status(i2c) == TXE | RXNE | BUSY
    assert i2c.read("I2C1.RXDR") == 0x40
    assert i2c.read("I2C1.RXDR") == 0x41


def test_software_ends_a_transfer(i2c: Desk) -> None:
    i2c.mcu.peripherals["I2C1"].attach(Memory(), 0x50)
    open_port(i2c)
    command(i2c, 0x50, 1, START | RD_WRN)
    i2c.run(3 * BYTE_US)
    assert flags(i2c) == TXE | RXNE | TC
    command(i2c, 0x50, 1, STOP)
    i2c.run(2 * CLOCK_US)
    assert flags(i2c) == TXE | RXNE | STOPF
    assert not i2c.read("I2C1.CR2") & STOP


def test_more_than_255_bytes_by_reload(i2c: Desk) -> None:
    memory = Memory()
    i2c.mcu.peripherals["I2C1"].attach(memory, 0x50)
    open_port(i2c)
    command(i2c, 0x50, 2, START | RELOAD | RD_WRN)
    i2c.run(3 * BYTE_US)
    i2c.read("I2C1.RXDR")
    i2c.run(2 * BYTE_US)
    i2c.read("I2C1.RXDR")
    assert flags(i2c) == TXE | TCR
    i2c.run(10 * BYTE_US)
    assert flags(i2c) == TXE | TCR
    command(i2c, 0x50, 1, AUTOEND | RD_WRN)
    i2c.run(2 * BYTE_US)
    assert flags(i2c) == TXE | RXNE | STOPF


def test_a_byte_that_is_refused_ends_the_transfer(i2c: Desk) -> None:
    i2c.mcu.peripherals["I2C1"].attach(Memory(), 0x50)
    open_port(i2c)
    command(i2c, 0x50, 3, START | AUTOEND)
    i2c.run(2 * BYTE_US)
    i2c.write("I2C1.TXDR", 99)
    i2c.run(2 * BYTE_US)
    assert status(i2c) == TXE | NACKF | STOPF


def test_without_pull_up_resistors_the_bus_is_busy_and_start_waits(i2c: Desk) -> None:
    for pin in ("PB8", "PB9"):
        i2c.mcu.pins.set_external_pull(pin, Pull.NONE)
    open_port(i2c)
    assert status(i2c) == TXE | BUSY
    command(i2c, 0x50, 0, START | AUTOEND)
    i2c.run(1000)
    assert status(i2c) == TXE | BUSY
    assert i2c.read("I2C1.CR2") & START
    for pin in ("PB8", "PB9"):
        i2c.mcu.pins.set_external_pull(pin, Pull.UP)
    i2c.run(2 * BYTE_US)
    assert status(i2c) == TXE | NACKF | STOPF


def test_the_ports_own_pull_up_resistors_will_do(i2c: Desk) -> None:
    for pin in ("PB8", "PB9"):
        i2c.mcu.pins.set_external_pull(pin, Pull.NONE)
        configure(i2c, pin, 2, pull=1, open_drain=True)
    open_port(i2c)
    assert status(i2c) == TXE


def test_a_line_held_low_from_outside_makes_the_bus_busy(i2c: Desk) -> None:
    open_port(i2c)
    i2c.mcu.pins.drive("PB9", False)
    assert status(i2c) & BUSY
    i2c.mcu.pins.release("PB9")
    assert not status(i2c) & BUSY


def test_the_wires_are_low_from_start_to_stop(i2c: Desk) -> None:
    open_port(i2c)
    edges: list[bool] = []
    i2c.mcu.pins.watch("PB8", edges.append)
    command(i2c, 0x50, 0, START | AUTOEND)
    i2c.run(2 * BYTE_US)
    assert edges == [False, True]


def test_disabling_leaves_the_bus_and_clears_all_flags(i2c: Desk) -> None:
    open_port(i2c)
    command(i2c, 0x50, 0, START | AUTOEND)
    i2c.run(CLOCK_US)
    i2c.write("I2C1.CR1", 0)
    assert status(i2c) == TXE
    assert not i2c.read("I2C1.CR2") & START
    assert i2c.mcu.pins.level("PB8")
    i2c.run(2 * BYTE_US)
    assert status(i2c) == TXE


# -- two controllers ----------------------------------------------------------------------------


def test_a_slave_receives_and_stretches_the_clock(i2c: Desk) -> None:
    join(i2c)
    open_port(i2c)
    open_port(i2c, "I2C2", address=0x21)
    command(i2c, 0x21, 2, START | AUTOEND)
    i2c.run(5 * BYTE_US)
    assert flags(i2c) == TXE
    assert status(i2c, "I2C2") == TXE | ADDR | BUSY | 0x21 << 17
    i2c.write("I2C2.ICR", ADDR)
    assert flags(i2c) == TXE | TXIS
    i2c.write("I2C1.TXDR", 0x11)
    i2c.run(2 * BYTE_US)
    assert flags(i2c, "I2C2") == TXE | RXNE
    i2c.write("I2C1.TXDR", 0x22)
    i2c.run(20 * BYTE_US)
    assert flags(i2c) == TXE
    assert i2c.read("I2C2.RXDR") == 0x11
    i2c.run(BYTE_US)
    assert i2c.read("I2C2.RXDR") == 0x22
    assert flags(i2c) == TXE | STOPF
    assert flags(i2c, "I2C2") == TXE | STOPF
    assert not status(i2c, "I2C2") & BUSY


def test_a_slave_transmits_until_the_master_refuses(i2c: Desk) -> None:
    join(i2c)
    open_port(i2c)
    open_port(i2c, "I2C2", address=0x21)
    command(i2c, 0x21, 2, START | AUTOEND | RD_WRN)
    i2c.run(2 * BYTE_US)
    assert status(i2c, "I2C2") & (ADDR | DIR | TXIS) == ADDR | DIR
    i2c.write("I2C2.ICR", ADDR)
    assert flags(i2c, "I2C2") == TXE | TXIS
    i2c.write("I2C2.TXDR", 0xA1)
    assert flags(i2c, "I2C2") == TXE | TXIS
    i2c.write("I2C2.TXDR", 0xA2)
    i2c.run(2 * BYTE_US)
    assert i2c.read("I2C1.RXDR") == 0xA1
    i2c.write("I2C2.TXDR", 0xA3)
    i2c.run(2 * BYTE_US)
    assert i2c.read("I2C1.RXDR") == 0xA2
    assert flags(i2c, "I2C2") == NACKF | STOPF
    i2c.write("I2C2.ISR", TXE)
    assert flags(i2c, "I2C2") == TXE | NACKF | STOPF


def test_another_address_is_not_the_slaves(i2c: Desk) -> None:
    join(i2c)
    open_port(i2c)
    open_port(i2c, "I2C2", address=0x21)
    command(i2c, 0x22, 1, START | AUTOEND)
    i2c.run(3 * BYTE_US)
    assert flags(i2c) == TXE | NACKF | STOPF
    assert flags(i2c, "I2C2") == TXE


@pytest.mark.parametrize(
    ("oar2", "address", "matches"),
    [
        (0x30 << 1, 0x30, True),
        (0x30 << 1, 0x31, False),
        (0x30 << 1 | 2 << 8, 0x33, True),
        (0x30 << 1 | 2 << 8, 0x34, False),
        (7 << 8, 0x55, True),
        (7 << 8, 0x79, False),
    ],
)
def test_the_second_address_can_be_masked(i2c: Desk, oar2: int, address: int, matches: bool) -> None:
    join(i2c)
    open_port(i2c)
    i2c.write("I2C2.OAR2", 1 << 15 | oar2)
    open_port(i2c, "I2C2")
    command(i2c, address, 1, START | AUTOEND)
    i2c.run(2 * BYTE_US)
    assert bool(flags(i2c, "I2C2") & ADDR) is matches


def test_ten_bits_of_address(i2c: Desk) -> None:
    join(i2c)
    open_port(i2c)
    i2c.write("I2C2.OAR1", 1 << 15 | 1 << 10 | 0x2A5)
    open_port(i2c, "I2C2")
    i2c.write("I2C1.CR2", 0x2A5 | 1 << 11 | 1 << 16 | START | AUTOEND)
    i2c.run(2 * BYTE_US + CLOCK_US - 0.1)
    assert not flags(i2c, "I2C2") & ADDR
    i2c.run(0.2)
    assert flags(i2c, "I2C2") & ADDR
    assert status(i2c, "I2C2") >> 17 & 0x7F == 0x7A


def test_a_busy_bus_makes_the_other_master_wait(i2c: Desk) -> None:
    join(i2c)
    open_port(i2c)
    open_port(i2c, "I2C2")
    command(i2c, 0x50, 0, START | AUTOEND)
    i2c.run(CLOCK_US)
    command(i2c, 0x51, 0, START | AUTOEND, "I2C2")
    i2c.run(BYTE_US + 2 * CLOCK_US)
    assert flags(i2c) & STOPF
    assert not flags(i2c, "I2C2") & (NACKF | ARLO)
    i2c.run(BYTE_US + 4 * CLOCK_US)
    assert flags(i2c, "I2C2") & (NACKF | STOPF | ARLO) == NACKF | STOPF


def test_of_two_masters_at_once_the_lower_address_wins(i2c: Desk) -> None:
    join(i2c)
    memory = Memory()
    i2c.mcu.peripherals["I2C1"].attach(memory, 0x50)
    open_port(i2c, flags=ERRIE)
    open_port(i2c, "I2C2", flags=ERRIE)
    command(i2c, 0x51, 1, START | AUTOEND)
    command(i2c, 0x50, 1, START | AUTOEND, "I2C2")
    i2c.run(2 * BYTE_US)
    assert flags(i2c) == TXE | ARLO
    assert pending(i2c, "I2C1_ER")
    assert flags(i2c, "I2C2") == TXE | TXIS
    assert memory.log == ["write"]


# -- interrupts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("enabled", "expected"), [(NACKIE, True), (STOPIE, False), (TXIE | RXIE | TCIE, False)]
)
def test_each_event_has_its_enable_bit(i2c: Desk, enabled: int, expected: bool) -> None:
    open_port(i2c, flags=enabled)
    command(i2c, 0x50, 1, START | AUTOEND)
    i2c.run(CLOCK_US + BYTE_US + 0.1)
    assert pending(i2c, "I2C1_EV", "cm4") is expected


def test_gpio_frees_a_bus_that_waits_for_it(i2c: Desk) -> None:
    configure(i2c, "PD0", OUTPUT, open_drain=True)
    i2c.mcu.pins.connect("PD0", "PB9")
    open_port(i2c)
    command(i2c, 0x50, 0, START | AUTOEND)
    assert not i2c.mcu.pins.level("PB9")
    i2c.run(500)
    assert flags(i2c) == TXE
    i2c.write("GPIOD.BSRR", 1)
    i2c.run(2 * BYTE_US)
    assert flags(i2c) == TXE | NACKF | STOPF

"""I2C (RM0399 chapter 50) as programs use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.pins import Pull

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram

    StartProgram = Callable[..., RunningProgram]


class Eeprom:
    """An EEPROM with two bytes of address, which is deaf while it programs a page."""

    def __init__(self, program: RunningProgram, size: int = 512, page_ms: float = 2.0) -> None:
        self.cells = bytearray(size)
        self._mcu = program.mcu
        self._page_time = round(page_ms * 1e9)
        self._busy_until = 0
        self._address: list[int] = []
        self._pointer = 0
        self._changed = False

    def start(self, read: bool) -> bool:
        if not read:
            self._address.clear()
        return self._mcu.now >= self._busy_until

    def write(self, byte: int) -> bool:
        if len(self._address) < 2:
            self._address.append(byte)
            self._pointer = self._address[0] << 8 | byte
        else:
            self.cells[self._pointer % len(self.cells)] = byte
            self._pointer += 1
            self._changed = True
        return True

    def read(self) -> int:
        self._pointer += 1
        return self.cells[(self._pointer - 1) % len(self.cells)]

    def stop(self) -> None:
        if self._changed:
            self._busy_until = self._mcu.now + self._page_time
            self._changed = False


def fit_resistors(program: RunningProgram) -> None:
    for pin in ("PB8", "PB9"):
        program.mcu.pins.set_external_pull(pin, Pull.UP)


def test_no_device_acknowledges_on_an_empty_bus(load_program: StartProgram) -> None:
    program = load_program("i2c_absent_device")
    fit_resistors(program)
    program.power_on()
    program.expect("devices=0\r\n")
    assert program.mcu.now > 112 * 10 * 10_000_000  # a START, an address and a STOP at 100 kHz each


def test_devices_are_found_by_their_address(load_program: StartProgram) -> None:
    program = load_program("i2c_absent_device")
    fit_resistors(program)
    for address in (0x1D, 0x50):
        program.mcu.peripherals["I2C1"].attach(Eeprom(program), address)
    program.power_on()
    program.expect("devices=2\r\n")
    assert [program.variable("cm7", "found", index) for index in range(2)] == [0x1D, 0x50]


def test_a_bus_without_resistors_is_busy(start_program: StartProgram) -> None:
    start_program("i2c_absent_device").expect("busy\r\n")


def test_master_and_slave_of_one_board(load_program: StartProgram) -> None:
    program = load_program("i2c_two_controllers")
    for one, other in (("PB8", "PF1"), ("PB9", "PF0"), ("PG9", "PG12")):
        program.mcu.pins.connect(one, other)
    program.power_on()
    program.expect("good=4\r\n")
    assert program.variable("cm4", "received") == 4
    assert program.variable("cm4", "code") == 0x3A
    assert program.variable("cm4", "sent") == 5  # the fifth is never clocked out
    assert program.variable("cm4", "refusals") == 1
    assert program.variable("cm4", "stops") == 1


def test_an_eeprom_is_written_and_read_by_cm4(load_program: StartProgram) -> None:
    program = load_program("i2c_eeprom")
    fit_resistors(program)
    eeprom = Eeprom(program)
    program.mcu.peripherals["I2C1"].attach(eeprom, 0x50)
    program.power_on()
    program.run_until(lambda: program.variable("cm4", "finished") == 1, ms=500)
    assert program.variable("cm4", "equal") == 300
    assert program.variable("cm4", "polls") >= 19
    assert eeprom.cells[:300] == bytes((place * 5 + 3) % 256 for place in range(300))

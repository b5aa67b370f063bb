"""CRC (RM0399 chapter 22), against the check values of the catalogue of parametrised CRC algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.bus import Master

if TYPE_CHECKING:
    from ..conftest import Desk

CHECK = b"123456789"
RESET, REV_OUT = 1, 1 << 7
BITS_16, BITS_8, BITS_7 = (size << 3 for size in (1, 2, 3))
BY_BYTE, BY_HALF_WORD, BY_WORD = (unit << 5 for unit in (1, 2, 3))


class Unit:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        desk.set("RCC.AHB4ENR", CRCEN=1)

    def feed(self, data: bytes, size: int = 1) -> None:
        for place in range(0, len(data), size):
            word = int.from_bytes(data[place : place + size], "little")
            self.desk.mcu.write(self.desk.address("CRC.DR"), size, word, Master.CM4)

    @property
    def result(self) -> int:
        return self.desk.read("CRC.DR")


@pytest.fixture
def unit(desk: Desk) -> Unit:
    return Unit(desk)


def test_after_reset_it_is_the_ethernet_polynomial(unit: Unit) -> None:
    assert unit.desk.read("CRC.POL") == 0x04C1_1DB7
    assert unit.result == unit.desk.read("CRC.INIT") == 0xFFFF_FFFF
    unit.feed(CHECK)
    assert unit.result == 0x0376_E6E7, "CRC-32/MPEG-2"


def test_words_count_from_their_uppermost_bit(unit: Unit) -> None:
    unit.feed(bytes.fromhex("34333231 38373635"), size=4)
    unit.feed(b"9")
    assert unit.result == 0x0376_E6E7


@pytest.mark.parametrize(
    ("control", "polynomial", "initial", "expected"),
    [
        (BY_BYTE | REV_OUT, 0x04C1_1DB7, 0xFFFF_FFFF, 0xCBF4_3926 ^ 0xFFFF_FFFF),
        (BITS_16, 0x1021, 0xFFFF, 0x29B1),
        (BITS_16 | BY_BYTE | REV_OUT, 0x8005, 0, 0xBB3D),
        (BITS_8, 0x07, 0, 0xF4),
        (BITS_7, 0x09, 0, 0x75),
    ],
    ids=["CRC-32", "CRC-16/CCITT-FALSE", "CRC-16/ARC", "CRC-8", "CRC-7/MMC"],
)
def test_check_values(unit: Unit, control: int, polynomial: int, initial: int, expected: int) -> None:
    unit.desk.write("CRC.POL", polynomial)
    unit.desk.write("CRC.INIT", initial)
    unit.desk.write("CRC.CR", control | RESET)
    unit.feed(CHECK)
    assert unit.result == expected


@pytest.mark.parametrize(
    ("control", "same"), [(BY_BYTE, "804c84c4"), (BY_HALF_WORD, "4c80c484"), (BY_WORD, "c4844c80")]
)
def test_input_is_reversed_in_units(unit: Unit, control: int, same: str) -> None:
    """The word 0x23213201, and the word that comes of it."""
    unit.desk.write("CRC.CR", RESET | control)
    unit.feed(bytes.fromhex("01322123"), size=4)
    reversed_result = unit.result
    unit.desk.write("CRC.CR", RESET)
    unit.feed(bytes.fromhex(same), size=4)
    assert unit.result == reversed_result


def test_reset_begins_anew_and_clears_itself(unit: Unit) -> None:
    unit.feed(CHECK)
    unit.desk.write("CRC.CR", RESET)
    assert unit.desk.read("CRC.CR") == 0
    assert unit.result == 0xFFFF_FFFF


def test_the_independent_data_register_survives_a_reset_of_the_unit(unit: Unit) -> None:
    unit.desk.write("CRC.IDR", 0x1234_5678)
    unit.desk.write("CRC.CR", RESET)
    assert unit.desk.read("CRC.IDR") == 0x1234_5678
    assert not unit.desk.mcu.unmodelled

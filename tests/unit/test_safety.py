"""What is refused, whichever way a test takes to the chip: option bits that lock it, erasing more than sectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.bench.safety import check_option_names, check_pin_drive, check_write
from pytest_h7.board.access_port import AccessPort
from pytest_h7.board.core import Core
from pytest_h7.board.registers import Registers
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import SafetyError

FLASH = 0x5200_2000
OPTSR_CUR, OPTSR_PRG, OPTSR_PRG_MIRROR = FLASH + 0x1C, FLASH + 0x20, FLASH + 0x120
CR1, CR2, OPTCR, OPTCR_MIRROR = FLASH + 0x0C, FLASH + 0x10C, FLASH + 0x18, FLASH + 0x118
FACTORY_OPTSR = 0x03C6_AAF0
BER, MER, OPTSTART, BCM4 = 1 << 3, 1 << 4, 1 << 1, 1 << 22

PROTECTED = {
    "RDP": [(address, 8, 8) for address in (OPTSR_PRG, OPTSR_PRG_MIRROR)],
    "SECURITY": [(address, 21, 1) for address in (OPTSR_PRG, OPTSR_PRG_MIRROR)],
    "PROT_AREA1": [(FLASH + 0x2C, 0, 32)],
    "PROT_AREA2": [(FLASH + 0x12C, 0, 32)],
    "SEC_AREA1": [(FLASH + 0x34, 0, 32)],
    "SEC_AREA2": [(FLASH + 0x134, 0, 32)],
    "WRPSn1": [(FLASH + 0x3C, 0, 8)],
    "WRPSn2": [(FLASH + 0x13C, 0, 8)],
}
"""Option byte -> address, lowest bit and width of every register that changes it (RM0399 4.9)."""

PLACES = [(name, *place) for name, places in PROTECTED.items() for place in places]
ERASES = [(CR1, BER, "erase bank 1"), (CR2, BER, "erase bank 2")]
ERASES += [(address, MER, "mass-erase the chip") for address in (OPTCR, OPTCR_MIRROR)]


def factory_words() -> dict[int, int]:
    to_program = {
        OPTSR_PRG: FACTORY_OPTSR,
        OPTSR_PRG_MIRROR: FACTORY_OPTSR,
        **{FLASH + offset: 0xFF for offset in (0x2C, 0x34, 0x3C, 0x12C, 0x134, 0x13C)},
    }
    in_force = {address - 4: word for address, word in to_program.items()}
    return to_program | in_force


@pytest.fixture
def words() -> dict[int, int]:
    """The factory's option bytes: what is in force, and what is to be programmed."""
    return factory_words()


def write(address: int, data: bytes, words: dict[int, int], *, changes_options: bool = False) -> None:
    check_write(address, data, words.__getitem__, changes_options=changes_options)


# -- option bits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "address", "lsb", "width"), PLACES)
def test_every_bit_of_a_protected_option_is_refused(
    name: str, address: int, lsb: int, width: int, words: dict[int, int]
) -> None:
    for bit in range(lsb, lsb + width):
        with pytest.raises(SafetyError, match=f"Refused to change the option byte {name}:"):
            write(address, (words[address] ^ 1 << bit).to_bytes(4, "little"), words)


@pytest.mark.parametrize("level", [0xCC, 0x00, 0x55, 0xFF])
@pytest.mark.parametrize("address", [OPTSR_PRG, OPTSR_PRG_MIRROR])
def test_readout_protection_by_one_byte(address: int, level: int, words: dict[int, int]) -> None:
    with pytest.raises(SafetyError, match="RDP"):
        write(address + 1, bytes([level]), words)


def test_readout_protection_by_a_half_word(words: dict[int, int]) -> None:
    with pytest.raises(SafetyError, match="RDP"):
        write(OPTSR_PRG, bytes([0xF0, 0xCC]), words)


def test_security_by_one_byte(words: dict[int, int]) -> None:
    with pytest.raises(SafetyError, match="SECURITY"):
        write(OPTSR_PRG + 2, bytes([(FACTORY_OPTSR >> 16 | 1 << 5) & 0xFF]), words)


@pytest.mark.parametrize(("name", "address", "lsb", "width"), PLACES)
def test_same_value_may_be_written_back(
    name: str, address: int, lsb: int, width: int, words: dict[int, int]
) -> None:
    write(address, words[address].to_bytes(4, "little"), words)


@pytest.mark.parametrize("address", [OPTSR_PRG, OPTSR_PRG_MIRROR])
def test_boot_options_may_be_changed(address: int, words: dict[int, int]) -> None:
    write(address, (FACTORY_OPTSR & ~BCM4).to_bytes(4, "little"), words)
    write(address + 2, bytes([(FACTORY_OPTSR & ~BCM4) >> 16 & 0xFF]), words)


def test_protection_that_is_there_already_may_stay(words: dict[int, int]) -> None:
    words[OPTSR_CUR] = FACTORY_OPTSR & ~0xFF00 | 0x5500
    write(OPTSR_PRG, (words[OPTSR_CUR] & ~BCM4).to_bytes(4, "little"), words)
    with pytest.raises(SafetyError, match="RDP"):
        write(OPTSR_PRG, FACTORY_OPTSR.to_bytes(4, "little"), words)


def test_block_that_begins_before_the_register(words: dict[int, int]) -> None:
    block = bytearray(0x40)
    block[0x20 : 0x20 + 4] = (FACTORY_OPTSR ^ 1 << 9).to_bytes(4, "little")
    with pytest.raises(SafetyError, match="RDP"):
        write(FLASH, bytes(block), words | {FLASH + 0x2C: 0, FLASH + 0x34: 0, FLASH + 0x3C: 0})


def test_block_that_begins_before_the_peripheral(words: dict[int, int]) -> None:
    with pytest.raises(SafetyError, match="erase bank 1"):
        write(FLASH - 8, bytes(8 + 0xC) + bytes([BER]), words)


def test_protection_that_firmware_has_prepared_is_not_written_along(words: dict[int, int]) -> None:
    words[OPTSR_PRG] = FACTORY_OPTSR & ~0xFF00 | 0xCC00
    with pytest.raises(SafetyError, match="RDP"):
        write(OPTSR_PRG, (words[OPTSR_PRG] & ~BCM4).to_bytes(4, "little"), words)
    write(OPTSR_PRG, FACTORY_OPTSR.to_bytes(4, "little"), words)


# -- starting a change ------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [OPTCR, OPTCR_MIRROR])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_change_that_nobody_puts_back_is_refused(address: int, size: int, words: dict[int, int]) -> None:
    with pytest.raises(SafetyError, match=r"use option_bytes\.set or the marker h7_option_bytes"):
        write(address, OPTSTART.to_bytes(size, "little"), words)
    write(address, OPTSTART.to_bytes(size, "little"), words, changes_options=True)
    write(address, (1).to_bytes(size, "little"), words)


@pytest.mark.parametrize(
    ("name", "address", "lsb", "width"), [place for place in PLACES if place[1] != OPTSR_PRG_MIRROR]
)
def test_change_is_not_started_with_what_firmware_has_prepared(
    name: str, address: int, lsb: int, width: int, words: dict[int, int]
) -> None:
    words[address] ^= 1 << lsb + width - 1
    with pytest.raises(SafetyError, match=name):
        write(OPTCR, OPTSTART.to_bytes(4, "little"), words, changes_options=True)


# -- erasing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "bit", "what"), ERASES)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_erasing_more_than_a_sector_is_refused(
    address: int, bit: int, what: str, size: int, words: dict[int, int]
) -> None:
    with pytest.raises(SafetyError, match=f"Refused to {what}: erase the sectors"):
        write(address, bit.to_bytes(size, "little"), words)


@pytest.mark.parametrize("address", [CR1, CR2])
def test_sector_erase_is_allowed(address: int, words: dict[int, int]) -> None:
    ser, start, sector = 1 << 2, 1 << 7, 7 << 8
    write(address, (ser | start | sector).to_bytes(4, "little"), words)


def test_upper_bytes_of_a_control_register_do_not_erase(words: dict[int, int]) -> None:
    write(CR1 + 1, bytes([BER]), words)
    write(OPTCR + 2, bytes([MER, MER]), words)


@pytest.mark.parametrize("address", [0x5200_1FFC, FLASH + 0x200, 0x2400_0000, 0x5802_440C])
def test_other_places_are_not_looked_at(address: int) -> None:
    def unread(_address: int) -> int:
        raise AssertionError("nothing there is to be compared")

    check_write(address, (0xFFFF_FFFF).to_bytes(4, "little"), unread)


@given(
    start=st.integers(FLASH - 8, FLASH + 0x1F8),
    data=st.binary(min_size=1, max_size=16),
)
def test_no_write_at_all_changes_what_is_protected(start: int, data: bytes) -> None:
    """Whatever is let through leaves every protected bit as it was, and erases nothing but sectors."""
    words = factory_words()
    try:
        write(start, data, words)
    except SafetyError:
        return
    for index, value in enumerate(data):
        word, shift = start + index & ~3, 8 * (start + index & 3)
        for name, address, lsb, width in PLACES:
            if address == word:
                mask = ((1 << width) - 1) << lsb & 0xFF << shift
                assert (words[address] ^ value << shift) & mask == 0, name
        for address, bit, what in [*ERASES, (OPTCR, OPTSTART, "start"), (OPTCR_MIRROR, OPTSTART, "start")]:
            assert address != word or not value << shift & bit & 0xFF << shift, what


# -- every way to the chip ----------------------------------------------------------------------------


class Clocked:
    """Every peripheral has its clock."""

    def why_unclocked(self, name: str) -> str | None:
        return None


Way = Callable[[Any, int, int], None]


def by_registers(chip: Any, address: int, value: int) -> None:
    registers = Registers(chip.connection, cast("Any", Clocked()))
    name = next(
        name for name, register in peripheral("FLASH").registers.items() if register.address == address
    )
    getattr(registers.FLASH, name).value = value


def by_core(name: str, apsel: int) -> Way:
    def write_word(chip: Any, address: int, value: int) -> None:
        port = AccessPort(chip.connection, apsel)
        Core(name, chip.connection, cast("Any", None), port, lambda: None).write_u32(address, value)

    return write_word


def by_core_bytes(chip: Any, address: int, value: int) -> None:
    port = AccessPort(chip.connection, 0)
    core = Core("cm7", chip.connection, cast("Any", None), port, lambda: None)
    core.write_bytes(address, value.to_bytes(4, "little"))


def by_core_narrow(size: int) -> Way:
    def write_narrow(chip: Any, address: int, value: int) -> None:
        port = AccessPort(chip.connection, 3)
        core = Core("cm4", chip.connection, cast("Any", None), port, lambda: None)
        for offset in range(0, 4, size):
            part = value >> 8 * offset & (1 << 8 * size) - 1
            (core.write_u8 if size == 1 else core.write_u16)(address + offset, part)

    return write_narrow


def by_port(apsel: int) -> Way:
    return lambda chip, address, value: AccessPort(chip.connection, apsel).write_u32(address, value)


def by_block(chip: Any, address: int, value: int) -> None:
    chip.connection.write_words(0, address - 4, [0, value])


WAYS = {
    "board.registers": by_registers,
    "cm7.write_u32": by_core("cm7", 0),
    "cm4.write_u32": by_core("cm4", 3),
    "cm7.write_bytes": by_core_bytes,
    "cm4.write_u16": by_core_narrow(2),
    "cm4.write_u8": by_core_narrow(1),
    "ap[0].write_u32": by_port(0),
    "ap[1].write_u32": by_port(1),
    "ap[3].write_u32": by_port(3),
    "a block": by_block,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture
def factory_chip(chip, words: dict[int, int]):
    chip.words.update(words)
    return chip


@pytest.mark.parametrize(("name", "address", "lsb", "width"), PLACES)
def test_protected_options_whichever_way(
    factory_chip, way: Way, name: str, address: int, lsb: int, width: int
) -> None:
    before = dict(factory_chip.words)
    with pytest.raises(SafetyError, match=name):
        way(factory_chip, address, before[address] ^ 1 << lsb)
    assert factory_chip.words[address] == before[address]


@pytest.mark.parametrize(("address", "bit", "what"), ERASES)
def test_bank_and_mass_erase_whichever_way(factory_chip, way: Way, address: int, bit: int, what: str) -> None:
    with pytest.raises(SafetyError, match=what):
        way(factory_chip, address, bit)
    assert not factory_chip.words.get(address, 0) & bit


def test_what_is_harmless_arrives_whichever_way(factory_chip, way: Way) -> None:
    way(factory_chip, OPTSR_PRG, FACTORY_OPTSR & ~BCM4)
    assert factory_chip.words[OPTSR_PRG] == FACTORY_OPTSR & ~BCM4


def test_field_of_a_protected_option(factory_chip) -> None:
    registers = Registers(factory_chip.connection, cast("Any", Clocked()))
    with pytest.raises(SafetyError, match="RDP"):
        registers.FLASH.OPTSR_PRG.RDP = 0xCC
    with pytest.raises(SafetyError, match="erase bank 2"):
        registers.FLASH.CR2.BER = 1
    registers.FLASH.OPTSR_PRG.BCM4 = 0
    assert factory_chip.words[OPTSR_PRG] == FACTORY_OPTSR & ~BCM4


# -- pins and names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "what"), [(1, "an output"), (2, "in its alternate function")])
def test_pin_that_the_firmware_drives(mode: int, what: str) -> None:
    with pytest.raises(SafetyError, match=f"Refused to drive PB0: the firmware has it as {what}"):
        check_pin_drive("PB0", mode)


@pytest.mark.parametrize("mode", [0, 3])
def test_pin_that_is_free(mode: int) -> None:
    check_pin_drive("PC13", mode)


@pytest.mark.parametrize("name", PROTECTED)
def test_protected_option_by_name(name: str) -> None:
    with pytest.raises(SafetyError, match=f"Refused to change the option byte {name}"):
        check_option_names(["BCM4", name])


def test_options_by_name() -> None:
    check_option_names(["BCM4", "BCM7", "BOOT_CM4_ADD0", "SWAP_BANK_OPT"])
    with pytest.raises(KeyError):
        check_option_names(["NOTHING"])

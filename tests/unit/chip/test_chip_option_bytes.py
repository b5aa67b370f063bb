"""Option bytes: where they are, what the factory writes, and which are protected (RM0399 4.4)."""

from __future__ import annotations

import pytest

from pytest_h7.chip.option_bytes import OPTION_BYTES, current_register, factory_value, program_register
from pytest_h7.chip.registers import peripheral

FLASH = peripheral("FLASH").registers


@pytest.mark.parametrize(
    ("name", "register", "mask"),
    [
        ("BCM4", "OPTSR", 1 << 22),
        ("BCM7", "OPTSR", 1 << 23),
        ("RDP", "OPTSR", 0xFF00),
        ("SECURITY", "OPTSR", 1 << 21),
        ("SWAP_BANK_OPT", "OPTSR", 1 << 31),
        ("BOOT_CM7_ADD0", "BOOT7", 0xFFFF),
        ("BOOT_CM4_ADD1", "BOOT4", 0xFFFF_0000),
    ],
)
def test_place(name: str, register: str, mask: int) -> None:
    assert (OPTION_BYTES[name].register, OPTION_BYTES[name].mask) == (register, mask)


@pytest.mark.parametrize(
    ("register", "value"),
    [
        # RM0399 table 20 shows the reserved bits 28 and 26 of OPTSR as 1 as well.
        ("OPTSR", 0x17C6_AAF0 & ~0x1400_0000),
        ("BOOT7", 0x1FF0_0800),
        ("BOOT4", 0x1000_0810),
        ("WPSN1", 0xFF),
        ("PRAR2", 0xFF),
        ("SCAR1", 0xFF),
    ],
)
def test_factory_value(register: str, value: int) -> None:
    assert factory_value(register) == value


def test_what_can_lock_the_chip_or_hide_its_flash_is_protected() -> None:
    assert {name for name, option in OPTION_BYTES.items() if option.protected} == {
        "RDP",
        "SECURITY",
        "WRPSn1",
        "WRPSn2",
        "PROT_AREA1",
        "PROT_AREA2",
        "SEC_AREA1",
        "SEC_AREA2",
    }


@pytest.mark.parametrize("name", OPTION_BYTES)
def test_registers_of_an_option_byte(name: str) -> None:
    option = OPTION_BYTES[name]
    current, program = FLASH[current_register(option)], FLASH[program_register(option)]
    assert program.offset - current.offset == 4
    whole = sum(field.mask for field in program.fields.values())
    if option.width != 32:
        assert option.mask & whole == option.mask
    assert option.factory < 1 << option.width


def test_names_of_the_registers() -> None:
    assert current_register(OPTION_BYTES["BCM4"]) == "OPTSR_CUR"
    assert program_register(OPTION_BYTES["WRPSn2"]) == "WPSN_PRG2"
    assert program_register(OPTION_BYTES["BOOT_CM4_ADD0"]) == "BOOT4_PRG"


def test_option_bytes_do_not_overlap() -> None:
    for register in {option.register for option in OPTION_BYTES.values()}:
        masks = [option.mask for option in OPTION_BYTES.values() if option.register == register]
        union = 0
        for mask in masks:
            assert not union & mask
            union |= mask

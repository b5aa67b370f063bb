"""Registers as data: addresses that ST's header and RM0399 name, and a layout without contradictions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.chip.memory import peripheral_domain
from pytest_h7.chip.registers import (
    Access,
    Field,
    PeripheralMap,
    peripheral,
    peripheral_names,
    private_peripheral,
)

PRIVATE = [(core, name) for core in ("cm7", "cm4") for name in ("SCS", "DWT", "FPB", "ITM")]
ALL = [peripheral(name) for name in peripheral_names()] + [private_peripheral(*place) for place in PRIVATE]


@pytest.mark.parametrize(
    ("unit", "register", "address"),
    [
        ("RCC", "CR", 0x5802_4400),
        ("RCC", "GCR", 0x5802_44A0),
        ("RCC_C1", "RSR", 0x5802_4530),
        ("RCC_C1", "AHB4ENR", 0x5802_4540),
        ("RCC_C2", "RSR", 0x5802_4590),
        ("RCC_C2", "AHB4ENR", 0x5802_45A0),
        ("RCC_C2", "APB4LPENR", 0x5802_45DC),
        ("PWR", "CR3", 0x5802_480C),
        ("PWR", "CPUCR", 0x5802_4810),
        ("PWR", "CPU2CR", 0x5802_4814),
        ("EXTI", "SWIER1", 0x5800_0008),
        ("EXTI", "C1PR1", 0x5800_0088),
        ("EXTI", "C2IMR3", 0x5800_00E0),
        ("EXTI", "C2PR1", 0x5800_00C8),
        ("SYSCFG", "EXTICR4", 0x5800_0414),
        ("SYSCFG", "PKGR", 0x5800_0524),
        ("SYSCFG", "UR1", 0x5800_0704),
        ("FLASH", "OPTSR_CUR", 0x5200_201C),
        ("FLASH", "BOOT4_CUR", 0x5200_2048),
        ("FLASH", "CR2", 0x5200_210C),
        ("HSEM", "R0", 0x5802_6400),
        ("HSEM", "RLR0", 0x5802_6480),
        ("HSEM", "C2IER", 0x5802_6510),
        ("HSEM", "KEYR", 0x5802_6544),
        ("DBGMCU", "CR", 0x5C00_1004),
        ("DBGMCU", "APB4FZ1", 0x5C00_1054),
        ("GPIOK", "MODER", 0x5802_2800),
        ("USART3", "ISR", 0x4000_481C),
    ],
)
def test_address(unit: str, register: str, address: int) -> None:
    assert peripheral(unit).registers[register].address == address


@pytest.mark.parametrize(
    ("unit", "register", "reset"),
    [
        ("RCC", "CR", 1),
        ("RCC_C1", "APB4ENR", 0x0001_0000),
        ("RCC_C2", "AHB4LPENR", 0x3128_07FF),
        ("PWR", "CR3", 6),
        ("EXTI", "C1IMR1", 0xFFC0_0000),
        ("EXTI", "C2IMR2", 0xFFF5_FFFF),
        ("EXTI", "C2IMR3", 0x018B_FFFF),
        ("FLASH", "ACR", 0x37),
        ("GPIOA", "MODER", 0xABFF_FFFF),
        ("GPIOB", "MODER", 0xFFFF_FEBF),
        ("GPIOC", "MODER", 0xFFFF_FFFF),
        ("GPIOC", "PUPDR", 0),
    ],
)
def test_reset_value(unit: str, register: str, reset: int) -> None:
    assert peripheral(unit).registers[register].reset == reset


@pytest.mark.parametrize(
    ("unit", "register", "field", "mask"),
    [
        ("RCC", "CR", "D2CKRDY", 1 << 15),
        ("RCC", "GCR", "BOOT_C2", 1 << 3),
        ("RCC", "CFGR", "SWS", 7 << 3),
        ("RCC", "PLL1DIVR", "N1", 0x1FF),
        ("RCC_C1", "RSR", "WWDG2RSTF", 1 << 29),
        ("RCC_C2", "AHB4ENR", "HSEMEN", 1 << 25),
        ("RCC_C1", "APB1LENR", "USART3EN", 1 << 18),
        ("PWR", "CPUCR", "SBF_D2", 1 << 8),
        ("PWR", "CR3", "SMPSEN", 1 << 2),
        ("HSEM", "R31", "COREID", 0xF00),
        ("SYSCFG", "UR1", "BCM7", 1 << 16),
        ("FLASH", "OPTSR_CUR", "BCM4", 1 << 22),
        ("DBGMCU", "IDCODE", "DEV_ID", 0xFFF),
        ("DBGMCU", "CR", "DBG_STOPD2", 1 << 4),
    ],
)
def test_field(unit: str, register: str, field: str, mask: int) -> None:
    assert peripheral(unit).registers[register].fields[field].mask == mask


@pytest.mark.parametrize(
    ("unit", "register", "access"),
    [
        ("EXTI", "C1PR1", Access.WRITE_1_TO_CLEAR),
        ("GPIOB", "BSRR", Access.WRITE_ONLY),
        ("GPIOB", "IDR", Access.READ_ONLY),
        ("RAMECC1", "M1SR", Access.WRITE_0_TO_CLEAR),
        ("HSEM", "C1ICR", Access.WRITE_1_TO_CLEAR),
        ("PWR", "CSR1", Access.READ_ONLY),
        ("RCC", "CR", Access.READ_WRITE),
    ],
)
def test_access(unit: str, register: str, access: Access) -> None:
    assert peripheral(unit).registers[register].access is access


def test_debugger_must_not_know_of_dbgmcu_bits_that_are_reserved() -> None:
    # Bits 7 and 8 are in ST's SVD file; setting them breaks SWO (RM0399 63.5.8 has them reserved).
    fields = peripheral("DBGMCU").registers["CR"].fields.values()
    assert not any(field.mask & 0x180 for field in fields)


def test_breakpoint_units_of_the_cores_differ() -> None:
    for core, code, literals in (("cm7", 8, 0), ("cm4", 6, 2)):
        control = private_peripheral(core, "FPB").registers["CTRL"]
        assert control.fields["NUM_CODE"].extract(control.reset) == code
        assert control.fields["NUM_LIT"].extract(control.reset) == literals


def test_cores_are_identified_by_cpuid() -> None:
    assert private_peripheral("cm7", "SCS").registers["CPUID"].reset == 0x411F_C271
    assert private_peripheral("cm4", "SCS").registers["CPUID"].reset == 0x410F_C241


def test_peripheral_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        peripheral("TIM99")


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_registers_are_words_that_do_not_overlap(unit: PeripheralMap) -> None:
    # A timer's capture/compare mode has two layouts at one address.
    offsets = [register.offset for name, register in unit.registers.items() if not name.endswith("_Input")]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 for offset in offsets)
    assert all(register.address == unit.base + register.offset for register in unit.registers.values())


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_fields_fit_and_do_not_overlap(unit: PeripheralMap) -> None:
    for register in unit.registers.values():
        seen = 0
        for name, field in register.fields.items():
            assert name == field.name
            assert field.lsb + field.width <= 32
            assert not field.mask & seen, f"{unit.name}.{register.name}.{name}"
            seen |= field.mask
        assert 0 <= register.reset < 1 << 32


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_register_does_not_repeat_the_name_of_its_peripheral(unit: PeripheralMap) -> None:
    assert [name for name in unit.registers if name.startswith(f"{unit.name}_")] == []


def test_every_peripheral_is_on_a_bus_and_alone_at_its_address() -> None:
    bases = {name: peripheral(name).base for name in peripheral_names()}
    assert len(set(bases.values())) == len(bases)
    assert all(peripheral_domain(base) is not None for base in bases.values())


def test_banks_of_the_cores_are_alike() -> None:
    first, second = peripheral("RCC_C1").registers, peripheral("RCC_C2").registers
    for name in set(first) & set(second):
        assert first[name].offset == second[name].offset
    assert {name for name in first if name.endswith("ENR")} == {
        name for name in second if name.endswith("ENR")
    }


@given(
    st.integers(0, 31).flatmap(lambda lsb: st.tuples(st.just(lsb), st.integers(1, 32 - lsb))),
    st.integers(0, 0xFFFF_FFFF),
    st.data(),
)
def test_insert_and_extract(place: tuple[int, int], word: int, data: st.DataObject) -> None:
    field = Field("F", *place)
    value = data.draw(st.integers(0, (1 << field.width) - 1))
    changed = field.insert(word, value)
    assert field.extract(changed) == value
    assert changed & ~field.mask == word & ~field.mask


@pytest.mark.parametrize("value", [-1, 4])
def test_insert_of_what_does_not_fit(value: int) -> None:
    with pytest.raises(ValueError, match=f"VOS holds 0 to 3, not {value}"):
        Field("VOS", 14, 2).insert(0, value)

"""Registers by name: the right access port and address, fields, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_h7.board.clocks import PeripheralClocks
from pytest_h7.board.registers import Registers
from pytest_h7.errors import PeripheralUnclocked, TargetAccessError

BOTH_DOMAINS_RUN = 0xC025
D2_STOPPED = 0x4025
D1_STOPPED = 0x8025
GPIOBEN, SYSCFGEN, HSEMEN, USART3EN = 1 << 1, 1 << 1, 1 << 25, 1 << 18


@pytest.fixture
def registers(chip) -> Registers:
    """All registers of a chip whose both domains run and whose CM7 has what the tests use enabled."""
    chip.set(
        RCC_CR=BOTH_DOMAINS_RUN,
        RCC_C1_AHB4ENR=GPIOBEN | HSEMEN,
        RCC_C1_APB4ENR=SYSCFGEN,
        RCC_C1_APB1LENR=USART3EN,
    )
    return Registers(chip.connection, PeripheralClocks(chip.connection))


# -- reading and writing ----------------------------------------------------------------------------


def test_value_is_the_whole_register(chip, registers: Any) -> None:
    chip.set(RCC_D1CFGR=0x48)
    assert registers.RCC.D1CFGR.value == 0x48
    registers.RCC.D1CFGR.value = 0x8
    assert chip.written() == [(1, 0x5802_4418, 0x8)]


def test_field_is_read(chip, registers: Any) -> None:
    chip.set(RCC_PLL1DIVR=0x0103_038F)
    divider = registers.RCC.PLL1DIVR
    assert (divider.N1, divider.P1, divider.Q1, divider.R1) == (399, 1, 3, 1)


def test_field_is_changed_in_place(chip, registers: Any) -> None:
    chip.set(RCC_PLL1DIVR=0x0103_038F)
    registers.RCC.PLL1DIVR.Q1 = 1
    assert chip.written() == [(1, 0x5802_4430, 0x0101_038F)]


@pytest.mark.parametrize("value", [-1, 4])
def test_value_that_does_not_fit_a_field(chip, registers: Any, value: int) -> None:
    with pytest.raises(ValueError, match=f"VOS holds 0 to 3, not {value}"):
        registers.PWR.D3CR.VOS = value
    assert chip.writes == []


@pytest.mark.parametrize(
    ("unit", "register", "field", "address"),
    [
        ("EXTI", "C2PR1", "PR13", 0x5800_00C8),
        ("HSEM", "C1ICR", "ISC13", 0x5802_6504),
        ("GPIOB", "BSRR", "BS13", 0x5802_0418),
    ],
)
def test_only_the_bits_of_the_field_where_ones_act(
    chip, registers: Any, unit: str, register: str, field: str, address: int
) -> None:
    chip.words[address] = 0xFFFF_FFFF
    setattr(getattr(getattr(registers, unit), register), field, 1)
    assert chip.written() == [(1, address, 1 << 13)]


def test_following_registers_in_one_go(chip, registers: Any) -> None:
    chip.set(HSEM_R0=0x8000_0300, HSEM_R2=0x8000_0101)
    assert registers.HSEM.R0.read_following(3) == [0x8000_0300, 0, 0x8000_0101]


# -- through which access port ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "register", "apsel", "address"),
    [
        ("PWR", "CPUCR", 1, 0x5802_4810),
        ("SYSCFG", "PMCR", 1, 0x5800_0404),
        ("FLASH", "ACR", 0, 0x5200_2000),
        ("USART3", "CR1", 0, 0x4000_4800),
        ("DBGMCU", "CR", 2, 0xE00E_1004),
    ],
)
def test_access_port_that_reaches_the_place(
    chip, registers: Any, unit: str, register: str, apsel: int, address: int
) -> None:
    getattr(getattr(registers, unit), register).value = 5
    assert chip.written() == [(apsel, address, 5)]


def test_debug_configuration_needs_no_clock(chip, registers: Any) -> None:
    chip.closed |= {0, 1, 3}
    chip.words[0xE00E_1000] = 0x2003_6450
    assert registers.DBGMCU.IDCODE.REV_ID == 0x2003


# -- without a clock ------------------------------------------------------------------------------------


def test_no_core_has_the_clock_enabled(chip, registers: Any) -> None:
    chip.set(RCC_C1_AHB4ENR=0)
    with pytest.raises(PeripheralUnclocked, match=r"HSEM.R0 cannot be accessed: no core has .* \(HSEMEN\)"):
        _ = registers.HSEM.R0.value
    with pytest.raises(PeripheralUnclocked, match="GPIOB"):
        registers.GPIOB.MODER.MODE0 = 1
    assert chip.writes == []


def test_clock_of_the_cm4_counts_while_the_cm4_runs(chip, registers: Any) -> None:
    chip.set(RCC_C1_AHB4ENR=0, RCC_C2_AHB4ENR=HSEMEN, HSEM_R0=0x8000_0100)
    assert registers.HSEM.R0.COREID == 1
    chip.set(RCC_CR=D2_STOPPED)
    with pytest.raises(PeripheralUnclocked, match="only the CM4 has its clock enabled"):
        _ = registers.HSEM.R0.COREID


@pytest.mark.parametrize(
    ("control", "unit", "register", "domain"),
    [
        (D2_STOPPED, "USART3", "CR1", "D2"),
        (D1_STOPPED, "FLASH", "ACR", "D1"),
        (D1_STOPPED, "WWDG1", "CR", "D1"),
    ],
)
def test_stopped_domain(chip, registers: Any, control: int, unit: str, register: str, domain: str) -> None:
    chip.set(RCC_CR=control)
    with pytest.raises(PeripheralUnclocked, match=f"{unit}.{register} .* domain {domain} is stopped"):
        _ = getattr(getattr(registers, unit), register).value
    assert registers.RCC.CR.value == control


def test_access_that_the_chip_refuses(chip, registers: Any) -> None:
    chip.faulting.add(0x5802_4400)
    with pytest.raises(TargetAccessError, match="Could not read 0x58024400 through AP1: the access faulted"):
        _ = registers.RCC.CR.value


def test_zeros_of_a_cm7_without_clock_are_no_value(chip, registers: Any) -> None:
    assert registers.FLASH.ACR.value == 0
    chip.cpuids[0] = 0
    with pytest.raises(
        TargetAccessError, match=r"FLASH\.ACR is reached through AP0, and the CM7 has no clock"
    ):
        _ = registers.FLASH.ACR.value
    with pytest.raises(TargetAccessError, match=r"FLASH\.ACR is reached through AP0"):
        registers.FLASH.ACR.value = 4
    assert registers.RCC.CFGR.value == 0  # through AP1, which needs no core


# -- names and access that do not exist -------------------------------------------------------------------


def test_unknown_names(registers: Any) -> None:
    with pytest.raises(AttributeError, match="no peripheral TIM99"):
        _ = registers.TIM99
    with pytest.raises(AttributeError, match="RCC has no register CFG"):
        _ = registers.RCC.CFG
    with pytest.raises(AttributeError, match=r"RCC\.CFGR has no field SWITCH"):
        _ = registers.RCC.CFGR.SWITCH
    with pytest.raises(AttributeError, match=r"RCC\.CFGR has no field SWITCH"):
        registers.RCC.CFGR.SWITCH = 1


def test_register_or_peripheral_cannot_be_replaced(chip, registers: Any) -> None:
    with pytest.raises(AttributeError):
        registers.RCC = 1
    with pytest.raises(AttributeError, match=r"RCC\.CFGR is no value: assign RCC\.CFGR\.value or a field"):
        registers.RCC.CFGR = 3
    with pytest.raises(AttributeError):
        registers.RCC.CFGR.address = 3
    assert chip.writes == []


@pytest.mark.parametrize("name", ["AHB4ENR", "APB1LENR", "RSR", "APB4LPENR"])
def test_core_banked_register_needs_its_core(registers: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=f"use RCC_C1.{name} or RCC_C2.{name}"):
        getattr(registers.RCC, name)
    _ = getattr(registers.RCC_C2, name).value


def test_read_only_register(chip, registers: Any) -> None:
    with pytest.raises(TargetAccessError, match=r"PWR\.CSR1 is read-only"):
        registers.PWR.CSR1.value = 0
    with pytest.raises(TargetAccessError, match=r"GPIOB\.IDR is read-only"):
        registers.GPIOB.IDR.ID0 = 1
    assert chip.writes == []


def test_write_only_register(registers: Any) -> None:
    with pytest.raises(TargetAccessError, match=r"GPIOB\.BSRR is write-only"):
        _ = registers.GPIOB.BSRR.BS0
    with pytest.raises(TargetAccessError, match=r"FLASH\.KEYR1 is write-only"):
        _ = registers.FLASH.KEYR1.value


# -- at a prompt ------------------------------------------------------------------------------------------


def test_names_can_be_completed(registers: Any) -> None:
    assert {"RCC", "RCC_C2", "PWR", "DBGMCU"} <= set(dir(registers))
    assert "CFGR" in dir(registers.RCC)
    assert {"value", "SW", "SWS"} <= set(dir(registers.RCC.CFGR))
    assert repr(registers.RCC_C2.AHB4ENR) == "<RCC_C2.AHB4ENR at 0x580245A0>"

"""``pytest-h7 registers`` and ``pytest-h7 option-bytes``."""

from __future__ import annotations

import pytest

from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.chip.read_effects import _EFFECTS, read_effect
from pytest_h7.chip.registers import peripheral, peripheral_names
from pytest_h7.cli import main

from .conftest import Firmware, Patient
from .test_diagnosed_causes import COUNT, STOP


@pytest.fixture
def printed(patient: Patient, capsys: pytest.CaptureFixture[str]):
    """Run a command at a board with the reference firmware; return its output, proven to leave DBGMCU alone."""
    patient.give(Firmware())

    def run(*arguments: str, code: int = 0) -> str:
        before = patient.board.mcu.dbgmcu["CR"]
        assert main(list(arguments)) == code
        assert patient.board.mcu.dbgmcu["CR"] == before
        output = capsys.readouterr()
        return output.err if code else output.out

    return run


def test_register_with_its_fields(printed, patient: Patient) -> None:
    lines = printed("registers", "RCC.GCR").splitlines()
    assert lines[0] == "RCC.GCR at 0x580244A0 = 0x00000000"
    assert [line.split() for line in lines[1:]] == [
        ["0", "WW1RSC", "0"],
        ["1", "WW2RSC", "0"],
        ["2", "BOOT_C1", "0"],
        ["3", "BOOT_C2", "0"],
    ]


def test_fields_in_any_case_and_of_any_domain(printed, patient: Patient) -> None:
    assert printed("registers", "rcc.cr.d2ckrdy", "FLASH.ACR.LATENCY", "USART3.CR1.UE") == (
        "RCC.CR.D2CKRDY = 1\nFLASH.ACR.LATENCY = 4\nUSART3.CR1.UE = 1\n"
    )


def test_all_of_a_peripheral_but_what_has_an_effect(printed, patient: Patient) -> None:
    lines = printed("registers", "HSEM").splitlines()
    assert len(lines) == len(peripheral("HSEM").registers)
    assert "HSEM.R0      0x00000000" in lines
    assert "HSEM.RLR0    not read: reading it takes the semaphore" in lines


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("TIMER", "The chip has no peripheral 'TIMER': names are those of ST's header."),
        ("RCC.GRC", "RCC has no 'GRC'; it has CR, "),
        ("RCC.GCR.BOOT", "RCC.GCR has no 'BOOT'; it has WW1RSC, WW2RSC, BOOT_C1, BOOT_C2."),
        ("HSEM.RLR3", "HSEM.RLR3 is not read: reading it takes the semaphore."),
        ("USART3.RDR", "USART3.RDR is not read: reading it takes a character out of the receiver."),
        ("RCC.AHB4ENR", "use RCC_C1.AHB4ENR or RCC_C2.AHB4ENR"),
        ("TIM2.CNT", "TIM2.CNT cannot be accessed: no core has its clock enabled (TIM2EN)."),
    ],
)
def test_what_cannot_be_shown(printed, name: str, error: str) -> None:
    assert error in printed("registers", name, code=1)


def test_stopped_domain(patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    patient.give(Firmware(cm7=COUNT, cm4=STOP))
    assert main(["registers", "USART3.CR1"]) == 1
    assert "domain D2 is stopped" in capsys.readouterr().err


def test_semaphore_is_not_taken(printed, patient: Patient) -> None:
    printed("registers", "HSEM")
    assert patient.board.mcu.hsem["R0"] >> 31 == 0


def test_option_bytes(printed, patient: Patient) -> None:
    lines = printed("option-bytes").splitlines()
    assert [line.split()[0] for line in lines] == list(OPTION_BYTES)
    assert not any("factory" in line for line in lines)
    assert printed("option-bytes", "bcm4", "RDP") == "BCM4  1\nRDP   0xAA\n"
    assert "has no 'BCM5'" in printed("option-bytes", "BCM5", code=1)


def test_option_bytes_that_differ(patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    patient.give(Firmware(cm7=COUNT, options={"BCM4": 0, "BOOT_CM4_ADD0": 0x0818}))
    assert main(["option-bytes", "BCM4", "BCM7", "BOOT_CM4_ADD0"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "BCM4           0   factory 1",
        "BCM7           1",
        "BOOT_CM4_ADD0  0x0818   factory 0x0810",
    ]


def test_no_power(patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    patient.board.mcu.power_off()
    assert main(["option-bytes"]) == 1
    assert "has no power" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["HSEM.RLR31", "USART3.RDR", "LPUART1.RDR", "SPI1.RXDR", "I2C4.RXDR", "RNG.DR", "RTC.TR"]
)
def test_reading_with_an_effect(name: str) -> None:
    unit, register = name.split(".")
    assert register in peripheral(unit).registers
    assert read_effect(unit, register)
    assert read_effect("RCC", "CR") is None


def test_every_effect_is_that_of_a_register() -> None:
    found = {
        read_effect(unit, register) for unit in peripheral_names() for register in peripheral(unit).registers
    }
    assert {effect for _, effect in _EFFECTS} | {None} == found

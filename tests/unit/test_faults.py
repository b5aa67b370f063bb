"""Fault status registers in words (Arm DDI0403E B3.2.15 to B3.2.18)."""

from __future__ import annotations

import pytest

from pytest_h7.board.faults import decode_fault

PRECISERR, IMPRECISERR, BFARVALID = 1 << 9, 1 << 10, 1 << 15
DACCVIOL, MMARVALID = 1 << 1, 1 << 7
UNDEFINSTR, DIVBYZERO = 1 << 16, 1 << 25
FORCED, VECTTBL, DEBUGEVT = 1 << 30, 1 << 1, 1 << 31
NOWHERE = 0xFFFF_FFFF


def test_no_fault() -> None:
    assert decode_fault(0, 0, NOWHERE, NOWHERE) is None


def test_bus_fault_that_became_a_hard_fault() -> None:
    fault = decode_fault(PRECISERR | BFARVALID, FORCED, NOWHERE, 0x3900_0000)
    assert fault is not None
    assert fault.address == 0x3900_0000
    assert fault.flags == ("PRECISERR", "BFARVALID", "FORCED")
    assert str(fault) == (
        "bus error on a data access, escalated to HardFault at 0x39000000 [PRECISERR BFARVALID FORCED]"
    )


def test_address_of_an_mpu_violation() -> None:
    fault = decode_fault(DACCVIOL | MMARVALID, 0, 0x1234, 0x5678)
    assert fault is not None
    assert fault.address == 0x1234
    assert str(fault).startswith("data access the MPU forbids at 0x00001234")


def test_address_that_is_not_valid_is_not_told() -> None:
    fault = decode_fault(PRECISERR, 0, 0x1234, 0x5678)
    assert fault is not None
    assert fault.address is None
    assert " at " not in str(fault)


def test_interface_of_a_store_that_the_core_had_not_waited_for() -> None:
    fault = decode_fault(IMPRECISERR, FORCED, NOWHERE, NOWHERE, abfsr=1 << 2)
    assert fault is not None
    assert fault.address is None
    assert fault.interfaces == ("AHBP",)
    assert str(fault) == (
        "bus error on a store before the pc, escalated to HardFault through AHBP [IMPRECISERR FORCED]"
    )


def test_an_old_abfsr_is_not_told() -> None:
    fault = decode_fault(UNDEFINSTR, 0, NOWHERE, NOWHERE, abfsr=1 << 2)
    assert fault is not None
    assert fault.interfaces == ()


@pytest.mark.parametrize(
    ("cfsr", "hfsr", "text"),
    [
        (1 << 0, 0, "instruction fetch from a place the MPU or the memory map forbids [IACCVIOL]"),
        (1 << 4, 0, "MPU violation while stacking [MSTKERR]"),
        (1 << 8, 0, "bus error on an instruction fetch [IBUSERR]"),
        (1 << 10, 0, "bus error on a store before the pc [IMPRECISERR]"),
        (1 << 12, 0, "bus error while stacking [STKERR]"),
        (UNDEFINSTR, 0, "undefined instruction [UNDEFINSTR]"),
        (1 << 17, 0, "not in Thumb state [INVSTATE]"),
        (1 << 18, 0, "invalid exception return [INVPC]"),
        (1 << 19, 0, "coprocessor or FPU that is not enabled [NOCP]"),
        (1 << 24, 0, "unaligned access [UNALIGNED]"),
        (DIVBYZERO, 0, "division by zero [DIVBYZERO]"),
        (0, VECTTBL, "bus error on reading the vector table [VECTTBL]"),
        (0, DEBUGEVT, "debug event without a debugger [DEBUGEVT]"),
        (UNDEFINSTR | DIVBYZERO, 0, "undefined instruction, division by zero [UNDEFINSTR DIVBYZERO]"),
    ],
)
def test_cause_in_words(cfsr: int, hfsr: int, text: str) -> None:
    assert str(decode_fault(cfsr, hfsr, 0, 0)) == text

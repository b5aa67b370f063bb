"""Registers of a core that only identify or only hold: CPUID, features, caches, MPU, CoreSight pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.coresight import components
from pytest_h7.chip.registers import private_peripheral

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.register_map import RegisterMap

_APSEL = {"cm7": 0, "cm4": 3}
"""Access port whose component list describes the private bus of a core (RM0399 section 63.4.2)."""

_FEATURES = {
    # ID_PFR0-1, DFR0, AFR0, MMFR0-3, ISAR0-4: Arm DDI0489 chapter 3, Arm 100166 chapter 4.
    "cm7": (
        *(0x30, 0x200, 0x0010_0000, 0, 0x0010_0030, 0, 0x0100_0000, 0),
        *(0x0110_1110, 0x0211_2000, 0x2023_2231, 0x0111_1131, 0x0131_0132),
    ),
    "cm4": (
        *(0x30, 0x200, 0x0010_0000, 0, 0x0000_0030, 0, 0x0100_0000, 0),
        *(0x0114_1110, 0x0211_2000, 0x2123_2231, 0x0111_1131, 0x0131_0102),
    ),
}
_FLOATING_POINT = {
    # MVFR0-2: double precision on the Cortex-M7, single on the Cortex-M4.
    "cm7": (0x1011_0221, 0x1200_0011, 0x0000_0040),
    "cm4": (0x1011_0021, 0x1100_0011, 0),
}

_ID_PFR0, _MVFR0 = 0xE000_ED40, 0xE000_EF40
_CLIDR, _CTR, _CCSIDR, _CSSELR = 0xE000_ED78, 0xE000_ED7C, 0xE000_ED80, 0xE000_ED84
_CLIDR_CM7, _CTR_CM7 = 0x0900_0003, 0x8303_C003
_CCSIDR_DATA = 0xF00F_E019
"""16 KB in 4 ways of 128 sets of 32 bytes (Arm DDI0489 chapter 3; sizes from RM0399 chapter 2)."""
_CCSIDR_INSTRUCTION = 0xF01F_E009
"""16 KB in 2 ways of 256 sets of 32 bytes."""
_ICIALLU, _ICIMVAU = 0xE000_EF50, 0xE000_EF58

_ACTLR = 0xE000_E008
_TCM_AND_CACHE_CONTROL = range(0xE000_EF90, 0xE000_EFAC, 4)
"""ITCMCR, DTCMCR, AHBPCR, CACR, AHBSCR, ABFSR of the Cortex-M7 (Arm DDI0489 chapter 3)."""

_MPU_CTRL, _MPU_RNR, _MPU_RBAR = 0xE000_ED94, 0xE000_ED98, 0xE000_ED9C
_MPU_CTRL_BITS = 7
_RBAR_VALID = 0x10

_LAR, _LSR, _LSR_UNLOCKED = 0xFB0, 0xFB4, 1
_STORED_COMPONENTS = ("ITM", "ETM", "CTI")
_LOCKED_COMPONENTS = ("ITM", "ETM", "CTI", "DWT", "FPB")
"""Components with a lock access register, which is accepted and never locks."""


class Mpu:
    """The MPU's registers; the regions are kept but not enforced."""

    def __init__(self, name: str) -> None:
        self._type = private_peripheral(name, "SCS").registers["MPU_TYPE"].reset
        self._count = self._type >> 8
        self.reset()

    def reset(self) -> None:
        """Clear the regions."""
        self._region = 0
        self._bases = [0] * self._count
        self._attributes = [0] * self._count

    def install(self, registers: RegisterMap) -> None:
        """Add RNR, RBAR, RASR and their aliases; MPU_CTRL is stored."""
        registers.storage(_MPU_CTRL, mask=_MPU_CTRL_BITS)
        registers.add(_MPU_RNR, lambda: self._region, self._write_rnr)
        for alias in range(4):
            registers.add(_MPU_RBAR + 8 * alias, self._read_rbar, self._write_rbar)
            registers.add(_MPU_RBAR + 8 * alias + 4, self._read_rasr, self._write_rasr)

    def _write_rnr(self, value: int) -> None:
        if value < self._count:
            self._region = value

    def _read_rbar(self) -> int:
        return self._bases[self._region] | self._region

    def _write_rbar(self, value: int) -> None:
        if value & _RBAR_VALID:
            self._write_rnr(value & 0xF)
        self._bases[self._region] = value & 0xFFFF_FFE0

    def _read_rasr(self) -> int:
        return self._attributes[self._region]

    def _write_rasr(self, value: int) -> None:
        self._attributes[self._region] = value & 0x173F_FF3F


def install_constants(registers: RegisterMap, name: str) -> None:
    """Add what a core reads of itself: identification and feature registers."""
    scs = private_peripheral(name, "SCS").registers
    for register in ("ICTR", "CPUID", "MPU_TYPE"):
        registers.constant(scs[register].address, scs[register].reset)
    for index, value in enumerate(_FEATURES[name]):
        registers.constant(_ID_PFR0 + 4 * index, value)
    for index, value in enumerate(_FLOATING_POINT[name]):
        registers.constant(_MVFR0 + 4 * index, value)
    registers.storage(_ACTLR)


def install_caches(registers: RegisterMap, invalidate_instructions: Callable[[], None]) -> None:
    """Add the cache registers of the Cortex-M7, so that maintenance loops end."""
    registers.constant(_CLIDR, _CLIDR_CM7)
    registers.constant(_CTR, _CTR_CM7)
    registers.storage(_CSSELR, mask=0xF)
    registers.add(_CCSIDR, lambda: _CCSIDR_INSTRUCTION if registers[_CSSELR] & 1 else _CCSIDR_DATA)
    for address in (_ICIALLU, _ICIMVAU):
        registers.add(address, None, lambda _value: invalidate_instructions())
    for address in _TCM_AND_CACHE_CONTROL:
        registers.storage(address)


def install_components(registers: RegisterMap, name: str) -> None:
    """Add the CoreSight pages: ITM, ETM and CTI hold what is written; identification words are constant."""
    for component in components():
        if component.apsel != _APSEL[name]:
            continue
        if component.name in _STORED_COMPONENTS:
            registers.page(component.base)
        if component.name in _LOCKED_COMPONENTS:
            registers.add(component.base + _LAR, None, lambda _value: None)
            registers.constant(component.base + _LSR, _LSR_UNLOCKED)
        for offset, value in component.words.items():
            registers.constant(component.base + offset, value)

"""The registers of a core by name, for debuggers and for looking at the virtual board from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.interrupts import ExceptionNumber
from pytest_h7.twin.cpu.processor import (
    CPSR_SHARED,
    IPSR_MASK,
    NPRIV,
    THUMB_XPSR,
    Processor,
)

if TYPE_CHECKING:
    from pytest_h7.twin.cpu.engine import Engine
    from pytest_h7.twin.cpu.scb import Scb

_GENERAL = {f"r{number}": f"R{number}" for number in range(13)}
_GENERAL.update(sp="SP", r13="SP", lr="LR", r14="LR", fpscr="FPSCR", control="CONTROL")
_PRIVILEGED = {name: name.upper() for name in ("msp", "psp", "primask", "basepri", "faultmask")}
_CPSR_THUMB = 0x20

NAMES = (
    *(f"r{number}" for number in range(13)),
    *("sp", "lr", "pc", "xpsr", "msp", "psp"),
    *("primask", "basepri", "faultmask", "control", "fpscr"),
    *(f"s{number}" for number in range(32)),
)
"""Every register once."""

_SELECTORS = dict(enumerate((*NAMES[:16], "xpsr", "msp", "psp")))
_SELECTORS[33] = "fpscr"
_SELECTORS.update({64 + number: f"s{number}" for number in range(32)})
SELECTORS = _SELECTORS
"""Register by DCRSR.REGSEL, apart from 20 (Arm DDI0403E C1.6.3)."""

SPECIAL_SELECTOR = 20
"""CONTROL, FAULTMASK, BASEPRI and PRIMASK in one word, from the highest byte down."""

_SPECIAL = ("primask", "basepri", "faultmask", "control")


class Registers:
    """Reads and writes registers of a core that is not executing."""

    def __init__(self, engine: Engine, processor: Processor, scb: Scb) -> None:
        self._processor = processor
        self._scb = scb
        names = {*_GENERAL.values(), *_PRIVILEGED.values(), "XPSR", "CPSR", "IPSR"}
        self._single = {name: engine.register_set(name) for name in sorted(names)}
        self._doubles = engine.register_set(*(f"D{number}" for number in range(16)))

    def read(self, name: str) -> int:
        """Return a register; raise KeyError if there is none of that name."""
        if name in ("pc", "r15"):
            return self._processor.pc
        if name == "xpsr":
            (xpsr,) = self._single["XPSR"].read()
            thumb = THUMB_XPSR if self._processor.thumb else 0
            return xpsr & ~(THUMB_XPSR | IPSR_MASK) | thumb | self._scb.ipsr
        if name in _PRIVILEGED:
            return self._with_privilege(_PRIVILEGED[name], None)
        if name in _GENERAL:
            return self._single[_GENERAL[name]].read()[0]
        number = _single_precision(name)
        return self._doubles.read()[number >> 1] >> 32 * (number & 1) & 0xFFFF_FFFF

    def write(self, name: str, value: int) -> None:
        """Write a register; raise KeyError if there is none of that name."""
        value &= 0xFFFF_FFFF
        if name in ("pc", "r15"):
            self._processor.pc = value & ~1
        elif name == "xpsr":
            self._write_xpsr(value)
        elif name == "control":
            self._write_control(value)
        elif name in _PRIVILEGED:
            self._with_privilege(_PRIVILEGED[name], value)
        elif name in ("sp", "r13"):
            self._single["SP"].write(value & ~3)
        elif name in _GENERAL:
            self._single[_GENERAL[name]].write(value)
        else:
            number = _single_precision(name)
            doubles = list(self._doubles.read())
            shift = 32 * (number & 1)
            doubles[number >> 1] = doubles[number >> 1] & ~(0xFFFF_FFFF << shift) | value << shift
            self._doubles.write(*doubles)

    def read_selected(self, selector: int) -> int:
        """Return the register with a DCRSR.REGSEL number, 0 if there is none."""
        if selector == SPECIAL_SELECTOR:
            return sum(self.read(name) << 8 * index for index, name in enumerate(_SPECIAL))
        name = SELECTORS.get(selector)
        return 0 if name is None else self.read(name)

    def write_selected(self, selector: int, value: int) -> None:
        """Write the register with a DCRSR.REGSEL number."""
        if selector == SPECIAL_SELECTOR:
            for index, name in enumerate(_SPECIAL):
                self.write(name, value >> 8 * index & 0xFF)
        elif selector in SELECTORS:
            self.write(SELECTORS[selector], value)

    def reset(self, stack_pointer: int) -> None:
        """Give all registers their values after a reset; the program counter is not among them."""
        single = self._single
        single["IPSR"].write(ExceptionNumber.NMI)
        for name in ("CONTROL", "PRIMASK", "BASEPRI", "FAULTMASK", "IPSR", "CONTROL"):
            single[name].write(0)
        for number in range(13):
            single[f"R{number}"].write(0)
        single["LR"].write(0xFFFF_FFFF)
        single["PSP"].write(0)
        single["MSP"].write(stack_pointer & ~3)
        self._doubles.write(*(0,) * 16)
        single["FPSCR"].write(0)
        self._write_flags(0)

    def _write_xpsr(self, value: int) -> None:
        self._scb.ipsr = value & IPSR_MASK
        self._single["IPSR"].write(self._scb.ipsr)
        self._processor.thumb = bool(value & THUMB_XPSR)
        self._write_flags(value)

    def _write_flags(self, xpsr: int) -> None:
        (cpsr,) = self._single["CPSR"].read()
        self._single["CPSR"].write(cpsr & ~CPSR_SHARED | xpsr & CPSR_SHARED | _CPSR_THUMB)

    def _write_control(self, value: int) -> None:
        """Write CONTROL even if the code that was stopped is unprivileged."""
        if not self._scb.ipsr:
            self._single["IPSR"].write(ExceptionNumber.NMI)
            self._single["CONTROL"].write(0)
            self._single["IPSR"].write(0)
        self._single["CONTROL"].write(value & 7)
        self._refresh()

    def _with_privilege(self, name: str, value: int | None) -> int:
        """Access a register that Unicorn hides from unprivileged code."""
        (control,) = self._single["CONTROL"].read()
        hidden = control & NPRIV and not self._scb.ipsr
        if hidden:
            self._single["IPSR"].write(ExceptionNumber.NMI)
        if value is not None:
            self._single[name].write(value)
        (result,) = self._single[name].read()
        if hidden:
            self._single["IPSR"].write(0)
            self._refresh()
        return result

    def _refresh(self) -> None:
        """Let Unicorn act on a changed IPSR or CONTROL."""
        (cpsr,) = self._single["CPSR"].read()
        self._single["CPSR"].write(cpsr)


def _single_precision(name: str) -> int:
    number = int(name[1:]) if name.startswith("s") and name[1:].isdecimal() else 32
    if number > 31:
        raise KeyError(name)
    return number

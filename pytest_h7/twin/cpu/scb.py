"""System control block: control and status of exceptions, sleep and faults (Arm DDI0403E B3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_h7.chip.interrupts import ExceptionNumber
from pytest_h7.chip.registers import private_peripheral
from pytest_h7.twin.cpu.nvic import FIRST_IRQ, Nvic

if TYPE_CHECKING:
    from pytest_h7.twin.cpu.register_map import RegisterMap

_ICSR, _VTOR, _AIRCR, _SCR, _CCR = 0xE000_ED04, 0xE000_ED08, 0xE000_ED0C, 0xE000_ED10, 0xE000_ED14
_SHCSR, _CFSR, _HFSR = 0xE000_ED24, 0xE000_ED28, 0xE000_ED2C
_MMFAR, _BFAR, _CPACR, _FPCCR, _FPCAR, _FPDSCR = (
    0xE000_ED34,
    0xE000_ED38,
    0xE000_ED88,
    0xE000_EF34,
    0xE000_EF38,
    0xE000_EF3C,
)

SLEEPONEXIT, SLEEPDEEP, SEVONPEND = 1 << 1, 1 << 2, 1 << 4

IACCVIOL = 1 << 0
IBUSERR, PRECISERR, UNSTKERR, STKERR, BFARVALID = 1 << 8, 1 << 9, 1 << 11, 1 << 12, 1 << 15
UNDEFINSTR, INVSTATE, INVPC = 1 << 16, 1 << 17, 1 << 18
VECTTBL, FORCED, DEBUGEVT = 1 << 1, 1 << 30, 1 << 31

_VECTKEY, _VECTKEYSTAT = 0x05FA, 0xFA05_0000
_VECTRESET, _VECTCLRACTIVE, _SYSRESETREQ = 1, 2, 4
_SCR_BITS = SLEEPONEXIT | SLEEPDEEP | SEVONPEND
_CCR_BITS = {"cm7": 0x0007_011B, "cm4": 0x0000_031B}
_NONBASETHRDENA, _STKALIGN = 1, 1 << 9
_CPACR_BITS = 0x00F0_0000
_ASPEN = 1 << 31
_FPCCR_BITS, _FPCCR_RESET = 0xC000_0000, 0xC000_0000
_FPDSCR_BITS = 0x07C0_0000

_SHCSR_ACTIVE = {
    0: ExceptionNumber.MEM_MANAGE,
    1: ExceptionNumber.BUS_FAULT,
    3: ExceptionNumber.USAGE_FAULT,
    7: ExceptionNumber.SVCALL,
    8: ExceptionNumber.DEBUG_MONITOR,
    10: ExceptionNumber.PENDSV,
    11: ExceptionNumber.SYSTICK,
}
_SHCSR_PENDING = {
    12: ExceptionNumber.USAGE_FAULT,
    13: ExceptionNumber.MEM_MANAGE,
    14: ExceptionNumber.BUS_FAULT,
    15: ExceptionNumber.SVCALL,
}
_SHCSR_ENABLED = {
    16: ExceptionNumber.MEM_MANAGE,
    17: ExceptionNumber.BUS_FAULT,
    18: ExceptionNumber.USAGE_FAULT,
}


class ResetControl(Protocol):
    """What AIRCR acts on."""

    def request_system_reset(self) -> None:
        """Carry out SYSRESETREQ."""

    def reset_by_vectreset(self) -> None:
        """Carry out VECTRESET; only in Debug state."""

    def clear_active_exceptions(self) -> None:
        """Carry out VECTCLRACTIVE; only in Debug state."""


class Scb:
    """The block's registers; attributes carry their names."""

    def __init__(self, name: str, nvic: Nvic, control: ResetControl) -> None:
        self._nvic = nvic
        self._control = control
        self._ccr_bits = _CCR_BITS[name]
        self._ccr_reset = private_peripheral(name, "SCS").registers["CCR"].reset
        self.reset(0)

    def reset(self, vector_table: int) -> None:
        """Take the values of a local reset."""
        self.vtor = vector_table
        self.ipsr = 0
        self.scr = 0
        self.ccr = self._ccr_reset
        self.cfsr = 0
        self.hfsr = 0
        self.mmfar = 0
        self.bfar = 0
        self._prigroup = 0
        self._fpccr = _FPCCR_RESET
        self.fpdscr = 0

    @property
    def keeps_floating_point(self) -> bool:
        """Whether exceptions save the floating-point registers of code that used them (FPCCR.ASPEN)."""
        return bool(self._fpccr & _ASPEN)

    @property
    def aligns_stack(self) -> bool:
        """Whether exception frames are aligned to eight bytes (CCR.STKALIGN)."""
        return bool(self.ccr & _STKALIGN)

    @property
    def may_return_to_thread(self) -> bool:
        """Whether a nested handler may return to Thread mode (CCR.NONBASETHRDENA)."""
        return bool(self.ccr & _NONBASETHRDENA)

    def install(self, registers: RegisterMap) -> None:
        """Add the registers."""
        registers.add(_ICSR, self._read_icsr, self._write_icsr)
        registers.add(_VTOR, lambda: self.vtor, self._write_vtor, merge=True)
        registers.add(_AIRCR, lambda: _VECTKEYSTAT | self._prigroup << 8, self._write_aircr)
        registers.add(_SCR, lambda: self.scr, self._write_scr, merge=True)
        registers.add(_CCR, lambda: self.ccr, self._write_ccr, merge=True)
        registers.add(_SHCSR, self._read_shcsr, self._write_shcsr, merge=True)
        registers.add(_CFSR, lambda: self.cfsr, self._clear_cfsr)
        registers.add(_HFSR, lambda: self.hfsr, self._clear_hfsr)
        registers.add(_MMFAR, lambda: self.mmfar, self._write_mmfar, merge=True)
        registers.add(_BFAR, lambda: self.bfar, self._write_bfar, merge=True)
        registers.add(_FPCCR, lambda: self._fpccr, self._write_fpccr, merge=True)
        registers.add(_FPDSCR, lambda: self.fpdscr, self._write_fpdscr, merge=True)
        registers.storage(_CPACR, mask=_CPACR_BITS)
        registers.storage(_FPCAR, mask=0xFFFF_FFF8)

    def _read_icsr(self) -> int:
        nvic = self._nvic
        value = self.ipsr | (nvic.candidate or 0) << 12
        if not nvic.active & ~(1 << self.ipsr):
            value |= 1 << 11
        if nvic.pending >> FIRST_IRQ:
            value |= 1 << 22
        for bit, number in ((26, 15), (28, 14), (31, 2)):
            value |= (nvic.pending >> number & 1) << bit
        return value

    def _write_icsr(self, value: int) -> None:
        nvic = self._nvic
        if value & 1 << 31:
            nvic.pend(ExceptionNumber.NMI)
        if value & 1 << 28:
            nvic.pend(ExceptionNumber.PENDSV)
        elif value & 1 << 27:
            nvic.unpend(ExceptionNumber.PENDSV)
        if value & 1 << 26:
            nvic.pend(ExceptionNumber.SYSTICK)
        elif value & 1 << 25:
            nvic.unpend(ExceptionNumber.SYSTICK)

    def _write_vtor(self, value: int) -> None:
        self.vtor = value & 0xFFFF_FF80

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != _VECTKEY:
            return
        self._prigroup = value >> 8 & 7
        self._nvic.set_grouping(self._prigroup)
        if value & _VECTCLRACTIVE:
            self._control.clear_active_exceptions()
        if value & _SYSRESETREQ:
            self._control.request_system_reset()
        elif value & _VECTRESET:
            self._control.reset_by_vectreset()

    def _write_scr(self, value: int) -> None:
        self.scr = value & _SCR_BITS

    def _write_ccr(self, value: int) -> None:
        self.ccr = value & self._ccr_bits | self._ccr_reset & ~self._ccr_bits

    def _read_shcsr(self) -> int:
        nvic = self._nvic
        value = 0
        for numbers, table in (
            (nvic.active, _SHCSR_ACTIVE),
            (nvic.pending, _SHCSR_PENDING),
            (nvic.enabled, _SHCSR_ENABLED),
        ):
            for bit, number in table.items():
                value |= (numbers >> number & 1) << bit
        return value

    def _write_shcsr(self, value: int) -> None:
        nvic = self._nvic
        nvic.active = _replaced(nvic.active, value, _SHCSR_ACTIVE)
        nvic.pending = _replaced(nvic.pending, value, _SHCSR_PENDING)
        nvic.enabled = _replaced(nvic.enabled, value, _SHCSR_ENABLED)
        nvic.update()

    def _clear_cfsr(self, value: int) -> None:
        self.cfsr &= ~value

    def _clear_hfsr(self, value: int) -> None:
        self.hfsr &= ~value

    def _write_mmfar(self, value: int) -> None:
        self.mmfar = value

    def _write_bfar(self, value: int) -> None:
        self.bfar = value

    def _write_fpccr(self, value: int) -> None:
        self._fpccr = value & _FPCCR_BITS

    def _write_fpdscr(self, value: int) -> None:
        self.fpdscr = value & _FPDSCR_BITS


def _replaced(numbers: int, value: int, table: dict[int, ExceptionNumber]) -> int:
    for bit, number in table.items():
        numbers = numbers & ~(1 << number) | (value >> bit & 1) << number
    return numbers

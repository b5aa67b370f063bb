"""Registers and exceptions of one core: entry, return, faults and reset (Arm DDI0403E B1.5).

The program counter lives here between runs of the engine, not in the engine.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pytest_h7.chip.interrupts import ExceptionNumber
from pytest_h7.twin.cpu import scb as bits
from pytest_h7.twin.cpu.nvic import PRIORITY_MASK, Nvic

if TYPE_CHECKING:
    from pytest_h7.twin.cpu.engine import Engine
    from pytest_h7.twin.cpu.scb import Scb

LOCKUP_PC = 0xFFFF_FFFE
"""What the program counter reads in lockup (Arm DDI0403E B1.5.15)."""

_FRAME = struct.Struct("<8I")
_EXTENDED_FRAME = struct.Struct("<8I8Q2I")
_VECTOR = struct.Struct("<I")
_RESET_VECTORS = struct.Struct("<2I")

NPRIV, SPSEL, _FPCA = 1, 2, 4
THUMB_XPSR, _ALIGNED_XPSR = 1 << 24, 1 << 9
IPSR_MASK = 0x1FF
_CPSR_THUMB = 0x20
_CPSR_ITSTATE = 0x0600_FC00
CPSR_SHARED = 0xFE0F_FC00
"""Flags, GE and ITSTATE, which are at the same place in CPSR and xPSR."""

_RETURN_TO_HANDLER, _RETURN_TO_MSP, _RETURN_TO_PSP = 0x1, 0x9, 0xD
_EXC_RETURN = 0xFFFF_FFE0
_NO_FLOATING_POINT = 0x10


class Processor:
    """Architectural state: `pc`, `thumb`, the event register, lockup and, in the engine, the registers.

    Methods that may enter an exception return its number, None if none was entered; `derived` tells
    whether that was because of a fault during the entry or return itself.
    """

    def __init__(self, engine: Engine, nvic: Nvic, scb: Scb) -> None:
        self._engine = engine
        self._nvic = nvic
        self._scb = scb
        self.pc = 0
        self.thumb = True
        self.event = False
        self.lockup = False
        self.derived = False
        registers = engine.register_set
        self._masks = registers("PRIMASK", "BASEPRI", "FAULTMASK", "CONTROL")
        self._ipsr = registers("IPSR")
        self._faultmask = registers("FAULTMASK")
        self._fpscr = registers("FPSCR")
        self._frame = registers("R0", "R1", "R2", "R3", "R12", "LR", "XPSR", "SP", "CONTROL", "CPSR")
        self._floats = registers(*(f"D{number}" for number in range(8)), "FPSCR")
        # Unicorn ignores writes of CONTROL.SPSEL in handlers and of all of CONTROL in unprivileged
        # code, and acts on a changed IPSR only once CPSR is written.
        self._entry = registers("SP", "CONTROL", "IPSR", "LR", "CPSR")
        self._unprivileged_entry = registers(
            "SP", "IPSR", "CONTROL", "IPSR", "CONTROL", "IPSR", "CONTROL", "LR", "CPSR"
        )
        self._chained = registers("IPSR", "LR", "CPSR")
        self._leaving = registers("MSP", "PSP", "CONTROL", "CPSR", "FAULTMASK")
        self._return = registers(
            *("CONTROL", "IPSR", "CONTROL", "SP"),
            *("R0", "R1", "R2", "R3", "R12", "LR", "CPSR"),
        )

    def start(self) -> int:
        """Go to the reset handler as the vector table says; return the stack pointer found there."""
        self.event = self.lockup = False
        vectors = self._engine.memory.bytes_at(self._scb.vtor, _RESET_VECTORS.size)
        if vectors is None:
            self.lock_up()
            return 0
        stack_pointer, address = _RESET_VECTORS.unpack_from(vectors)
        self._go_to(address)
        return int(stack_pointer)

    def _go_to(self, address: int) -> None:
        self.pc = address & ~1
        self.thumb = bool(address & 1)

    # Priorities

    def execution_priority(self, *, with_primask: bool = True) -> int:
        """Return the priority that an exception must beat (Arm DDI0403E B1.5.4, ExecutionPriority)."""
        primask, basepri, faultmask, control = self._masks.read()
        if control & NPRIV and not self._scb.ipsr:
            # Unicorn hides the masks from unprivileged code, and from us while it runs.
            self._ipsr.write(ExceptionNumber.NMI)
            primask, basepri, faultmask, _ = self._masks.read()
            self._ipsr.write(0)
        priority = self._nvic.active_priority
        basepri &= PRIORITY_MASK
        if basepri:
            priority = min(priority, self._nvic.group(basepri))
        if primask & 1 and with_primask:
            priority = min(priority, 0)
        if faultmask & 1:
            priority = min(priority, -1)
        return priority

    # Faults

    def fault(self, number: ExceptionNumber, status: int) -> None:
        """Make a synchronous exception pending, or what it escalates to; `status` goes into CFSR."""
        self._scb.cfsr |= status
        nvic = self._nvic
        priority = self.execution_priority()
        if nvic.enabled >> number & 1 and nvic.priority(number) < priority:
            nvic.pend(number)
        else:
            self.hard_fault(bits.FORCED)

    def hard_fault(self, status: int) -> None:
        """Make HardFault pending, or lock up; `status` goes into HFSR."""
        self._scb.hfsr |= status
        if self.execution_priority() > -1:
            self._nvic.pend(ExceptionNumber.HARD_FAULT)
        else:
            self.lock_up()

    def lock_up(self) -> None:
        """Give up after a fault that nothing can handle (Arm DDI0403E B1.5.15)."""
        self.lockup = True
        self.pc = LOCKUP_PC

    # Entry

    def take(self) -> int | None:
        """Enter the pending exception if it preempts."""
        nvic = self._nvic
        self.derived = False
        number = nvic.candidate
        if number is None or nvic.candidate_priority >= self.execution_priority():
            return None
        return self._enter(number)

    def _enter(self, number: int) -> int | None:
        scb = self._scb
        *caller_saved, xpsr, sp, control, cpsr = self._frame.read()
        floats = control & _FPCA and scb.keeps_floating_point
        layout = _EXTENDED_FRAME if floats else _FRAME
        frame = sp - layout.size & 0xFFFF_FFFF
        xpsr &= ~(_ALIGNED_XPSR | THUMB_XPSR)
        if frame & 4 and scb.aligns_stack:
            frame -= 4
            xpsr |= _ALIGNED_XPSR
        if self.thumb:
            xpsr |= THUMB_XPSR
        exc_return = _EXC_RETURN if floats else _EXC_RETURN | _NO_FLOATING_POINT
        if scb.ipsr:
            exc_return |= _RETURN_TO_HANDLER
        else:
            exc_return |= _RETURN_TO_PSP if control & SPSEL else _RETURN_TO_MSP
        stack = self._engine.memory.bytes_at(frame, layout.size, writable=True)
        if stack is not None:
            if floats:
                *doubles, fpscr = self._floats.read()
                layout.pack_into(stack, 0, *caller_saved, self.pc, xpsr, *doubles, fpscr, 0)
                self._fpscr.write(scb.fpdscr)
            else:
                layout.pack_into(stack, 0, *caller_saved, self.pc, xpsr)
        cpsr = cpsr & ~_CPSR_ITSTATE | _CPSR_THUMB
        handler_control = control & ~(SPSEL | _FPCA)
        if control & NPRIV and not scb.ipsr:
            self._unprivileged_entry.write(frame, number, 0, 0, 0, number, handler_control, exc_return, cpsr)
        else:
            self._entry.write(frame, handler_control, number, exc_return, cpsr)
        if stack is None:
            scb.cfsr |= bits.STKERR
            return self._instead_of(number, ExceptionNumber.BUS_FAULT)
        return self._start(number)

    def _start(self, number: int) -> int | None:
        """Go to the handler of an exception whose IPSR is already in the engine."""
        self._nvic.activate(number)
        self._scb.ipsr = number
        self.event = True
        vector = self._engine.memory.bytes_at(self._scb.vtor + 4 * number, 4)
        if vector is None:
            self._scb.hfsr |= bits.VECTTBL
            self._nvic.deactivate(number)
            return self._instead_of(number, ExceptionNumber.HARD_FAULT)
        (address,) = _VECTOR.unpack_from(vector)
        self._go_to(address)
        return number

    def _instead_of(self, number: int, derived: ExceptionNumber) -> int | None:
        """Enter a fault that arose while exception `number` was being entered, on the same frame."""
        nvic = self._nvic
        self.derived = True
        priority = min(nvic.priority(number), self.execution_priority())
        if not nvic.enabled >> derived & 1 or nvic.priority(derived) >= priority:
            self._scb.hfsr |= bits.FORCED
            derived = ExceptionNumber.HARD_FAULT
        if priority <= -1:
            nvic.activate(number)
            self._scb.ipsr = number
            self.lock_up()
            return number
        (*_, lr, _xpsr, _sp, _control, cpsr) = self._frame.read()
        self._chained.write(derived, lr, cpsr)
        return self._start(derived)

    # Return

    def exception_return(self, value: int) -> int | None:
        """Carry out a branch to EXC_RETURN `value`; another exception may be entered by tail-chaining."""
        nvic, scb = self._nvic, self._scb
        self.derived = False
        msp, psp, control, cpsr, faultmask = self._leaving.read()
        returning = scb.ipsr
        others = nvic.active & ~(1 << returning)
        kind = value & 0xF
        if kind == _RETURN_TO_HANDLER:
            valid = bool(others)
        else:
            valid = kind in (_RETURN_TO_MSP, _RETURN_TO_PSP)
            valid = valid and (not others or scb.may_return_to_thread)
        if value & _EXC_RETURN != _EXC_RETURN or not nvic.active >> returning & 1:
            valid = False
        nvic.deactivate(returning)
        if faultmask and returning != ExceptionNumber.NMI:
            self._faultmask.write(0)
        self.event = True
        cpsr = cpsr & ~_CPSR_ITSTATE | _CPSR_THUMB
        if not valid:
            return self._instead_of_return(ExceptionNumber.USAGE_FAULT, bits.INVPC, value, cpsr)
        if nvic.attention and nvic.candidate is not None:
            number = nvic.candidate
            if nvic.candidate_priority < self.execution_priority():
                self._chained.write(number, value, cpsr)
                return self._start(number)
        floats = not value & _NO_FLOATING_POINT
        layout = _EXTENDED_FRAME if floats else _FRAME
        frame = psp if kind == _RETURN_TO_PSP else msp
        stack = self._engine.memory.bytes_at(frame, layout.size)
        if stack is None:
            return self._instead_of_return(ExceptionNumber.BUS_FAULT, bits.UNSTKERR, value, cpsr)
        r0, r1, r2, r3, r12, lr, pc, xpsr, *rest = layout.unpack_from(stack)
        ipsr = xpsr & IPSR_MASK
        if bool(ipsr) != (kind == _RETURN_TO_HANDLER):
            return self._instead_of_return(ExceptionNumber.USAGE_FAULT, bits.INVPC, value, cpsr)
        sp = frame + layout.size
        if xpsr & _ALIGNED_XPSR and scb.aligns_stack:
            sp |= 4
        control &= NPRIV
        if kind == _RETURN_TO_PSP:
            control |= SPSEL
        if floats:
            self._floats.write(*rest[:9])
            control |= _FPCA
        cpsr = cpsr & ~CPSR_SHARED | xpsr & CPSR_SHARED
        self._return.write(0, ipsr, control, sp, r0, r1, r2, r3, r12, lr, cpsr)
        scb.ipsr = ipsr
        self.thumb = bool(xpsr & THUMB_XPSR)
        self.pc = pc & ~1
        return None

    def _instead_of_return(
        self, fault: ExceptionNumber, status: int, exc_return: int, cpsr: int
    ) -> int | None:
        """Enter a fault that arose while returning, on the frame that could not be returned to."""
        self._scb.cfsr |= status
        nvic = self._nvic
        self.derived = True
        priority = self.execution_priority()
        if not nvic.enabled >> fault & 1 or nvic.priority(fault) >= priority:
            self._scb.hfsr |= bits.FORCED
            fault = ExceptionNumber.HARD_FAULT
            if priority <= -1:
                self.lock_up()
                return None
        self._chained.write(fault, exc_return, cpsr)
        return self._start(fault)

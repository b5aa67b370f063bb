"""Executing instructions: what the engine cannot do by itself, and what follows from how it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.interrupts import ExceptionNumber
from pytest_h7.twin.cpu import debug as debug_bits
from pytest_h7.twin.cpu import scb as scb_bits
from pytest_h7.twin.cpu.engine import Stop
from pytest_h7.twin.cpu.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.debug import Debug
    from pytest_h7.twin.cpu.engine import Engine
    from pytest_h7.twin.cpu.exits import Exits
    from pytest_h7.twin.cpu.nvic import Nvic
    from pytest_h7.twin.cpu.processor import Processor
    from pytest_h7.twin.cpu.registers import Registers
    from pytest_h7.twin.cpu.scb import Scb
    from pytest_h7.twin.cpu.waiting import Waiting

_EXC_RETURNS = 0xF000_0000
"""Branches from here on are exception returns, in a handler (Arm DDI0403E B1.5.8)."""

_SEV = 0xBF40
_ITSTATE = 0x0600_FC00
_FIRST_32_BIT_PREFIX = 0x1D
_SYNCHRONOUS = (
    ExceptionNumber.HARD_FAULT,
    ExceptionNumber.MEM_MANAGE,
    ExceptionNumber.BUS_FAULT,
    ExceptionNumber.USAGE_FAULT,
    ExceptionNumber.SVCALL,
    ExceptionNumber.DEBUG_MONITOR,
)

_GUARD_AFTER_BLOCKS = 200
"""After so many blocks with a masked interrupt pending, stopping at the unmasking instructions is cheaper."""


class Execution:
    """Runs the engine and takes exceptions; `cycles` counts the instructions.

    Args:
        on_halt: is called when the core has entered Debug state.
        on_event_sent: is called when SEV was executed.
    """

    def __init__(
        self,
        engine: Engine,
        processor: Processor,
        nvic: Nvic,
        scb: Scb,
        registers: Registers,
        waiting: Waiting,
        debug: Debug,
        exits: Exits,
        on_halt: Callable[[], None],
        on_event_sent: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._processor = processor
        self._nvic = nvic
        self._scb = scb
        self._registers = registers
        self._waiting = waiting
        self._debug = debug
        self._exits = exits
        self._on_halt = on_halt
        self._on_event_sent = on_event_sent
        self._masked_blocks = 0
        self._halt_reason = 0
        self._deferred: list[Callable[[], None]] = []
        self.executing = False
        self.cycles = 0

    def reset(self) -> None:
        """Forget what belongs to the program that was running."""
        self._halt_reason = 0
        self._masked_blocks = 0
        self._exits.unguard()

    # For callbacks

    def reconsider(self) -> None:
        """Leave the engine behind the current instruction."""
        if self.executing:
            self._engine.stop_after_instruction()

    def when_stopped(self, action: Callable[[], None]) -> None:
        """Do now, or behind the current instruction, what the engine does not bear while it executes."""
        if self.executing:
            self._deferred.append(action)
            self._engine.stop_after_instruction()
        else:
            action()

    def halt(self, reason: int) -> None:
        """Enter Debug state, behind the current instruction; `reason` is a bit of DFSR."""
        if self.executing:
            self._halt_reason = reason
            self._engine.stop_after_instruction()
            return
        self._halt_reason = 0
        self._waiting.wake()
        self._processor.lockup = False
        self._debug.enter(reason)
        self._on_halt()

    # Advancing

    def advance(self, limit: int) -> None:
        """Enter an exception, or execute at most `limit` instructions (four more in an IT block)."""
        if self._nvic.attention:
            if self._take_exception():
                return
            limit = self._masked_limit(limit)
        elif self._masked_blocks:
            self._masked_blocks = 0
            self._exits.unguard()
        self._execute(limit)

    def step(self) -> None:
        """Execute one instruction and enter the exception it causes, or enter one that is pending; halt."""
        if not (self._nvic.attention and self._take_exception()):
            self._pass_exit(self._exits.at.get(self._processor.pc, Exit.UNMASK))
            if self._nvic.candidate in _SYNCHRONOUS and not self._debug.halted:
                self._take_exception()
        if not self._debug.halted:
            self.halt(debug_bits.HALTED)

    def _masked_limit(self, limit: int) -> int:
        """Return how far to execute while PRIMASK, BASEPRI or FAULTMASK holds an exception back."""
        self._masked_blocks += 1
        if self._masked_blocks > _GUARD_AFTER_BLOCKS:
            self._exits.guard()
            return limit
        return min(limit, self._engine.block_length(self._processor.pc))

    def _execute(self, limit: int) -> None:
        processor, engine = self._processor, self._engine
        pc = processor.pc
        if pc in self._exits.at:
            self._pass_exit(self._exits.at[pc])
            return
        if not processor.thumb:
            processor.fault(ExceptionNumber.USAGE_FAULT, scb_bits.INVSTATE)
            return
        if pc >= _EXC_RETURNS:
            processor.fault(ExceptionNumber.MEM_MANAGE, scb_bits.IACCVIOL)
            return
        self.executing = True
        try:
            stop = engine.run(pc, limit)
        finally:
            self.executing = False
            self.cycles += engine.executed
            processor.pc = engine.pc
            while self._deferred:
                self._deferred.pop(0)()
        if stop is not Stop.COUNT and stop is not Stop.EXIT:
            self._deal_with(stop)
        if self._halt_reason:
            self.halt(self._halt_reason)

    def _deal_with(self, stop: Stop) -> None:
        processor, scb = self._processor, self._scb
        match stop:
            case Stop.WAIT_FOR_INTERRUPT:
                self._waiting.wait_for_interrupt()
            case Stop.WAIT_FOR_EVENT:
                self._look_behind_for_event()
                self._waiting.wait_for_event()
            case Stop.SUPERVISOR_CALL:
                processor.fault(ExceptionNumber.SVCALL, 0)
            case Stop.BREAKPOINT:
                self._break()
            case Stop.UNDEFINED:
                processor.fault(ExceptionNumber.USAGE_FAULT, scb_bits.UNDEFINSTR)
            case Stop.ARM_STATE:
                processor.thumb = False
                processor.fault(ExceptionNumber.USAGE_FAULT, scb_bits.INVSTATE)
            case Stop.FETCH_FAULT:
                processor.fault(ExceptionNumber.BUS_FAULT, scb_bits.IBUSERR)
            case Stop.DATA_FAULT:
                scb.bfar = self._engine.fault_address
                processor.fault(ExceptionNumber.BUS_FAULT, scb_bits.PRECISERR | scb_bits.BFARVALID)
            case Stop.EXCEPTION_RETURN | Stop.EXECUTE_NEVER:
                if processor.pc >= _EXC_RETURNS and scb.ipsr:
                    self._return_from_exception(processor.pc | 1)
                else:
                    processor.fault(ExceptionNumber.MEM_MANAGE, scb_bits.IACCVIOL)

    # Exceptions

    def _take_exception(self) -> bool:
        number = self._processor.take()
        if number is None:
            return False
        self._catch(number)
        return True

    def _return_from_exception(self, value: int) -> None:
        number = self._processor.exception_return(value)
        if number is not None:
            self._catch(number)
        elif not self._scb.ipsr and self._scb.scr & scb_bits.SLEEPONEXIT:
            self._waiting.wait_for_interrupt()

    def _catch(self, number: int) -> None:
        if self._debug.catches(number, derived=self._processor.derived):
            self.halt(debug_bits.VCATCH)

    def _break(self) -> None:
        """Carry out BKPT (Arm DDI0403E C1.5.3)."""
        if self._debug.enabled:
            self.halt(debug_bits.BKPT)
            return
        self._debug.dfsr |= debug_bits.BKPT
        monitor = ExceptionNumber.DEBUG_MONITOR
        can_preempt = self._nvic.priority(monitor) < self._processor.execution_priority()
        if self._debug.monitor_enabled and can_preempt:
            self._nvic.pend(monitor)
        else:
            self._processor.hard_fault(scb_bits.DEBUGEVT)

    # Exits

    def _pass_exit(self, kind: Exit) -> None:
        match kind:
            case Exit.BREAKPOINT:
                self.halt(debug_bits.BKPT)
            case Exit.UNMASK:
                self._step_engine()
            case Exit.SEND_EVENT:
                self._pass_hint()
                self._send_event()
            case Exit.WAIT:
                if self._pass_hint():
                    self._waiting.wait_for_interrupt()

    def _pass_hint(self) -> bool:
        """Step over a hint instruction; return whether it is known to have been executed.

        A conditional one is left to the engine: SEV may be sent too often, WFI may end at once.
        """
        if self._registers.read("xpsr") & _ITSTATE:
            self._step_engine()
            return False
        self.cycles += 1
        self._processor.pc += 2
        return True

    def _step_engine(self) -> None:
        """Execute one instruction, also where there is an exit and in an IT block."""
        pc = self._processor.pc
        first = self._engine.memory.halfword_at(pc) or 0
        length = 4 if first >> 11 >= _FIRST_32_BIT_PREFIX else 2
        with self._exits.stepping(pc, pc + length):
            self._execute(1)

    def _look_behind_for_event(self) -> None:
        """Notice the SEV of SEV; WFE in code that was copied into RAM."""
        address = self._processor.pc - 4
        if self._engine.memory.halfword_at(address) == _SEV and address not in self._exits.at:
            self._exits.add_event(address)
            self._send_event()

    def _send_event(self) -> None:
        self._processor.event = True
        self._on_event_sent()

"""A core of the virtual board: time, sleep and debugging around the engine that executes instructions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pytest_h7.chip.interrupts import ExceptionNumber
from pytest_h7.twin.cpu import debug as debug_bits
from pytest_h7.twin.cpu import registers as core_registers
from pytest_h7.twin.cpu import scb as scb_bits
from pytest_h7.twin.cpu.debug import Debug
from pytest_h7.twin.cpu.dwt import Dwt
from pytest_h7.twin.cpu.engine import Engine, Stop
from pytest_h7.twin.cpu.exits import Exit, Exits
from pytest_h7.twin.cpu.fpb import Fpb
from pytest_h7.twin.cpu.host import CoreHost, Sleep
from pytest_h7.twin.cpu.identification import (
    Mpu,
    install_caches,
    install_components,
    install_constants,
)
from pytest_h7.twin.cpu.nvic import FIRST_IRQ, Nvic
from pytest_h7.twin.cpu.processor import Processor
from pytest_h7.twin.cpu.register_map import PPB_BASE, PPB_SIZE, RegisterMap
from pytest_h7.twin.cpu.registers import Registers
from pytest_h7.twin.cpu.scb import Scb
from pytest_h7.twin.cpu.systick import NEVER, SysTick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Region = tuple[int, int, int, bool]
"""Address, size, host address of the memory, and whether the core writes it directly."""

_PERIPHERALS, _PERIPHERALS_SIZE = 0x4000_0000, 0x2000_0000
_EXC_RETURNS = 0xF000_0000
"""Branches from here on are exception returns, in a handler (Arm DDI0403E B1.5.8)."""

_SEV = 0xBF40
_ITSTATE = 0x0600_FC00
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


class Core:
    """One Cortex-M core.

    Args:
        name: ``"cm7"`` or ``"cm4"``.
        model: ``"cortex-m7"`` or ``"cortex-m4"``.
        host: the chip around it.
        regions: memories it accesses directly. Stores to one that is not writable go to the host.
            0x4000_0000 to 0x5FFF_FFFF go to the host too; what is nowhere ends in a bus fault.

    Attributes:
        sleep: whether it waits for an interrupt or event, and how deep.
        clocked_in_sleep: whether the debugger keeps its clock on in sleep, so that CYCCNT counts
            (DBGMCU_CR.DBGSLEEP_Dx, RM0399 section 63.5.8).
    """

    def __init__(self, name: str, model: str, host: CoreHost, regions: Iterable[Region]) -> None:
        self.name = name
        self.sleep = Sleep.RUN
        self.clocked_in_sleep = False
        self._host = host
        self._cycles = 0
        self._unclocked = 0
        self._executing = False
        self._returning = False
        self._waits_for_event = False
        self._halt_reason = 0
        self._masked_blocks = 0
        self._vector_table = 0
        self._deferred: list[Callable[[], None]] = []
        read = functools.partial(host.core_read, self)
        write = functools.partial(host.core_write, self)
        self._engine = Engine(model, write)
        for address, size, pointer, writable in regions:
            self._engine.map(address, size, pointer, writable=writable)
        self._engine.map_io(_PERIPHERALS, _PERIPHERALS_SIZE, read, write)
        self._exits = Exits(self._engine)
        self._nvic = Nvic(self._on_pended, self._on_attention)
        self._scb = Scb(name, self._nvic, self)
        self._processor = Processor(self._engine, self._nvic, self._scb)
        self._registers = Registers(self._engine, self._processor, self._scb)
        pend_systick = functools.partial(self._nvic.pend, ExceptionNumber.SYSTICK)
        self._systick = SysTick(lambda: self.cycles, pend_systick, self._reconsider)
        self._mpu = Mpu(name)
        self._fpb = Fpb(name, self._update_breakpoints)
        self._dwt = Dwt(name, self._clocked_cycles, self._sample_pc, self._update_watchpoints)
        self._debug = Debug(self, self._nvic, self._registers)
        self._install_private_registers()
        self._exits.scan()

    def _install_private_registers(self) -> None:
        self._ppb = RegisterMap()
        install_constants(self._ppb, self.name)
        install_components(self._ppb, self.name)
        if self.name == "cm7":
            install_caches(self._ppb, lambda: self._when_stopped(self._engine.flush))
        self._nvic.install(self._ppb)
        self._scb.install(self._ppb)
        self._systick.install(self._ppb)
        self._mpu.install(self._ppb)
        self._fpb.install(self._ppb)
        self._dwt.install(self._ppb)
        self._debug.install(self._ppb)
        self._debugger_ppb = RegisterMap(self._ppb)
        self._debug.install_for_debugger(self._debugger_ppb)
        self._engine.map_io(PPB_BASE, PPB_SIZE, self._ppb.read, self._ppb.write)

    # State

    @property
    def cycles(self) -> int:
        """Core clock cycles since power-on; in the host's callbacks, with the current instruction."""
        return self._cycles + self._engine.counted

    @property
    def running(self) -> bool:
        """Whether it would execute if it had a clock: not asleep, not halted, not locked up."""
        return self.sleep is Sleep.RUN and not self._debug.halted and not self._processor.lockup

    @property
    def asleep(self) -> bool:
        """Whether it waits for an interrupt or event."""
        return self.sleep is not Sleep.RUN

    @property
    def halted(self) -> bool:
        """Whether it is in Debug state."""
        return self._debug.halted

    @property
    def lockup(self) -> bool:
        """Whether it has locked up (Arm DDI0403E B1.5.15)."""
        return self._processor.lockup

    def cycles_to_tick(self) -> int | None:
        """Return the cycles until SysTick pends its exception, None if it will not."""
        due = self._systick.due
        return None if due == NEVER else max(0, due - self.cycles)

    # Time

    def run(self, cycles: int) -> None:
        """Advance by `cycles` core clocks, or until it no longer runs.

        It may come up to four cycles further, to the end of an IT block.

        Raises:
            Exception: what a callback of the host raised, other than BusFault, with the program counter
                in a note.
        """
        deadline = self._cycles + cycles
        self._returning = False
        while self._cycles < deadline and not self._returning:
            if self.sleep is not Sleep.RUN:
                if self.sleep is Sleep.DEEP or self._debug.halted:
                    return
                self._sleep_until(deadline)
            elif self._debug.halted or self._processor.lockup:
                return
            elif self._debug.stepping:
                self._step()
            else:
                self._advance(deadline)

    def stop_after_instruction(self) -> None:
        """Let `run` return behind the current instruction; for the host's callbacks."""
        self._returning = True
        if self._executing:
            self._engine.stop_after_instruction()

    def _sleep_until(self, deadline: int) -> None:
        due = self._systick.due
        until = max(self._cycles, min(due, deadline))
        if not self.clocked_in_sleep:
            self._unclocked += until - self._cycles
        self._cycles = until
        if due <= until:
            self._systick.fire()

    def _advance(self, deadline: int) -> None:
        """Take an exception, or execute until the deadline or the next tick."""
        systick = self._systick
        if systick.due <= self._cycles:
            systick.fire()
        limit = min(deadline, systick.due) - self._cycles
        if self._nvic.attention:
            if self._take_exception():
                return
            limit = self._masked_limit(limit)
        elif self._masked_blocks:
            self._masked_blocks = 0
            self._exits.unguard()
        self._execute(limit)

    def _masked_limit(self, limit: int) -> int:
        """Return how far to execute while PRIMASK, BASEPRI or FAULTMASK holds an exception back."""
        self._masked_blocks += 1
        if self._masked_blocks > _GUARD_AFTER_BLOCKS:
            if not self._exits.guarded:
                self._exits.guard()
            return limit
        return min(limit, self._engine.block_length(self._processor.pc))

    def _execute(self, limit: int) -> None:
        """Execute at most `limit` instructions and deal with what ended that."""
        processor = self._processor
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
        engine = self._engine
        self._executing = True
        try:
            stop = engine.run(pc, limit)
        finally:
            self._executing = False
            self._cycles += engine.executed
            processor.pc = engine.pc
            if self._deferred:
                self._run_deferred()
        if stop is not Stop.COUNT and stop is not Stop.EXIT:
            self._deal_with(stop)
        if self._halt_reason:
            self.halt(self._halt_reason)

    def _deal_with(self, stop: Stop) -> None:
        processor, scb = self._processor, self._scb
        match stop:
            case Stop.WAIT_FOR_INTERRUPT:
                self._wait(for_event=False)
            case Stop.WAIT_FOR_EVENT:
                self._look_behind_for_event()
                self._wait(for_event=True)
            case Stop.SUPERVISOR_CALL:
                processor.fault(ExceptionNumber.SVCALL, 0)
            case Stop.BREAKPOINT:
                self._debug_event(debug_bits.BKPT, is_instruction=True)
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

    def _when_stopped(self, action: Callable[[], None]) -> None:
        """Do now, or behind the current instruction, what the engine does not bear while it executes."""
        if self._executing:
            self._deferred.append(action)
            self._engine.stop_after_instruction()
        else:
            action()

    def _run_deferred(self) -> None:
        actions, self._deferred = self._deferred, []
        for action in actions:
            action()

    # Exceptions

    def _take_exception(self) -> bool:
        number = self._processor.take()
        if number is None:
            return False
        self._caught(number)
        return True

    def _return_from_exception(self, value: int) -> None:
        number = self._processor.exception_return(value)
        if number is not None:
            self._caught(number)
        elif not self._scb.ipsr and self._scb.scr & scb_bits.SLEEPONEXIT:
            self._wait(for_event=False)

    def _caught(self, number: int) -> None:
        if self._debug.catches(number, derived=self._processor.derived):
            self.halt(debug_bits.VCATCH)

    def _debug_event(self, reason: int, *, is_instruction: bool) -> None:
        """Halt, or else take the DebugMonitor exception; of a BKPT instruction, or else HardFault."""
        if self._debug.enabled:
            self.halt(reason)
            return
        monitor = ExceptionNumber.DEBUG_MONITOR
        self._debug.dfsr |= reason
        if self._debug.monitor_enabled and (
            self._nvic.priority(monitor) < self._processor.execution_priority()
        ):
            self._nvic.pend(monitor)
        elif is_instruction:
            self._processor.hard_fault(scb_bits.DEBUGEVT)

    def _reconsider(self) -> None:
        """Go back to `run` behind the current instruction."""
        if self._executing:
            self._engine.stop_after_instruction()

    def _on_attention(self) -> None:
        if self._executing:
            self._reconsider()
        elif self.sleep is Sleep.SLEEP:
            self.wake_if_pending()

    def _on_pended(self) -> None:
        if self._scb.scr & scb_bits.SEVONPEND:
            self.set_event()

    # Interrupts and events

    def set_irq(self, irq: int, level: bool) -> None:
        """Set the level of an interrupt line of its NVIC."""
        self._nvic.set_line(irq, level)

    def pulse_irq(self, irq: int) -> None:
        """Make an interrupt pending, as a pulse on its line does."""
        self._nvic.pend(FIRST_IRQ + irq)

    def set_event(self) -> None:
        """Set the event register, as the rxev input does."""
        self._processor.event = True
        if self.sleep is Sleep.SLEEP:
            self.wake_if_pending()

    # Sleep

    def wake_pending(self) -> bool:
        """Return whether it is asleep and something pending would wake it (Arm DDI0403E B1.5.18, B1.5.19)."""
        if self.sleep is Sleep.RUN:
            return False
        if self._waits_for_event and self._processor.event:
            return True
        return self._has_interrupt(with_primask=self._waits_for_event)

    def wake_if_pending(self) -> None:
        """Wake up if `wake_pending`; the chip calls this when a stopped clock returns."""
        if self.wake_pending():
            if self._waits_for_event:
                self._processor.event = False
            self._wake()

    def _wake(self) -> None:
        self.sleep = Sleep.RUN
        self._host.core_woke(self)

    def _has_interrupt(self, *, with_primask: bool) -> bool:
        nvic = self._nvic
        return nvic.attention and nvic.candidate_priority < self._processor.execution_priority(
            with_primask=with_primask
        )

    def _wait(self, *, for_event: bool) -> None:
        """Carry out WFI or WFE."""
        processor = self._processor
        if for_event:
            if processor.event:
                processor.event = False
                return
        elif self._has_interrupt(with_primask=False):
            return
        if self._debug.stepping:
            return
        self._waits_for_event = for_event
        self.sleep = Sleep.DEEP if self._scb.scr & scb_bits.SLEEPDEEP else Sleep.SLEEP
        self._returning = True
        self._host.core_slept(self)

    # Exits

    def _pass_exit(self, kind: Exit) -> None:
        processor = self._processor
        match kind:
            case Exit.BREAKPOINT:
                self._debug_event(debug_bits.BKPT, is_instruction=False)
            case Exit.WATCHPOINT:
                self._dwt.executed(processor.pc)
                self._debug_event(debug_bits.DWTTRAP, is_instruction=False)
            case Exit.UNMASK:
                self._step_engine()
            case Exit.SEND_EVENT:
                self._pass_hint()
                self._send_event()
            case Exit.WAIT:
                self._pass_hint()
                self._wait(for_event=False)

    def _pass_hint(self) -> None:
        """Step over a hint instruction: with the engine if it is conditional, because that knows ITSTATE."""
        if self._registers.read("xpsr") & _ITSTATE:
            self._step_engine()
        else:
            self._cycles += 1
            self._processor.pc += 2

    def _step_engine(self) -> None:
        """Execute one instruction, also where there is an exit."""
        pc = self._processor.pc
        first = self._engine.halfword(pc) or 0
        with self._exits.only(pc + (4 if first >> 11 >= 0x1D else 2)):
            self._execute(1)

    def _look_behind_for_event(self) -> None:
        """Notice the SEV of SEV; WFE in code that was copied into RAM."""
        address = self._processor.pc - 4
        if self._engine.halfword(address) == _SEV and address not in self._exits.at:
            self._exits.add_event(address)
            self._send_event()

    def _send_event(self) -> None:
        self._processor.event = True
        self._host.event_sent(self)

    # Reset

    def reset(self, vector_table: int, *, debug: bool = False) -> None:
        """Reset it; it starts with the stack pointer and program counter at `vector_table`.

        The debug logic is kept unless `debug` (RM0399 section 9.3, table 56). DEMCR.VC_CORERESET halts
        it before its first instruction.
        """
        self._when_stopped(functools.partial(self._reset, vector_table, debug=debug))

    def _reset(self, vector_table: int, *, debug: bool) -> None:
        self._vector_table = vector_table
        self._returning = True
        self.sleep = Sleep.RUN
        self._halt_reason = 0
        self._masked_blocks = 0
        self._exits.unguard()
        self._engine.flush()
        self._nvic.reset()
        self._systick.reset()
        self._scb.reset(vector_table)
        self._mpu.reset()
        self._ppb.reset(debug=debug)
        if debug:
            self._fpb.reset()
            self._dwt.reset()
        self._debug.reset(debug=debug)
        vectors = self._engine.memory(vector_table, 8)
        words = (0, 0) if vectors is None else vectors.cast("I")
        processor = self._processor
        self._registers.reset(words[0])
        processor.event = processor.lockup = False
        processor.pc = words[1] & ~1
        processor.thumb = bool(words[1] & 1)
        if vectors is None:
            processor.lock_up()
        if self._debug.catches_reset:
            self.halt(debug_bits.VCATCH)

    def request_system_reset(self) -> None:
        """Carry out AIRCR.SYSRESETREQ."""
        self.stop_after_instruction()
        self._host.reset_requested(self)

    def reset_by_vectreset(self) -> None:
        """Carry out AIRCR.VECTRESET, which acts in Debug state only."""
        if self._debug.halted:
            self.reset(self._vector_table)

    def clear_active_exceptions(self) -> None:
        """Carry out AIRCR.VECTCLRACTIVE, which acts in Debug state only."""
        if self._debug.halted:
            self._nvic.active = 0
            self._nvic.update()
            self._registers.write("xpsr", self._registers.read("xpsr") & ~0x1FF)

    # Debugging

    def read_debug(self, address: int) -> int:
        """Return a word of the private peripheral bus as the debugger sees it."""
        return self._debugger_ppb.read(address, 4)

    def write_debug(self, address: int, value: int) -> None:
        """Write a word of the private peripheral bus as the debugger does."""
        self._debugger_ppb.write(address, 4, value)

    def halt(self, reason: int = debug_bits.HALTED) -> None:
        """Enter Debug state, behind the current instruction; `reason` is a bit of DFSR."""
        if self._executing:
            self._halt_reason = reason
            self._engine.stop_after_instruction()
            return
        self._halt_reason = 0
        self._returning = True
        if self.asleep:
            self._wake()
        self._processor.lockup = False
        self._debug.enter(reason)

    def debug_enabled(self) -> None:
        """Follow DHCSR.C_DEBUGEN."""
        self._update_breakpoints()
        self._update_watchpoints()

    def trace_enabled(self, enabled: bool) -> None:
        """Follow DEMCR.TRCENA."""
        self._dwt.enable(enabled)

    def _step(self) -> None:
        """Execute one instruction and the entry of an exception it causes, or else enter a pending one."""
        if self._systick.due <= self._cycles:
            self._systick.fire()
        entered = self._nvic.attention and self._take_exception()
        if not entered:
            kind = self._exits.at.get(self._processor.pc)
            if kind is None or kind is Exit.UNMASK:
                self._step_engine()
            else:
                self._pass_exit(kind)
            if self._nvic.candidate in _SYNCHRONOUS and not self._debug.halted:
                self._take_exception()
        if not self._debug.halted:
            self.halt(debug_bits.HALTED)

    def _update_breakpoints(self) -> None:
        def update() -> None:
            if self._debug.enabled:
                self._exits.set_breakpoints(self._fpb.addresses(), self._dwt.addresses())
            else:
                self._exits.set_breakpoints((), ())

        self._when_stopped(update)

    def _update_watchpoints(self) -> None:
        self._update_breakpoints()
        ranges = self._dwt.ranges() if self._debug.enabled else []
        self._when_stopped(lambda: self._engine.watch(ranges, self._watched))

    def _watched(self, address: int, size: int, is_write: bool) -> bool:
        matched = self._dwt.accessed(address, size, is_write)
        if matched:
            self._halt_reason = debug_bits.DWTTRAP
        return matched

    def _clocked_cycles(self) -> int:
        return self.cycles - self._unclocked

    def _sample_pc(self) -> int:
        return 0xFFFF_FFFF if self._debug.halted or self.asleep else self._processor.pc

    # Inspection

    def invalidate(self, address: int, length: int) -> None:
        """Learn that something else than this core changed `length` bytes of memory at `address`."""

        def update() -> None:
            self._engine.invalidate(address, length)
            self._exits.code_changed(address, length)

        self._when_stopped(update)

    def map(self, address: int, size: int, pointer: int, writable: bool) -> None:
        """Show memory of the host to the core, as a region does."""

        def update() -> None:
            self._engine.map(address, size, pointer, writable=writable)
            self._exits.scan()

        self._when_stopped(update)

    def unmap(self, address: int, size: int) -> None:
        """Take back a region that starts at `address`."""

        def update() -> None:
            self._engine.unmap(address, size)
            self._exits.scan()

        self._when_stopped(update)

    def registers(self) -> dict[str, int]:
        """Return every register by name."""
        return {name: self._registers.read(name) for name in core_registers.NAMES}

    def read_register(self, name: str) -> int:
        """Return a register: r0-r12, sp, lr, pc, xpsr, msp, psp, the masks, control, fpscr, s0-s31.

        Raises:
            KeyError: there is none of that name.
        """
        return self._registers.read(name)

    def write_register(self, name: str, value: int) -> None:
        """Write a register; raise KeyError if there is none of that name."""
        self._registers.write(name, value)

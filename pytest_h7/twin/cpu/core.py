"""A core of the virtual board: time, exceptions and debugging around the engine that executes instructions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pytest_h7.chip.interrupts import ExceptionNumber
from pytest_h7.twin.cpu import debug as debug_bits
from pytest_h7.twin.cpu.breakpoints import Breakpoints
from pytest_h7.twin.cpu.debug import Debug
from pytest_h7.twin.cpu.dwt import Dwt
from pytest_h7.twin.cpu.engine import Engine
from pytest_h7.twin.cpu.execution import Execution
from pytest_h7.twin.cpu.exits import Exits
from pytest_h7.twin.cpu.fpb import Fpb
from pytest_h7.twin.cpu.host import CoreHost, Sleep
from pytest_h7.twin.cpu.nvic import FIRST_IRQ, Nvic
from pytest_h7.twin.cpu.private_bus import PrivateBus
from pytest_h7.twin.cpu.processor import Processor
from pytest_h7.twin.cpu.register_map import PPB_BASE, PPB_SIZE
from pytest_h7.twin.cpu.registers import NAMES, Registers
from pytest_h7.twin.cpu.scb import Scb
from pytest_h7.twin.cpu.systick import NEVER, SysTick
from pytest_h7.twin.cpu.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

Region = tuple[int, int, int, bool]
"""Address, size, host address of the memory, and whether the core writes it directly."""

_PERIPHERALS, _PERIPHERALS_SIZE = 0x4000_0000, 0x2000_0000


class Core:
    """One Cortex-M core.

    Args:
        name: ``"cm7"`` or ``"cm4"``.
        model: ``"cortex-m7"`` or ``"cortex-m4"``.
        host: the chip around it.
        regions: memories it accesses directly; they must outlive it. Stores to one that is not writable
            go to the host. 0x4000_0000 to 0x5FFF_FFFF go to the host too; what is nowhere ends in a bus
            fault.

    Attributes:
        clocked_in_sleep: whether the debugger keeps its clock on in sleep, so that CYCCNT counts
            (DBGMCU_CR.DBGSLEEP_Dx, RM0399 section 63.5.8).
    """

    def __init__(self, name: str, model: str, host: CoreHost, regions: Iterable[Region]) -> None:
        self.name = name
        self.clocked_in_sleep = False
        self._host = host
        self._unclocked = 0
        self._returning = False
        self._vector_table = 0
        read = functools.partial(host.core_read, self)
        write = functools.partial(host.core_write, self)
        self._engine = Engine(model, write)
        for address, size, pointer, writable in regions:
            self._engine.map(address, size, pointer, writable=writable)
        self._engine.map_io(_PERIPHERALS, _PERIPHERALS_SIZE, read, write)
        self._exits = Exits(self._engine)
        self._nvic = Nvic(lambda: self._waiting.pended(), self._on_attention)
        self._scb = Scb(name, self._nvic, self)
        self._processor = Processor(self._engine, self._nvic, self._scb)
        self._registers = Registers(self._engine, self._processor, self._scb)
        self._waiting = Waiting(self._processor, self._nvic, self._scb, self._slept, self._woke)
        pend_systick = functools.partial(self._nvic.pend, ExceptionNumber.SYSTICK)
        self._systick = SysTick(lambda: self.cycles, pend_systick, lambda: self._execution.reconsider())
        self._debug = Debug(self, self._nvic, self._registers)
        self._execution = Execution(
            self._engine,
            self._processor,
            self._nvic,
            self._scb,
            self._registers,
            self._waiting,
            self._debug,
            self._exits,
            self._halted,
            functools.partial(host.event_sent, self),
        )
        self._fpb = Fpb(name, self.debug_changed)
        self._dwt = Dwt(name, self._clocked_cycles, self._sample_pc, self.debug_changed)
        self._breakpoints = Breakpoints(
            self._engine, self._exits, self._debug, self._fpb, self._dwt, self.halt
        )
        blocks = (self._nvic, self._scb, self._systick, self._fpb, self._dwt)
        flush = functools.partial(self._execution.when_stopped, self._engine.flush)
        self._bus = PrivateBus(name, blocks, self._debug, flush)
        software = self._bus.software
        self._engine.map_io(PPB_BASE, PPB_SIZE, software.read, software.write)
        self._exits.scan()

    # State

    @property
    def cycles(self) -> int:
        """Core clock cycles since power-on; in the host's callbacks, with the current instruction."""
        return self._execution.cycles + self._engine.counted

    @property
    def running(self) -> bool:
        """Whether it would execute if it had a clock: not asleep, not halted, not locked up."""
        return not (self.asleep or self._debug.halted or self._processor.lockup)

    @property
    def sleep(self) -> Sleep:
        """Whether it waits for an interrupt or event, and how deep it sleeps."""
        return self._waiting.sleep

    @property
    def asleep(self) -> bool:
        """Whether it waits for an interrupt or event."""
        return self._waiting.sleep is not Sleep.RUN

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
        execution, systick = self._execution, self._systick
        deadline = execution.cycles + cycles
        self._returning = False
        while execution.cycles < deadline and not self._returning:
            if self._debug.halted or self._processor.lockup or self.sleep is Sleep.DEEP:
                break
            if systick.due <= execution.cycles:
                systick.fire()
            elif self.asleep:
                self._sleep_until(min(deadline, systick.due))
            elif self._debug.stepping:
                execution.step()
            else:
                execution.advance(min(deadline, systick.due) - execution.cycles)
        if systick.due <= execution.cycles:
            systick.fire()

    def stop_after_instruction(self) -> None:
        """Let `run` return behind the current instruction; for the host's callbacks."""
        self._returning = True
        self._execution.reconsider()

    def _sleep_until(self, cycle: int) -> None:
        passed = cycle - self._execution.cycles
        self._execution.cycles += passed
        if not self.clocked_in_sleep:
            self._unclocked += passed

    # Interrupts, events and sleep

    def set_irq(self, irq: int, level: bool) -> None:
        """Set the level of an interrupt line of its NVIC."""
        self._nvic.set_line(irq, level)

    def pulse_irq(self, irq: int) -> None:
        """Make an interrupt pending, as a pulse on its line does."""
        self._nvic.pend(FIRST_IRQ + irq)

    def _on_attention(self) -> None:
        if self._execution.executing:
            self._execution.reconsider()
        else:
            self._waiting.notice()

    def set_event(self) -> None:
        """Set the event register, as the rxev input does."""
        self._waiting.set_event()

    def wake_pending(self) -> bool:
        """Return whether it is asleep and something pending would wake it."""
        return self._waiting.wake_pending()

    def wake_if_pending(self) -> None:
        """Wake up if `wake_pending`; the chip calls this when a clock that was stopped returns."""
        self._waiting.wake_if_pending()

    def _slept(self) -> None:
        if self._debug.stepping:
            self._waiting.sleep = Sleep.RUN
            return
        self._returning = True
        self._host.core_slept(self)

    def _woke(self) -> None:
        self._host.core_woke(self)

    # Reset

    def reset(self, vector_table: int, *, debug: bool = False) -> None:
        """Reset it; it starts with the stack pointer and program counter at `vector_table`.

        The debug logic is kept unless `debug` (RM0399 table 56). DEMCR.VC_CORERESET halts
        it before its first instruction.
        """
        self._execution.when_stopped(functools.partial(self._reset, vector_table, debug=debug))

    def _reset(self, vector_table: int, *, debug: bool) -> None:
        self._vector_table = vector_table
        self._returning = True
        self._waiting.sleep = Sleep.RUN
        self._execution.reset()
        self._engine.flush()
        self._nvic.reset()
        self._systick.reset()
        self._scb.reset(vector_table)
        self._bus.reset(debug=debug)
        self._debug.reset(debug=debug)
        if debug:
            self._fpb.reset()
            self._dwt.reset()
        self._registers.reset(self._processor.start())
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
        return self._bus.debugger.read(address, 4)

    def write_debug(self, address: int, value: int) -> None:
        """Write a word of the private peripheral bus as the debugger does."""
        self._bus.debugger.write(address, 4, value)

    def halt(self, reason: int = debug_bits.HALTED) -> None:
        """Enter Debug state, behind the current instruction; `reason` is a bit of DFSR."""
        self._execution.halt(reason)

    def _halted(self) -> None:
        self._returning = True

    def debug_changed(self) -> None:
        """Follow a change of what may halt the core."""
        self._execution.when_stopped(self._breakpoints.update)

    def trace_enabled(self, enabled: bool) -> None:
        """Follow DEMCR.TRCENA."""
        self._dwt.enable(enabled)

    def _clocked_cycles(self) -> int:
        return self.cycles - self._unclocked

    def _sample_pc(self) -> int:
        return self._processor.pc if self.running else 0xFFFF_FFFF

    # Memory and registers

    def invalidate(self, address: int, length: int) -> None:
        """Learn that something else than this core changed `length` bytes of memory at `address`."""

        def update() -> None:
            self._engine.invalidate(address, length)
            self._exits.code_changed(address, length)

        self._execution.when_stopped(update)

    def map(self, address: int, size: int, pointer: int, writable: bool) -> None:
        """Show memory of the host to the core, as a region does."""

        def update() -> None:
            self._engine.map(address, size, pointer, writable=writable)
            self._exits.scan()

        self._execution.when_stopped(update)

    def unmap(self, address: int, size: int) -> None:
        """Take back a region that starts at `address`."""

        def update() -> None:
            self._engine.unmap(address, size)
            self._exits.scan()

        self._execution.when_stopped(update)

    def registers(self) -> dict[str, int]:
        """Return every register by name."""
        return {name: self.read_register(name) for name in NAMES}

    def read_register(self, name: str) -> int:
        """Return a register: r0-r12, sp, lr, pc, xpsr, msp, psp, the masks, control, fpscr, s0-s31.

        Raises:
            KeyError: there is none of that name.
        """
        return self._registers.read(name)

    def write_register(self, name: str, value: int) -> None:
        """Write a register; raise KeyError if there is none of that name."""
        self._registers.write(name, value)

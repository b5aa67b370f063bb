"""Unicorn 2.1.4 as an engine that executes Thumb instructions and counts them.

It knows nothing of exceptions, sleep or debugging: it runs from an address until something happens and
says what. Two facts about Unicorn shape this module.

* The number of executed instructions is in no public interface. Unicorn keeps ``emu_counter`` and
  ``emu_count`` side by side in its private ``uc_struct``; `_counter_offset` finds them by running loops
  of known length, and raises if there is not exactly one such place. Writing ``emu_count`` inside a
  callback ends the run behind the current instruction; ``uc_emu_stop`` ends it before its completion.
* An IT block is one unit: a run ends up to four instructions late rather than inside it.
"""

from __future__ import annotations

import ctypes
import enum
import struct
import weakref
from collections.abc import Callable, Collection
from functools import cache

from unicorn import arm_const, unicorn_const

from pytest_h7.twin.bus import BusFault
from pytest_h7.twin.cpu import unicorn_library as uc
from pytest_h7.twin.cpu.memory_map import MemoryMap

Reader = Callable[[int, int], int]
Writer = Callable[[int, int, int], None]
Watcher = Callable[[int, int, bool], None]

_CPU_MODELS = {
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
}
_TRANSLATION_BUFFER = 16 << 20

_WFE = 0xBF20
_YIELD = 0xBF10
_INVALIDATE_ALL_ABOVE = 4096
"""From this many bytes on, dropping every translation is cheaper than dropping a range."""

_ITSTATE = 0x0600_FC00
_THUMB = 0x20


class Stop(enum.Enum):
    """Why a run ended."""

    COUNT = enum.auto()
    EXIT = enum.auto()
    WAIT_FOR_INTERRUPT = enum.auto()
    WAIT_FOR_EVENT = enum.auto()
    SUPERVISOR_CALL = enum.auto()
    BREAKPOINT = enum.auto()
    UNDEFINED = enum.auto()
    ARM_STATE = enum.auto()
    EXCEPTION_RETURN = enum.auto()
    EXECUTE_NEVER = enum.auto()
    FETCH_FAULT = enum.auto()
    DATA_FAULT = enum.auto()


_STOP_BY_INTERRUPT = {
    2: Stop.SUPERVISOR_CALL,
    3: Stop.EXECUTE_NEVER,
    7: Stop.BREAKPOINT,
    8: Stop.EXCEPTION_RETURN,
}
"""QEMU's numbers of the exceptions of an Arm CPU."""


class RegisterSet:
    """Registers that are read and written in one call, in order; values are unsigned."""

    def __init__(self, handle: object, *names: str) -> None:
        self._handle = handle
        self._count = len(names)
        numbers = [getattr(arm_const, f"UC_ARM_REG_{name}") for name in names]
        self._numbers = (ctypes.c_int * self._count)(*numbers)
        self._values = (ctypes.c_uint64 * self._count)()
        base = ctypes.addressof(self._values)
        self._pointers = (ctypes.c_void_p * self._count)(*range(base, base + 8 * self._count, 8))
        self._codec = struct.Struct(f"={self._count}Q")

    def read(self) -> tuple[int, ...]:
        """Return the values in the order of the names."""
        uc.reg_read_batch(self._handle, self._numbers, self._pointers, self._count)
        return self._codec.unpack_from(self._values)

    def write(self, *values: int) -> None:
        """Write the values one after the other, in the order of the names."""
        self._codec.pack_into(self._values, 0, *values)
        uc.reg_write_batch(self._handle, self._numbers, self._pointers, self._count)


class Engine:
    """Executes instructions of a ``"cortex-m7"`` or ``"cortex-m4"``.

    `on_store` takes stores to memory that is not writable; it alone decides what becomes of the memory.
    After a run, `pc` is the next instruction (of a fault: the faulting one) and `executed` the number
    of completed instructions; `fault_address` belongs to Stop.DATA_FAULT.
    """

    def __init__(self, model: str, on_store: Writer) -> None:
        self._handle = uc.open_thumb(_CPU_MODELS[model], _TRANSLATION_BUFFER)
        weakref.finalize(self, uc.close, self._handle).atexit = False
        self._counters = uc.counters(self._handle, _counter_offset())
        self._on_store = on_store
        self.memory = MemoryMap()
        self._exits: frozenset[int] = frozenset()
        self._block_lengths: dict[int, int] = {}
        self._interrupt = 0
        self._error: BaseException | None = None
        self._fault_pc: int | None = None
        self._raw_store: tuple[memoryview, bytes] | None = None
        self._pc = self.register_set("PC")
        self._cpsr = self.register_set("CPSR")
        self.pc = 0
        self.executed = 0
        self.fault_address = 0
        self._callbacks: list[object] = []
        self._watches: list[tuple[object, int]] = []
        self._hook(unicorn_const.UC_HOOK_INTR, uc.InterruptCallback(self._on_interrupt))
        self._hook(unicorn_const.UC_HOOK_MEM_INVALID, uc.MemoryCallback(self._on_invalid_access))

    def register_set(self, *names: str) -> RegisterSet:
        """Return an accessor for Unicorn's registers of these names."""
        return RegisterSet(self._handle, *names)

    # Memory

    def map(self, address: int, size: int, pointer: int, *, writable: bool) -> None:
        """Show `size` bytes of host memory at `pointer` to the core at `address`."""
        uc.map_memory(self._handle, address, size, pointer, writable=writable)
        self.memory.add(address, size, pointer, writable=writable)
        self.flush()

    def unmap(self, address: int, size: int) -> None:
        """Take back what was mapped at `address`."""
        uc.unmap_memory(self._handle, address, size)
        self.memory.remove(address)
        self.flush()

    def map_io(self, address: int, size: int, read: Reader, write: Writer) -> None:
        """Let `read` and `write` answer accesses to these addresses, in units of at most four bytes."""

        def guarded_read(_handle: object, offset: int, width: int, _user: object) -> int:
            try:
                if width == 8:
                    return read(address + offset, 4) | read(address + offset + 4, 4) << 32
                return read(address + offset, width)
            except BusFault as fault:
                self._abort(fault.address)
            except BaseException as error:
                self._fail(error)
            return 0

        def guarded_write(_handle: object, offset: int, width: int, value: int, _user: object) -> None:
            try:
                if width == 8:
                    write(address + offset, 4, value & 0xFFFF_FFFF)
                    write(address + offset + 4, 4, value >> 32)
                else:
                    write(address + offset, width, value)
            except BusFault as fault:
                self._abort(fault.address)
            except BaseException as error:
                self._fail(error)

        callbacks = (uc.ReadCallback(guarded_read), uc.WriteCallback(guarded_write))
        self._callbacks.extend(callbacks)
        uc.map_io(self._handle, address, size, *callbacks)

    # Translations

    def invalidate(self, address: int, length: int) -> None:
        """Forget the translations of code that something else than this core has changed."""
        self._block_lengths.clear()
        if length > _INVALIDATE_ALL_ABOVE:
            uc.flush_translations(self._handle)
            return
        for start, size in self.memory.aliases(address, length):
            uc.remove_translations(self._handle, start, start + size)

    def flush(self) -> None:
        """Forget all translations."""
        self._block_lengths.clear()
        uc.flush_translations(self._handle)

    def set_exits(self, addresses: Collection[int]) -> None:
        """Let runs end before the instructions at these addresses, Stop.EXIT."""
        exits = frozenset(addresses)
        changed = exits ^ self._exits
        if not changed:
            return
        self._exits = exits
        uc.set_exits(self._handle, sorted(exits))
        for address in changed:
            uc.remove_translations(self._handle, address, address + 2)

    def watch(self, ranges: Collection[tuple[int, int]], watcher: Watcher) -> None:
        """Call `watcher` with address, size and whether it writes at accesses near `ranges`.

        The ranges are pairs of address and length.
        """
        if not ranges and not self._watches:
            return
        for _, handle in self._watches:
            uc.remove_hook(self._handle, handle)
        self._watches.clear()
        kinds = unicorn_const.UC_HOOK_MEM_READ | unicorn_const.UC_HOOK_MEM_WRITE

        def accessed(_handle: object, kind: int, address: int, size: int, _value: int, _user: object) -> bool:
            self._repair_itstate()
            watcher(address, size, kind == unicorn_const.UC_MEM_WRITE)
            return True

        for address, length in ranges:
            callback = uc.MemoryCallback(accessed)
            # A hook only sees where an access begins, and one of eight bytes may begin seven before.
            handle = uc.add_hook(self._handle, kinds, callback, max(0, address - 7), address + length - 1)
            self._watches.append((callback, handle))
        self.flush()
        uc.flush_tlb(self._handle)

    # Execution

    @property
    def counted(self) -> int:
        """Instructions of the current run including the one that a callback belongs to; 0 between runs."""
        return self._counters[0]

    def stop_after_instruction(self) -> None:
        """End the run behind the current instruction; for callbacks."""
        self._counters[1] = self._counters[0]

    def block_length(self, pc: int) -> int:
        """Return how many instructions lie before the first one from `pc` that can change the masks.

        That instruction is included. MSR and CPS always end Unicorn's translation block. Instructions
        of an IT block whose condition fails are not counted, so a block ends before an IT block too.
        """
        length = self._block_lengths.get(pc)
        if length is None:
            instructions, size = uc.translate(self._handle, pc)
            code = self.memory.bytes_at(pc, size)
            length = max(1, instructions)
            if code is not None:
                before_it = _instructions_before_it(code)
                if before_it is not None:
                    length = max(1, before_it)
            if self.memory.bytes_at(pc, 2, writable=True) is None:
                self._block_lengths[pc] = length
        return length

    def run(self, pc: int, count: int) -> Stop:
        """Execute from `pc` until `count` instructions are done or something happens.

        Raises:
            Exception: what a callback raised, with the place in a note.
        """
        self._interrupt = 0
        counters = self._counters
        status = uc.emu_start(self._handle, pc | 1, 0, 0, count)
        executed = counters[0]
        counted_out = executed > counters[1]
        counters[0] = 0
        (self.pc,) = self._pc.read()
        if self._raw_store is not None:
            self._undo_raw_store()
        if self._error is not None or self._fault_pc is not None:
            self.executed = executed - 1
            return self._faulted()
        if self._interrupt:
            return self._interrupted(executed)
        if status:
            return self._failed(status, pc, executed)
        if counted_out:
            self.executed = executed - 1
            return Stop.COUNT
        self.executed = executed
        return Stop.EXIT if self.pc in self._exits else Stop.WAIT_FOR_INTERRUPT

    def _faulted(self) -> Stop:
        error, self._error = self._error, None
        fault_pc, self._fault_pc = self._fault_pc, None
        if error is not None:
            raise error
        if fault_pc is not None:
            self.pc = fault_pc
        return Stop.DATA_FAULT

    def _interrupted(self, executed: int) -> Stop:
        stop = _STOP_BY_INTERRUPT.get(self._interrupt)
        if stop is None:
            raise RuntimeError(f"Unicorn stopped at 0x{self.pc:08X} with interrupt {self._interrupt}")
        self.executed = executed - 1 if stop is Stop.BREAKPOINT else executed
        return stop

    def _failed(self, status: int, start: int, executed: int) -> Stop:
        self.executed = executed
        if status == unicorn_const.UC_ERR_FETCH_UNMAPPED:
            return Stop.FETCH_FAULT
        if status != unicorn_const.UC_ERR_INSN_INVALID:
            raise RuntimeError(f"Unicorn failed with error {status} at 0x{self.pc:08X}")
        if not self._cpsr.read()[0] & _THUMB:
            return Stop.ARM_STATE
        if executed != 1 or self.pc != start:
            # Unicorn gives up at WFE and YIELD as at undefined instructions, but behind them.
            hint = self.memory.halfword_at(self.pc - 2)
            if hint == _WFE:
                return Stop.WAIT_FOR_EVENT
            if hint == _YIELD:
                return Stop.COUNT
        self.executed = executed - 1
        return Stop.UNDEFINED

    # Callbacks

    def _hook(self, kind: int, callback: object) -> None:
        self._callbacks.append(callback)
        uc.add_hook(self._handle, kind, callback, 1, 0)

    def _on_interrupt(self, _handle: object, number: int, _user: object) -> None:
        self._interrupt = number
        uc.emu_stop(self._handle)

    def _on_invalid_access(
        self, _handle: object, kind: int, address: int, size: int, value: int, _user: object
    ) -> bool:
        if kind == unicorn_const.UC_MEM_WRITE_PROT:
            return self._store(address, size, value & ((1 << 8 * size) - 1))
        if kind != unicorn_const.UC_MEM_FETCH_UNMAPPED:
            self._record_fault(address)
        return False

    def _store(self, address: int, size: int, value: int) -> bool:
        """Pass on a store to memory that is not writable.

        Unicorn either aborts the instruction or performs the store: so it is let through, and undone
        before anything else looks at the memory.
        """
        self._undo_raw_store()
        try:
            self._on_store(address, size, value)
        except BusFault as fault:
            self._record_fault(fault.address)
            return False
        except BaseException as error:
            self._fail(error)
            return False
        view = self.memory.bytes_at(address, size)
        if view is not None:
            self._raw_store = (view, bytes(view))
        self._repair_itstate()
        self.stop_after_instruction()
        return True

    def _undo_raw_store(self) -> None:
        if self._raw_store is not None:
            view, content = self._raw_store
            view[:] = content
            self._raw_store = None

    def _repair_itstate(self) -> None:
        """Clear ITSTATE, which Unicorn sets before it calls a memory hook in an IT block.

        The block itself goes on by its translation, but the state would apply to what follows it
        (Unicorn issue 2309).
        """
        (cpsr,) = self._cpsr.read()
        if cpsr & _ITSTATE:
            self._cpsr.write(cpsr & ~_ITSTATE)

    def _record_fault(self, address: int) -> None:
        if self._fault_pc is None:
            (self._fault_pc,) = self._pc.read()
            self.fault_address = address

    def _abort(self, address: int) -> None:
        self._record_fault(address)
        self._stop_now()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            (pc,) = self._pc.read()
            error.add_note(f"raised while the core executed the instruction at 0x{pc:08X}")
            self._error = error
        self._stop_now()

    def _stop_now(self) -> None:
        # In an IT block Unicorn forgets uc_emu_stop, but minds the count at the end of the block.
        self.stop_after_instruction()
        uc.emu_stop(self._handle)


def _instructions_before_it(code: memoryview) -> int | None:
    """Return how many instructions precede the first IT instruction in `code`, None if it has none."""
    position = count = 0
    while position + 1 < len(code):
        halfword = code[position] | code[position + 1] << 8
        if halfword & 0xFF00 == 0xBF00 and halfword & 0xF:
            return count
        position += 4 if halfword >> 11 >= 0x1D else 2
        count += 1
    return None


@cache
def _counter_offset() -> int:
    """Return where ``emu_counter`` and ``emu_count`` are in ``uc_struct``.

    Raises:
        RuntimeError: this build of Unicorn keeps them in another way.
    """
    size = 4096
    memory = (ctypes.c_ubyte * (2 * size))()
    pointer = -(-ctypes.addressof(memory) // size) * size
    # ADDS r0, #1; B back to it
    ctypes.memmove(pointer, b"\x01\x30\xfd\xe7", 4)
    handle = uc.open_thumb(_CPU_MODELS["cortex-m4"], _TRANSLATION_BUFFER)
    uc.map_memory(handle, 0, size, pointer, writable=False)
    candidates: set[int] | None = None
    for count in (1000, 777, 333):
        uc.emu_start(handle, 1, 0, 0, count)
        found = uc.find_in_structure(handle, struct.pack("=QQ", count + 1, count))
        candidates = found if candidates is None else candidates & found
    uc.close(handle)
    if candidates is None or len(candidates) != 1:
        raise RuntimeError("the instruction counter of this build of Unicorn was not found; 2.1.4 is needed")
    return candidates.pop()

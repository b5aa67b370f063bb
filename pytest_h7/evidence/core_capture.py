"""One core: registers, fault, calls, stacks and what its program has in RAM."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_h7.board.core import CoreState
from pytest_h7.board.faults import Fault, decode_fault, is_imprecise
from pytest_h7.board.frames import Frame, call_frames
from pytest_h7.board.unwinding import NEEDED_REGISTERS, Call, is_exc_return, unwind
from pytest_h7.chip.interrupts import exception_name
from pytest_h7.chip.memory import SRAM4, memory_at
from pytest_h7.chip.registers import private_peripheral
from pytest_h7.errors import ConnectionLost, H7Error
from pytest_h7.evidence.source import SourceExcerpt, excerpt
from pytest_h7.evidence.stacks import StackCapture, capture_stacks

if TYPE_CHECKING:
    from pytest_h7.board.core import Core
    from pytest_h7.board.images import Image

_MOST_DATA = 12 * 1024
"""Bytes of a program's variables that are read: a transfer takes 6 KB, and a look has 200."""

_FIRST, _LAST = "CPUID", "BFAR"
_SCS = private_peripheral("cm7", "SCS").registers
_ABFSR = 0xE000_EFA8
"""Of the Cortex-M7 alone (Arm DDI0489F section 3.3)."""

_FPCCR, _FPCAR = 0xE000_EF34, 0xE000_EF38
_LR, _NO_FLOATS = 14, 1 << 4

_NEAR = 64
"""Bytes between two pieces of memory that are read in one go all the same."""

_IPSR = 0x1FF
_FAULTS = (3, 4, 5, 6)
"""HardFault, MemManage, BusFault, UsageFault."""

_SHOWN_SOURCES = 3


@dataclass(frozen=True)
class MemoryCapture:
    """Bytes of RAM as the core sees them."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """First address behind."""
        return self.address + len(self.data)


@dataclass
class CoreCapture:
    """A core.

    Attributes:
        name: ``"cm7"`` or ``"cm4"``.
        state: What it was doing before it was halted, in the words of `CoreState`.
        registers: Core registers, empty where they cannot be read.
        executing: What it executes: ``"Thread"``, ``"HardFault"``, ``"SysTick"``.
        system: System control registers by name: ``"CFSR"``, ``"VTOR"`` and so on.
        fault: The fault it has recorded, None without.
        frames: Its calls, innermost first.
        culprit: The frame to look at first: the one that a fault has interrupted, else the innermost.
        sources: Source lines around the first frames that have any.
        stacks: The stacks of MSP and PSP.
        memory: What was read of its RAM.
        stack_pointer: The stack pointer in use.
        interrupted: r0 to r15 and xPSR of what an exception has interrupted, a fault if there was one; None
            in Thread mode, or where they cannot be read.
    """

    name: str
    state: str
    registers: dict[str, int] = field(default_factory=dict)
    executing: str | None = None
    system: dict[str, int] = field(default_factory=dict)
    fault: Fault | None = None
    frames: list[Frame] = field(default_factory=list)
    culprit: Frame | None = None
    sources: list[SourceExcerpt] = field(default_factory=list)
    stacks: list[StackCapture] = field(default_factory=list)
    memory: list[MemoryCapture] = field(default_factory=list)
    stack_pointer: int = 0
    interrupted: tuple[int, ...] | None = None

    @property
    def is_reachable(self) -> bool:
        """Whether it could be read."""
        return self.state not in (CoreState.UNREACHABLE.value, CoreState.HELD.value)

    @property
    def location(self) -> str | None:
        """Where it is, as ``function (file:line)``."""
        return place_of(self.culprit) if self.culprit else None


def place_of(frame: Frame) -> str:
    """Return ``function (file:line)`` of a frame, as much of it as is known."""
    name = frame.function or f"0x{frame.pc:08X}"
    return f"{name} ({frame.file}:{frame.line})" if frame.file else name


class CapturedMemory:
    """Memory of a core that was read in blocks; what is not there is read word by word, a few times."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._patience = 2
        self.blocks: list[MemoryCapture] = []

    def take(self, start: int, end: int) -> MemoryCapture | None:
        """Read a block of whole words; return None where that cannot be read."""
        start, end = start & ~3, end + 3 & ~3
        if start >= end:
            return None
        for block in self.blocks:
            if block.address <= start and end <= block.end:
                offset = start - block.address
                return MemoryCapture(start, block.data[offset : offset + end - start])
        try:
            block = MemoryCapture(start, self._core.read_bytes(start, end - start))
        except ConnectionLost:
            raise
        except H7Error:
            return None
        self.blocks.append(block)
        return block

    def read_word(self, address: int) -> int:
        """Return a word; raise LookupError or H7Error where none can be read."""
        for block in self.blocks:
            if block.address <= address and address + 4 <= block.end:
                (word,) = struct.unpack_from("<I", block.data, address - block.address)
                return int(word)
        if memory_at(address) is None:
            raise LookupError(f"there is no memory at 0x{address:08X}")
        self._patience -= 1
        if self._patience < 0:
            raise LookupError("too many words of memory are far from each other")
        word = self.take(address, address + 4)
        if word is None:
            raise LookupError(f"0x{address:08X} cannot be read")
        return int.from_bytes(word.data, "little")


def capture_core(core: Core, state: CoreState, image: Image | None, problems: list[str]) -> CoreCapture:
    """Look at a core that is halted, if it can be.

    Args:
        core: The core.
        state: What it was doing before.
        image: Its image, None where it is not known.
        problems: Gets what could not be read.

    Raises:
        ConnectionLost: the probe or the board has gone.
    """
    capture = CoreCapture(core.name, state.value)

    def tried(what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except ConnectionLost:
            raise
        except Exception as error:
            # Debug information, memory and registers may each be broken in their own way.
            problems.append(f"{what} of {core.name}: {error}")

    memory = CapturedMemory(core)
    tried("system control registers", lambda: _take_system(capture, core, memory))
    tried("registers", lambda: setattr(capture, "registers", core.registers.read(*NEEDED_REGISTERS)))
    if not capture.registers:
        return capture
    capture.executing = exception_name(core.name, capture.registers["xpsr"] & _IPSR)
    tried("stacks", lambda: capture.stacks.extend(capture_stacks(capture.registers, image, memory)))
    tried("calls", lambda: _take_calls(capture, image, memory))
    tried("variables", lambda: _take_data(core.name, image, memory))
    tried("source lines", lambda: _take_sources(capture, image))
    capture.memory = _joined(memory.blocks)
    return capture


def _take_system(capture: CoreCapture, core: Core, memory: CapturedMemory) -> None:
    """Read CPUID to BFAR in one go; CPUID tells that the core has answered."""
    first, last = _SCS[_FIRST].address, _SCS[_LAST].address
    taken = memory.take(first, last + 4)
    if taken is None:
        return
    block = taken.data
    words = dict(zip(range(first, last + 4, 4), struct.unpack(f"<{len(block) // 4}I", block), strict=True))
    capture.system = {name: words[item.address] for name, item in _SCS.items() if item.address in words}
    status, hard, memory_address, bus_address = (
        capture.system[name] for name in ("CFSR", "HFSR", "MMFAR", "BFAR")
    )
    has_more = core.name == "cm7" and is_imprecise(status)
    capture.fault = decode_fault(
        status, hard, memory_address, bus_address, core.read_u32(_ABFSR) if has_more else 0
    )


def _take_calls(capture: CoreCapture, image: Image | None, memory: CapturedMemory) -> None:
    info = image.debug_info if image is not None else None
    calls = unwind(info, capture.registers, memory.read_word)
    capture.frames = call_frames(capture.name, image, calls)
    capture.stack_pointer = calls[0].sp
    interrupted = [call for call in calls if call.interrupted_by is not None and call.registers]
    # Of several exceptions the first fault tells most: the later ones are what its handler came to.
    faults = [call for call in interrupted if call.interrupted_by in _FAULTS]
    if interrupted:
        capture.interrupted = (*faults[-1:], *interrupted)[0].registers
    capture.culprit = _culprit(image, capture, calls)
    if any(is_exc_return(link := call.registers[_LR]) and not link & _NO_FLOATS for call in calls):
        memory.take(_FPCCR, _FPCAR + 4)  # GDB looks there how large the frame of an exception is


def _culprit(image: Image | None, capture: CoreCapture, calls: list[Call]) -> Frame | None:
    """Return the frame that the first fault has interrupted, else the innermost that is in the program."""
    faults = [index for index, call in enumerate(calls) if call.interrupted_by in _FAULTS]
    behind = calls[faults[-1] :] if capture.fault is not None and faults else []
    candidates = call_frames(capture.name, image, behind) + capture.frames
    return next((frame for frame in candidates if frame.function), candidates[0] if candidates else None)


def _take_data(core_name: str, image: Image | None, memory: CapturedMemory) -> None:
    """Read the program's variables, as far as they are few enough."""
    left = _MOST_DATA
    for piece in sorted(_near(image.debug_info.ram), key=len) if image is not None else ():
        found = memory_at(piece.start)
        # What both cores see at one address is taken with the CM7.
        is_other = found is SRAM4 and core_name == "cm4"
        if found is not None and not is_other and len(piece) <= left:
            memory.take(piece.start, piece.stop)
            left -= len(piece)


def _near(pieces: list[range]) -> list[range]:
    """Return pieces of memory with those joined between which there is little."""
    joined: list[range] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if joined and piece.start - joined[-1].stop <= _NEAR:
            joined[-1] = range(joined[-1].start, max(piece.stop, joined[-1].stop))
        else:
            joined.append(piece)
    return joined


def _take_sources(capture: CoreCapture, image: Image | None) -> None:
    shown = [frame for frame in (capture.culprit, *capture.frames) if frame is not None and frame.line]
    for frame in dict.fromkeys(shown):
        if len(capture.sources) == _SHOWN_SOURCES:
            return
        found = excerpt(frame, image)
        if found is not None:
            capture.sources.append(found)


def _joined(blocks: list[MemoryCapture]) -> list[MemoryCapture]:
    """Return blocks in the order of addresses, without bytes that are in two of them."""
    joined: list[MemoryCapture] = []
    for block in sorted(blocks, key=lambda block: block.address):
        last = joined[-1] if joined else None
        if last is not None and block.address <= last.end:
            joined[-1] = MemoryCapture(last.address, last.data + block.data[last.end - block.address :])
        else:
            joined.append(block)
    return joined

"""The calls on a core's stacks, through exceptions, out of its registers and memory.

Within a stack DWARF's call frame information tells the caller. An exception is left by a value in LR that is no
address: EXC_RETURN, which says what the core has stacked, and on which stack (Arm DDI0403E B1.5.6 to B1.5.8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import MEMORIES

if TYPE_CHECKING:
    from pytest_h7.board.debug_info import DebugInfo

DEEPEST = 64
"""Frames that are unwound at most."""

NEEDED_REGISTERS = (*(f"r{number}" for number in range(13)), "lr", "pc", "xpsr", "msp", "psp", "cfbp")
"""The registers of a core that `unwind` takes; ``cfbp`` is CONTROL, FAULTMASK, BASEPRI and PRIMASK."""

_SP, _LR, _PC = 13, 14, 15
_WORD = 0xFFFF_FFFF
_EXC_RETURNS = frozenset((0xFFFF_FFE1, 0xFFFF_FFE9, 0xFFFF_FFED, 0xFFFF_FFF1, 0xFFFF_FFF9, 0xFFFF_FFFD))
"""What the core puts into LR at the entry of an exception (Arm DDI0403E B1.5.8)."""

_PROCESS_STACK, _NO_FLOATS = 1 << 2, 1 << 4
_BASIC_FRAME, _FLOAT_FRAME = 0x20, 0x68
_ALIGNED = 1 << 9
_SPSEL = 1 << 25
"""CONTROL.SPSEL within CFBP, whose top byte is CONTROL."""

_NUMBER = 0x1FF
_SCANNED = 1024
"""Bytes of a stack in which a lost frame is looked for."""

_FARTHEST = 1024
"""Bytes that a stack pointer is below the memory it has left."""

_STARTS = tuple(start for memory in MEMORIES if memory.writable for start in (memory.start, *memory.aliases))

ReadWord = Callable[[int], int]
"""Reads a word of memory; raises LookupError or H7Error where none can be read."""


@dataclass(frozen=True)
class Call:
    """A frame of the stack.

    Attributes:
        pc: Where it is. Of a caller, the return address, which is behind its call.
        sp: The stack pointer in it.
        at: An address of the instruction that is being executed, for looking it up.
        interrupted_by: The exception that has interrupted it, by its number; None for a caller.
        is_guess: Whether it was not unwound but found on the stack, and may have returned already.
        registers: r0 to r15 and xPSR as they are in it, as far as they can be known.
    """

    pc: int
    sp: int
    at: int
    interrupted_by: int | None = None
    is_guess: bool = False
    registers: tuple[int, ...] = field(default=(), repr=False)


def is_exc_return(value: int) -> bool:
    """Return whether a value in LR or PC means the end of an exception."""
    return value in _EXC_RETURNS


def stack_pointer(registers: Mapping[str, int]) -> int:
    """Return the stack pointer in use, out of MSP, PSP, xPSR and CFBP."""
    is_process = registers["cfbp"] & _SPSEL and not registers["xpsr"] & _NUMBER
    return registers["psp" if is_process else "msp"]


def unwind(info: DebugInfo | None, registers: Mapping[str, int], read_word: ReadWord) -> list[Call]:
    """Return the frames of a halted core, innermost first.

    Args:
        info: Its image's debug information, None where it is not known.
        registers: `NEEDED_REGISTERS`.
        read_word: Reads memory as the core sees it.
    """
    return _Unwinder(info, registers, read_word).calls()


class _Unwinder:
    def __init__(self, info: DebugInfo | None, registers: Mapping[str, int], read_word: ReadWord) -> None:
        self._info = info
        self._read = read_word
        self._frame = {number: registers[f"r{number}"] for number in range(13)}
        self._frame |= {_SP: stack_pointer(registers), _LR: registers["lr"], _PC: registers["pc"] & ~1}
        self._psp = registers["psp"]
        self._status = registers["xpsr"]
        self._exact = True
        """Whether the frame was stopped where it is, and not in a call."""
        self._interrupted_by: int | None = None
        self._is_guess = False

    def calls(self) -> list[Call]:
        calls: list[Call] = []
        try:
            self._follow(calls)
        except Exception:
            # The stack pointer leads nowhere: what lies at the end of the memory it has left may tell.
            with suppress(Exception):
                if self._exact and calls and is_exc_return(self._frame[_LR]) and self._guess():
                    self._follow(calls)
        return calls

    def _follow(self, calls: list[Call]) -> None:
        while len(calls) < DEEPEST:
            calls.append(self._call())
            if not self._leave() or not self._is_further(calls[-1]):
                break

    def _call(self) -> Call:
        pc = self._frame[_PC]
        at = pc if self._exact else pc - 1 & _WORD
        registers = (*(self._frame[number] for number in range(16)), self._status)
        return Call(pc, self._frame[_SP], at, self._interrupted_by, self._is_guess, registers)

    def _is_further(self, call: Call) -> bool:
        frame = self._frame
        if frame[_PC] == 0 and not self._exact:
            return False
        return (frame[_PC], frame[_SP]) != (call.pc, call.sp)

    def _leave(self) -> bool:
        """Go on to the frame that has called this one, or was interrupted by it; False if there is none."""
        frame = self._frame
        caller = None
        if self._info is not None:
            at = frame[_PC] if self._exact else frame[_PC] - 1
            caller = self._info.caller(frame, self._read, at=at)
        if caller is None:
            # A function that saves nothing, or a jump to where there is no code: the caller is still in LR.
            if not self._exact or frame[_LR] == _WORD:
                return False
            caller = {**frame, _PC: frame[_LR]}
        if is_exc_return(caller[_PC]):
            self._frame = caller
            self._leave_exception(caller[_PC])
            return True
        if caller[_PC] == _WORD:
            return False  # as LR is after a reset
        self._frame = {**caller, _PC: caller[_PC] & ~1}
        self._exact, self._interrupted_by = False, None
        return True

    def _leave_exception(self, exc_return: int) -> None:
        """Take back what the core has stacked at the entry of an exception (Arm DDI0403E B1.5.6)."""
        frame = self._frame
        is_process = exc_return & _PROCESS_STACK
        base = self._psp if is_process else frame[_SP]
        words = [self._read(base + 4 * index & _WORD) for index in range(8)]
        size = _BASIC_FRAME if exc_return & _NO_FLOATS else _FLOAT_FRAME
        top = base + size + (4 if words[7] & _ALIGNED else 0) & _WORD
        if is_process:
            self._psp = top
        self._frame = {
            **frame,
            **dict(zip((0, 1, 2, 3, 12, _LR, _PC), words, strict=False)),
            _SP: top,
        }
        self._frame[_PC] &= ~1
        self._exact = True
        self._interrupted_by, self._status = self._status & _NUMBER, words[7]

    def _guess(self) -> bool:
        """Go on with the return address next to the end of the memory that the stack pointer has left."""
        if self._info is None:
            return False
        base = self._psp if self._frame[_LR] & _PROCESS_STACK else self._frame[_SP]
        start = next((start for start in _STARTS if start - _FARTHEST <= base < start + _SCANNED), None)
        if start is None:
            return False
        for address in range(max(start, base + 3 & ~3), start + _SCANNED, 4):
            value = self._read(address)
            if value & 1 and self._info.function_at(value - 1) and self._info.function_at(value - 3):
                # The frame pointer r7 is saved below LR, by a function that has one.
                below = self._read(address - 4) if address > start else 0
                self._frame |= {7: below, _SP: address + 4, _LR: value, _PC: value - 1}
                self._exact, self._is_guess = False, True
                self._interrupted_by = self._status & _NUMBER
                return True
        return False

"""The stacks of MSP and PSP: how deep they are, what is on them, and where they must not go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.board.unwinding import stack_pointer
from pytest_h7.chip.memory import FLASH_BANKS, memory_at

if TYPE_CHECKING:
    from pytest_h7.board.images import Image
    from pytest_h7.evidence.core_capture import CapturedMemory

_DEEPEST = 4096
"""Bytes of a stack that are read."""

_LIMIT_SYMBOLS = ("__StackLimit", "__stack_limit__", "__stack_limit", "_sstack", "__stack_start__")
_TOP_SYMBOLS = ("_estack", "__StackTop", "__stack_top__", "__stack", "_stack")
_BELOW = 64
"""Bytes below the stack pointer that are read: what was there last."""


@dataclass(frozen=True)
class StackCapture:
    """A stack.

    Attributes:
        name: ``"MSP"`` or ``"PSP"``.
        pointer: The stack pointer.
        is_current: Whether the core uses it now.
        top: The address it began at, None where that is not known.
        limit: The lowest address it may use, None where that is not known.
        limit_is: What is there: ``"end of the variables"``.
        address: First address of `data`.
        data: What is on it, from a little below the stack pointer.
    """

    name: str
    pointer: int
    is_current: bool
    top: int | None
    limit: int | None
    limit_is: str | None
    address: int
    data: bytes

    @property
    def used(self) -> int | None:
        """Bytes in use, None where the top is not known."""
        return self.top - self.pointer if self.top is not None and self.top >= self.pointer else None

    @property
    def size(self) -> int | None:
        """Bytes from limit to top, None where one is not known."""
        return self.top - self.limit if self.top is not None and self.limit is not None else None

    @property
    def has_overflowed(self) -> bool:
        """Whether the stack pointer is below the limit, or where there is no RAM."""
        if self.limit is not None and self.pointer < self.limit:
            return True
        memory = memory_at(self.pointer) or memory_at(self.pointer - 4 & 0xFFFF_FFFF)
        return memory is None or memory in FLASH_BANKS


def capture_stacks(
    registers: Mapping[str, int], image: Image | None, memory: CapturedMemory
) -> list[StackCapture]:
    """Return the stack of MSP, and that of PSP if the program has one."""
    current = stack_pointer(registers)
    stacks = [_stack("MSP", registers["msp"], registers["msp"] == current, image, memory)]
    # After a reset PSP is unknown, and zero in a program that leaves it alone.
    if registers["psp"] == current or (memory_at(registers["psp"]) is not None and registers["psp"] > 0x1000):
        stacks.append(_stack("PSP", registers["psp"], registers["psp"] == current, image, memory))
    return stacks


def _stack(
    name: str, pointer: int, is_current: bool, image: Image | None, memory: CapturedMemory
) -> StackCapture:
    top, limit, limit_is = _bounds(name, pointer, image)
    around = memory_at(pointer) or memory_at(pointer - 4 & 0xFFFF_FFFF)
    address, data = pointer, b""
    # A stack that has left its memory at the lower end is looked at where it has left it.
    base = pointer if around is not None else next((at for at in _ends(pointer)), None)
    if base is not None:
        found = memory_at(base)
        if found is not None and found not in FLASH_BANKS:
            start = next(at for at in (found.start, *found.aliases) if at <= base < at + found.size)
            highest = min(start + found.size, top if top is not None and top > base else start + found.size)
            taken = memory.take(max(start, base - _BELOW), min(base + _DEEPEST, highest))
            if taken is not None:
                address, data = taken.address, taken.data
    return StackCapture(name, pointer, is_current, top, limit, limit_is, address, data)


def _ends(pointer: int) -> list[int]:
    """Return the begin of the memory right above an address that is in none."""
    above = pointer + 0x400 & ~0x3FF
    return [above] if memory_at(above) is not None else []


def _bounds(name: str, pointer: int, image: Image | None) -> tuple[int | None, int | None, str | None]:
    """Return top and limit of a stack, and what is at the limit."""
    if image is None:
        return None, None, None
    info = image.debug_info
    holder = info.variable_at(pointer) or info.variable_at(pointer - 4)
    if holder is not None:
        return holder.address + holder.size, holder.address, f"begin of {holder.name}"
    top = _initial_pointer(image) if name == "MSP" else None
    if top is None:
        return None, None, None
    symbol = info.address_of(*_LIMIT_SYMBOLS)
    if symbol is not None and symbol < top:
        return top, symbol, "limit of the linker script"
    memory = memory_at(top - 4)
    if memory is None:
        return top, None, None
    start = next(at for at in (memory.start, *memory.aliases) if at <= top - 4 < at + memory.size)
    ends = [piece.stop for piece in info.ram if start <= piece.start and piece.stop <= top - 4]
    return (top, max(ends), "end of the variables") if ends else (top, start, f"begin of {memory.name}")


def _initial_pointer(image: Image) -> int | None:
    """Return the first word of the vector table, which MSP begins with."""
    for bank in FLASH_BANKS:
        vectors = image.read(bank.start, 4)
        if vectors is not None:
            return int.from_bytes(vectors, "little")
    return image.debug_info.address_of(*_TOP_SYMBOLS)

"""A core as an ELF core file, which ``gdb-multiarch IMAGE.elf CORE`` opens.

The notes are those of an Arm core (NT_PRSTATUS as GNU tools lay it out: 148 bytes, registers from byte 72). The
first thread is the core as it stands. Where an exception has interrupted it, a second one is what was interrupted:
GDB cannot unwind from everywhere, such as from lockup.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.evidence.core_capture import CoreCapture, MemoryCapture

_HEADER_SIZE, _SEGMENT_SIZE = 52, 32
_ET_CORE, _EM_ARM = 4, 40
_EABI5 = 0x0500_0000
_PT_LOAD, _PT_NOTE = 1, 4
_READ_WRITE = 6
_NT_PRSTATUS = 1
_PRSTATUS_SIZE, _PRSTATUS_SIGNAL, _PRSTATUS_ID, _PRSTATUS_REGISTERS = 148, 12, 24, 72
_SIGTRAP, _SIGSEGV = 5, 11


def core_file(capture: CoreCapture) -> bytes:
    """Return the content of a core file; `capture` must have registers."""
    registers = capture.registers
    numbered = [registers[f"r{number}"] for number in range(13)]
    numbered += [capture.stack_pointer, registers["lr"], registers["pc"], registers["xpsr"]]
    signal = _SIGSEGV if capture.fault else _SIGTRAP
    notes = _thread(1, signal, numbered)
    if capture.interrupted is not None:
        notes += _thread(2, signal, capture.interrupted)
    return _file(notes, capture.memory)


def _thread(number: int, signal: int, registers: Sequence[int]) -> bytes:
    status = bytearray(_PRSTATUS_SIZE)
    struct.pack_into("<H", status, _PRSTATUS_SIGNAL, signal)
    struct.pack_into("<I", status, _PRSTATUS_ID, number)
    struct.pack_into("<17I", status, _PRSTATUS_REGISTERS, *registers)
    return struct.pack("<3I8s", 5, len(status), _NT_PRSTATUS, b"CORE") + status


def _file(notes: bytes, memory: Sequence[MemoryCapture]) -> bytes:
    count = 1 + len(memory)
    identification = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = identification + struct.pack(
        "<HHIIIIIHHHHHH",
        *(_ET_CORE, _EM_ARM, 1, 0, _HEADER_SIZE, 0, _EABI5),
        *(_HEADER_SIZE, _SEGMENT_SIZE, count, 0, 0, 0),
    )
    offset = _HEADER_SIZE + count * _SEGMENT_SIZE
    segments = struct.pack("<8I", _PT_NOTE, offset, 0, 0, len(notes), 0, 0, 4)
    offset += len(notes)
    for block in memory:
        size = len(block.data)
        segments += struct.pack(
            "<8I", _PT_LOAD, offset, block.address, block.address, size, size, _READ_WRITE, 4
        )
        offset += size
    return b"".join((header, segments, notes, *(block.data for block in memory)))

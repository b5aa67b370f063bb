"""The functions of the Unicorn library that `engine` uses, called without Unicorn's slower Python classes."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from unicorn import unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

if TYPE_CHECKING:
    from collections.abc import Sequence

_pointer = ctypes.c_void_p
_u64 = ctypes.c_uint64

ReadCallback = ctypes.CFUNCTYPE(_u64, _pointer, _u64, ctypes.c_uint, _pointer)
WriteCallback = ctypes.CFUNCTYPE(None, _pointer, _u64, ctypes.c_uint, _u64, _pointer)
InterruptCallback = ctypes.CFUNCTYPE(None, _pointer, ctypes.c_uint32, _pointer)
MemoryCallback = ctypes.CFUNCTYPE(
    ctypes.c_bool, _pointer, ctypes.c_int, _u64, ctypes.c_int, ctypes.c_int64, _pointer
)

_library = ctypes.CDLL(uclib._name)
_library.uc_open.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.POINTER(_pointer)]
_library.uc_close.argtypes = [_pointer]
_library.uc_emu_start.argtypes = [_pointer, _u64, _u64, _u64, ctypes.c_size_t]
_library.uc_emu_stop.argtypes = [_pointer]
_library.uc_mem_map_ptr.argtypes = [_pointer, _u64, _u64, ctypes.c_uint32, _pointer]
_library.uc_mem_unmap.argtypes = [_pointer, _u64, _u64]
_library.uc_mmio_map.argtypes = [_pointer, _u64, _u64, _pointer, _pointer, _pointer, _pointer]
_library.uc_hook_add.argtypes = [
    _pointer,
    ctypes.POINTER(ctypes.c_size_t),
    ctypes.c_int,
    _pointer,
    _pointer,
    _u64,
    _u64,
]
_library.uc_hook_del.argtypes = [_pointer, ctypes.c_size_t]
_library.uc_reg_read_batch.argtypes = [_pointer, _pointer, _pointer, ctypes.c_int]
_library.uc_reg_write_batch.argtypes = [_pointer, _pointer, _pointer, ctypes.c_int]

emu_start = _library.uc_emu_start
emu_stop = _library.uc_emu_stop
reg_read_batch = _library.uc_reg_read_batch
reg_write_batch = _library.uc_reg_write_batch

_STRUCTURE_SIZE = 4096
"""How much of ``uc_struct`` is searched for the counters."""


class _TranslationBlock(ctypes.Structure):
    _fields_ = (("pc", _u64), ("icount", ctypes.c_uint16), ("size", ctypes.c_uint16))


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"Unicorn failed with error {status}")


def _control(handle: object, kind: int, operation: int, *arguments: object) -> int:
    code = ctypes.c_uint32(kind | len(arguments) << 26 | operation << 30)
    status: int = _library.uc_ctl(handle, code, *arguments)
    return status


def _configure(handle: object, kind: int, *arguments: object) -> int:
    return _control(handle, kind, unicorn_const.UC_CTL_IO_WRITE, *arguments)


def open_thumb(cpu_model: int, translation_buffer: int) -> object:
    """Return a new instance for Thumb code that may be told where to stop.

    The mode for Cortex-M is not set: it would make every model a Cortex-M33.
    """
    handle = _pointer()
    _check(_library.uc_open(unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB, ctypes.byref(handle)))
    _check(_configure(handle, unicorn_const.UC_CTL_CPU_MODEL, ctypes.c_int(cpu_model)))
    _check(_configure(handle, unicorn_const.UC_CTL_TCG_BUFFER_SIZE, ctypes.c_uint32(translation_buffer)))
    _check(_configure(handle, unicorn_const.UC_CTL_UC_USE_EXITS, ctypes.c_int(1)))
    return handle


def close(handle: object) -> None:
    """Free an instance."""
    _check(_library.uc_close(handle))


def map_memory(handle: object, address: int, size: int, pointer: int, *, writable: bool) -> None:
    """Map host memory, executable, both addresses and the size in whole pages of 4 KB."""
    permissions = unicorn_const.UC_PROT_ALL
    if not writable:
        permissions &= ~unicorn_const.UC_PROT_WRITE
    _check(_library.uc_mem_map_ptr(handle, address, size, permissions, pointer))


def unmap_memory(handle: object, address: int, size: int) -> None:
    """Take back a mapping."""
    _check(_library.uc_mem_unmap(handle, address, size))


def map_io(handle: object, address: int, size: int, read: object, write: object) -> None:
    """Map callbacks, which must be kept alive by the caller."""
    reader, writer = ctypes.cast(read, _pointer), ctypes.cast(write, _pointer)  # type: ignore[arg-type]
    _check(_library.uc_mmio_map(handle, address, size, reader, None, writer, None))


def add_hook(handle: object, kind: int, callback: object, first: int, last: int) -> int:
    """Add a hook for the addresses `first` to `last`, everywhere if `last` is less."""
    hook = ctypes.c_size_t()
    pointer = ctypes.cast(callback, _pointer)  # type: ignore[arg-type]
    _check(_library.uc_hook_add(handle, ctypes.byref(hook), kind, pointer, None, first, last))
    return hook.value


def remove_hook(handle: object, hook: int) -> None:
    """Remove a hook."""
    _check(_library.uc_hook_del(handle, hook))


def set_exits(handle: object, addresses: Sequence[int]) -> None:
    """Replace the addresses before which a run ends."""
    array = (_u64 * len(addresses))(*addresses)
    _check(_configure(handle, unicorn_const.UC_CTL_UC_EXITS, array, ctypes.c_size_t(len(addresses))))


def remove_translations(handle: object, first: int, end: int) -> None:
    """Drop the translations of ``[first, end)``; where there are none, nothing happens."""
    _configure(handle, unicorn_const.UC_CTL_TB_REMOVE_CACHE, _u64(first), _u64(end))


def flush_translations(handle: object) -> None:
    """Drop all translations."""
    _check(_configure(handle, unicorn_const.UC_CTL_TB_FLUSH))


def flush_tlb(handle: object) -> None:
    """Drop the cached address look-ups, which know of hooks and permissions."""
    _check(_configure(handle, unicorn_const.UC_CTL_TLB_FLUSH))


def translate(handle: object, pc: int) -> tuple[int, int]:
    """Return the number of instructions and of bytes of the translation block at `pc`."""
    block = _TranslationBlock()
    operation = unicorn_const.UC_CTL_IO_READ_WRITE
    kind = unicorn_const.UC_CTL_TB_REQUEST_CACHE
    if _control(handle, kind, operation, _u64(pc), ctypes.byref(block)):
        return 1, 0
    return block.icount, block.size


def find_in_structure(handle: object, pattern: bytes) -> set[int]:
    """Return the aligned offsets in ``uc_struct`` that hold `pattern`."""
    content = ctypes.string_at(_address(handle), _STRUCTURE_SIZE)
    offsets = range(0, _STRUCTURE_SIZE - len(pattern), 8)
    return {offset for offset in offsets if content.startswith(pattern, offset)}


def counters(handle: object, offset: int) -> memoryview:
    """Return a view of ``emu_counter`` (index 0) and ``emu_count`` (index 1)."""
    return memoryview((_u64 * 2).from_address(_address(handle) + offset)).cast("B").cast("Q")


def _address(handle: object) -> int:
    assert isinstance(handle, _pointer)
    assert handle.value is not None
    return handle.value

"""Symbols, source lines and call frames out of an ELF file (DWARF, by pyelftools)."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_SP, _LR, _PC = 13, 14, 15
_DEEPEST_BACKTRACE = 64


@dataclass(frozen=True)
class Symbol:
    """A function or variable: address without the Thumb bit, size in bytes."""

    name: str
    address: int
    size: int
    is_function: bool


class DebugInfo:
    """What an ELF file tells about addresses; for other files everything is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as stream:
            self._is_elf = stream.read(4) == b"\x7fELF"

    @cached_property
    def symbols(self) -> dict[str, Symbol]:
        """Functions and variables by name."""
        if not self._is_elf:
            return {}
        from elftools.elf.elffile import ELFFile

        symbols = {}
        with self._path.open("rb") as stream:
            table: Any = ELFFile(stream).get_section_by_name(".symtab")
            for entry in table.iter_symbols() if table else ():
                kind = entry["st_info"]["type"]
                if entry.name and (kind in ("STT_FUNC", "STT_OBJECT") or entry["st_shndx"] == "SHN_ABS"):
                    is_function = kind == "STT_FUNC"
                    address = entry["st_value"] & ~1 if is_function else entry["st_value"]
                    symbols[entry.name] = Symbol(entry.name, address, entry["st_size"], is_function)
        return symbols

    @cached_property
    def _functions(self) -> list[Symbol]:
        return sorted(
            (symbol for symbol in self.symbols.values() if symbol.is_function),
            key=lambda symbol: symbol.address,
        )

    def function_at(self, address: int) -> Symbol | None:
        """Return the function that holds `address`."""
        index = bisect.bisect_right(self._functions, address, key=lambda symbol: symbol.address) - 1
        if index < 0:
            return None
        function = self._functions[index]
        return function if address < function.address + max(function.size, 2) else None

    @cached_property
    def _lines(self) -> list[tuple[int, str, int]]:
        """Rows of all line tables: address, file name, line; a row without a file ends a sequence."""
        if not self._is_elf:
            return []
        from elftools.elf.elffile import ELFFile

        rows: list[tuple[int, str, int]] = []
        with self._path.open("rb") as stream:
            elf = ELFFile(stream)
            if not elf.has_dwarf_info():
                return []
            dwarf = elf.get_dwarf_info()
            for unit in dwarf.iter_CUs():
                program = dwarf.line_program_for_CU(unit)
                if program is None:
                    continue
                files = program["file_entry"]
                first = 0 if program["version"] >= 5 else 1
                for entry in program.get_entries():
                    state = entry.state
                    if state is None:
                        continue
                    if state.end_sequence:
                        rows.append((state.address, "", 0))
                    elif 0 <= state.file - first < len(files):
                        rows.append((state.address, files[state.file - first].name.decode(), state.line))
        rows.sort(key=lambda row: (row[0], bool(row[1])))
        return rows

    def line_at(self, address: int) -> tuple[str, int] | None:
        """Return source file name and line of `address`."""
        index = bisect.bisect_right(self._lines, address, key=lambda row: row[0]) - 1
        if index < 0 or not self._lines[index][1]:
            return None
        return self._lines[index][1], self._lines[index][2]

    def describe(self, address: int) -> str:
        """Return ``function (file:line)`` of `address`, as much of it as is known."""
        function = self.function_at(address)
        line = self.line_at(address)
        name = function.name if function else f"0x{address:08X}"
        return f"{name} ({line[0]}:{line[1]})" if line else name

    @cached_property
    def _frames(self) -> list[Any]:
        """Frame descriptions of ``.debug_frame``, with decoded tables."""
        if not self._is_elf:
            return []
        from elftools.dwarf.callframe import FDE
        from elftools.elf.elffile import ELFFile

        with self._path.open("rb") as stream:
            elf = ELFFile(stream)
            if not elf.has_dwarf_info():
                return []
            dwarf = elf.get_dwarf_info()
            entries = dwarf.CFI_entries() if dwarf.has_CFI() else []
            return [(entry, entry.get_decoded()) for entry in entries if isinstance(entry, FDE)]

    def caller(self, registers: dict[int, int], read_word: Callable[[int], int]) -> dict[int, int] | None:
        """Unwind one frame: return the caller's registers, None at the outermost frame.

        Args:
            registers: r0 to r15 by number, as in the frame.
            read_word: Reads a word of the stack.
        """
        address = registers[_PC]
        for frame, decoded in self._frames:
            start = frame["initial_location"]
            if not start <= address < start + frame["address_range"]:
                continue
            rules = [row for row in decoded.table if row["pc"] <= address]
            if not rules:
                return None
            row = rules[-1]
            rule = row["cfa"]
            if rule.reg is None:
                return None
            cfa = registers[rule.reg] + rule.offset & 0xFFFF_FFFF
            caller = dict(registers)
            for number in range(_PC):
                saved = row.get(number)
                if saved is not None and saved.type == "OFFSET":
                    caller[number] = read_word(cfa + saved.arg)
            caller[_SP] = cfa
            caller[_PC] = caller[_LR] & ~1
            return caller if caller[_PC] != address or cfa != registers[_SP] else None
        return None

    def backtrace(self, registers: dict[int, int], read_word: Callable[[int], int]) -> list[int]:
        """Return the program counters of all frames, innermost first."""
        addresses = [registers[_PC]]
        frame: dict[int, int] | None = registers
        while frame is not None and len(addresses) < _DEEPEST_BACKTRACE:
            if frame[_LR] >= 0xFFFF_FF00 and frame is not registers:
                break
            frame = self.caller(frame, read_word)
            if frame is None or frame[_PC] == 0 or frame[_PC] >= 0xE000_0000:
                break
            # A return address belongs to the call before it.
            frame = {**frame, _PC: frame[_PC] - 2}
            addresses.append(frame[_PC])
        return addresses

"""Symbols, source lines, inlined calls and call frames out of an ELF file (DWARF, by pyelftools).

A file may lack any of it or be damaged: then less is told of an address, and nothing raises.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

_SP, _LR, _PC = 13, 14, 15
_WORD = 0xFFFF_FFFF
_CIE = 0xFFFF_FFFF
"""What stands in place of a frame's CIE pointer in a CIE (DWARF 5 section 6.4.1, 32-bit format)."""

_DW_FORM_DATA = ("DW_FORM_data1", "DW_FORM_data2", "DW_FORM_data4", "DW_FORM_data8", "DW_FORM_udata")


@dataclass(frozen=True)
class Symbol:
    """A function or variable: address without the Thumb bit, size in bytes."""

    name: str
    address: int
    size: int
    is_function: bool


@dataclass(frozen=True)
class Place:
    """Where in the source an address is: function, path of the file as the compiler knew it, line."""

    function: str | None
    path: str | None
    line: int | None
    is_inlined: bool = False

    @property
    def file(self) -> str | None:
        """Name of the file, without its folders."""
        return PurePosixPath(self.path).name if self.path else None


@dataclass(frozen=True)
class _Frame:
    """A frame description: the addresses it is for, and where it and its CIE are in ``.debug_frame``."""

    start: int
    end: int
    offset: int
    cie: int


def _is_of_linker(entry: Any) -> bool:
    """Whether a symbol is one that a linker script has defined, such as the end of the stack."""
    is_global = entry["st_info"]["bind"] == "STB_GLOBAL" and entry["st_info"]["type"] == "STT_NOTYPE"
    section = entry["st_shndx"]
    return bool(section == "SHN_ABS" or (is_global and section != "SHN_UNDEF"))


class DebugInfo:
    """What an ELF file tells about addresses; for other files everything is empty."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self._content = content if content.startswith(b"\x7fELF") else None
        self._lines: dict[int, list[tuple[int, str, int]]] = {}
        self._routines: dict[int, list[_Routine]] = {}
        self._tables: dict[int, list[dict[Any, Any]]] = {}

    @cached_property
    def _elf(self) -> Any:
        from elftools.elf.elffile import ELFFile

        return ELFFile(BytesIO(self._content or b""))

    @cached_property
    def _dwarf(self) -> Any:
        """The debug information as pyelftools gives it, None where there is none that can be read."""
        if self._content is None:
            return None
        try:
            return self._elf.get_dwarf_info() if self._elf.has_dwarf_info() else None
        except Exception:
            # pyelftools raises nearly anything at a damaged file, here and below.
            return None

    # -- symbols ----------------------------------------------------------------------------------

    @cached_property
    def _entries(self) -> list[tuple[str, int, int, str, bool]]:
        """Name, value, size, kind and whether it is the linker's, of each symbol that has a name."""
        found: list[tuple[str, int, int, str, bool]] = []
        if self._content is None:
            return found
        try:
            table = self._elf.get_section_by_name(".symtab")
            for entry in table.iter_symbols() if table else ():
                if entry.name:
                    kind, is_of_linker = entry["st_info"]["type"], _is_of_linker(entry)
                    found.append((entry.name, entry["st_value"], entry["st_size"], kind, is_of_linker))
        except Exception:
            return found  # what lies before the damage is good
        return found

    @cached_property
    def symbols(self) -> dict[str, Symbol]:
        """Functions and variables by name."""
        symbols = {}
        for name, value, size, kind, is_of_linker in self._entries:
            if kind in ("STT_FUNC", "STT_OBJECT") or is_of_linker:
                is_function = kind == "STT_FUNC"
                symbols[name] = Symbol(name, value & ~1 if is_function else value, size, is_function)
        return symbols

    def address_of(self, *names: str) -> int | None:
        """Return the address of the first of these symbols that there is, of any kind, as a linker script's."""
        values = {entry[0]: entry[1] for entry in self._entries}
        return next((values[name] for name in names if name in values), None)

    @cached_property
    def _functions(self) -> list[Symbol]:
        return sorted(
            (symbol for symbol in self.symbols.values() if symbol.is_function),
            key=lambda symbol: symbol.address,
        )

    @cached_property
    def _variables(self) -> list[Symbol]:
        return sorted(
            (symbol for symbol in self.symbols.values() if not symbol.is_function and symbol.size),
            key=lambda symbol: symbol.address,
        )

    def function_at(self, address: int) -> Symbol | None:
        """Return the function that holds `address`."""
        return _holding(self._functions, address)

    def variable_at(self, address: int) -> Symbol | None:
        """Return the variable that holds `address`, such as the array that is a task's stack."""
        return _holding(self._variables, address)

    @cached_property
    def ram(self) -> list[range]:
        """Where the program has data in RAM: its sections that are allocated and can be written."""
        if self._content is None:
            return []
        try:
            return [
                range(section["sh_addr"], section["sh_addr"] + section["sh_size"])
                for section in self._elf.iter_sections()
                if section["sh_flags"] & 3 == 3 and section["sh_size"]
            ]
        except Exception:
            return []

    # -- source lines -----------------------------------------------------------------------------

    def line_at(self, address: int) -> tuple[str, int] | None:
        """Return source file name and line of `address`."""
        row = self._row_at(address)
        return (PurePosixPath(row[0]).name, row[1]) if row else None

    def describe(self, address: int) -> str:
        """Return ``function (file:line)`` of `address`, as much of it as is known."""
        function = self.function_at(address)
        line = self.line_at(address)
        name = function.name if function else f"0x{address:08X}"
        return f"{name} ({line[0]}:{line[1]})" if line else name

    def places(self, address: int) -> list[Place]:
        """Return where `address` is: calls that were inlined there, innermost first, then the function itself."""
        symbol = self.function_at(address)
        function = symbol.name if symbol else None
        row = self._row_at(address)
        path, line = row if row else (None, None)
        places = []
        for routine in self._routines_at(address):
            if not routine.is_inlined:
                # An address may have several symbols, of which this is the one in the source.
                function = routine.function
                break
            places.append(Place(routine.function, path, line, is_inlined=True))
            path, line = routine.call_path, routine.call_line
        return [*places, Place(function, path, line)]

    def _row_at(self, address: int) -> tuple[str, int] | None:
        try:
            unit = self._unit_at(address)
            rows = self._unit_lines(unit) if unit is not None else []
        except Exception:
            return None
        index = bisect.bisect_right(rows, address, key=lambda row: row[0]) - 1
        if index < 0 or not rows[index][1]:
            return None
        return rows[index][1], rows[index][2]

    def _unit_at(self, address: int) -> Any:
        """Return the compilation unit that `address` is of, None where it is of none."""
        index = bisect.bisect_right(self._unit_ranges, address, key=lambda entry: entry[0]) - 1
        if index < 0 or address >= self._unit_ranges[index][1]:
            return None
        return self._unit_ranges[index][2]

    @cached_property
    def _unit_ranges(self) -> list[tuple[int, int, Any]]:
        """First address, end, and compilation unit of each piece of code."""
        if self._dwarf is None:
            return []
        found: list[tuple[int, int, Any]] = []
        try:
            for unit in self._dwarf.iter_CUs():
                found += [(*piece, unit) for piece in self._ranges(unit.get_top_DIE(), unit)]
        except Exception:
            pass  # what lies before the damage is good
        return sorted(found, key=lambda entry: entry[:2])

    def _ranges(self, die: Any, unit: Any) -> list[tuple[int, int]]:
        """Return the addresses a DIE is for (DWARF 5 section 2.17), without those of discarded code."""
        attributes = die.attributes
        if "DW_AT_ranges" in attributes:
            base = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
            start = base.value if base is not None else 0
            pieces = []
            lists = self._dwarf.range_lists()
            for entry in lists.get_range_list_at_offset(attributes["DW_AT_ranges"].value, unit):
                if hasattr(entry, "base_address"):
                    start = entry.base_address
                else:
                    offset = 0 if getattr(entry, "is_of_linker", False) else start
                    pieces.append((entry.begin_offset + offset, entry.end_offset + offset))
        elif "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
            low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
            pieces = [(low, low + high.value if high.form in _DW_FORM_DATA else high.value)]
        else:
            pieces = []
        return [(first, end) for first, end in pieces if 0 < first < end]

    def _unit_lines(self, unit: Any) -> list[tuple[int, str, int]]:
        """Return the rows of a line table: address, path, line; a row without a path ends a sequence."""
        if unit.cu_offset in self._lines:
            return self._lines[unit.cu_offset]
        rows: list[tuple[int, str, int]] = []
        program = self._dwarf.line_program_for_CU(unit)
        paths = _file_paths(program, unit)
        for entry in program.get_entries() if program is not None else ():
            state = entry.state
            if state is None:
                continue
            if state.end_sequence:
                rows.append((state.address, "", 0))
            elif state.file in paths:
                rows.append((state.address, paths[state.file], state.line))
        rows.sort(key=lambda row: (row[0], bool(row[1])))
        self._lines[unit.cu_offset] = rows
        return rows

    # -- routines and inlined calls ---------------------------------------------------------------

    def _routines_at(self, address: int) -> list[_Routine]:
        """Return the inlined calls that hold `address`, innermost first, and the function they are in."""
        try:
            unit = self._unit_at(address)
            if unit is None:
                return []
            if unit.cu_offset not in self._routines:
                self._routines[unit.cu_offset] = list(self._routines_of(unit))
            routines = self._routines[unit.cu_offset]
        except Exception:
            return []
        # A DIE comes before those within it.
        holding = [item for item in routines if any(start <= address < end for start, end in item.ranges)]
        return holding[::-1]

    def _routines_of(self, unit: Any) -> Iterator[_Routine]:
        paths = _file_paths(self._dwarf.line_program_for_CU(unit), unit)
        for die in unit.iter_DIEs():
            if die.tag not in ("DW_TAG_inlined_subroutine", "DW_TAG_subprogram"):
                continue
            ranges = self._ranges(die, unit)
            name = _name(die)
            file, line = die.attributes.get("DW_AT_call_file"), die.attributes.get("DW_AT_call_line")
            if ranges and name is not None:
                yield _Routine(
                    tuple(ranges),
                    name,
                    die.tag == "DW_TAG_inlined_subroutine",
                    paths.get(file.value) if file is not None else None,
                    line.value if line is not None else None,
                )

    # -- call frames ------------------------------------------------------------------------------

    @cached_property
    def _frames(self) -> list[_Frame]:
        """Frame descriptions of ``.debug_frame`` in the order of addresses, their rules not decoded yet.

        Only the heads are looked at (DWARF 5 section 6.4.1), because a program has thousands of them.
        """
        section = self._debug_frame
        frames, offset = [], 0
        while offset + 16 <= len(section):
            length, cie, start, size = struct.unpack_from("<4I", section, offset)
            if cie != _CIE and cie < len(section):
                frames.append(_Frame(start, start + size, offset, cie))
            offset += 4 + length
        return sorted(frames, key=lambda frame: frame.start)

    @cached_property
    def _debug_frame(self) -> bytes:
        if self._content is None:
            return b""
        try:
            section = self._elf.get_section_by_name(".debug_frame")
            return bytes(section.data()) if section is not None else b""
        except Exception:
            return b""

    def _rules(self, address: int) -> dict[Any, Any] | None:
        """Return the rules to unwind from `address`, None where there are none."""
        index = bisect.bisect_right(self._frames, address, key=lambda frame: frame.start) - 1
        if index < 0 or address >= self._frames[index].end:
            return None
        frame = self._frames[index]
        try:
            if frame.offset not in self._tables:
                self._tables[frame.offset] = self._decode(frame)
            rules = [row for row in self._tables[frame.offset] if row["pc"] <= address]
        except Exception:
            return None
        return rules[-1] if rules else None

    def _decode(self, frame: _Frame) -> list[dict[Any, Any]]:
        """Have pyelftools decode one description, out of a section that has only it and its CIE."""
        from elftools.dwarf.callframe import CallFrameInfo

        cie, description = (self._entry(offset) for offset in (frame.cie, frame.offset))
        section = cie + description[:4] + bytes(4) + description[8:]
        structs = self._dwarf.structs
        entries: list[Any] = CallFrameInfo(BytesIO(section), len(section), 0, structs).get_entries()
        return list(entries[1].get_decoded().table)

    def _entry(self, offset: int) -> bytes:
        (length,) = struct.unpack_from("<I", self._debug_frame, offset)
        return self._debug_frame[offset : offset + 4 + length]

    def caller(
        self, registers: dict[int, int], read_word: Callable[[int], int], *, at: int | None = None
    ) -> dict[int, int] | None:
        """Unwind one frame: return the caller's registers, None where the file has no rules for it.

        Args:
            registers: r0 to r15 by number, as in the frame.
            read_word: Reads a word of the stack.
            at: The address whose rules are taken, pc unless given: a return address is behind its call.
        """
        row = self._rules(registers[_PC] if at is None else at)
        if row is None or row["cfa"].reg is None:
            return None
        rule = row["cfa"]
        cfa = registers[rule.reg] + rule.offset & _WORD
        caller = dict(registers)
        for number in range(_PC):
            saved = row.get(number)
            if saved is not None and saved.type == "OFFSET":
                caller[number] = read_word(cfa + saved.arg & _WORD)
        caller[_SP] = cfa
        caller[_PC] = caller[_LR]
        return caller


@dataclass(frozen=True)
class _Routine:
    """A function, or a call of one that was inlined: the addresses of its code, and where it was called."""

    ranges: tuple[tuple[int, int], ...]
    function: str
    is_inlined: bool
    call_path: str | None
    call_line: int | None


def _name(die: Any) -> str | None:
    """Return the name of a routine, which the DIE that it was made from may have."""
    for _ in range(3):
        if "DW_AT_name" in die.attributes:
            return _text(die.attributes["DW_AT_name"].value)
        for origin in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if origin in die.attributes:
                die = die.get_DIE_from_attribute(origin)
                break
        else:
            return None
    return None


def _holding(symbols: list[Symbol], address: int) -> Symbol | None:
    index = bisect.bisect_right(symbols, address, key=lambda symbol: symbol.address) - 1
    if index < 0:
        return None
    symbol = symbols[index]
    return symbol if address < symbol.address + max(symbol.size, 2) else None


def _file_paths(program: Any, unit: Any) -> dict[int, str]:
    """Return the paths in a line table's header by number (DWARF 5 section 6.2.4, DWARF 4 section 6.2.4)."""
    if program is None:
        return {}
    attribute = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    compiled_in = PurePosixPath(_text(attribute.value) if attribute is not None else "")
    folders = [_text(folder) for folder in program["include_directory"]]
    is_new = program["version"] >= 5
    if not is_new:
        folders.insert(0, "")
    paths = {}
    for number, entry in enumerate(program["file_entry"], start=0 if is_new else 1):
        folder = folders[entry.dir_index] if entry.dir_index < len(folders) else ""
        paths[number] = str(compiled_in / folder / _text(entry.name))
    return paths


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

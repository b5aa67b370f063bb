"""The tests in an ELF file, read from what ``firmware/common/h7_test.h`` puts there; no code runs for it.

The suite, a structure by the name `h7_test_suite`, has the places of everything else; the layouts are those of
``h7_test.h`` and ``h7_test.c``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_h7.chip.memory import FLASH_BANK1, FLASH_BANK2
from pytest_h7.errors import ImageError

SYMBOL = "h7_test_suite"

MAGIC = 0x5354_3748
"""`MAGIC` of h7_test.c: what the suite begins with, and the guards around a test's record."""

_LAYOUT = 1
_SUITE = struct.Struct("<10I")
_TEST = struct.Struct("<10I")
_CORES = {7: ("cm7", FLASH_BANK1), 4: ("cm4", FLASH_BANK2)}
_DEFAULT_TIMEOUT = 1.0
_LONGEST_TEXT = 1024
_DAMAGES = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What pyelftools raises for some damaged files."""

MOST_LINES = 10_000_000
"""Lines that a source file may be believed to have."""

_MOST = 10_000
"""Tests or parameters that are believed; more are a sign of damage."""


@dataclass(frozen=True)
class CTest:
    """A test in C, for one of its parameters if it has any.

    Attributes:
        name: As pytest shows it: ``adds``, or ``square[two]``.
        function: Its name in C.
        file: The source file, as the compiler was told.
        line: Its line there, counted from 1.
        timeout: Board time in seconds that it may take.
        skip: Why it is not to be run, None if it is.
        fault: The fault that it is to end with, a bit of CFSR or HFSR or ``any``; None if it is to return.
        descriptor: Address of its description.
        param: Address of the parameter, 0 if it has none.
    """

    name: str
    function: str
    file: str
    line: int
    timeout: float
    skip: str | None
    fault: str | None
    descriptor: int
    param: int


class Damage(Exception):
    """What is in the file cannot be what the header has put there."""


class Elf:
    """An ELF file, read by the addresses that its code uses.

    Raises:
        ImageError: it cannot be read, or is none.
    """

    def __init__(self, path: Path) -> None:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        self.path = path
        try:
            with path.open("rb") as stream:
                elf = ELFFile(stream)
                self.load_address = min(
                    (part["p_paddr"] for part in elf.iter_segments("PT_LOAD") if part["p_filesz"]), default=0
                )
                self._parts = [(part["p_vaddr"], part.data()) for part in elf.iter_segments("PT_LOAD")]
                table: Any = elf.get_section_by_name(".symtab")
                found = table.get_symbol_by_name(SYMBOL) if table else None
                self.suite_address: int | None = found[0]["st_value"] if found else None
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror}.") from error
        except (ELFError, *_DAMAGES) as error:
            raise ImageError(f"{path} is no ELF file, or a damaged one: {error}.") from error

    def read(self, address: int, size: int) -> bytes:
        """Return bytes; raise Damage where the file has none."""
        for start, data in self._parts:
            if start <= address and address + size <= start + len(data):
                return data[address - start : address - start + size]
        raise Damage(f"nothing is at 0x{address:08X}")

    def text(self, address: int) -> str:
        """Return a string of C; raise Damage where there is none."""
        for start, data in self._parts:
            if start <= address < start + len(data):
                text, zero, _ = data[address - start :][:_LONGEST_TEXT].partition(b"\0")
                if not zero:
                    raise Damage(f"the text at 0x{address:08X} does not end")
                try:
                    return text.decode()
                except UnicodeDecodeError:
                    raise Damage(f"what is at 0x{address:08X} is no text") from None
        raise Damage(f"no text is at 0x{address:08X}")


@dataclass(frozen=True)
class Suite:
    """All tests of an ELF file, those of a source file together and in the order of its lines.

    Attributes:
        elf: The file.
        core: The core that they are for.
        tests: The tests.
        record: Address of what a test leaves behind.
        output: Address of what it has printed.
        output_size: Characters for which there is room.
        ready: Where the core halts to be told the test.
        end: Where it halts at the end of the test.
    """

    elf: Elf
    core: str
    tests: tuple[CTest, ...]
    record: int
    output: int
    output_size: int
    ready: int
    end: int


def read_suite(path: Path) -> Suite | None:
    """Return the tests in an ELF file, None if it has not been linked with h7_test.c.

    Raises:
        ImageError: it is damaged, made with another version of h7_test.h, or linked for the other core, or two of
            its tests have the same name.
    """
    elf = Elf(path)
    if elf.suite_address is None:
        return None
    try:
        return _Reader(elf).suite
    except Damage as damage:
        raise ImageError(f"The C tests in {path} are damaged: {damage}. Build it anew.") from None


class _Reader:
    """Reads the suite of an ELF file."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf

    @cached_property
    def suite(self) -> Suite:
        """The suite."""
        assert self._elf.suite_address is not None
        magic, layout, core, first, end, record, output, size, ready, done = _SUITE.unpack(
            self._elf.read(self._elf.suite_address, _SUITE.size)
        )
        if magic != MAGIC:
            raise Damage(f"{SYMBOL} begins with 0x{magic:08X}")
        if layout != _LAYOUT:
            raise ImageError(
                f"{self._elf.path} was built with version {layout} of h7_test.h, and this pytest-h7 reads "
                f"{_LAYOUT}: build it with the header that belongs to it."
            )
        name = self._core(core)
        tests = tuple(self._tests(first, end))
        self._check_names(tests)
        return Suite(self._elf, name, tests, record, output, size, ready & ~1, done & ~1)

    def _core(self, number: int) -> str:
        if number not in _CORES:
            raise Damage(f"it names core {number}")
        name, bank = _CORES[number]
        if self._elf.load_address not in bank:
            raise ImageError(
                f"{self._elf.path} was compiled for the {name} (CORE_{name.upper()}), and is linked to "
                f"0x{self._elf.load_address:08X}, which is not in {bank.name}, where that core starts."
            )
        return name

    def _tests(self, first: int, end: int) -> Iterator[CTest]:
        count, rest = divmod(end - first, 4)
        if rest or not 0 <= count <= _MOST:
            raise Damage(f"its list goes from 0x{first:08X} to 0x{end:08X}")
        pointers = struct.unpack(f"<{count}I", self._elf.read(first, 4 * count)) if count else ()
        descriptions = []
        for number, address in enumerate(pointers, 1):
            try:
                descriptions.append((address, self._description(address)))
            except Damage as damage:
                raise Damage(f"in test {number} of {count}, {damage}") from None
        # The compiler puts the tests of a file into the section in any order.
        files = list(dict.fromkeys(file for _, (_, file, *_) in descriptions))
        descriptions.sort(key=lambda found: (files.index(found[1][1]), found[1][2]))
        for address, description in descriptions:
            yield from self._for_each_param(address, *description)

    def _description(self, address: int) -> tuple[str, str, int, list[int]]:
        name, file, line, function, *others = _TEST.unpack(self._elf.read(address, _TEST.size))
        self._elf.read(function & ~1, 2)
        text = self._elf.text(name)
        if not text.isidentifier():
            raise Damage(f"{text!r} is no name")
        if not 0 < line < MOST_LINES:
            raise Damage(f"{text} is in line {line}")
        return text, self._elf.text(file), line, others

    def _fault(self, test: str, address: int) -> str | None:
        if not address:
            return None
        from pytest_h7.chip.registers import private_peripheral

        registers = private_peripheral("cm7", "SCS").registers
        known = [name for register in ("CFSR", "HFSR") for name in registers[register].fields]
        fault = self._elf.text(address)
        if fault != "any" and fault not in known:
            raise ImageError(
                f"The C test {test} in {self._elf.path} is to end with the fault {fault!r}, which is none: "
                f"there is any, {', '.join(known)}."
            )
        return fault

    def _for_each_param(
        self, address: int, name: str, file: str, line: int, others: list[int]
    ) -> Iterator[CTest]:
        params, size, count, milliseconds, skip, fault = others
        if count > _MOST or (params and not size):
            raise Damage(f"{name} has {count} parameters of {size} bytes")
        rest = (
            file,
            line,
            milliseconds / 1000 or _DEFAULT_TIMEOUT,
            self._elf.text(skip) if skip else None,
            self._fault(name, fault),
            address,
        )
        if not params:
            yield CTest(name, name, *rest, 0)
            return
        for param in range(params, params + size * count, size):
            try:
                (label,) = struct.unpack("<I", self._elf.read(param, 4))
                text = self._elf.text(label)
            except Damage as damage:
                raise Damage(f"in a parameter of {name}, {damage}") from None
            # As pytest writes the ids of its own parameters.
            yield CTest(f"{name}[{text.encode('unicode_escape').decode()}]", name, *rest, param)

    def _check_names(self, tests: tuple[CTest, ...]) -> None:
        seen: dict[str, CTest] = {}
        for test in tests:
            other = seen.setdefault(test.name, test)
            if other is not test:
                raise ImageError(
                    f"{self._elf.path} has two tests by the name {test.name}, at {other.file}:{other.line} and "
                    f"{test.file}:{test.line}: give one of them another name."
                )

"""What a test in C leaves behind: what it has printed, and the check that has failed, in words."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.ctests.suite import MAGIC, MOST_LINES, Damage, Suite
from pytest_h7.errors import ResultOverwritten, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.board.core import Core

_RECORD = struct.Struct("<IIQQ4I")
_SITE = struct.Struct("<5I")
_CONDITION, _INTEGERS, _MEMORY, _TEXT, _MESSAGE = range(1, 6)
_KIND = 0xFF
_ACTUAL_UNSIGNED, _EXPECTED_UNSIGNED = 0x100, 0x200
_SHOWN = 16
"""Bytes of memory that are shown, from the first that differs."""
_LONGEST_TEXT = 128
_CHUNK = 16


@dataclass(frozen=True)
class Site:
    """A check, as it is in the source.

    Attributes:
        file: The source file, as the compiler was told.
        line: The line.
        kind: What is checked, with flags.
        actual: The expression that is checked, or a message.
        expected: The expression for what it should be; empty for a condition or message.
    """

    file: str
    line: int
    kind: int
    actual: str
    expected: str


class Record:
    """What is read of a core after a test.

    Args:
        core: The core, which is halted.
        suite: The tests that are in its flash.

    Raises:
        ResultOverwritten: the test has written over it.
    """

    def __init__(self, core: Core, suite: Suite) -> None:
        self._core = core
        self._suite = suite
        content = _RECORD.unpack(core.read_bytes(suite.record, _RECORD.size))
        guard, self._site, self._actual, self._expected, self._offset, self._size, self._written, after = (
            content
        )
        if (guard, after) != (MAGIC, MAGIC):
            raise self._overwritten()

    def _overwritten(self) -> ResultOverwritten:
        return ResultOverwritten(
            f"The test has overwritten h7_record at 0x{self._suite.record:08X} of the {self._core.name}, "
            "where its result is: a pointer or an index of it leads astray."
        )

    @property
    def output(self) -> str:
        """What the test has printed, and a note if it was more than there was room for."""
        kept = min(self._written, self._suite.output_size)
        if not kept:
            return ""
        text = self._core.read_bytes(self._suite.output, kept).decode(errors="replace")
        lost = self._written - kept
        if not lost:
            return text
        return f"{text}\n[{lost} more characters: there is room for {kept}, H7_TEST_OUTPUT_SIZE]\n"

    def site(self) -> Site:
        """Return the check that has ended the test.

        Raises:
            ResultOverwritten: what is there is none.
        """
        elf = self._suite.elf
        try:
            file, line, kind, actual, expected = _SITE.unpack(elf.read(self._site, _SITE.size))
            if not 0 < line < MOST_LINES:
                raise Damage
            return Site(elf.text(file), line, kind, elf.text(actual), elf.text(expected) if expected else "")
        except Damage:
            raise self._overwritten() from None

    def failure(self, site: Site) -> str:
        """Say what has failed at a check, as pytest says it of an assertion.

        Raises:
            ResultOverwritten: it does not say.
        """
        kind = site.kind & _KIND
        if kind == _CONDITION:
            return f"assert {site.actual}"
        if kind == _MESSAGE:
            return site.actual
        if kind == _MEMORY:
            size = min(self._size - self._offset, _SHOWN)
            found, wanted = (self._memory(start, size) for start in (self._actual, self._expected))
            return (
                f"assert {site.actual} == {site.expected}\n +  where it is {found}\n +  and not     {wanted}, "
                f"from byte {self._offset} on"
            )
        if kind == _INTEGERS:
            actual = _integer(self._actual, unsigned=bool(site.kind & _ACTUAL_UNSIGNED))
            expected = _integer(self._expected, unsigned=bool(site.kind & _EXPECTED_UNSIGNED))
        elif kind == _TEXT:
            actual, expected = self._text(self._actual), self._text(self._expected)
        else:
            raise self._overwritten()
        where = [
            f"\n +  where {value} = {text}"
            for value, text in ((actual, site.actual), (expected, site.expected))
            if text != value.split(" ")[0]
        ]
        return f"assert {actual} == {expected}{''.join(where)}"

    def _text(self, address: int) -> str:
        text = b""
        try:
            while b"\0" not in text and len(text) < self._offset + _LONGEST_TEXT:
                text += self._core.read_bytes(address + len(text), _CHUNK)
        except TargetAccessError:
            if not text:
                return f"what is at 0x{address:08X}"
        text, zero, _ = text.partition(b"\0")
        escaped = text.decode(errors="backslashreplace").encode("unicode_escape").decode()
        return f'"{escaped}"{"" if zero else "..."}'

    def _memory(self, address: int, size: int) -> str:
        try:
            return self._core.read_bytes(address + self._offset, size).hex(" ")
        except TargetAccessError:
            return f"unreadable at 0x{address + self._offset:08X}"


def _integer(bits: int, *, unsigned: bool) -> str:
    value = bits if unsigned or bits < 1 << 63 else bits - (1 << 64)
    if abs(value) < 10:
        return str(value)
    fits_a_word = -(1 << 31) <= value < 0
    return f"{value} (0x{bits & 0xFFFF_FFFF if fits_a_word else bits:x})"

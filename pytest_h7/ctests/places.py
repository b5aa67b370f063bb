"""Errors that are raised, as far as pytest can tell, by lines of C, so that it shows these lines."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, NoReturn

from pytest_h7.errors import H7Error

if TYPE_CHECKING:
    from pytest_h7.board.core import Core
    from pytest_h7.board.frames import Frame

FindSource = Callable[[str], str]
"""Gives the path of a source file whose name the compiler was told."""


class _Found(Exception):
    """Has a frame as its traceback."""


@dataclass(frozen=True)
class Place:
    """A line of a function in C.

    Attributes:
        file: The source file.
        line: The line, counted from 1.
        function: The function.
        begin: The line that the function begins with, None where it is not known.
    """

    file: str
    line: int
    function: str
    begin: int | None = None

    def traceback(self, inner: TracebackType | None) -> TracebackType:
        """Return the entry of a traceback, with those of the functions it has called."""
        entry = None
        try:
            exec(self._code(), {"Found": _Found}, {})
        except _Found as found:
            entry = found.__traceback__.tb_next if found.__traceback__ is not None else None
        assert entry is not None
        return TracebackType(inner, entry.tb_frame, entry.tb_lasti, self.line)

    def _code(self) -> CodeType:
        """Return code of this name that raises `Found` from this line of this file."""
        begin = self.begin if self.begin is not None and 0 < self.begin <= self.line else self.line
        tree = ast.parse("raise Found")
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt | ast.expr):
                node.lineno = node.end_lineno = 1 + self.line - begin
                node.col_offset = node.end_col_offset = -1  # unknown: nothing in the line is marked
        # The lines of code are kept as differences to the first one.
        code = compile(tree, self.file, "exec")
        return code.replace(co_firstlineno=begin, co_name=self.function)


def raise_in_c(error: BaseException, places: Sequence[Place]) -> NoReturn:
    """Raise an error from the last of these places, in functions that have called one another."""
    __tracebackhide__ = True
    traceback = None
    for place in reversed(places):
        traceback = place.traceback(traceback)
    raise error.with_traceback(traceback)


def calls_of_test(core: Core, test: Place, find: FindSource) -> list[Place]:
    """Return where a halted core is, from the function of a test on, without what the checks are made of.

    In a handler of a fault, that is what has faulted. Empty if the function is not found on the stack.
    """
    try:
        frames = core.backtrace()
    except (H7Error, LookupError):
        return []
    names = [frame.function for frame in frames]
    if test.function not in names:
        return []
    frames = frames[: names.index(test.function) + 1]
    if any(frame.is_guess for frame in frames):
        return []
    faulted = [
        number for number, frame in enumerate(frames) if (frame.interrupted_by or "").endswith("Fault")
    ]
    frames = frames[max(faulted, default=0) :]
    while frames and frames[0].file == "h7_test.c":
        del frames[0]
    return [
        Place(
            find(frame.path),
            frame.line,
            frame.function or "?",
            test.begin if frame.function == test.function else _begin(core, frame),
        )
        for frame in reversed(frames)
        if frame.path and frame.line
    ]


def _begin(core: Core, frame: Frame) -> int | None:
    """Return the line that the function of a frame begins with."""
    info = core.image.debug_info if core.image is not None else None
    symbol = info.symbols.get(frame.function or "") if info is not None else None
    if info is None or symbol is None or frame.is_inlined:
        return None
    file, line = info.line_at(symbol.address) or (None, None)
    return line if file == frame.file else None


def find_source(name: str, *folders: Path) -> str:
    """Return the path of a source file that a compiler was given as `name`, relative to a folder or one above it.

    The name of a file that cannot be found, because it was compiled elsewhere, is returned as it is.
    """
    if Path(name).is_absolute():
        return name
    for folder in folders:
        for above in (folder, *folder.parents):
            if (above / name).is_file():
                return str(above / name)
    return name

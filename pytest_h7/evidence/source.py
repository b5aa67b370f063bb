"""Source lines around a place, if the files can be found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.board.frames import Frame
    from pytest_h7.board.images import Image

_AROUND = 5
_LARGEST = 4 << 20
"""Bytes of a source file: what is larger was not written by a person."""


@dataclass(frozen=True)
class SourceExcerpt:
    """Lines of a file.

    Attributes:
        function: The function they are of.
        path: The file.
        first: Number of the first of `lines`.
        current: Number of the line that is executed.
    """

    function: str | None
    path: str
    first: int
    current: int
    lines: tuple[str, ...]


def excerpt(frame: Frame, image: Image | None) -> SourceExcerpt | None:
    """Return the lines around a frame, None where its file is not here."""
    if frame.path is None or not frame.line:
        return None
    lines = _lines(frame.path, str(image.path) if image is not None else "")
    if lines is None or frame.line > len(lines):
        return None
    first = max(1, frame.line - _AROUND)
    shown = lines[first - 1 : frame.line + _AROUND]
    return SourceExcerpt(frame.function, frame.path, first, frame.line, shown)


@lru_cache(maxsize=64)
def _lines(path: str, image: str) -> tuple[str, ...] | None:
    """Read a file; a relative path is meant from here or from a folder that the image is in."""
    folders = (Path.cwd(), *Path(image).absolute().parents)
    for candidate in [Path(path)] if Path(path).is_absolute() else [folder / path for folder in folders]:
        try:
            if candidate.is_file() and candidate.stat().st_size <= _LARGEST:
                return tuple(candidate.read_text("utf-8", "replace").splitlines())
        except OSError:
            continue
    return None

"""Markdown with text in it that nobody has checked: names of tests, messages, what firmware has printed.

What comes out is GitHub Flavored Markdown (https://github.github.com/gfm/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_NO_TEXT = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]"  # ANSI sequences
    r"|[^\S ]|[\x00-\x1f\x7f-\x9f]"
    r"|[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"  # invisible, or turning the direction of text
)

_MEANING = re.compile(r"([\\`*_\[\]<>|~&#@$]|^[-+=]|^\d+(?=[.)](?:\s|$))|:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""What means something to GitHub, within a line or where it begins: tables, addresses, mentions, formulas too."""


def text(untrusted: object, longest: int = 500) -> str:
    """Return text of one line that is shown as it is: no link, picture, HTML, formula or mention comes of it.

    Args:
        untrusted: The text; white space and control characters become a space.
        longest: Characters that are kept.
    """
    line = " ".join(_NO_TEXT.sub(" ", str(untrusted)).split())
    if len(line) > longest:
        line = line[: longest - 1].rstrip() + "…"
    return _MEANING.sub(_escaped, line)


def _escaped(match: re.Match[str]) -> str:
    found = match[0]
    return f"{found}\\" if found.isdecimal() else f"\\{found}"  # "1\\." begins no list


def code_block(untrusted: str) -> list[str]:
    """Return the lines of a block that shows text as it is."""
    lines = [_NO_TEXT.sub(" ", line).rstrip() for line in untrusted.splitlines()]
    ticks = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    return [f"{fence}text", *lines, fence]


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; cells are Markdown already."""
    return [_row(heading), _row("---" for _ in heading), *map(_row, rows)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""Writes what commands print into a page, and its table of causes.

Usage: python tests/diagnosis/pages.py    rewrites docs/ap3.md

A page has blocks that begin with ``    $ pytest-h7 ...``; the lines behind it are what the command prints. Only
some of them are shown with ``| tail -3`` and ``| grep 'AP3'`` behind the command.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pytest_h7.cli import main
from pytest_h7.diagnosis.causes import Cause
from pytest_h7.diagnosis.knowledge import KNOWLEDGE
from pytest_h7.diagnosis.rules import (
    CHIP_RULES,
    LOOKALIKES,
    OUTSIDE_REGISTERS,
    closed_port_rules,
    open_core_rules,
)

PAGE = Path(__file__).parents[2] / "docs" / "ap3.md"
WIDTH = "100"
_INDENT = "    "
_PROMPT = f"{_INDENT}$ pytest-h7 "
_TABLE = "<!-- causes -->"


def refreshed(text: str) -> str:
    """Return a page with what its commands print now."""
    lines = text.splitlines()
    result: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        result.append(line)
        position += 1
        if line.startswith(_PROMPT):
            position = _skip_block(lines, position)
            result += [f"{_INDENT}{shown}".rstrip() for shown in _output(line.removeprefix(_PROMPT))]
        elif line == _TABLE:
            while lines[position] != _TABLE:
                position += 1
            result += ["", *_table(), "", _TABLE]
            position += 1
    return "\n".join(result) + "\n"


def _skip_block(lines: list[str], position: int) -> int:
    """Return where the output of a command ends: in front of the next command or text."""
    end = position
    while position < len(lines) and (not lines[position] or lines[position].startswith(_INDENT)):
        if lines[position].startswith(_PROMPT):
            break
        position += 1
        if lines[position - 1]:
            end = position
    return end


def _output(command: str) -> list[str]:
    command, _, pipe = command.partition(" | ")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(shlex.split(command))
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    tool, _, argument = pipe.partition(" ")
    if tool == "tail":
        return lines[int(argument) :]
    if tool == "grep":
        return [line for line in lines if re.search(argument.strip("'"), line)]
    return lines


def _table() -> Iterator[str]:
    yield "| what | how it shows | what to do | known |"
    yield "|---|---|---|---|"
    for cause, shows in _causes().items():
        known = KNOWLEDGE[cause]
        source = f"{known.certainty.value}: {known.source}"
        yield f"| {cause.value} | {shows} | {known.remedy} | {source} |"


def _causes() -> dict[Cause, str]:
    rules = [*closed_port_rules("cm4")]
    rules += [rule for rule in closed_port_rules("cm7") if rule.cause.name.startswith(("CM7", "D1"))]
    rules += [*open_core_rules("cm4"), *open_core_rules("cm7"), *CHIP_RULES]
    causes: dict[Cause, str] = {}
    for rule in rules:
        shows = ", ".join(rule.reads)
        for cause in (rule.cause, *LOOKALIKES.get(rule.cause, ())):
            causes.setdefault(cause, shows)
    return causes | {cause: shows for cause, shows in OUTSIDE_REGISTERS.items() if cause not in causes}


def comparable(text: str) -> str:
    """Return a page without what differs from one computer or compiler to the next."""
    text = re.sub(r"(?m)^    host  .*$", "    host", text)
    text = re.sub(r"\.c:\d+", ".c", text)
    return re.sub(r"reset vector 0x\w+", "reset vector", text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"H7_TWIN_HOME": folder, "XDG_STATE_HOME": folder, "COLUMNS": WIDTH}
        PAGE.write_text(refreshed(PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PAGE} is up to date.\n")

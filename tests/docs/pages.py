"""Runs the commands of a page of the documentation, in the order of the page, and compares what they print.

A block of ``console`` has commands behind ``$``, each followed by lines that it prints, in this order; other lines
may stand between them. ``...`` stands for anything, and times may differ. A block of Python with a title is
written to a file of that name, and so is one of C.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_SECONDS = re.compile(r"\d+\.\d\ds\b")


@dataclass(frozen=True)
class Command:
    """A command of a page, and the lines that it is said to print."""

    line: str
    output: tuple[str, ...]

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True)
class File:
    """A file that the reader of a page is to write."""

    name: str
    content: str


def steps(page: str) -> Iterator[File | Command]:
    """Give what the reader of a page does, one after the other."""
    for language, title, content in BLOCK.findall(page):
        if language in ("python", "c") and title:
            yield File(title, content)
        elif language == "console":
            for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
                line, *output = part.splitlines()
                yield Command(line, tuple(filter(None, output)))


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a reader who has installed the package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("H7_", "PYTEST_"))}
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return kept | tools | {"H7_TWIN_HOME": str(folder / "twins"), "COLUMNS": "80"}


def run(command: Command, folder: Path) -> str:
    """Return what a command prints, of its errors as well."""
    done = subprocess.run(
        command.line,
        shell=True,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def missing(command: Command, printed: str) -> str | None:
    """Return the first line that a command was said to print and has not, None if all came in their order."""
    lines = iter([_SECONDS.sub("0.00s", line.strip()) for line in printed.splitlines()])
    for expected in command.output:
        pattern = re.escape(_SECONDS.sub("0.00s", expected.strip())).replace(r"\.\.\.", ".*")
        if not any(re.fullmatch(pattern, line) for line in lines):
            return expected
    return None

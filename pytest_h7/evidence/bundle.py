"""The files of a test's evidence, made of one capture."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.evidence.elf_core import core_file
from pytest_h7.evidence.page import render_page
from pytest_h7.evidence.snapshot import snapshot
from pytest_h7.evidence.store import PAGE, SNAPSHOT, TIMELINE, VCD
from pytest_h7.evidence.svg import render_timeline
from pytest_h7.evidence.timeline import Timeline, make_timeline
from pytest_h7.evidence.vcd import render_vcd

if TYPE_CHECKING:
    from pytest_h7.board.board import Board
    from pytest_h7.evidence.capture import Capture
    from pytest_h7.evidence.snapshot import Subject

_LARGEST_VCD = 8 << 20


@dataclass
class Bundle:
    """Files by name, and what could not be made."""

    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, make: Callable[[], str | bytes | None]) -> None:
        """Make a file; an error leaves the others."""
        try:
            content = make()
        except Exception as error:
            # No part of the evidence may take the others with it.
            self.problems.append(f"{name}: {error}")
            return
        if content is not None:
            self.files[name] = content.encode("utf-8", "replace") if isinstance(content, str) else content


def make_bundle(subject: Subject, capture: Capture | None, board: Board, start: float) -> Bundle:
    """Return all files of a test.

    Args:
        subject: What the evidence is of.
        capture: The board, None where it could not be looked at.
        board: The board, for what has happened on it.
        start: Board time in seconds when the test began.
    """
    bundle = Bundle()
    timeline: Timeline | None = None
    if capture is not None:
        try:
            timeline = make_timeline(board, capture, start)
        except Exception as error:
            bundle.problems.append(f"timeline: {error}")
        for name, core in capture.cores.items():
            if core.registers:
                bundle.add(f"{name}.core", partial(core_file, core))
    if timeline is not None:
        drawn = timeline
        bundle.add(TIMELINE, lambda: render_timeline(drawn))
        if drawn.is_exact:
            bundle.add(VCD, lambda: _bounded(render_vcd(drawn)))
    bundle.add(SNAPSHOT, lambda: snapshot(subject, capture, timeline))
    picture = bundle.files.get(TIMELINE)
    if capture is not None:
        capture.problems += bundle.problems
    names = list(bundle.files)
    bundle.add(
        PAGE, lambda: render_page(subject, capture, picture.decode() if picture is not None else None, names)
    )
    if PAGE not in bundle.files:
        with suppress(Exception):
            bundle.add(PAGE, lambda: render_page(subject, None, None, names))
    return bundle


def _bounded(vcd: str) -> str | None:
    return vcd if len(vcd) <= _LARGEST_VCD else None

"""Shows on a terminal how far flashing is: behind what stands in the last line, and gone in the end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import pytest

    from pytest_h7.board.flash_plan import FlashPlan
    from pytest_h7.board.flashing import Progress

_SAVE_CURSOR, _RESTORE_CURSOR, _ERASE_TO_END = "\x1b7", "\x1b8", "\x1b[K"
"""DECSC, DECRC and EL (ECMA-48 8.3.41)."""

_LEAST_ROOM = 20
"""Columns below which nothing is shown: text that wraps could not be taken away."""


@contextmanager
def shown_in_pytest(config: pytest.Config) -> Iterator[Progress | None]:
    """Show progress behind pytest's own; give None where there is no terminal."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not reporter.isatty:
        yield None
        return
    writer = config.get_terminal_writer()
    capture = config.pluginmanager.get_plugin("capturemanager")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            sys.stdout.write(text)
            sys.stdout.flush()

    with _shown(write, writer.fullwidth - writer.width_of_current_line) as progress:
        yield progress


@contextmanager
def shown_on(stream: TextIO) -> Iterator[Progress | None]:
    """Show progress on a stream; give None where that is no terminal."""
    if not stream.isatty():
        yield None
        return

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    with _shown(write, shutil.get_terminal_size().columns) as progress:
        yield progress


@contextmanager
def _shown(write: Callable[[str], None], columns: int) -> Iterator[Progress | None]:
    if columns <= _LEAST_ROOM:
        yield None
        return
    is_first = True

    def show(plan: FlashPlan, done: float) -> None:
        nonlocal is_first
        text = f" flashing {done:4.0%}: {plan.summary}"[: columns - 1]
        write(f"{_SAVE_CURSOR if is_first else _RESTORE_CURSOR + _ERASE_TO_END}{text}")
        is_first = False

    try:
        yield show
    finally:
        if not is_first:
            write(f"{_RESTORE_CURSOR}{_ERASE_TO_END}")

"""Tells the user at once what a run waits for, past the capturing of output."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def announce(config: pytest.Config, message: str) -> None:
    """Write a line to the terminal; from a process of pytest-xdist to its standard error, which is seen there."""
    line = f"h7: {message}"
    capture = config.pluginmanager.get_plugin("capturemanager")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        if reporter is not None and not hasattr(config, "workerinput"):
            reporter.ensure_newline()
            reporter.write_line(line)
            reporter.flush()
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

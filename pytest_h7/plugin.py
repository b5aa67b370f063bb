"""The pytest plugin: options, markers, fixtures and reports.

A run that uses no ``h7_*`` fixture imports neither pyOCD nor the virtual board, and touches no USB device.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_h7.errors import H7Error
from pytest_h7.fixtures import (  # noqa: F401 - pytest finds fixtures by their names here
    _h7_session,
    cm4,
    cm7,
    h7_board,
    h7_console,
    h7_flashed,
    h7_images,
    h7_probe,
)
from pytest_h7.options import add_options, read_settings
from pytest_h7.session import BoardSession, session_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MARKERS = (
    "h7_images(cm7=None, cm4=None): firmware for this test: paths of ELF, HEX or BIN@ADDRESS files.",
    "h7_hardware: needs a real board; skipped on the virtual one.",
    "h7_virtual: needs the virtual board; skipped on a real one.",
    "h7_option_bytes(**values): option bytes for this test, such as BCM4=0; put back after it.",
    "h7_requires(*services): skipped where the bench lacks one of: power, loopback, pin.",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and declare the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[session_key] = BoardSession(read_settings(config))


def pytest_report_collectionfinish(
    config: pytest.Config, start_path: Path, items: Sequence[pytest.Item]
) -> list[str]:
    """Connect, if some test needs the board, and show what is connected."""
    del start_path
    if config.option.collectonly or not any(_uses_board(item) for item in items):
        return []
    try:
        return config.stash[session_key].header()
    except H7Error as error:
        raise pytest.UsageError(str(error)) from None


def _uses_board(item: pytest.Item) -> bool:
    return "_h7_session" in getattr(item, "fixturenames", ())


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the selected board cannot do."""
    reason = item.config.stash[session_key].why_skip(item)
    if reason is not None:
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the board's state to the report of a failure."""
    report = yield
    session = item.config.stash[session_key]
    if report.failed and call.excinfo is not None and session.is_open and _uses_board(item):
        from pytest_h7.report import describe_failure

        describe_failure(item, report, call.excinfo, session.board)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of the board."""
    session = config.stash.get(session_key, None)
    if session is not None:
        session.close()

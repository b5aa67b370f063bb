"""Reports of our errors that show where the test was and what is wrong, not how it was found out."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_PACKAGE = Path(__file__).parent
_CONTEXTLIB = Path(contextlib.__file__)


@contextlib.contextmanager
def shortened(excinfo: pytest.ExceptionInfo[BaseException]) -> Iterator[None]:
    """Leave this package, and what caused the error, out of reports that are made in the context."""
    error, whole = excinfo.value, excinfo.traceback
    cause, suppress_context = error.__cause__, error.__suppress_context__
    shown = _without_package(excinfo.tb)
    if shown is not None:
        excinfo.traceback = type(whole)(shown)
    error.__cause__, error.__suppress_context__ = None, True
    try:
        yield
    finally:
        excinfo.traceback = whole
        error.__cause__, error.__suppress_context__ = cause, suppress_context


def replaced(
    excinfo: pytest.ExceptionInfo[BaseException], error: BaseException
) -> pytest.ExceptionInfo[BaseException]:
    """Return another error as if it had been raised where this one was, and because of it."""
    error.__cause__ = excinfo.value
    return type(excinfo).from_exc_info((type(error), error, excinfo.tb))


def _without_package(traceback_: TracebackType | None) -> TracebackType | None:
    links = []
    while traceback_ is not None:
        links.append(traceback_)
        traceback_ = traceback_.tb_next
    rest: TracebackType | None = None
    for link in reversed(links):
        if not _is_ours(Path(link.tb_frame.f_code.co_filename)):
            rest = TracebackType(rest, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return rest


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(_PACKAGE) or path == _CONTEXTLIB


def passes_through_tests(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Return whether code of the tests, a fixture of theirs for example, is between pytest and the error."""
    paths = (Path(frame.filename) for frame in traceback.extract_tb(excinfo.tb))
    return any(
        path.is_relative_to(item.config.rootpath) and "site-packages" not in path.parts and not _is_ours(path)
        for path in paths
    )

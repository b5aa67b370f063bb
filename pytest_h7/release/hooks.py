"""``--h7-baseline`` and ``--h7-baseline-save`` as hooks of pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.errors import BaselineError, FigureRegressed
from pytest_h7.release.baseline import figures_of
from pytest_h7.release.gate import REGRESSED, Gate

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_h7.session import BoardSession


class GateHooks:
    """Compares the figures of each test where it runs, and gathers those of all where they are reported.

    Raises:
        BaselineError: the baseline cannot be used.
    """

    def __init__(self, board_session: BoardSession) -> None:
        self._board_session = board_session
        self._gate = Gate(board_session.settings)
        self._lines: list[str] = []

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test that has measured a figure that is worse than the baseline allows."""
        result = yield
        figures = figures_of(item.user_properties)
        if figures:
            try:
                self._gate.check(figures, is_virtual=self._board_session.is_virtual)
            except FigureRegressed:
                item.user_properties.append(REGRESSED)
                raise
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the figures of a test, wherever it has run."""
        self._gate.take(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Save the figures, and see which are missing; fail the run if that cannot be."""
        if hasattr(session.config, "workerinput") or session.config.option.collectonly:
            return
        try:
            self._lines = self._gate.finish(
                self._board_session.describe_images(), is_virtual=self._board_session.is_virtual
            )
        except BaselineError as error:
            self._lines = [f"h7 baseline: {error}"]
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what has become of the figures."""
        for line in self._lines:
            terminalreporter.write_line(line)

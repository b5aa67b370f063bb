"""``--h7-boards``: a run on several boards, one for each process of pytest-xdist.

A process takes the first board that is free. One whose board fails, or that finds none, sets the board aside and
defers its tests; the processes that still have a board run them at their end. So nothing is lost as long as one
board is left.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_h7.errors import H7Error, InfrastructureError

if TYPE_CHECKING:
    from pytest_h7.bench.settings import Settings
    from pytest_h7.session import BoardSession

ALL = "all"
"""Stands for all boards at an ST-LINK that is connected."""

_OUTPUT = "h7_set_aside"
_POLL = 0.05


def candidates(settings: Settings) -> list[str]:
    """Return what ``--h7-boards`` names, as values of ``--h7-probe``.

    Raises:
        InfrastructureError: no probe is connected.
    """
    assert settings.boards is not None
    if settings.boards != (ALL,):
        return list(settings.boards)
    from pytest_h7.bench.probes import connected_probes, name_behind

    found = [str(probe.unique_id) for probe in connected_probes() if name_behind(probe) is None]
    if not found:
        raise InfrastructureError("--h7-boards=all: no debug probe is connected.")
    return found


def free_boards(settings: Settings) -> int:
    """Return how many of the boards nobody has now."""
    from pytest_h7.bench.lease import probe_folder, who_has
    from pytest_h7.bench.settings import twin_name
    from pytest_h7.twin.board_store import board_folder

    def folder(board: str) -> Path:
        name = twin_name(board)
        return probe_folder(board) if name is None else board_folder(name)

    return sum(who_has(folder(board)) is None for board in candidates(settings))


class BoardPool:
    """The boards of a process: which it may have, and which it has set aside.

    Attributes:
        set_aside: Why each board was set aside, by its name.
    """

    def __init__(self, settings: Settings, first: int) -> None:
        self._settings = settings
        self._first = first
        self.set_aside: dict[str, str] = {}

    def settings(self) -> Iterator[Settings]:
        """Give the settings for one board after the other; the first one differs between processes."""
        boards = candidates(self._settings)
        start = self._first % len(boards)
        for board in boards[start:] + boards[:start]:
            if board not in self.set_aside:
                yield replace(self._settings, probe=board, lease_timeout=0.0)

    def none_left(self) -> InfrastructureError:
        """Return the error of a process that has found no board."""
        told = [f"{board} was set aside ({reason.rstrip('.')})" for board, reason in self.set_aside.items()]
        others = len(candidates(self._settings)) - len(told)
        told += [f"{others} in use"] if others else []
        return InfrastructureError(
            f"No board is left of those of --h7-boards: {', '.join(told)}; use as many processes (-n) as there "
            "are boards, or -n auto."
        )


class PoolHooks:
    """Runs tests on another board, or in another process, when their board has failed."""

    def __init__(self, config: pytest.Config, session: BoardSession) -> None:
        self._config = config
        self._session = session
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._others = _Others(worker) if worker is not None else None
        self._lines: list[str] = []

    # -- in the process that runs the tests -------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a test, again on another board if its own has failed."""
        if "_h7_session" not in getattr(item, "fixturenames", ()):
            return None
        if self._others is not None and not self._has_board():
            self._others.defer(item.session.items.index(item))
            return True
        self._run(item, nextitem, last=False)
        return True

    def _has_board(self) -> bool:
        try:
            return self._session.board is not None
        except H7Error:
            return False

    def _run(self, item: pytest.Item, nextitem: pytest.Item | None, *, last: bool) -> None:
        from _pytest.runner import runtestprotocol

        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        while True:
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            if not any(report.failed for report in reports) or not self._board_has_failed():
                break
            # Fixtures of the whole session hold on to the board that has failed.
            item.session._setupstate.teardown_exact(None)
            self._session.set_board_aside()
            item.user_properties.clear()
            if not self._has_board():
                if self._others is not None and not last:
                    self._others.defer(item.session.items.index(item))
                    reports = []
                break
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _board_has_failed(self) -> bool:
        from pytest_h7.report import find_trouble

        return self._session.is_open and find_trouble(self._session.board) is not None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Run what other processes have deferred; tell which boards were set aside."""
        output = getattr(self._config, "workeroutput", None)
        if self._others is None or output is None:
            self._lines += self._describe("", self._session.boards_set_aside, 0)
            shutil.rmtree(_folder(self._config), ignore_errors=True)
            return
        count = 0
        if not (session.shouldstop or session.shouldfail):
            for index in self._others.deferred(has_board=self._session.is_open):
                count += 1
                self._run_deferred(session.items[index], index)
        output[_OUTPUT] = (self._session.boards_set_aside, count)

    def _run_deferred(self, item: pytest.Item, index: int) -> None:
        for plugin in self._config.pluginmanager.get_plugins():
            if hasattr(plugin, "run_one_test"):
                plugin.item_index = index  # what pytest-xdist sends with the reports
        self._run(item, None, last=True)

    # -- in the process that reports --------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a process tells of its boards."""
        set_aside, count = getattr(node, "workeroutput", {}).get(_OUTPUT, ({}, 0))
        self._lines += self._describe(f"{node.gateway.id} ", set_aside, count)

    def _describe(self, process: str, set_aside: dict[str, str], count: int) -> list[str]:
        lines = [f"{process}h7: board {board} was set aside: {reason}" for board, reason in set_aside.items()]
        if count:
            lines.append(f"{process}h7: has run {count} tests of processes without a board")
        return lines

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which boards were set aside."""
        for line in sorted(self._lines):
            terminalreporter.write_line(line)


def _folder(config: pytest.Config) -> Path:
    run = getattr(config, "workerinput", {}).get("testrunuid") or _run_id(config)
    return Path(tempfile.gettempdir()) / f"pytest-h7-{run}"


def _run_id(config: pytest.Config) -> str:
    manager = getattr(config.pluginmanager.getplugin("dsession"), "nodemanager", None)
    return str(getattr(manager, "testrunuid", "none"))


class _Others:
    """What the processes of a run tell each other: who is at its end, and the tests that have no board."""

    def __init__(self, worker: dict[str, Any]) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"pytest-h7-{worker['testrunuid']}"
        self._folder.mkdir(exist_ok=True)
        self._name = str(worker["workerid"])
        (self._folder / f"{self._name}.pid").write_text(str(os.getpid()))

    @contextmanager
    def _list(self) -> Iterator[list[int]]:
        """Give the tests that are deferred, to be changed."""
        from filelock import FileLock

        path = self._folder / "deferred.json"
        with FileLock(self._folder / "lock"):
            deferred = json.loads(path.read_text()) if path.exists() else []
            yield deferred
            path.write_text(json.dumps(deferred))

    def defer(self, index: int) -> None:
        """Leave a test to the others."""
        with self._list() as deferred:
            deferred.append(index)

    def deferred(self, *, has_board: bool) -> Iterator[int]:
        """Wait for the ends of all processes; then give the tests that this one has to run.

        If no process has a board, whoever asks gets them, so that they are reported as failed.
        """
        end = self._folder / f"{self._name}.new"
        end.write_text(json.dumps(has_board))
        end.rename(end.with_suffix(".end"))
        while any(map(self._is_at_work, self._folder.glob("*.pid"))):
            time.sleep(_POLL)
        if not has_board and any(json.loads(path.read_text()) for path in self._folder.glob("*.end")):
            return
        while True:
            with self._list() as deferred:
                if not deferred:
                    return
                index = deferred.pop(0)
            yield index

    def _is_at_work(self, process: Path) -> bool:
        """Whether a process has neither come to its end nor died."""
        if process.with_suffix(".end").exists():
            return False
        try:
            os.kill(int(process.read_text()), 0)
        except (ProcessLookupError, ValueError):
            return False
        except PermissionError:
            pass
        return True

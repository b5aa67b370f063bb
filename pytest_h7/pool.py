"""``--h7-boards``: a run on several boards, one for each process of pytest-xdist.

A process takes the first board that is free. One whose board fails, or that finds none, sets the board aside and
defers its tests; the processes that still have a board run them at their end. So nothing is lost as long as one
board is left.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
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

_LIFE, _RUNNING, _DEFERRED = ".life", ".running", "deferred.json"
"""Files of a run: a process lives, the test that it runs for another one, the tests that nobody has run yet."""


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
                yield self._settings._replace(probe=board, lease_timeout=0.0)

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
            self._others.defer(item)
            return True
        self._run(item, nextitem, last=False)
        return True

    def _has_board(self) -> bool:
        try:
            return self._session.board is not None
        except H7Error:
            return False

    def _find_board(self) -> bool:
        self._session.try_again()
        return self._has_board()

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
                    self._others.defer(item)
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
            for index in self._others.deferred(self._session.is_open, self._find_board):
                count += 1
                self._run_deferred(session.items[index], index)
        output[_OUTPUT] = (self._session.boards_set_aside, count)

    def _run_deferred(self, item: pytest.Item, index: int) -> None:
        for plugin in self._config.pluginmanager.get_plugins():
            if hasattr(plugin, "run_one_test"):
                plugin.item_index = index  # what pytest-xdist sends with the reports
        self._run(item, None, last=True)

    # -- in the process that reports --------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Report as failed what was deferred and has not been run, because processes have died."""
        result = yield
        if self._others is None:
            for nodeid, reason in _not_run(_folder(self._config)):
                self._config.hook.pytest_runtest_logreport(report=_failed(nodeid, reason))
        return result

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


def _not_run(folder: Path) -> list[tuple[str, str]]:
    """Return the node ids of the tests that were deferred and have no result, each with the reason."""
    lost = [
        (path.read_text("utf-8"), f"The process {path.stem!r} has died while running it.")
        for path in sorted(folder.glob(f"*{_RUNNING}"))
    ]
    deferred = folder / _DEFERRED
    if deferred.exists():
        lost += [
            (nodeid, "It was left to other processes, which have died.") for _, nodeid in _read(deferred)
        ]
    return lost


def _failed(nodeid: str, reason: str) -> pytest.TestReport:
    path, _, name = nodeid.partition("::")
    return pytest.TestReport(nodeid, (path, None, name), {}, "failed", reason, "call")


def _read(deferred: Path) -> list[tuple[int, str]]:
    return [(index, nodeid) for index, nodeid in json.loads(deferred.read_text("utf-8"))]


def _folder(config: pytest.Config) -> Path:
    run = getattr(config, "workerinput", {}).get("testrunuid") or _run_id(config)
    return Path(tempfile.gettempdir()) / f"pytest-h7-{run}"


def _run_id(config: pytest.Config) -> str:
    manager = getattr(config.pluginmanager.getplugin("dsession"), "nodemanager", None)
    return str(getattr(manager, "testrunuid", "none"))


class _Others:
    """What the processes of a run tell each other: who is at its end, and the tests that have no board.

    A process holds a lock as long as it lives. Its number would not do: that stays in use until pytest-xdist takes
    note of the death.
    """

    def __init__(self, worker: dict[str, Any]) -> None:
        from filelock import FileLock

        self._folder = Path(tempfile.gettempdir()) / f"pytest-h7-{worker['testrunuid']}"
        self._folder.mkdir(exist_ok=True)
        self._name = str(worker["workerid"])
        self._life = FileLock(self._folder / f"{self._name}{_LIFE}")
        self._life.acquire()

    @contextmanager
    def _list(self) -> Iterator[list[tuple[int, str]]]:
        """Give the tests that are deferred, to be changed."""
        from filelock import FileLock

        path = self._folder / _DEFERRED
        with FileLock(self._folder / "lock"):
            deferred = _read(path) if path.exists() else []
            yield deferred
            path.write_text(json.dumps(deferred), "utf-8")

    def defer(self, item: pytest.Item) -> None:
        """Leave a test to the others."""
        with self._list() as deferred:
            deferred.append((item.session.items.index(item), item.nodeid))

    def deferred(self, has_board: bool, find_board: Callable[[], bool]) -> Iterator[int]:
        """Wait for the ends of all processes; then give the tests that this one has to run.

        If no process has a board, whoever asks gets them, so that they are reported as failed.

        Args:
            has_board: Whether this process has a board.
            find_board: Looks for one that a process which has died has left; whether there is one.
        """
        from filelock import FileLock

        self._tell(has_board)
        while any(map(self._is_at_work, self._others())):
            time.sleep(_POLL)
        while not has_board:
            while any(self._is_at_work(name) or self._has_board(name) for name in self._others()):
                with self._list() as deferred:
                    if not deferred:
                        return
                time.sleep(_POLL)
            with FileLock(self._folder / "search"):
                if any(map(self._has_board, self._others())):
                    continue
                has_board = find_board()
                self._tell(has_board)
                if not has_board and not any(map(self._is_at_work, self._others())):
                    break
        running = self._folder / f"{self._name}{_RUNNING}"
        while True:
            with self._list() as deferred:
                if not deferred:
                    return
                index, nodeid = deferred.pop(0)
                running.write_text(nodeid, "utf-8")
            yield index
            running.unlink()

    def _tell(self, has_board: bool) -> None:
        """Tell the others that this process is at its end, and whether it has a board."""
        temporary = self._folder / f"{self._name}.new"
        temporary.write_text(json.dumps(has_board))
        temporary.replace(self._end(self._name))

    def _end(self, name: str) -> Path:
        return self._folder / f"{name}.end"

    def _is_at_work(self, name: str) -> bool:
        """Whether a process has neither come to its end nor died."""
        return not self._end(name).exists() and self._lives(name)

    def _has_board(self, name: str) -> bool:
        """Whether a process that lives has come to its end with a board."""
        end = self._end(name)
        return end.exists() and json.loads(end.read_text()) is True and self._lives(name)

    def _others(self) -> list[str]:
        return [path.stem for path in self._folder.glob(f"*{_LIFE}") if path.stem != self._name]

    def _lives(self, name: str) -> bool:
        from filelock import FileLock, Timeout

        try:
            with FileLock(self._folder / f"{name}{_LIFE}").acquire(timeout=0):
                return False
        except Timeout:
            return True

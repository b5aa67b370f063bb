"""The pytest plugin: options, markers, fixtures and reports.

A run that uses no ``h7_*`` fixture imports neither pyOCD nor the virtual board, and touches no USB device.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_h7.announcement import announce
from pytest_h7.bench.interruption import make_patient
from pytest_h7.errors import BaselineError, H7Error, InfrastructureError
from pytest_h7.fixtures import (  # noqa: F401 - pytest finds fixtures by their names here
    _h7_session,
    cm4,
    cm7,
    h7_board,
    h7_console,
    h7_flashed,
    h7_images,
    h7_measure,
    h7_probe,
)
from pytest_h7.markers import MARKERS
from pytest_h7.options import add_options, read_settings
from pytest_h7.session import BoardSession, session_key, uses_board_key
from pytest_h7.timeouts import ThreadTimers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WORKER_HEADER = "h7_header"
_WORKER_FIDELITY = "h7_fidelity"
_worker_headers_key = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)
    names = ["test_*.elf", "*_test.elf"]
    parser.addini("h7_c_tests", "glob patterns of ELF files with tests in C", type="args", default=names)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and declare the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    settings = read_settings(config)
    if settings.gdb and config.getoption("numprocesses", None):
        raise pytest.UsageError(
            "--h7-gdb needs the terminal of the one process that runs the tests: leave out -n."
        )
    config.stash[session_key] = board_session = BoardSession(settings, partial(announce, config))
    if settings.boards is not None:
        _register_pool(config, board_session)
    if settings.baseline or settings.baseline_save:
        _register_gate(config, board_session)
    config.stash[_worker_headers_key] = []
    config.pluginmanager.register(ThreadTimers())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """With ``--h7-boards``, have ``-n auto`` start a process for each board that is free."""
    settings = read_settings(config)
    if settings.boards is None:
        return None
    from pytest_h7.pool import free_boards

    try:
        return max(free_boards(settings), 1)
    except H7Error as error:
        raise pytest.UsageError(str(error)) from None


def _register_pool(config: pytest.Config, board_session: BoardSession) -> None:
    from pytest_h7.pool import BoardPool, PoolHooks

    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    board_session.use_boards(BoardPool(board_session.settings, int(worker.removeprefix("gw"))))
    config.pluginmanager.register(PoolHooks(config, board_session))


def _register_gate(config: pytest.Config, board_session: BoardSession) -> None:
    from pytest_h7.release.hooks import GateHooks

    try:
        config.pluginmanager.register(GateHooks(board_session))
    except BaselineError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of the board."""
    session = config.stash.get(session_key, None)
    if session is not None:
        session.close()


# -- header -----------------------------------------------------------------------------------------


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Connect, if some test needs the board, and show what is connected."""
    if not _shows_header(config) or not any(_uses_board(item) for item in items):
        return []
    try:
        return config.stash[session_key].header(items)
    except H7Error as error:
        raise pytest.UsageError(str(error)) from None


def _shows_header(config: pytest.Config) -> bool:
    # A process of pytest-xdist connects when a test does, so that a failure is reported there.
    only_shows = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test")
    return not hasattr(config, "workerinput") and not any(
        getattr(config.option, name, False) for name in only_shows
    )


def _uses_board(item: pytest.Item) -> bool:
    return "_h7_session" in getattr(item, "fixturenames", ())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a process of pytest-xdist, tell the one that reports what was connected here."""
    output = getattr(session.config, "workeroutput", None)
    h7_session = session.config.stash[session_key]
    if output is not None and h7_session.is_open:
        output[_WORKER_FIDELITY] = h7_session.fidelity.dump()
        try:
            output[_WORKER_HEADER] = h7_session.header(session.items)
        except H7Error as error:
            output[_WORKER_HEADER] = [f"h7: {error}"]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process of pytest-xdist tells."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[session_key].fidelity.merge(output.get(_WORKER_FIDELITY, ()))
    for line in output.get(_WORKER_HEADER, ()):
        node.config.stash[_worker_headers_key].append(f"{node.gateway.id} {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was connected to the processes of pytest-xdist, and what of the virtual board was not enough.

    With ``-v``, also what each test costs at a bench.
    """
    lines = config.stash[_worker_headers_key]
    for line in sorted(lines, key=lambda line: line.partition(" ")[0]):
        terminalreporter.write_line(line)
    session = config.stash[session_key]
    for line in session.fidelity.summary():
        terminalreporter.write_line(line)
    if config.get_verbosity() > 0:
        from pytest_h7.bench_time import summary

        # Where pytest keeps what comes after a test: as of no interest, or as an error.
        reports = [*terminalreporter.getreports(""), *terminalreporter.getreports("error")]
        for line in summary(reports, is_twin=session.is_virtual):
            terminalreporter.write_line(line)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the tests in C of an ELF file."""
    is_named = file_path.suffix == ".elf" and parent.session.isinitpath(file_path)
    if not (is_named or any(file_path.match(name) for name in parent.config.getini("h7_c_tests"))):
        return None
    from pytest_h7.ctests.collection import CTestFile

    return CTestFile.from_parent(parent, path=file_path)


# -- tests ------------------------------------------------------------------------------------------


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the selected board cannot do."""
    reason = item.config.stash[session_key].why_skip(item)
    if reason is not None:
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test during which a core has faulted or the chip was reset without being expected.

    With ``--h7-twin-strict``, also one whose firmware relies on what is not modelled.
    """
    session = item.config.stash[session_key]
    try:
        result = yield
    except (Exception, pytest.fail.Exception) as error:
        if uses_board_key in item.stash:
            session.add_incidents(error)
        raise
    if uses_board_key in item.stash:
        session.check_incidents()
        session.check_fidelity()
    return result


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain failed comparisons of registers, memory, images and states in the vocabulary of the chip."""
    if "pytest_h7.board.core" not in sys.modules:
        return None
    from pytest_h7.comparisons import explain_comparison

    return explain_comparison(op, left, right)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer() -> Generator[None, object, object]:
    """Have pytest-timeout strike between two commands to the board, never within one."""
    result = yield
    make_patient(signal.SIGALRM)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report our errors in short, and add the board's state to the report of a failure.

    Where the bench is in trouble, that is the error, whatever the test has stumbled over.
    """
    session = item.config.stash[session_key]
    has_board = session.is_open and (
        uses_board_key in item.stash or (call.when == "call" and _uses_board(item))
    )
    excinfo = call.excinfo
    if excinfo is None and call.when == "call" and has_board and session.keeps_all_evidence:
        from pytest_h7.report import describe_pass

        report = yield
        describe_pass(item, report, session.board)
        return report
    if excinfo is None or not (has_board or isinstance(excinfo.value, H7Error)):
        return (yield)
    from pytest_h7.report import describe_failure, find_trouble, is_timeout
    from pytest_h7.tracebacks import passes_through_tests, replaced, shortened

    trouble = None
    if has_board and isinstance(excinfo.value, Exception | pytest.fail.Exception):
        _stop_timer(item)
        trouble = find_trouble(session.board)
        if trouble is not None and not (
            isinstance(excinfo.value, InfrastructureError) or is_timeout(excinfo.value)
        ):
            call.excinfo = excinfo = replaced(excinfo, trouble)
    if (isinstance(excinfo.value, H7Error) or is_timeout(excinfo.value)) and not item.config.option.fulltrace:
        with shortened(excinfo):
            report = yield
        if report.failed and not passes_through_tests(item, excinfo):
            report.longrepr = excinfo.getrepr(style="value", chain=False)
    else:
        report = yield
    if report.failed and has_board:
        _stop_timer(item)
        session.leave_halted |= is_timeout(excinfo.value) or session.settings.gdb
        describe_failure(
            item, report, excinfo.value, trouble, session.board, stay_halted=session.leave_halted
        )
    return report


def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """With ``--h7-gdb``, let a person debug the board that a test has failed on."""
    session = node.config.stash[session_key]
    if session.settings.gdb and session.is_open and uses_board_key in node.stash:
        from pytest_h7.gdb import debug

        debug(node.config, session.board)


def _stop_timer(item: pytest.Item) -> None:
    """A time-out that strikes outside of a test's code would end the run."""
    if item.config.pluginmanager.has_plugin("timeout"):
        item.ihook.pytest_timeout_cancel_timer(item=item)

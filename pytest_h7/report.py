"""What the report of a failed test says about the board: class of the failure, both cores, domains, console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.board.core import REPORTED_REGISTERS, CoreState
from pytest_h7.errors import FirmwareError, InfrastructureError

if TYPE_CHECKING:
    from pytest_h7.board.board import Board, CoreSnapshot, Snapshot

SECTION = "h7 board"
_CONSOLE_LINES = 12
_REGISTERS_PER_LINE = 4


def find_trouble(board: Board) -> InfrastructureError | None:
    """Return what is wrong with the bench, None if nothing is."""
    try:
        return board.bench.trouble()
    except Exception as error:
        # An error in here would end the run, and hide the test's own.
        return InfrastructureError(f"The bench could not be examined: {error}")


def describe_failure(
    item: pytest.Item,
    report: pytest.TestReport,
    error: BaseException,
    trouble: InfrastructureError | None,
    board: Board,
    *,
    stay_halted: bool,
) -> None:
    """Add the board's state to the report, and to Allure's when that is in use.

    Both cores are halted for it, and go on afterwards unless the board is to be looked at where it is.

    Args:
        item: The test that has failed.
        report: Its report.
        error: What the test has raised.
        trouble: What is wrong with the bench, which then is all that can be said.
        board: The board.
        stay_halted: Whether the cores are left halted where they are.
    """
    if trouble is not None:
        lines = [f"failure class: {failure_class(trouble)}", str(trouble)]
    else:
        with board.bench.probe.usage.purpose("report"):
            lines = _describe(error, board, stay_halted=stay_halted)
    text = "\n".join(lines)
    report.sections.append((SECTION, text))
    if item.config.pluginmanager.has_plugin("allure_listener"):
        import allure

        allure.attach(text, name=SECTION, attachment_type=allure.attachment_type.TEXT)


def _describe(error: BaseException, board: Board, *, stay_halted: bool) -> list[str]:
    lines = [f"failure class: {failure_class(error)}"]
    try:
        return lines + describe_board(board, stay_halted=stay_halted)
    except Exception as trouble:
        # An error in here would end the run, and hide the test's own.
        return [*lines, f"The board's state could not be read: {trouble}"]


def failure_class(error: BaseException) -> str:
    """Return ``"infrastructure"``, ``"firmware"`` or ``"test"``: who has to look at it."""
    if isinstance(error, InfrastructureError):
        return "infrastructure"
    if isinstance(error, FirmwareError) or is_timeout(error):
        return "firmware"
    return "test"


def is_timeout(error: BaseException) -> bool:
    """Return whether pytest-timeout ended the test."""
    return isinstance(error, pytest.fail.Exception) and "pytest-timeout" in str(error)


def describe_board(board: Board, *, stay_halted: bool) -> list[str]:
    """Return the state of the board as lines of text.

    Raises:
        H7Error: the board does not answer.
    """
    before = {core.name: core.state for core in board.cores}
    running = [core for core in board.cores if before[core.name] in (CoreState.RUNNING, CoreState.SLEEPING)]
    for core in running:
        core.halt()
    try:
        snapshot = board.snapshot()
    finally:
        if not stay_halted:
            for core in running:
                core.resume()
    lines = [f"board time: {snapshot.time:.6f} s"]
    for name, core_snapshot in snapshot.cores.items():
        lines += _core_lines(name, before[name], core_snapshot)
    lines.append(_domain_line(snapshot))
    if snapshot.cores["cm4"].state is CoreState.UNREACHABLE:
        lines.append(f"AP3: {board.ap[3].explain()}")
    if stay_halted and running:
        lines.append(f"{' and '.join(core.name for core in running)} stayed halted there")
    return lines + _console_lines(board)


def _core_lines(name: str, state: CoreState, snapshot: CoreSnapshot) -> list[str]:
    lines = [f"{name}: {state.value}" + (f" in {snapshot.location}" if snapshot.location else "")]
    values = [
        f"{register:>4} {snapshot.registers[register]:08x}"
        for register in REPORTED_REGISTERS
        if register in snapshot.registers
    ]
    for start in range(0, len(values), _REGISTERS_PER_LINE):
        lines.append("  " + "  ".join(values[start : start + _REGISTERS_PER_LINE]))
    if snapshot.fault:
        lines.append(f"  fault: {snapshot.fault}")
    return lines


def _domain_line(snapshot: Snapshot) -> str:
    domains = ", ".join(f"{name} {state.value}" for name, state in snapshot.domains.items())
    taken = ", ".join(f"{index} by {owner}" for index, owner in snapshot.semaphores.items())
    return f"domains: {domains}; semaphores taken: {taken or 'none seen'}"


def _console_lines(board: Board) -> list[str]:
    try:
        lines = board.bench.heard().splitlines()[-_CONSOLE_LINES:]
    except InfrastructureError as error:
        return [f"console: {error}"]
    return ["console:", *(f"  {line}" for line in lines)] if lines else ["console: silent"]

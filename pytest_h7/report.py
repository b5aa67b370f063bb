"""What the report of a failed test says about the board, and the evidence that is kept beside it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

import pytest

from pytest_h7.bench.settings import EvidencePolicy
from pytest_h7.board.core import CoreState
from pytest_h7.errors import ConnectionLost, FirmwareError, InfrastructureError
from pytest_h7.evidence import allure_report
from pytest_h7.evidence.bundle import Bundle, make_bundle
from pytest_h7.evidence.capture import Capture, capture_without_look, take_capture
from pytest_h7.evidence.snapshot import Subject
from pytest_h7.evidence.store import PAGE, Unwritten, folder_name, shown_path, store_of
from pytest_h7.evidence.verdict import headline
from pytest_h7.session import began_key

if TYPE_CHECKING:
    from pytest_h7.board.board import Board
    from pytest_h7.evidence.core_capture import CoreCapture

SECTION = "h7 board"
_CONSOLE_LINES = 12
_REGISTERS_PER_LINE = 4
_REGISTERS = (*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr")
_FRAMES = 8


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
    """Add the board's state to the report, and keep evidence of it.

    Both cores are halted for it, and go on afterwards unless the board is to be looked at where it is.

    Args:
        item: The test that has failed.
        report: Its report.
        error: What the test has raised.
        trouble: What is wrong with the bench, which then is all that can be said.
        board: The board.
        stay_halted: Whether the cores are left halted where they are.
    """
    capture: Capture | None = None
    lines: list[str] = []
    if trouble is None:
        try:
            with board.bench.probe.usage.purpose("report"):
                capture = take_capture(board, start=_begin(item), stay_halted=stay_halted)
            lines = _describe(capture, stay_halted=stay_halted)
        except ConnectionLost as lost:
            trouble = lost
            lines = [f"The board's state could not be read: {lost}"]
        except Exception as problem:
            # An error in here would end the run, and hide the test's own.
            lines = [f"The board's state could not be read: {problem}"]
    else:
        lines = [str(trouble)]
        error = trouble
    if capture is None and trouble is not None:
        with suppress(Exception):
            capture = capture_without_look(board, start=_begin(item), reason=str(trouble))
    kind = failure_class(error)
    subject = _subject(item, report, board, "failed", kind, error)
    _keep(item, report, [f"failure class: {kind}", *lines], subject, capture, board)


def describe_pass(item: pytest.Item, report: pytest.TestReport, board: Board) -> None:
    """With ``--h7-evidence=on``, keep evidence of a test that has passed."""
    try:
        with board.bench.probe.usage.purpose("report"):
            capture = take_capture(board, start=_begin(item), stay_halted=False)
    except Exception:
        return  # the test has passed, and what could not be looked at does not change that
    subject = _subject(item, report, board, "passed", None, None)
    _keep(item, report, [], subject, capture, board)


def _begin(item: pytest.Item) -> float:
    return item.stash.get(began_key, 0.0)


def _subject(
    item: pytest.Item,
    report: pytest.TestReport,
    board: Board,
    outcome: str,
    kind: str | None,
    error: BaseException | None,
) -> Subject:
    return Subject(
        test=item.nodeid,
        phase=report.when or "call",
        attempt=int(getattr(item, "execution_count", 1)),
        outcome=outcome,
        failure_class=kind,
        sentence=headline(error) if error is not None else "The test has passed.",
        details=_details(item, report, error),
        board=_board_lines(board),
    )


def _details(item: pytest.Item, report: pytest.TestReport, error: BaseException | None) -> str:
    """Return what pytest shows of the failure; of an error that is not of the test's code, its text and notes."""
    try:
        if error is None or any(
            Path(frame.filename) == item.path for frame in extract_tb(error.__traceback__)
        ):
            return report.longreprtext
    except Exception:
        return str(error or "")
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def _board_lines(board: Board) -> tuple[str, ...]:
    probe = board.bench.probe
    kind = "virtual board" if board.bench.is_virtual else board.description.name
    voltage = f"target {probe.voltage:.2f} V" if probe.voltage is not None else "target voltage unknown"
    return f"{kind} {probe.serial}", f"{probe.product} {probe.firmware}", voltage


def _keep(
    item: pytest.Item,
    report: pytest.TestReport,
    lines: list[str],
    subject: Subject,
    capture: Capture | None,
    board: Board,
) -> None:
    """Write the evidence, and add to pytest's, JUnit's and Allure's reports what each has room for."""
    bundle = Bundle()
    place: str | None = None
    if board.bench.settings.evidence is not EvidencePolicy.OFF:
        try:
            bundle = make_bundle(subject, capture, board, _begin(item))
            name = folder_name(subject.test, subject.phase, subject.attempt)
            folder = store_of(item.config, board.bench.settings).write(name, bundle.files)
            place = shown_path(folder / PAGE, item.config.invocation_params.dir)
            lines.insert(1, f"evidence: {place}")
        except Unwritten as reason:
            lines.insert(1, f"evidence: {reason}")
        except Exception as problem:
            # As above: the report of the test's own failure must not suffer.
            lines.insert(1, f"evidence: none, {problem}")
    text = "\n".join(lines)
    if subject.outcome == "failed":
        report.sections.append((SECTION, text))
    properties = _properties(subject, capture, board, place)
    item.user_properties += properties
    report.user_properties += properties
    if allure_report.is_in_use(item.config):
        with suppress(Exception):
            allure_report.attach(SECTION, text, bundle.files)


def _properties(
    subject: Subject, capture: Capture | None, board: Board, place: str | None
) -> list[tuple[str, object]]:
    """Return the properties of a test in JUnit XML."""
    found: list[tuple[str, object]] = [("h7_board", board.bench.probe.serial)]
    if subject.failure_class is not None:
        found += [("h7_failure_class", subject.failure_class), ("h7_failure", subject.sentence)]
    for core in capture.cores.values() if capture is not None else ():
        found.append((f"h7_{core.name}", core.state + (f" in {core.location}" if core.location else "")))
        if core.fault is not None:
            found.append((f"h7_{core.name}_fault", str(core.fault)))
    if place is not None:
        found.append(("h7_evidence", place))
    return found


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


# -- as text ------------------------------------------------------------------------------------------


def _describe(capture: Capture, *, stay_halted: bool) -> list[str]:
    """Return the state of the board as lines of text."""
    lines = [f"board time: {capture.time:.6f} s"]
    for core in capture.cores.values():
        lines += _core_lines(core)
    domains = ", ".join(f"{name} {state}" for name, state in capture.domains.items())
    taken = ", ".join(f"{index} by {owner}" for index, owner in capture.semaphores.items())
    lines.append(f"domains: {domains}; semaphores taken: {taken or 'none seen'}")
    lines += [
        f"{port.name}: {port.explanation}"
        for port in capture.access_ports
        if port.explanation and port.name == "AP3"
    ]
    if stay_halted and capture.halted_for_it:
        lines.append(f"{' and '.join(capture.halted_for_it)} stayed halted there")
    lines += [f"not read: {problem}" for problem in capture.problems]
    return lines + _console_lines(capture)


def _core_lines(core: CoreCapture) -> list[str]:
    frame = core.frames[0] if core.frames else None
    lines = [f"{core.name}: {core.state}" + (f" in {_place(core)}" if frame is not None else "")]
    known = {**core.registers, "sp": core.stack_pointer} if core.registers else {}
    values = [f"{name:>4} {known[name]:08x}" for name in _REGISTERS if name in known]
    for start in range(0, len(values), _REGISTERS_PER_LINE):
        lines.append("  " + "  ".join(values[start : start + _REGISTERS_PER_LINE]))
    if core.fault is not None:
        lines.append(f"  fault: {core.fault}")
    if core.fault is not None or core.state == CoreState.LOCKUP.value:
        lines += [f"  {frame}" for frame in core.frames[:_FRAMES]]
        if len(core.frames) > _FRAMES:
            lines.append(f"  ... and {len(core.frames) - _FRAMES} more")
    return lines


def _place(core: CoreCapture) -> str:
    """Return where the core is: the function, and the line, which may be one that was inlined there."""
    inner = core.frames[0]
    outer = next((frame for frame in core.frames if not frame.is_inlined), inner)
    line = f" ({inner.file}:{inner.line})" if inner.file else ""
    return f"{outer.function or f'0x{inner.pc:08X}'}{line}"


def _console_lines(capture: Capture) -> list[str]:
    if capture.console is None:
        return [f"console: {capture.silence}"]
    lines = capture.console.splitlines()[-_CONSOLE_LINES:]
    return ["console:", *(f"  {line}" for line in lines)] if lines else ["console: silent"]

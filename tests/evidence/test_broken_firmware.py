"""Broken firmware: evidence names function and line for both cores, and GDB finds the same in the core files."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from pytest_h7.board.board import Board
from pytest_h7.board.core import CoreState
from pytest_h7.evidence.capture import Capture
from pytest_h7.evidence.elf_core import core_file
from pytest_h7.evidence.page import render_page
from pytest_h7.evidence.snapshot import Subject
from pytest_h7.evidence.verdict import findings

from .conftest import gdb_frames
from .programs import BROKEN, IDLE, JUMP, WATCHDOG

UNWOUND_IN_PARTS = ("lockup", "on the process stack", "stack overflow")
"""GDB needs the second thread: it has no MSP and PSP out of a core file, and a stack may lead nowhere."""

BOTH_WAYS = pytest.mark.parametrize("optimisation", ["-O0", "-O2"])
EACH_CORE = pytest.mark.parametrize("name", ["cm7", "cm4"])


@BOTH_WAYS
@EACH_CORE
@pytest.mark.parametrize("kind", BROKEN)
def test_function_and_line_of_both_cores(
    run_programs: Callable[..., Board],
    capture: Callable[[Board], Capture],
    tmp_path: Path,
    kind: str,
    name: str,
    optimisation: str,
) -> None:
    broken = BROKEN[kind]
    programs = {"cm7": IDLE, "cm4": IDLE, name: broken}
    board = run_programs(*programs.values(), optimisation, "-fno-optimize-sibling-calls")
    captured = capture(board)
    assert captured.problems == []
    for core, program in programs.items():
        seen = captured.cores[core]
        assert seen.state == program.state
        assert (seen.culprit.function, seen.culprit.line) == (program.function, program.line)
        assert seen.culprit.file == "program.c"
        if program.fault is None:
            assert seen.fault is None
        else:
            assert program.fault in seen.fault.flags
            assert seen.executing == "HardFault"
        image = getattr(board.images, core).path
        file = tmp_path / core
        file.write_bytes(core_file(seen))
        ours = [(frame.function, frame.line) for frame in seen.frames]
        is_split = program is broken and kind in UNWOUND_IN_PARTS
        if not is_split:
            assert gdb_frames(image, file) == ours
        if program is broken:
            before = sum(frame.interrupted_by is None for frame in seen.frames[:1])
            assert gdb_frames(image, file, "thread 2")[: len(ours) - before] == ours[before:]


@BOTH_WAYS
def test_reset_by_the_watchdog_of_the_cm4(
    run_programs: Callable[..., Board], capture: Callable[[Board], Capture], optimisation: str
) -> None:
    board = run_programs(IDLE, WATCHDOG, optimisation, seconds=0.6)
    captured = capture(board)
    assert "IWDG2RSTF" in captured.reset_flags["cm4"]
    assert any("independent watchdog of the CM4" in sentence for sentence in findings(captured))
    for core, program in (("cm7", IDLE), ("cm4", WATCHDOG)):
        seen = captured.cores[core].culprit
        assert seen.function == program.function
        assert seen.line in (program.line - 1, program.line)  # the loop, and what is in it


@pytest.mark.parametrize("kind", BROKEN)
def test_page_names_function_and_line(
    run_programs: Callable[..., Board], capture: Callable[[Board], Capture], kind: str
) -> None:
    broken = BROKEN[kind]
    captured = capture(run_programs(broken, IDLE, "-O2", "-fno-optimize-sibling-calls"))
    subject = Subject("t.py::test", "call", 1, "failed", "firmware", "It failed.", "", ())
    page = unescape(re.sub(r"<[^>]+>", "", render_page(subject, captured, None, ())))
    assert f"in {broken.function} (program.c:{broken.line}): " in page
    assert "↑ HardFault was taken here" in page
    assert f"in idle (program.c:{IDLE.line})" in page
    if kind == "stack overflow":
        assert "has run over the end of its stack" in page
        assert "guessed: the stack is broken" in page


def test_a_look_changes_nothing(
    run_programs: Callable[..., Board], capture: Callable[[Board], Capture]
) -> None:
    board = run_programs(IDLE, IDLE, "-O2")
    first, second = capture(board), capture(board)
    assert first.cost <= 200
    assert board.cm7.state is board.cm4.state is CoreState.RUNNING
    words = [
        {
            (unit.name, register.name): register.value
            for unit in look.peripherals
            for register in unit.registers
        }
        for look in (first, second)
    ]
    assert words[0] == words[1]
    assert not [name for unit, name in words[0] if unit == "HSEM" and name.startswith("RLR")]


def test_program_counter_that_jumped_into_nothing(
    run_programs: Callable[..., Board], capture: Callable[[Board], Capture]
) -> None:
    captured = capture(run_programs(JUMP, IDLE, "-O2", "-fno-optimize-sibling-calls"))
    cm7 = captured.cores["cm7"]
    assert [frame.function for frame in cm7.frames][:3] == ["HardFault_Handler", None, "jump"]
    assert cm7.culprit.function == "jump"

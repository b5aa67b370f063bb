"""Broken firmware: evidence names function and line for both cores, and GDB finds the same in the core files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_h7.board.board import Board
from pytest_h7.evidence.capture import Capture
from pytest_h7.evidence.elf_core import core_file

from .conftest import gdb_frames
from .programs import BROKEN, IDLE

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

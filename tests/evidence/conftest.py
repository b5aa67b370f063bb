"""A virtual board with programs of the tests, and GDB to compare with."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import Settings
from pytest_h7.board.board import Board
from pytest_h7.board.images import Image, ImagePair
from pytest_h7.evidence.capture import Capture, take_capture
from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import VirtualBoard

from .programs import Broken

_FRAME = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) .*?(?: at (\S+):(\d+))?$")


@pytest.fixture(scope="module")
def own_board() -> Iterator[Board]:
    """A board of its own for these tests, in the place of the one that other modules use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twin_board, "_boards", {"": VirtualBoard()})
        bench = Bench(Settings())
        yield Board(bench)
        bench.close()


@pytest.fixture
def run_programs(own_board: Board, build_program: Callable[..., Any]) -> Callable[..., Board]:
    """Run a program on each core for a while: ``run_programs(cm7=program, cm4=program, flags=("-O0",))``."""

    def run(cm7: Broken, cm4: Broken, *flags: str, seconds: float = 0.02) -> Board:
        images = []
        for core, program, blank in (("cm7", cm7, "0x080E0000"), ("cm4", cm4, "0x081E0000")):
            built = build_program(core, program.text, f"-DBLANK={blank}", "-Wno-infinite-recursion", *flags)
            images.append(Image(core, built.path))
        own_board.clean()
        own_board.flash(ImagePair(*images), own_board.bench.settings.flash)
        own_board.bench.listen()
        own_board.reset()
        own_board.sleep(seconds)
        return own_board

    return run


@pytest.fixture
def capture() -> Callable[[Board], Capture]:
    def look(board: Board) -> Capture:
        return take_capture(board, start=0.0, stay_halted=False)

    return look


def gdb(image: Path, core: Path, *commands: str) -> str:
    """Return what GDB says of a core file."""
    arguments = [part for command in commands for part in ("-ex", command)]
    run = subprocess.run(
        ["gdb-multiarch", "-nx", "-batch", *arguments, image, core],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout


def gdb_frames(image: Path, core: Path, *before: str) -> list[tuple[str, int | None]]:
    """Return function and line of the frames that GDB finds, without its own."""
    said = gdb(image, core, *before, "echo calls:\\n", "backtrace").partition("calls:\n")[2]
    found = (_FRAME.match(line) for line in said.splitlines())
    frames = [(match[1], int(match[3]) if match[3] else None) for match in found if match]
    return [frame for frame in frames if not frame[0].startswith("<")]

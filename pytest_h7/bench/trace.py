"""The signals of the virtual board as a VCD file (IEEE 1364-2005 chapter 18), which GTKWave opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_h7.errors import H7Error

if TYPE_CHECKING:
    from pytest_h7.twin.board import VirtualBoard

_WORKER = "PYTEST_XDIST_WORKER"


class VcdTrace:
    """A VCD file that grows with each `write`.

    In a process of pytest-xdist, which has a board of its own, the name of the process is added to the file's.

    Raises:
        H7Error: the file cannot be written.
    """

    def __init__(self, board: VirtualBoard, path: Path) -> None:
        from vcd import VCDWriter

        worker = os.environ.get(_WORKER)
        self.path = path.with_stem(f"{path.stem}-{worker}") if worker else path
        try:
            self._file = self.path.open("w", encoding="utf-8")
        except OSError as error:
            raise H7Error(f"The trace {self.path} cannot be written: {error.strerror}.") from error
        self._recorder = board.record_signals()
        self._recorder.fetch()
        self._writer = VCDWriter(
            self._file,
            timescale="1 ps",
            date="",
            version="pytest-h7",
            comment=f"virtual board {board.serial}, board time",
            init_timestamp=board.picoseconds(),
        )
        self._variables: dict[str, Any] = {}
        for signal, value in self._recorder.values().items():
            scope, _, name = signal.partition(".")
            if isinstance(value, bool):
                variable: Any = self._writer.register_var(scope, name, "wire", size=1, init=int(value))
            else:
                variable = self._writer.register_var(scope, name, "string", init=value)
            self._variables[signal] = variable

    def write(self) -> None:
        """Write what has happened since the last time."""
        for time, signal, value in self._recorder.fetch():
            self._writer.change(
                self._variables[signal], time, int(value) if isinstance(value, bool) else value
            )
        self._writer.flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        self.write()
        self._writer.close()
        self._file.close()

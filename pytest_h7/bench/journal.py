"""What has to be put back at a board, kept in a file until it is: a process that is killed cannot do it itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.errors import InfrastructureError


class Journal:
    """Option bytes by name that a test has changed, as they were before.

    Args:
        path: The file, which is there while something has to be put back. None for a board that ends with this
            process: then nothing is written.

    Attributes:
        values: What has to be put back.
        test: Which test has changed it.

    Raises:
        InfrastructureError: The file that an earlier process has left cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.values: dict[str, int] = {}
        self.test = ""
        if path is not None and path.is_file():
            try:
                left = json.loads(path.read_text("utf-8"))
                self.values = {str(name): int(value) for name, value in left["before"].items()}
                self.test = str(left["test"])
                if not all(OPTION_BYTES[name].holds(value) for name, value in self.values.items()):
                    raise ValueError
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise InfrastructureError(
                    f"The journal {path} of what an earlier run has changed cannot be read: check the board's "
                    "option bytes, then delete it."
                ) from error

    def add(self, values: Mapping[str, int], test: str) -> None:
        """Keep values before they are changed; those of a name that is there already stay.

        When this returns they are on the disk.
        """
        together = {**values, **self.values}
        if together == self.values:
            return
        if self._path is not None:
            write_durably(self._path, {"test": test, "before": together})
        self.values, self.test = together, test

    def clear(self) -> None:
        """Forget what has been put back."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self.values, self.test = {}, ""


def write_durably(path: Path, content: object) -> None:
    """Write a JSON file whole or not at all; when this returns it is on the disk.

    Raises:
        InfrastructureError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _synchronise(path.parent)
    except OSError as error:
        raise InfrastructureError(
            f"What has to be put back at the board cannot be kept in {path} ({error.strerror}), so nothing is "
            "changed: make room there, or let the folder be written."
        ) from error


def _synchronise(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system knows of such a thing."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

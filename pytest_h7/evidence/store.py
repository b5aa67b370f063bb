"""Where evidence is kept: a folder for each test and attempt, bounded, and emptied by the next run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import filelock
import pytest

if TYPE_CHECKING:
    from pytest_h7.bench.settings import Settings

MOST_BUNDLES = 100
MOST_BYTES = 64 << 20
"""What a process keeps at most; a run with a thousand failures has one cause, mostly."""

PAGE, SNAPSHOT, TIMELINE, VCD = "index.html", "snapshot.json", "timeline.svg", "timeline.vcd"

_MARKER = ".h7-evidence"
"""Says that a folder is ours to empty, and which run it is of."""

_LONGEST_NAME = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9._\[\]=,@-]+")


_store_key = pytest.StashKey["EvidenceStore"]()


class Unwritten(Exception):
    """Evidence that could not be kept, and why."""


class EvidenceStore:
    """The folder of a run.

    Args:
        root: The folder.
        run: What tells this run from others; the processes of pytest-xdist share it.
    """

    def __init__(self, root: Path, run: str) -> None:
        self.root = root
        self._run = run
        self._is_ready = False
        self._bundles = 0
        self._bytes = 0

    def prepare(self) -> None:
        """Remove what an earlier run has left; nothing that is not ours, and nothing if it cannot be removed."""
        if self._is_ready:
            return
        self._is_ready = True
        marker = self.root / _MARKER
        with suppress(OSError, ValueError, filelock.Timeout):
            if not marker.is_file():
                return
            with filelock.FileLock(self.root / f"{_MARKER}.lock", timeout=5):
                if marker.read_text("utf-8").strip() == self._run:
                    return
                for folder in self.root.iterdir():
                    if (folder / SNAPSHOT).is_file() or folder.name.endswith(".part"):
                        shutil.rmtree(folder, ignore_errors=True)
                marker.write_text(self._run, "utf-8")

    def write(self, name: str, files: Mapping[str, bytes]) -> Path:
        """Write files into a folder of that name, all or none; return the folder.

        Raises:
            Unwritten: they cannot be written, or there are enough already.
        """
        size = sum(map(len, files.values()))
        if self._bundles >= MOST_BUNDLES or self._bytes + size > MOST_BYTES:
            raise Unwritten(
                f"not kept: this run has evidence of {self._bundles} failures already ({self._bytes >> 20} MB)"
            )
        self.prepare()
        folder = self.root / name
        part = folder.with_name(f"{name}.{os.getpid()}.part")
        try:
            part.mkdir(parents=True, exist_ok=True)
            marker = self.root / _MARKER
            if not marker.exists():
                marker.write_text(self._run, "utf-8")
            for file, content in files.items():
                (part / file).write_bytes(content)
            if folder.is_dir():
                shutil.rmtree(folder)
            part.rename(folder)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise Unwritten(f"could not be written to {folder}: {error.strerror or error}") from error
        self._bundles += 1
        self._bytes += size
        return folder


def store_of(config: pytest.Config, settings: Settings) -> EvidenceStore:
    """Return where a run keeps its evidence; a relative folder is meant from where pytest was started."""
    if _store_key not in config.stash:
        worker = getattr(config, "workerinput", {})
        root = config.invocation_params.dir / settings.evidence_dir
        config.stash[_store_key] = EvidenceStore(root, str(worker.get("testrunuid") or uuid4().hex))
    return config.stash[_store_key]


def shown_path(path: Path, folder: Path) -> str:
    """Return a path as a person at `folder` would write it."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def folder_name(nodeid: str, phase: str, attempt: int) -> str:
    """Return the name of a test's folder: of its node id, in characters that every file system takes.

    Names that differ stay different, by a hash where characters had to be replaced or left out.
    """
    file, _, test = nodeid.partition("::")
    parts = file.removesuffix(".py").split("/")
    name = _UNSAFE.sub("-", ".".join((*parts, *test.split("::")))).strip("-.") or "test"
    is_changed = _UNSAFE.search("".join((*parts, *test.split("::")))) or any("." in part for part in parts)
    if is_changed or len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(nodeid.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        name = f"{name[:_LONGEST_NAME]}-{digest}"
    if phase != "call":
        name += f"-{phase}"
    return f"{name}-attempt{attempt}" if attempt > 1 else name

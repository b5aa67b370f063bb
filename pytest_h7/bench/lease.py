"""One board, one user: a lease that says who has a board, and that ends with the process that holds it.

It is a lock on a file by the probe's serial number in the user's state directory, which the operating system frees
when its holder dies, however. So one user's processes, those of pytest-xdist among them, come one after the other.
Another user, or a program that knows nothing of leases, is kept out by the USB interface of the probe.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from pytest_h7.errors import BoardInUse, InfrastructureError
from pytest_h7.twin.board_store import LOCK, board_lock

_HOLDER = "holder.json"
_POLL = 0.05
"""Seconds between two looks at a board that is taken."""


@dataclass(frozen=True)
class Holder:
    """Who has a board: process, user, host, command line, and since when (ISO 8601)."""

    pid: int
    user: str
    host: str
    command: str
    since: str

    @classmethod
    def myself(cls) -> Holder:
        """Return this process, now."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = "unknown user"  # of a container whose user has no name
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        if worker and sys.argv[0] == "-c":  # what execnet has started it with
            command = f"pytest-xdist's {worker} of process {os.getppid()}"
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        return cls(os.getpid(), user, socket.gethostname(), command, since)

    def __str__(self) -> str:
        since = datetime.fromisoformat(self.since).strftime("%Y-%m-%d %H:%M:%S")
        return f"{self.user}@{self.host} since {since} (process {self.pid}: {self.command})"


def probe_folder(serial: str) -> Path:
    """Return the folder of what is remembered of the board at a probe, which need not be there."""
    from platformdirs import user_state_path

    state: Path = user_state_path("pytest-h7")
    return state / "probes" / quote(serial, safe="")


def who_has(folder: Path) -> str | None:
    """Return who has the board of a folder now, None if nobody has."""
    if not (folder / LOCK).is_file():
        return None
    lock = board_lock(folder)
    if not lock.is_locked:
        try:
            with lock.acquire(timeout=0):
                return None
        except Timeout:
            pass
    return _describe_holder(folder)


def _describe_holder(folder: Path) -> str:
    try:
        return str(Holder(**json.loads((folder / _HOLDER).read_text("utf-8"))))
    except (OSError, ValueError, TypeError):
        return "a program that does not tell its name"  # pyOCD at a virtual board


class Lease:
    """The right to use a board, held until `release` or the end of the process.

    Args:
        board: The serial number of its probe, for messages.
        folder: Where the lease is, and what else is remembered of the board.
        timeout: Seconds to wait for a board that somebody else has, 0 not to.
        announce: Tells the user, once, that this waits and for whom.

    Raises:
        BoardInUse: The board did not become free in time; the message names the holder.
        InfrastructureError: The folder cannot be written.
    """

    def __init__(self, board: str, folder: Path, timeout: float, announce: Callable[[str], None]) -> None:
        self.folder = folder
        self._holder = folder / _HOLDER
        self._lock: FileLock = board_lock(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._take(board, timeout, announce)
            temporary = folder / f"{_HOLDER}.new"
            temporary.write_text(json.dumps(asdict(Holder.myself())), "utf-8")
            temporary.replace(self._holder)
        except OSError as error:
            self._lock.release()
            raise InfrastructureError(
                f"The lease of the board {board} cannot be kept in {folder} ({error.strerror}): let the folder be "
                "written, or set XDG_STATE_HOME (for virtual boards H7_TWIN_HOME) to one that can be."
            ) from error

    def _take(self, board: str, timeout: float, announce: Callable[[str], None]) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            if not timeout:
                raise BoardInUse(
                    f"The board {board} is in use by {_describe_holder(self.folder)}; end that, or use another "
                    "board."
                ) from None
            announce(
                f"waiting up to {timeout:g} s for board {board}, in use by {_describe_holder(self.folder)}"
            )
            self._wait(board, timeout)

    def _wait(self, board: str, timeout: float) -> None:
        try:
            self._lock.acquire(timeout=timeout, poll_interval=_POLL)
        except Timeout:
            raise BoardInUse(
                f"The board {board} did not become free within {timeout:g} s: it is in use by "
                f"{_describe_holder(self.folder)}; end that, use another board, or wait longer with "
                "--h7-lease-timeout."
            ) from None

    def release(self) -> None:
        """Leave the board to others."""
        self._holder.unlink(missing_ok=True)
        self._lock.release()

"""Where a named virtual board is kept between processes, and the lock that gives it to one of them.

Flash and option bytes are kept as they change, so that a process that is killed leaves what it has programmed, as
with a board on the desk; the backup domain when the board is put away. While it is stored, the backup domain has
its supply but no time passes: the RTC goes on with the time it had. All else begins with a power-on reset.
"""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from pytest_h7.twin import backup_domain
from pytest_h7.twin.memories import FLASH_STORAGE_SIZE, erased_flash

if TYPE_CHECKING:
    from pytest_h7.twin.mcu import Mcu
    from pytest_h7.twin.peripherals.flash import Flash

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")
_HOME = "H7_TWIN_HOME"
LOCK = "lock"
"""Name of the lock file in the folder of a board."""

_open_folders: set[Path] = set()


class BoardNameError(ValueError):
    """The name of a virtual board cannot be one of a folder."""


class BoardInUse(Exception):
    """This named board is open already, mostly in another process."""


class BoardDamaged(Exception):
    """What is kept of a named board cannot be read, or not written."""


def board_lock(folder: Path) -> FileLock:
    """Return the lock of the board kept in a folder, which this process may take more than once.

    Who waits for a board takes the lock first, then opens the board, and nobody comes between.
    """
    return FileLock(folder / LOCK, is_singleton=True)


def home() -> Path:
    """Return the folder of the named boards: ``H7_TWIN_HOME``, else in the user's state directory."""
    given = os.environ.get(_HOME)
    if given:
        return Path(given)
    from platformdirs import user_state_path

    state: Path = user_state_path("pytest-h7")
    return state / "twin"


def board_folder(name: str) -> Path:
    """Return the folder of a named board, which need not be there; raise BoardNameError for an unusable name."""
    if _NAME.fullmatch(name) is None:
        raise BoardNameError(
            f"{name!r} cannot be the name of a virtual board: letters, digits, '_', '.' and '-' can."
        )
    return home() / name


def serial_of(name: str | None) -> str:
    """Return the serial number of the board called `name`, None for the unnamed one."""
    return f"H7TWIN-{name}" if name else "H7TWIN"


def kept_boards() -> list[str]:
    """Return the names of the boards that are kept."""
    return sorted(path.parent.name for path in home().glob(f"*/{LOCK}"))


class BoardStore:
    """The folder of a named board, opened for this process.

    Attributes:
        flash: The cells of its flash, in a file that is mapped into memory.

    Raises:
        BoardNameError: The name cannot be one of a folder.
        BoardInUse: Another process, or this one, has the board open.
        BoardDamaged: It cannot be read.
    """

    def __init__(self, name: str) -> None:
        self._folder = board_folder(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = board_lock(self._folder)
        self._options: dict[str, Any] = {}
        self._chip_flash: Flash | None = None
        try:
            if self._folder in _open_folders:
                raise Timeout(str(self._folder))
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BoardInUse(f"The virtual board {name!r} is in use by another process.") from None
        _open_folders.add(self._folder)
        with self._being_opened():
            self.flash = self._map_flash()

    @contextmanager
    def _being_opened(self) -> Iterator[None]:
        """Give the board up again if it cannot be opened."""
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.release()
            if isinstance(error, OSError):
                reason = f"({error.strerror}): make room there, or let the folder be read and written."
            else:
                reason = (
                    "because a file in it is damaged: delete the folder for a board as the factory has it."
                )
            raise BoardDamaged(
                f"The virtual board that is kept in {self._folder} cannot be opened {reason}"
            ) from error

    def _map_flash(self) -> mmap.mmap:
        path = self._folder / "flash.bin"
        if not path.is_file():
            _replace(path, erased_flash())
        with path.open("r+b") as file:
            return mmap.mmap(file.fileno(), FLASH_STORAGE_SIZE)

    def load_options(self, flash: Flash) -> None:
        """Fill in the option bytes; from now on every change of them is kept at once."""
        path = self._folder / "options.json"
        if path.is_file():
            with self._being_opened():
                self._options = json.loads(path.read_text("utf-8"))
                flash.swapped = self._options["swapped"]
                flash.load(self._options["words"])
        self._chip_flash = flash
        flash.options_changed = self.save_options

    def save_options(self) -> None:
        """Keep the option bytes, and in which order the banks are in the file, if they have changed."""
        assert self._chip_flash is not None
        options = {"swapped": self._chip_flash.swapped, "words": self._chip_flash.save()}
        if options != self._options:
            _replace(self._folder / "options.json", json.dumps(options).encode())
            self._options = options

    def load_backup_domain(self, mcu: Mcu) -> None:
        """Give the chip, just powered, the backup domain that was kept."""
        path = self._folder / "backup-domain.json"
        if path.is_file():
            with self._being_opened():
                backup_domain.keep(mcu, json.loads(path.read_text("utf-8")))

    def save_backup_domain(self, mcu: Mcu) -> None:
        """Keep the backup domain; without VDD it has lost everything."""
        path = self._folder / "backup-domain.json"
        if mcu.supplied:
            _replace(path, json.dumps(backup_domain.save(mcu)).encode())
        else:
            path.unlink(missing_ok=True)

    def release(self) -> None:
        """Give up the board."""
        if self._chip_flash is not None:
            self._chip_flash.options_changed = None
        _open_folders.discard(self._folder)
        self._lock.release()


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    temporary.replace(path)

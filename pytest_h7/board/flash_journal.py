"""What the host remembers while it changes flash, so that a run after one that was cut can repair it.

An erase or a programming that lost its power leaves cells that may read well today and not tomorrow, and what an
erased sector held around the images is nowhere but in the host's memory. Both are in a file before the first
change, and the file is gone after the last one was verified.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_h7.bench.journal import write_durably
from pytest_h7.errors import H7Error

if TYPE_CHECKING:
    from pytest_h7.board.flash_plan import Words

_SUFFIX = ".flash.json"


def any_journal(folder: Path | None) -> bool:
    """Return whether a change of some chip has not come to its end."""
    return folder is not None and any(folder.glob(f"*{_SUFFIX}"))


class FlashJournal:
    """The journal of one chip.

    Args:
        folder: Where such journals are.
        unique_id: That of the chip.
    """

    def __init__(self, folder: Path, unique_id: str) -> None:
        self._path = folder / f"{unique_id}{_SUFFIX}"

    def unfinished(self) -> dict[int, Words | None]:
        """Return the sectors whose change has not come to its end, with what they held if they were to be erased.

        Raises:
            H7Error: the file is damaged.
        """
        try:
            entries = json.loads(self._path.read_text("ascii"))
            return {
                int(address, 16): None if words is None else _load(words)
                for address, words in entries.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError) as error:
            raise H7Error(
                f"The journal of a flash change that was cut, {self._path}, is damaged: delete it and flash again."
            ) from error

    def begin(self, sectors: Mapping[int, Words | None]) -> None:
        """Remember sectors until `finish`, and what those held around the images that are to be erased."""
        entries = {
            f"0x{address:08X}": None if words is None else _dump(words) for address, words in sectors.items()
        }
        write_durably(self._path, entries)

    def finish(self) -> None:
        """Forget everything: flash holds what it is to hold."""
        self._path.unlink(missing_ok=True)


def _dump(words: Words) -> dict[str, str]:
    return {f"0x{at:08X}": word.hex() for at, word in words.items()}


def _load(words: Mapping[str, str]) -> Words:
    return {int(at, 16): bytes.fromhex(word) for at, word in words.items()}

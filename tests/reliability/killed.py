"""For processes that are to be killed: at the n-th thing they do to a board or to what is remembered of one.

Imported with ``H7_TEST_KILL_AT`` set to n, it lets the process kill itself at that moment, as SIGKILL from
outside would; with 0, or without it, the process counts and writes how many moments there were when it ends.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_h7.twin.stlink import VirtualStlink

VARIABLE = "H7_TEST_KILL_AT"
COUNT = "H7_TEST_MOMENTS"
"""Environment variable: the file that the number of moments is written to."""


class Moments:
    """Counts, and kills this process at one of them."""

    def __init__(self, fatal: int) -> None:
        self._fatal = fatal
        self.count = 0

    def arm(self, distance: int) -> None:
        """Kill this process so many moments from now on."""
        self._fatal = self.count + distance

    def counted(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a moment before it."""

        def count_and_call(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return count_and_call


moments = Moments(int(os.environ.get(VARIABLE, "0")))

for owner, name in (
    (VirtualStlink, "execute"),
    (Path, "replace"),
    (Path, "unlink"),
    (os, "fsync"),
):
    setattr(owner, name, moments.counted(getattr(owner, name)))

if COUNT in os.environ:
    atexit.register(lambda: Path(os.environ[COUNT]).write_text(str(moments.count)))

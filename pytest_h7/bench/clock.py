"""Board time: that of the simulation on the virtual board, the monotonic clock on a real one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where board time comes from. Every time-out and wait of this package is in board time."""

    def time(self) -> float:
        """Return the board time in seconds; the origin is arbitrary."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let board time pass."""
        ...


class HostClock:
    """Board time of a real board: the host's monotonic clock."""

    def time(self) -> float:
        """Return the monotonic clock in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

"""Counts the cycles of a clock that changes its frequency, stops and goes on, without an event for each."""

from __future__ import annotations

from pytest_h7.twin.timeline import PS_PER_S


class CycleCounter:
    """A count that grows by one at each cycle of a clock of ``hz / divider``, and stands still at 0 Hz."""

    def __init__(self) -> None:
        self._count = 0
        self._since = 0
        self._hz = 0
        self._divider = 1

    @property
    def running(self) -> bool:
        """Whether there is a clock."""
        return self._hz != 0

    def count(self, now: int) -> int:
        """Return the cycles up to board time `now`, in picoseconds."""
        return self._count + (now - self._since) * self._hz // (self._divider * PS_PER_S)

    def set_count(self, count: int, now: int) -> None:
        """Go on from another count."""
        self._count = count
        self._since = now

    def delay(self, count: int, now: int) -> int | None:
        """Return the picoseconds from `now` until `count` is reached, None without a clock.

        Nothing is left to wait for where it has been reached already.
        """
        if not self._hz:
            return None
        elapsed = -((self._count - count) * self._divider * PS_PER_S // self._hz)
        return max(0, self._since + elapsed - now)

    def set_clock(self, hz: int, divider: int, now: int) -> bool:
        """Go on with another clock, 0 Hz for none; return whether it is another one.

        The part of a cycle that has passed is lost.
        """
        if (hz, divider) == (self._hz, self._divider):
            return False
        self._count = self.count(now)
        self._since = now
        self._hz = hz
        self._divider = divider
        return True

"""Events in order of board time, run by hand: what the scheduler does for a chip that has no cores."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Event:
    """A callback due at a board time; `cancel` takes it back."""

    __slots__ = ("action", "time")

    def __init__(self, time: int, action: Callable[[], None]) -> None:
        self.time = time
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Forget the callback; harmless after it has run."""
        self.action = None

    @property
    def pending(self) -> bool:
        """Whether the callback is still to come."""
        return self.action is not None


class Timeline:
    """Events in order of time; those of the same time run in the order they were scheduled."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Event]] = []
        self._count = 0

    def schedule(self, time: int, action: Callable[[], None]) -> Event:
        """Run `action` at board time `time` (picoseconds)."""
        event = Event(time, action)
        self._count += 1
        heapq.heappush(self._heap, (time, self._count, event))
        return event

    def next_time(self) -> int | None:
        """Return the time of the next event, None when nothing is scheduled."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def run_due(self, now: int) -> None:
        """Run every event due at or before `now`, including those that are scheduled meanwhile."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            event = heapq.heappop(heap)[2]
            action, event.action = event.action, None
            if action is not None:
                action()

"""The time base of a timer: prescaler, counter, auto-reload and repetition counter (RM0399 40.3.1 to 40.3.3).

The end of a run in one direction, where the counter overflows or underflows, is called a turn here. In
edge-aligned mode the counter turns on its way from the auto-reload value to 0, or back; in centre-aligned mode on
reaching either. A counter that is above the auto-reload value counts on to its largest value and turns there: not
known of the hardware.
"""

from __future__ import annotations


class TimeBase:
    """The counter and the active values of the registers that guide it.

    Args:
        largest: The largest count.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.reset()

    def reset(self) -> None:
        """Put everything as it is after a reset."""
        self.count = 0
        self.down = False
        self.centre = False
        self.prescaler = 0
        self.reload = self.largest
        self.repetition = 0
        self._prescaled = 0

    def restart(self) -> None:
        """Begin anew: at 0, or at the auto-reload value when counting down in edge-aligned mode."""
        if self.centre:
            self.down = False
        self.count = self.reload if self.down else 0
        self._prescaled = 0

    # -- where it goes --------------------------------------------------------------------------

    @property
    def blocked(self) -> bool:
        """Whether the auto-reload value is 0, which stops the counter."""
        return self.reload == 0

    @property
    def _way(self) -> range:
        """The counts that are still to be visited before the turn."""
        if self.down:
            return range(1 if self.centre else 0, self.count)
        top = self.reload if self.count <= self.reload else self.largest
        return range(self.count + 1, top if self.centre else top + 1)

    def _ticks(self, counts: int) -> int:
        return counts * (self.prescaler + 1) - self._prescaled

    def ticks_to_turn(self) -> int:
        """Return how many clock periods the next overflow or underflow is away, at least 1."""
        return self._ticks(len(self._way) + 1)

    def ticks_to_update(self) -> int:
        """Return how many clock periods it is to the turn at which the repetition counter is 0."""
        return self.ticks_to_turn() + self.repetition * self._run_ticks

    def ticks_to(self, count: int) -> int | None:
        """Return how many clock periods it is until the counter comes to a count, None if it turns before."""
        return self._ticks(abs(count - self.count)) if count in self._way else None

    @property
    def _run_ticks(self) -> int:
        """Clock periods from turn to turn."""
        return (self.reload if self.centre else self.reload + 1) * (self.prescaler + 1)

    # -- moving ---------------------------------------------------------------------------------

    def move(self, ticks: int) -> range:
        """Go on for some clock periods, fewer than to the turn; return the counts visited."""
        counts, self._prescaled = divmod(self._prescaled + ticks, self.prescaler + 1)
        before = self.count
        if self.down:
            self.count -= counts
            return range(self.count, before)
        self.count += counts
        return range(before + 1, self.count + 1)

    def finish_run(self) -> range:
        """Go on to the turn; return the counts visited before it. `turn` has to follow."""
        visited = self._way
        self.count = visited[0 if self.down else -1] if visited else self.count
        self._prescaled = 0
        return visited

    def turn(self) -> None:
        """Take up direction and count behind the turn, where the auto-reload value of now counts."""
        if self.centre:
            self.down = not self.down
        self.count = self.reload if self.down else 0

    # -- many periods at once -------------------------------------------------------------------

    @property
    def turns_in_period(self) -> int:
        """Turns until the counter is where it was, in the same direction."""
        return 2 if self.centre else 1

    def periods_in(self, ticks: int) -> int:
        """Return how many whole periods fit into some clock periods, 0 where a new value upsets the first."""
        ends = (0 if self.down else self.reload,) if self.centre else ()
        if self.count > self.reload or self.count in ends:
            return 0
        return ticks // self.period_ticks

    @property
    def period_ticks(self) -> int:
        """Clock periods until the counter is where it was."""
        return self._run_ticks * self.turns_in_period

    def visits_in_period(self, count: int) -> int:
        """Return how often the counter comes to a count in a period."""
        if count > self.reload:
            return 0
        return 2 if self.centre and 0 < count < self.reload else 1

    def repeat(self, turns: int, repetitions: int) -> int:
        """Let the repetition counter see some turns; return how often it was 0 and took up `repetitions`."""
        if turns <= self.repetition:
            self.repetition -= turns
            return 0
        updates, rest = divmod(turns - self.repetition - 1, repetitions + 1)
        self.repetition = repetitions - rest
        return updates + 1

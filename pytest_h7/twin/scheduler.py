"""Runs both cores on one board time: in quanta while both execute, in jumps while they sleep.

Each core has a clock of its own. The core that runs first in a slice is at most one quantum ahead of the
other; what happens when is decided by board time and the order CM7, CM4 alone, so that a run repeats to the
cycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S, Event, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_h7.twin.cpu import Core

QUANTUM_CYCLES = 1000
"""Cycles of the faster core in a slice while both run. Firmware polls the other core's state in counted
loops of 65535 turns, which a quantum has to be far shorter than."""

_LONGEST_SLICE = PS_PER_MS


class CoreClock:
    """Ties a core's cycles to board time. While it is off, the core does not advance."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.hz = 1
        self.on = False
        self._anchor_time = 0
        self._anchor_cycles = 0

    def time(self) -> int:
        """Return the board time the core has reached, in picoseconds."""
        return self._anchor_time + (self.core.cycles - self._anchor_cycles) * PS_PER_S // self.hz

    def anchor(self, time: int) -> None:
        """Count on from `time`, whatever the core's cycles are."""
        self._anchor_time = time
        self._anchor_cycles = self.core.cycles

    def cycles_until(self, time: int) -> int:
        """Return how many cycles reach `time` or just pass it."""
        total = -((self._anchor_time - time) * self.hz // PS_PER_S)
        return total - (self.core.cycles - self._anchor_cycles)

    def set_frequency(self, hz: int) -> None:
        """Go on at another frequency from where the core is."""
        self.anchor(self.time())
        self.hz = hz


class Scheduler:
    """The board's time and the loop that advances it."""

    def __init__(self, cores: Sequence[Core]) -> None:
        self.clocks = [CoreClock(core) for core in cores]
        self.timeline = Timeline()
        self._time = 0
        self._current: CoreClock | None = None
        self._slice_end = 0

    @property
    def now(self) -> int:
        """Board time in picoseconds; inside a core's access, the time of that instruction."""
        return self._current.time() if self._current is not None else self._time

    def schedule(self, delay: int, action: Callable[[], None]) -> Event:
        """Run `action` after `delay` picoseconds."""
        time = self.now + delay
        if self._current is not None and time < self._slice_end:
            self._current.core.stop_after_instruction()
        return self.timeline.schedule(time, action)

    def _clock(self, core: Core) -> CoreClock:
        return next(clock for clock in self.clocks if clock.core is core)

    def touch(self, core: Core) -> None:
        """Bring a sleeping core up to now, before something wakes it, and end the slice of the other."""
        clock = self._clock(core)
        if clock is self._current:
            return
        if clock.on and not core.running:
            self._idle(clock, self.now)
        if self._current is not None:
            self._current.core.stop_after_instruction()

    def set_clock(self, core: Core, *, on: bool) -> None:
        """Give a core its clock or take it away, now."""
        clock = self._clock(core)
        if on and not clock.on:
            clock.anchor(self.now)
        clock.on = on
        if self._current is not None:
            self._current.core.stop_after_instruction()

    def set_frequency(self, core: Core, hz: int) -> None:
        """Clock a core with another frequency, from now on."""
        clock = self._clock(core)
        if hz == clock.hz:
            return
        self.touch(core)
        clock.set_frequency(hz)
        if self._current is not None:
            self._current.core.stop_after_instruction()

    def run_for(self, duration: int) -> None:
        """Advance board time by `duration` picoseconds."""
        end = self._time + duration
        while self._time < end:
            self.timeline.run_due(self._time)
            self._run_slice(end)
        self.timeline.run_due(self._time)

    def _run_slice(self, end: int) -> None:
        slice_end = min(end, self._time + _LONGEST_SLICE)
        following = self.timeline.next_time()
        if following is not None and following < slice_end:
            slice_end = following
        running = [clock for clock in self.clocks if clock.on and clock.core.running]
        if len(running) > 1:
            fastest = max(clock.hz for clock in running)
            slice_end = min(slice_end, self._time + QUANTUM_CYCLES * PS_PER_S // fastest)
        for clock in self.clocks:
            if clock.on and clock not in running:
                slice_end = min(slice_end, self._tick_time(clock, slice_end))
        for clock in running:
            slice_end = self._execute(clock, slice_end)
        for clock in self.clocks:
            if clock not in running:
                self._idle(clock, slice_end)
        self._time = max(slice_end, self._time)

    def _tick_time(self, clock: CoreClock, latest: int) -> int:
        """When a sleeping core's SysTick will wake it, `latest` if not before."""
        cycles = clock.core.cycles_to_tick()
        if cycles is None:
            return latest
        return clock.time() + -(-cycles * PS_PER_S // clock.hz)

    def _execute(self, clock: CoreClock, slice_end: int) -> int:
        """Run a core until `slice_end`; return where the slice ends now, earlier if it had to stop."""
        core = clock.core
        cycles = clock.cycles_until(slice_end)
        if cycles <= 0:
            return slice_end
        self._current, self._slice_end = clock, slice_end
        try:
            core.run(cycles)
        finally:
            self._current = None
        if not clock.on or not core.running:
            return max(self._time, min(slice_end, clock.time()))
        return min(slice_end, max(clock.time(), self._time))

    def _idle(self, clock: CoreClock, time: int) -> None:
        """Let time pass for a core that does not execute: asleep it counts ticks, else it stands still."""
        core = clock.core
        if not clock.on or core.halted or core.lockup:
            clock.anchor(time)
            return
        cycles = clock.cycles_until(time)
        if cycles > 0:
            core.run(cycles)

"""The clock of the timers, and time in periods of a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.rcc import Rcc


def timer_clock_hz(rcc: Rcc, bus: str) -> int:
    """Return the clock of the timers on ``"pclk1"`` or ``"pclk2"`` in Hz (RM0399 9.5.8, TIMPRE in 9.7.6).

    It is the double of the bus clock, with TIMPRE four times the bus clock, but never more than HCLK.
    """
    factor = 4 if rcc.field("CFGR", "TIMPRE") else 2
    return min(rcc.clock_hz("hclk"), factor * rcc.clock_hz(bus))


class TickCounter:
    """Counts the periods of a clock in whole numbers, exactly; what is left of one is not lost when it changes.

    It is moved on by `advance`, not back: the board's cores are not at the same time to the cycle, and what one
    has seen happen stays. Only a beginning may be earlier than what has been seen.
    """

    def __init__(self) -> None:
        self.hz = 0
        """Frequency in Hz; 0 while the clock stands still. It changes at the time of the last `advance`."""
        self._time = 0
        self._phase = 0
        """What of the current period has passed, as a fraction of PS_PER_S."""

    def advance(self, now: int) -> int:
        """Return how many periods have ended since the last call.

        Args:
            now: Board time in picoseconds.
        """
        passed = now - self._time
        if passed <= 0:
            return 0
        self._time = now
        ticks, self._phase = divmod(self._phase + passed * self.hz, PS_PER_S)
        return ticks

    def time_of(self, ticks: int) -> int:
        """Return the board time at which `ticks` more periods have ended, in picoseconds, rounded up."""
        return self._time - (self._phase - ticks * PS_PER_S) // self.hz

    def begin(self, now: int) -> None:
        """Count from board time `now` on, also where that is earlier than the last `advance`."""
        self._time = now

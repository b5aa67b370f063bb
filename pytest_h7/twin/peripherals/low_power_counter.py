"""The counter of a low-power timer: prescaler, auto-reload, compare, output (RM0399 45.4.6 to 45.4.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.low_power_timer import LowPowerTimer

_CMPM, _ARRM = 1 << 0, 1 << 1
_UP, _DOWN = 1 << 5, 1 << 6


class LowPowerCounter:
    """Counts from 0 to the auto-reload value, over and over or once.

    Args:
        timer: The timer, whose CFGR says how.
    """

    def __init__(self, timer: LowPowerTimer) -> None:
        self._timer = timer
        self.reset()

    def reset(self) -> None:
        """Put everything as it is after a reset."""
        self._reload, self._compare = 1, 0
        self._next_reload: int | None = None
        self._next_compare: int | None = None
        self._down = False
        self.waiting = ""
        """``"single"`` or ``"continuous"`` while a trigger is awaited."""
        self.stop()

    def stop(self) -> None:
        """Stop, as clearing ENABLE does."""
        self.value = 0
        self.running = False
        self.waiting = ""
        self._single = False
        self._finished = False
        self._prescaled = 0

    # -- control --------------------------------------------------------------------------------

    @property
    def _set_once(self) -> bool:
        return bool(self._timer.field("CFGR", "WAVE"))

    def start(self, *, single: bool) -> None:
        """Start, or change between counting once and over and over."""
        self._single = single
        if not self.running:
            self.running = True
            self._finished = False
            self.restart()

    def restart(self) -> None:
        """Begin at 0."""
        self.value = 0
        self._prescaled = 0

    def wait(self, *, single: bool) -> None:
        """Start at the next trigger."""
        self.waiting = "single" if single else "continuous"

    def trigger(self) -> bool:
        """Take a trigger; return whether it was of use."""
        if self.running:
            if not self._timer.field("CFGR", "TIMOUT"):
                return False
            self.restart()
            return True
        if not self.waiting or (self._finished and self._set_once):
            return False
        self.start(single=self.waiting == "single")
        if self.waiting == "continuous":
            self.waiting = ""
        return True

    def set_reload(self, value: int, *, at_end: bool) -> None:
        """Take over a new auto-reload value, now or at the end of the period."""
        if at_end:
            self._next_reload = value
        else:
            self._reload, self._next_reload = value, None

    def set_compare(self, value: int, *, at_end: bool) -> None:
        """Take over a new compare value, now or at the end of the period."""
        if at_end:
            self._next_compare = value
        else:
            self._compare, self._next_compare = value, None

    def prescaler_changed(self) -> None:
        """Count what has passed of a period of the old prescaler as one of the new prescaler."""
        self._prescaled = min(self._prescaled, self._prescaler - 1)

    # -- counting -------------------------------------------------------------------------------

    @property
    def _prescaler(self) -> int:
        return 1 << self._timer.field("CFGR", "PRESC")

    def _ticks(self, counts: int) -> int:
        return counts * self._prescaler - self._prescaled

    def ticks_to_notice(self, *, match: bool, end: bool, output: bool) -> int | None:
        """Return how many periods of the clock it is to what is noticed, None if that will not be.

        Args:
            match: Whether the counter's coming to the compare value is noticed.
            end: Whether its coming to the auto-reload value is.
            output: Whether an edge of the output is.
        """
        if not self.running:
            return None
        wanted = {self._reload + 1} if match or output else set()
        wanted |= {self._compare} if match else set()
        wanted |= {self._reload, self._reload + 1} if end else set()
        wanted |= {self._compare + 1} if output else set()
        ahead = [count for count in wanted if self.value < count <= self._reload + 1]
        return self._ticks(min(ahead) - self.value) if ahead else None

    def count(self, ticks: int) -> None:
        """Let periods of the clock pass."""
        while ticks and self.running:
            ticks -= self._skip(ticks)
            to_turn = self._ticks(max(self._reload, self.value) + 1 - self.value)
            if ticks < to_turn:
                counts, self._prescaled = divmod(self._prescaled + ticks, self._prescaler)
                self._visit(range(self.value + 1, self.value + counts + 1))
                self.value += counts
                return
            ticks -= to_turn
            self._visit(range(self.value + 1, self._reload + 1))
            self._turn()

    def _skip(self, ticks: int) -> int:
        """Let whole periods pass at once where each is like the one before; return their length."""
        period = (self._reload + 1) * self._prescaler
        unchanging = self._next_reload is None and self._next_compare is None
        if not unchanging or self._single or ticks < 2 * period or self.value > self._reload:
            return 0
        self._visit(range(self._reload + 1))
        self._finished = True
        return ticks // period * period

    def _turn(self) -> None:
        """Go from the auto-reload value to 0: the end of a period."""
        self.value = 0
        self._prescaled = 0
        self._finished = True
        if self._next_reload is not None:
            self._reload, self._next_reload = self._next_reload, None
        if self._next_compare is not None:
            self._compare, self._next_compare = self._next_compare, None
        if self._single:
            self.running = False
        else:
            self._visit(range(1))

    def _visit(self, counts: range) -> None:
        flags = (_CMPM if self._compare in counts else 0) | (_ARRM if self._reload in counts else 0)
        if flags:
            self._timer.set_flags(flags)

    def count_encoder(self, *, down: bool) -> None:
        """Count an edge of an encoder, up or down, and tell of a change of direction."""
        if not self.running:
            return
        if down is not self._down:
            self._down = down
            self._timer.set_flags(_DOWN if down else _UP)
        if down:
            self.value = self.value - 1 if self.value else self._reload
        else:
            self.value = self.value + 1 if self.value < self._reload else 0
        self._visit(range(self.value, self.value + 1))

    # -- output ---------------------------------------------------------------------------------

    @property
    def output(self) -> bool:
        """The level of the output before WAVPOL: high while the count is above the compare value.

        In set-once mode it stays high (RM0399 45.4.10).
        """
        if self._set_once and self._finished:
            return True
        return self.running and self.value > self._compare

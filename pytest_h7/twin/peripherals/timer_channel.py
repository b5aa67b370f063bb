"""A capture/compare channel of a timer (RM0399 40.3.5 to 40.3.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.peripheral import Peripheral
    from pytest_h7.twin.peripherals.timer_base import TimeBase

_ACTIVE_ON_MATCH, _INACTIVE_ON_MATCH, _TOGGLE, _FORCE_INACTIVE, _FORCE_ACTIVE = range(1, 6)
_PWM1, _PWM2 = 6, 7
RETRIGGERABLE = (8, 9)
_COMBINED1, _COMBINED2, _ASYMMETRIC1, _ASYMMETRIC2 = range(12, 16)
_PWM = (_PWM1, _PWM2, _COMBINED1, _COMBINED2, _ASYMMETRIC1, _ASYMMETRIC2)
_INVERTED = (_PWM2, _COMBINED2, _ASYMMETRIC2)

_INPUT = {1: 0, 2: 1}
"""CCxS -> which input of the pair of channels the channel captures from: its own, or its neighbour's."""
TRC = 3
"""CCxS of a channel that captures at edges of the trigger TRC."""


class Channel:
    """One channel: what the timer's registers say of it, and the state behind them.

    Args:
        timer: The timer it belongs to.
        base: Its time base.
        number: 1 to 6.

    Attributes:
        neighbour: The other channel of the pair, None if there is none.
        compare: The active value of CCRx.
        captures: Edges that the input prescaler has counted.
        selection: CCxS: 0 for an output.
        input: The number of the timer's input that the channel captures from, None for none of them.
        preload: OCxPE: whether CCRx takes effect at an update.
        capture_prescaler: Edges for each capture.
        mode: OCxM, all four bits.
        enable: CCxE, CCxP, CCxNE and CCxNP as bits 0 to 3.
        inverted: Whether an input is inverted before it is used: CCxP alone.
    """

    unsaved = frozenset({"number", "flag", "mode_register", "mode_shift"})

    def __init__(self, timer: Peripheral, base: TimeBase, number: int) -> None:
        self.number = number
        self.flag = 1 << (number if number <= 4 else number + 11)
        """The bit of CCxIF in SR."""
        self.mode_register = f"CCMR{(number + 1) // 2}_Output"
        self.mode_shift = 8 * ((number - 1) % 2)
        """Where in the mode register the channel's byte begins."""
        self.neighbour: Channel | None = None
        self._timer = timer
        self._base = base
        self.reset()

    def reset(self) -> None:
        """Put everything as it is after a reset."""
        self.compare = 0
        self.captures = 0
        self._latched = False
        """OCxREF where it does not follow from the count alone."""
        self.configure()

    def configure(self) -> None:
        """Take over what CCMRx and CCER say."""
        bits = self._timer[self.mode_register] >> self.mode_shift
        self.selection = bits & 3
        neighbour = _INPUT.get(self.selection)
        self.input = None if neighbour is None else (self.number - 1 ^ neighbour) + 1
        self.preload = not self.selection and bool(bits & 8)
        self.capture_prescaler = 1 << (bits >> 2 & 3)
        self.mode = bits >> 4 & 7 | bits >> 13 & 8
        self.enable = self._timer["CCER"] >> 4 * (self.number - 1) & 0xF
        self.inverted = self.enable & 0b1010 == 0b0010
        if not self.enable & 1:
            self.captures = 0
        if self.mode in (_FORCE_ACTIVE, _FORCE_INACTIVE):
            self._latched = self.mode == _FORCE_ACTIVE

    def keep(self) -> None:
        """Latch the output reference before the mode changes: the frozen mode keeps it."""
        self._latched = self.raw_reference

    def edge_selected(self, rising: bool) -> bool:
        """Return whether an edge of the input is an active one."""
        if self.enable & 0b1010 == 0b1010:
            return True
        return rising is not self.inverted

    # -- output compare -------------------------------------------------------------------------

    def match(self, times: int = 1) -> None:
        """The counter has come to the compare value."""
        if self.mode in (_ACTIVE_ON_MATCH, _INACTIVE_ON_MATCH):
            self._latched = self.mode == _ACTIVE_ON_MATCH
        elif self.mode == _TOGGLE:
            self._latched ^= bool(times & 1)

    @property
    def raw_reference(self) -> bool:
        """OCxREF, without what other channels do to it."""
        if self.mode not in _PWM:
            return self._latched
        count = self._base.count
        active = count <= self.compare if self._base.down else count < self.compare
        return active is not (self.mode in _INVERTED)

    @property
    def reference(self) -> bool:
        """OCxREFC: OCxREF combined with that of the neighbour, where the mode says so."""
        own = self.raw_reference
        if self.neighbour is None or not self.depends_on_others:
            return own
        other = self.neighbour.raw_reference
        if self.mode == _COMBINED1:
            return own or other
        if self.mode == _COMBINED2:
            return own and other
        return other if self._base.down else own

    @property
    def depends_on_others(self) -> bool:
        """Whether the mode combines the channel with its neighbour."""
        return self.mode >= _COMBINED1

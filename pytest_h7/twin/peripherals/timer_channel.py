"""A capture/compare channel of a timer (RM0399 40.3.5 to 40.3.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.peripheral import Peripheral
    from pytest_h7.twin.peripherals.timer_base import TimeBase

_ACTIVE_ON_MATCH, _INACTIVE_ON_MATCH, _TOGGLE, _FORCE_INACTIVE, _FORCE_ACTIVE = range(1, 6)
PWM1, PWM2 = 6, 7
RETRIGGERABLE = (8, 9)
COMBINED1, COMBINED2, ASYMMETRIC1, ASYMMETRIC2 = range(12, 16)
_PWM = (PWM1, PWM2, COMBINED1, COMBINED2, ASYMMETRIC1, ASYMMETRIC2)
_INVERTED = (PWM2, COMBINED2, ASYMMETRIC2)

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
    """

    unsaved = frozenset({"number", "mode_register", "mode_shift", "_enable_shift"})

    def __init__(self, timer: Peripheral, base: TimeBase, number: int) -> None:
        self.number = number
        self.mode_register = f"CCMR{(number + 1) // 2}_Output"
        self.mode_shift = 8 * ((number - 1) % 2)
        """Where in the mode register the channel's byte begins."""
        self._timer = timer
        self._base = base
        self._enable_shift = 4 * (number - 1)
        self.reset()

    def reset(self) -> None:
        """Put everything as it is after a reset."""
        self.compare = 0
        """The active value of CCRx."""
        self.captures = 0
        """Edges that the input prescaler has counted."""
        self._latched = False
        """OCxREF where it does not follow from the count alone."""

    # -- registers ------------------------------------------------------------------------------

    @property
    def flag(self) -> int:
        """The bit of CCxIF in SR."""
        return 1 << (self.number if self.number <= 4 else self.number + 11)

    @property
    def _mode_bits(self) -> int:
        return self._timer[self.mode_register] >> self.mode_shift

    @property
    def selection(self) -> int:
        """CCxS: 0 for an output."""
        return self._mode_bits & 3

    @property
    def input(self) -> int | None:
        """The number of the timer's input that the channel captures from, None for none of them."""
        neighbour = _INPUT.get(self.selection)
        return None if neighbour is None else (self.number - 1 ^ neighbour) + 1

    @property
    def preload(self) -> bool:
        """OCxPE: whether CCRx takes effect at an update."""
        return not self.selection and bool(self._mode_bits & 8)

    @property
    def capture_prescaler(self) -> int:
        """Edges for each capture."""
        return 1 << (self._mode_bits >> 2 & 3)

    @property
    def mode(self) -> int:
        """OCxM, all four bits."""
        return self._mode_bits >> 4 & 7 | self._mode_bits >> 13 & 8

    @property
    def enable(self) -> int:
        """CCxE, CCxP, CCxNE and CCxNP as bits 0 to 3."""
        return self._timer["CCER"] >> self._enable_shift & 0xF

    @property
    def inverted(self) -> bool:
        """Whether an input is inverted before it is used: CCxP alone."""
        return self.enable & 0b1010 == 0b0010

    def edge_selected(self, rising: bool) -> bool:
        """Return whether an edge of the input is an active one."""
        if self.enable & 0b1010 == 0b1010:
            return True
        return rising is not self.inverted

    # -- output compare -------------------------------------------------------------------------

    def match(self, times: int = 1) -> None:
        """The counter has come to the compare value."""
        mode = self.mode
        if mode in (_ACTIVE_ON_MATCH, _INACTIVE_ON_MATCH):
            self._latched = mode == _ACTIVE_ON_MATCH
        elif mode == _TOGGLE:
            self._latched ^= bool(times & 1)

    def keep(self) -> None:
        """Latch the output reference before the mode changes: the frozen mode keeps it."""
        self._latched = self.raw_reference

    def force(self) -> None:
        """Take over a mode that forces the output reference."""
        if self.mode in (_FORCE_ACTIVE, _FORCE_INACTIVE):
            self._latched = self.mode == _FORCE_ACTIVE

    @property
    def raw_reference(self) -> bool:
        """OCxREF, without what other channels do to it."""
        mode = self.mode
        if mode not in _PWM:
            return self._latched
        count = self._base.count
        active = count <= self.compare if self._base.down else count < self.compare
        return active is not (mode in _INVERTED)

    def reference(self, neighbour: Channel | None) -> bool:
        """Return OCxREFC: OCxREF combined with that of the neighbour in the pair, where the mode says so."""
        own = self.raw_reference
        if neighbour is None:
            return own
        match self.mode:
            case 12:
                return own or neighbour.raw_reference
            case 13:
                return own and neighbour.raw_reference
            case 14 | 15:
                return neighbour.raw_reference if self._base.down else own
        return own

    @property
    def depends_on_others(self) -> bool:
        """Whether the mode combines the channel with its neighbour."""
        return self.mode >= COMBINED1

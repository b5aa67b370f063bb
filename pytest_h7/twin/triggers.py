"""Signals that go from one peripheral to others inside the chip (RM0399 chapter 14).

Their names are the manual's: ``TIM2_TRGO``, ``TIM16_OC1``, ``LPTIM2_OUT``. Who is interested in one says so, and a
peripheral that makes one only has to while somebody is.
"""

from __future__ import annotations

from collections.abc import Callable

Hearer = Callable[[bool], None]


class Triggers:
    """All these signals of the chip, and who hears them."""

    unsaved = frozenset({"_makers"})

    def __init__(self) -> None:
        self._hearers: dict[str, dict[str, Hearer]] = {}
        self._levels: dict[str, bool] = {}
        self._makers: dict[str, Callable[[], None]] = {}

    def hear(self, name: str, peripheral: str, hearer: Hearer | None) -> None:
        """Call `hearer` with the new level at each edge of a signal, until that is taken back with None.

        Args:
            name: The signal.
            peripheral: Who hears it; it can be heard by each peripheral once.
            hearer: What to call.
        """
        hearers = self._hearers.setdefault(name, {})
        before = bool(hearers)
        if hearer is None:
            hearers.pop(peripheral, None)
        else:
            hearers[peripheral] = hearer
        if before != bool(hearers) and name in self._makers:
            self._makers[name]()

    def heard(self, name: str) -> bool:
        """Return whether anybody hears a signal."""
        return bool(self._hearers.get(name))

    def level(self, name: str) -> bool:
        """Return the level of a signal; it is only kept up to date while somebody hears it."""
        return self._levels.get(name, False)

    def make(self, name: str, heard_changed: Callable[[], None]) -> None:
        """Announce who makes a signal: `heard_changed` is called when `heard` changes."""
        self._makers[name] = heard_changed

    def set(self, name: str, level: bool) -> None:
        """Give a signal a level; its hearers learn of the edge, in the order in which they began to hear it."""
        if self.level(name) is not level:
            self._levels[name] = level
            for hearer in list(self._hearers.get(name, {}).values()):
                hearer(level)

    def pulse(self, name: str) -> None:
        """Let a signal be high for no time at all."""
        self.set(name, True)
        self.set(name, False)

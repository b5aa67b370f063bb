"""The shadow registers of the RTC: which moment TR, DR and SSR show (RM0399 49.3.5, 49.3.9 and 49.3.10)."""

from __future__ import annotations

SYNCHRONISATION = 2
"""Cycles of RTCCLK that something needs on its way between the bus and the RTC (RM0399 49.3.8)."""


class ShadowRegisters:
    """Copies of the calendar, made with each cycle of RTCCLK but in Stop; a system reset clears them."""

    def __init__(self) -> None:
        self._lock: dict[str, int] = {}
        self._cleared_until = 0
        self._synchronised_from = 0
        self._stopped_at: int | None = None
        self._stale: tuple[int, int] | None = None

    def clear(self, tick: int) -> None:
        """Follow a system reset at a cycle of RTCCLK."""
        self._lock.clear()
        self._cleared_until = self._synchronised_from = tick + SYNCHRONISATION
        self._stale = None

    def desynchronise(self, tick: int) -> None:
        """Clear RSF until the copy that follows a cycle of RTCCLK."""
        self._synchronised_from = tick + SYNCHRONISATION

    def synchronised(self, tick: int) -> bool:
        """Return whether there has been a copy since RSF was cleared."""
        return tick >= self._synchronised_from

    def set_stopped(self, stopped: bool, tick: int) -> None:
        """Make no copies in Stop; the first one comes with the first cycle of RTCCLK behind it."""
        if stopped and self._stopped_at is None:
            self._stopped_at = tick
        elif not stopped and self._stopped_at is not None:
            self._stale = tick, self._stopped_at
            self._stopped_at = None

    def shown_at(self, tick: int) -> int | None:
        """Return the cycle of RTCCLK of the copy that can be read; None where there is none since a reset."""
        if tick < self._cleared_until:
            return None
        if self._stale is not None and tick == self._stale[0]:
            return self._stale[1]
        return tick

    def read(self, name: str, calendar: dict[str, int]) -> int:
        """Read TR, DR or SSR; those above it then keep their value until DR is read."""
        for other in {"SSR": ("TR", "DR"), "TR": ("DR",), "DR": ()}[name]:
            self._lock.setdefault(other, calendar[other])
        value = self._lock.get(name, calendar[name])
        if name == "DR":
            self._lock.clear()
        return value

"""Board time: integer picoseconds since power-on."""

from __future__ import annotations

from typing import Protocol

PS_PER_NS = 1_000
PS_PER_US = 1_000_000
PS_PER_MS = 1_000_000_000
PS_PER_S = 1_000_000_000_000


class Event(Protocol):
    """A callback due at a board time."""

    @property
    def time(self) -> int:
        """When it is due, in picoseconds."""
        ...

    @property
    def pending(self) -> bool:
        """Whether the callback is still to come."""
        ...

    def cancel(self) -> None:
        """Forget the callback; harmless after it has run."""
        ...

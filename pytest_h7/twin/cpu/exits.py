"""Places in the code where the engine stops, because there is something it cannot do by itself."""

from __future__ import annotations

import enum
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pytest_h7.twin.cpu.engine import Engine

_SEV = re.compile(rb"\x40\xbf")
_UNMASK = re.compile(rb"[\x61-\x63]\xb6|[\x80-\x8f]\xf3[\x10-\x13]\x88")
"""CPSIE, and MSR to PRIMASK, BASEPRI, BASEPRI_MAX or FAULTMASK."""

_WFI = 0xBF30


class Exit(enum.Enum):
    """Why the engine stops before an instruction."""

    BREAKPOINT = enum.auto()
    SEND_EVENT = enum.auto()
    """SEV, which the engine takes for a NOP."""

    WAIT = enum.auto()
    """WFI in front of another exit: the engine could not tell one stop from the other."""

    UNMASK = enum.auto()
    """An instruction that can let a pending interrupt through."""


class Exits:
    """The set of exits. Bytes that only look like an instruction never stop the engine: it is told
    instruction addresses only.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._events: set[int] = set()
        self._breakpoints: frozenset[int] = frozenset()
        self._unmasking: set[int] | None = None
        self.at: dict[int, Exit] = {}

    def scan(self) -> None:
        """Find SEV in all memory that the core cannot write.

        Code that a core copies into RAM is seen when it waits (`add_event`) or when something else
        than the core writes it (`code_changed`).
        """
        self._events = self._engine.memory.find(_SEV, writable=False)
        self._apply()

    def code_changed(self, address: int, length: int) -> None:
        """Find SEV again in changed memory."""
        for start, size in self._engine.memory.aliases(address, length):
            code = self._engine.memory.bytes_at(start, size)
            if code is None:
                continue
            found = {start + match.start() for match in _SEV.finditer(code)}
            self._events = {place for place in self._events if not start <= place < start + size}
            self._events |= {place for place in found if not place & 1}
        self._apply()

    def add_event(self, address: int) -> None:
        """Note a SEV that was found while executing."""
        self._events.add(address)
        self._apply()

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Stop at instructions for the debugger."""
        self._breakpoints = frozenset(addresses)
        self._apply()

    def guard(self) -> None:
        """Stop wherever the code can unmask an interrupt."""
        if self._unmasking is not None:
            return
        engine = self._engine
        self._unmasking = engine.memory.find(_UNMASK, writable=False) | engine.memory.find(
            _UNMASK, writable=True
        )
        self._apply()

    def unguard(self) -> None:
        """Take back `guard`."""
        if self._unmasking is not None:
            self._unmasking = None
            self._apply()

    @contextmanager
    def stepping(self, address: int, following: int) -> Iterator[None]:
        """Have an exit at the `following` instruction instead of `address`; none means anything."""
        exits, self.at = self.at, {}
        self._engine.set_exits(exits.keys() - {address} | {following})
        try:
            yield
        finally:
            self.at = exits
            self._engine.set_exits(exits.keys())

    def _apply(self) -> None:
        at = dict.fromkeys(self._unmasking or (), Exit.UNMASK)
        at.update(dict.fromkeys(self._events, Exit.SEND_EVENT))
        for address in (*at, *self._breakpoints):
            if self._engine.memory.halfword_at(address - 2) == _WFI:
                at.setdefault(address - 2, Exit.WAIT)
        at.update(dict.fromkeys(self._breakpoints, Exit.BREAKPOINT))
        self.at = at
        self._engine.set_exits(at.keys())

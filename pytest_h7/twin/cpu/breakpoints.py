"""Breakpoints and watchpoints: keeps the engine's stops in line with FPB and DWT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.cpu.debug import DWTTRAP

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.debug import Debug
    from pytest_h7.twin.cpu.dwt import Dwt
    from pytest_h7.twin.cpu.engine import Engine
    from pytest_h7.twin.cpu.exits import Exits
    from pytest_h7.twin.cpu.fpb import Fpb


class Breakpoints:
    """What the two units ask for takes effect while halting debug is enabled (DHCSR.C_DEBUGEN).

    Args:
        halt: halts the core behind the current instruction for a reason, a bit of DFSR.
    """

    def __init__(
        self,
        engine: Engine,
        exits: Exits,
        debug: Debug,
        fpb: Fpb,
        dwt: Dwt,
        halt: Callable[[int], None],
    ) -> None:
        self._engine = engine
        self._exits = exits
        self._debug = debug
        self._fpb = fpb
        self._dwt = dwt
        self._halt = halt

    def update(self) -> None:
        """Take over the comparators; not while the engine executes."""
        enabled = self._debug.enabled
        self._exits.set_breakpoints(self._fpb.addresses() if enabled else ())
        self._engine.watch(self._dwt.ranges() if enabled else (), self._accessed)

    def _accessed(self, address: int, size: int, is_write: bool) -> None:
        if self._dwt.accessed(address, size, is_write):
            self._halt(DWTTRAP)

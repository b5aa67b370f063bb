"""Breakpoint and watchpoint units that are touched when needed and outlive a reset of the debug logic."""

from __future__ import annotations

from typing import Any

from pyocd.coresight.dwt import DWT
from pyocd.coresight.fpb import FPB, HardwareBreakpoint

FPB_BASE = 0xE000_2000
DWT_BASE = 0xE000_1000

_ENABLED = 1
_FIRST_FUNCTION = 0x28
_COMPARATOR_WORDS = 4
_COMPARATORS = 4
"""Comparators of the DWT of either core (DWT_CTRL.NUMCOMP, Arm DDI0489 and DDI0439)."""


class BreakpointUnit(FPB):
    """The FPB: two transfers at connect, and no more until the first breakpoint."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._abandoned = False

    def init(self) -> None:
        """Find the number of comparators; stop a unit that an earlier session left in action."""
        control = self.ap.read32(self.address + FPB.FP_CTRL)
        self.fpb_rev = 1 + (control >> FPB.FP_CTRL_REV_SHIFT)
        self.nb_code = control >> 8 & 0x70 | control >> 4 & 0xF
        self.nb_lit = control >> 8 & 0xF
        first = self.address + FPB.FP_COMP0
        self.hw_breakpoints = [HardwareBreakpoint(first + 4 * index, self) for index in range(self.nb_code)]
        if control & _ENABLED:
            self.disable()

    def enable(self) -> None:
        """Write every comparator, because they may hold anything, and start the unit."""
        self.ap.write_memory_block32(self.address + FPB.FP_COMP0, self._comparators())
        super().enable()
        self._abandoned = False

    def clear(self) -> None:
        """Empty every comparator and stop the unit, whoever has set it going."""
        self.ap.write_memory_block32(self.address + FPB.FP_COMP0, [0] * self.nb_code)
        self.disable()

    def abandon(self) -> None:
        """Give up all breakpoints of a core that cannot be reached; `restore` clears its comparators."""
        for point in self.hw_breakpoints:
            point.enabled = False
        self.num_hw_breakpoint_used = 0
        self._abandoned = True

    def restore(self) -> None:
        """Write again what a reset of the debug logic has cleared, or a core without clock has lost."""
        if self.num_hw_breakpoint_used == 0 and not self._abandoned:
            return
        control, _, *comparators = self.ap.read_memory_block32(self.address, 2 + self.nb_code)
        if not control & _ENABLED or comparators != self._comparators():
            self.enable()

    def _comparators(self) -> list[int]:
        return [self._comparator(point) for point in self.hw_breakpoints]

    def _comparator(self, point: Any) -> int:
        """Encode a breakpoint for FPB version 2 or 1 (Arm DDI0403E C1.11.5)."""
        if not point.enabled:
            return 0
        address: int = point.addr
        if self.fpb_rev == 2:
            return address | _ENABLED
        half = 2 if address & 2 else 1
        return half << 30 | address & 0x1FFF_FFFC | _ENABLED


class WatchpointUnit(DWT):
    """The DWT: set up with the first watchpoint, so that the firmware's cycle counter is left alone."""

    def stop_leftovers(self) -> None:
        """Clear comparators that an earlier session left in action; needs DEMCR.TRCENA."""
        first = self.address + _FIRST_FUNCTION
        words = self.ap.read_memory_block32(first, _COMPARATOR_WORDS * (_COMPARATORS - 1) + 1)
        for index, function in enumerate(words[::_COMPARATOR_WORDS]):
            if function & 0xF:
                self.ap.write32(first + DWT.DWT_COMP_BLOCK_SIZE * index, 0)

    def restore(self) -> None:
        """Write again what a reset of the debug logic has cleared."""
        for point in self.get_watchpoints():
            self.ap.write32(point.comp_register_addr, point.addr)
            self.ap.write32(
                point.comp_register_addr + DWT.DWT_MASK_OFFSET, DWT.WATCH_SIZE_TO_MASK[point.size]
            )
            self.ap.write32(point.comp_register_addr + DWT.DWT_FUNCTION_OFFSET, point.func)

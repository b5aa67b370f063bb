"""Nested vectored interrupt controller: which exceptions are enabled, pending, active, and their priorities.

Arm DDI0403E B1.5.4 and B3.4. Sets of exceptions are integers with bit n for exception n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.interrupts import IRQ_LINES, PRIORITY_BITS, ExceptionNumber

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.cpu.register_map import RegisterMap

FIRST_IRQ = 16
THREAD_PRIORITY = 256
"""Execution priority when nothing is active: lower than any exception's."""

_ISER, _ICER, _ISPR, _ICPR, _IABR, _IPR = (
    0xE000_E100,
    0xE000_E180,
    0xE000_E200,
    0xE000_E280,
    0xE000_E300,
    0xE000_E400,
)
_STIR = 0xE000_EF00
_SHPR1 = 0xE000_ED18

PRIORITY_MASK = 0xFF & ~(0xFF >> PRIORITY_BITS)
"""The implemented bits of a priority."""

_ALL_IRQS = ((1 << IRQ_LINES) - 1) << FIRST_IRQ
_ALWAYS_ENABLED = sum(
    1 << number
    for number in (
        ExceptionNumber.NMI,
        ExceptionNumber.HARD_FAULT,
        ExceptionNumber.SVCALL,
        ExceptionNumber.DEBUG_MONITOR,
        ExceptionNumber.PENDSV,
        ExceptionNumber.SYSTICK,
    )
)
_PRIORITIZED = {*ExceptionNumber} | {*range(FIRST_IRQ, FIRST_IRQ + IRQ_LINES)}
_DEBUGGER_MASKABLE = _ALL_IRQS | 1 << ExceptionNumber.PENDSV | 1 << ExceptionNumber.SYSTICK


class Nvic:
    """Pending, active and enabled exceptions, and the level of the interrupt lines.

    `on_pended` is called when an exception becomes pending, `on_attention` whenever one is waiting that the
    active exceptions do not hold back (masks are not looked at).
    """

    def __init__(self, on_pended: Callable[[], None], on_attention: Callable[[], None]) -> None:
        self._on_pended = on_pended
        self._on_attention = on_attention
        self._lines = 0
        self.interrupts_masked = False
        self.reset()

    def reset(self) -> None:
        """Forget everything but the levels of the lines; a high line is pending again."""
        self.pending = self._lines << FIRST_IRQ
        self.active = 0
        self.enabled = _ALWAYS_ENABLED
        self._priorities = [0] * (FIRST_IRQ + IRQ_LINES)
        self._priorities[ExceptionNumber.NMI] = -2
        self._priorities[ExceptionNumber.HARD_FAULT] = -1
        self._group_mask = ~1
        self.active_priority = THREAD_PRIORITY
        self.candidate: int | None = None
        self.candidate_priority = THREAD_PRIORITY
        self.attention = False

    # What the core asks

    def group(self, priority: int) -> int:
        """Return the part of a priority that decides about preemption."""
        return priority & self._group_mask if priority > 0 else priority

    def priority(self, number: int) -> int:
        """Return the group priority of an exception."""
        return self.group(self._priorities[number])

    def activate(self, number: int) -> None:
        """Turn a pending exception into an active one."""
        bit = 1 << number
        self.pending &= ~bit
        self.active |= bit
        self.update()

    def deactivate(self, number: int) -> None:
        """End an active exception; an interrupt line that is still high makes it pending again."""
        bit = 1 << number
        self.active &= ~bit
        if self._lines << FIRST_IRQ & bit:
            self.pending |= bit
        self.update()

    def pend(self, number: int) -> None:
        """Make an exception pending."""
        bit = 1 << number
        if self.pending & bit:
            return
        self.pending |= bit
        self._on_pended()
        self.update()

    def unpend(self, number: int) -> None:
        """Take back a pending system exception."""
        self.pending &= ~(1 << number)
        self.update()

    def set_line(self, irq: int, level: bool) -> None:
        """Set the level of an interrupt line: high makes it pending unless it is active."""
        bit = 1 << irq
        if not level:
            self._lines &= ~bit
        elif not self._lines & bit:
            self._lines |= bit
            if not self.active & bit << FIRST_IRQ:
                self.pend(FIRST_IRQ + irq)

    def update(self) -> None:
        """Decide again which exception comes next; to be called after any change of the sets."""
        self.active_priority = self._highest(self.active)[1]
        waiting = self.pending & self.enabled
        if self.interrupts_masked:
            waiting &= ~_DEBUGGER_MASKABLE
        self.candidate, self.candidate_priority = self._highest(waiting)
        self.attention = self.candidate_priority < self.active_priority
        if self.attention:
            self._on_attention()

    def _highest(self, numbers: int) -> tuple[int | None, int]:
        best = None
        highest = THREAD_PRIORITY
        while numbers:
            bit = numbers & -numbers
            number = bit.bit_length() - 1
            priority = self._priorities[number]
            if priority < highest:
                best, highest = number, priority
            numbers ^= bit
        return best, self.group(highest)

    # Registers

    def install(self, registers: RegisterMap) -> None:
        """Add the registers of the NVIC and the priorities of the system exceptions."""
        for index in range((IRQ_LINES + 31) // 32):
            shift = FIRST_IRQ + 32 * index
            self._install_bits(registers, 4 * index, shift)
        for index in range((IRQ_LINES + 3) // 4):
            self._install_priorities(registers, _IPR + 4 * index, FIRST_IRQ + 4 * index)
        for index in range(3):
            self._install_priorities(registers, _SHPR1 + 4 * index, 4 + 4 * index)
        registers.add(_STIR, None, self._write_stir)

    def _install_bits(self, registers: RegisterMap, offset: int, shift: int) -> None:
        def bits(value: int) -> int:
            return value << shift & _ALL_IRQS

        def read(value: int) -> int:
            return (value & _ALL_IRQS) >> shift & 0xFFFF_FFFF

        def enable(value: int) -> None:
            self.enabled |= bits(value)
            self.update()

        def disable(value: int) -> None:
            self.enabled &= ~bits(value)
            self.update()

        def set_pending(value: int) -> None:
            new = bits(value) & ~self.pending
            self.pending |= new
            if new:
                self._on_pended()
            self.update()

        def clear_pending(value: int) -> None:
            held = self._lines << FIRST_IRQ & ~self.active
            self.pending &= ~bits(value) | held
            self.update()

        registers.add(_ISER + offset, lambda: read(self.enabled), enable)
        registers.add(_ICER + offset, lambda: read(self.enabled), disable)
        registers.add(_ISPR + offset, lambda: read(self.pending), set_pending)
        registers.add(_ICPR + offset, lambda: read(self.pending), clear_pending)
        registers.add(_IABR + offset, lambda: read(self.active))

    def _install_priorities(self, registers: RegisterMap, address: int, first: int) -> None:
        places = [(first + index, 8 * index) for index in range(4) if first + index in _PRIORITIZED]

        def read() -> int:
            return sum(self._priorities[number] << shift for number, shift in places)

        def write(value: int) -> None:
            for number, shift in places:
                self._priorities[number] = value >> shift & PRIORITY_MASK
            self.update()

        registers.add(address, read, write, merge=True)

    def _write_stir(self, value: int) -> None:
        number = FIRST_IRQ + (value & 0x1FF)
        if number < len(self._priorities):
            self.pend(number)

    def set_grouping(self, prigroup: int) -> None:
        """Set AIRCR.PRIGROUP: bits ``prigroup:0`` of a priority do not decide about preemption."""
        self._group_mask = ~((2 << prigroup) - 1)
        self.update()

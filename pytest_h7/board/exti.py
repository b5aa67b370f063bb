"""EXTI lines: what triggers them, and for which core they are enabled and pending (RM0399 chapter 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.board.observation import seen, unseen

if TYPE_CHECKING:
    from pytest_h7.board.registers import Registers, RegisterView

_BANKS = {"cm7": "C1", "cm4": "C2"}
_CONFIGURABLE = frozenset({*range(22), 49, 51, 82, 84, 85, 86})
_LINES = 89


class ExtiLine:
    """One EXTI line. Edges are shared by both cores; mask and pending bit are each core's own."""

    def __init__(self, registers: Registers, line: int) -> None:
        self._registers = registers
        self.line = line

    def _register(self, name: str) -> RegisterView:
        view: RegisterView = getattr(self._registers.EXTI, f"{name}{self.line // 32 + 1}")
        return view

    def _bit(self, name: str) -> bool:
        with unseen():
            return bool(self._register(name).value >> self.line % 32 & 1)

    def _require_configurable(self) -> None:
        if self.line not in _CONFIGURABLE:
            raise ValueError(
                f"EXTI line {self.line} is a direct line: it follows its peripheral and has "
                "no edges, no pending bit and no software trigger"
            )

    def trigger(self) -> None:
        """Trigger the line by software (SWIER), as an edge would."""
        self._require_configurable()
        with self._registers.doing(f"trigger EXTI line {self.line}"):
            self._register("SWIER").value = 1 << self.line % 32

    def pending(self, core: str) -> bool:
        """Return whether the line is pending for ``"cm7"`` or ``"cm4"``."""
        self._require_configurable()
        return seen(f"exti[{self.line}].pending({core!r})", self._bit(f"{_BANKS[core]}PR"))

    def enabled(self, core: str) -> bool:
        """Return whether the line's interrupt is unmasked for ``"cm7"`` or ``"cm4"`` (IMR)."""
        return seen(f"exti[{self.line}].enabled({core!r})", self._bit(f"{_BANKS[core]}IMR"))

    def enable(self, core: str, enabled: bool = True) -> None:
        """Unmask or mask the line's interrupt for a core (IMR)."""
        register = self._register(f"{_BANKS[core]}IMR")
        bit = 1 << self.line % 32
        register.value = register.value | bit if enabled else register.value & ~bit

    @property
    def edges(self) -> frozenset[str]:
        """The edges that trigger: any of ``"rising"`` and ``"falling"``."""
        self._require_configurable()
        selected = (("RTSR", "rising"), ("FTSR", "falling"))
        return frozenset(edge for register, edge in selected if self._bit(register))

    @edges.setter
    def edges(self, edges: frozenset[str] | set[str]) -> None:
        self._require_configurable()
        unknown = set(edges) - {"rising", "falling"}
        if unknown:
            raise ValueError(f"edges are 'rising' and 'falling', not {sorted(unknown)}")
        bit = 1 << self.line % 32
        for name, edge in (("RTSR", "rising"), ("FTSR", "falling")):
            register = self._register(name)
            value = register.value
            register.value = value | bit if edge in edges else value & ~bit


class Exti:
    """All EXTI lines by number."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    def __getitem__(self, line: int) -> ExtiLine:
        if not 0 <= line < _LINES:
            raise IndexError(f"EXTI has lines 0 to {_LINES - 1}, not {line}")
        return ExtiLine(self._registers, line)

"""The private peripheral bus of a core: one table for software, one for the debugger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_h7.twin.cpu.identification import Mpu, install_caches, install_components, install_constants
from pytest_h7.twin.cpu.register_map import RegisterMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_h7.twin.cpu.debug import Debug


class Block(Protocol):
    """Something with registers."""

    def install(self, registers: RegisterMap) -> None:
        """Add its registers."""


class PrivateBus:
    """Everything between 0xE000_0000 and 0xE00F_FFFF.

    Args:
        name: ``"cm7"`` or ``"cm4"``.
        blocks: what has registers there, apart from `debug`.
        debug: the debug registers, which the debugger sees differently.
        invalidate_instructions: carries out ICIALLU.
    """

    def __init__(
        self,
        name: str,
        blocks: Iterable[Block],
        debug: Debug,
        invalidate_instructions: Callable[[], None],
    ) -> None:
        self._mpu = Mpu(name)
        self.software = RegisterMap()
        install_constants(self.software, name)
        install_components(self.software, name)
        if name == "cm7":
            install_caches(self.software, invalidate_instructions)
        for block in (*blocks, self._mpu, debug):
            block.install(self.software)
        self.debugger = RegisterMap(self.software)
        debug.install_for_debugger(self.debugger)

    def reset(self, *, debug: bool) -> None:
        """Reset the registers that are only stored; those of debug components only if `debug`."""
        self._mpu.reset()
        self.software.reset(debug=debug)

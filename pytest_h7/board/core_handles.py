"""What a core gives a test to hold: its registers, a variable of its firmware, a breakpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_h7.board.observation import seen, unseen

if TYPE_CHECKING:
    from pytest_h7.board.core import Core


class CoreRegisters:
    """Core registers by name: ``registers["r0"]``, ``"sp"``, ``"xpsr"``, ``"s0"`` and so on."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def __getitem__(self, name: str) -> int:
        return self.read(name)[name]

    def __setitem__(self, name: str, value: int) -> None:
        with self._core.control("write its registers") as driver:
            self._check(driver, name)
            driver.write_core_register_raw(name, value)

    def read(self, *names: str) -> dict[str, int]:
        """Return several registers at once, which costs fewer transfers than one by one.

        Raises:
            KeyError: there is no such register.
            H7Error: the core is not halted.
            CoreUnreachable: the core cannot be reached.
        """
        with self._core.control("read its registers") as driver:
            for name in names:
                self._check(driver, name)
            return dict(zip(names, driver.read_core_registers_raw(list(names)), strict=True))

    def _check(self, driver: Any, name: str) -> None:
        if name not in driver.core_registers.by_name:
            raise KeyError(f"{self._core.name} has no register {name!r}")


class Variable:
    """A variable of the firmware, by its ELF symbol."""

    def __init__(self, core: Core, name: str, address: int, size: int) -> None:
        self._core = core
        self.name = name
        self.address = address
        self.size = size

    @property
    def value(self) -> int:
        """The value as an unsigned integer, little-endian; as the CM7 sees it through its data cache."""
        with unseen():
            value = self._read()
        return seen(f"{self._core.name}.{self.name}", value)

    @value.setter
    def value(self, value: int) -> None:
        if self.size in (1, 2, 4):
            self._core.write_sized(self.address, self.size, value)
        else:
            self._core.write_bytes(self.address, value.to_bytes(self.size, "little"))

    def _read(self) -> int:
        if self.size in (1, 2, 4):
            return self._core.read_sized(self.address, self.size)
        return int.from_bytes(self._core.read_bytes(self.address, self.size), "little")


class Breakpoint:
    """A breakpoint that is set."""

    def __init__(self, core: Core, address: int) -> None:
        self._core = core
        self.address = address

    @property
    def is_hit(self) -> bool:
        """Whether the core is halted at it now."""
        return self._core.is_halted and self._core.pc == self.address

    def wait(self, timeout: float = 1.0) -> None:
        """Wait until the core has halted at it; raise WaitTimeout otherwise (board time, seconds)."""
        self._core.wait_halted(timeout, f"reach the breakpoint at 0x{self.address:08X}")

"""What is read of the board, with the place it came from, so that a comparison that fails can tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.chip.registers import Register


class RegisterValue(int):
    """The value of a whole register.

    Attributes:
        name: The register's name, such as ``"RCC.CR"``.
        register: What is known of it.
    """

    name: str
    register: Register

    @classmethod
    def of(cls, name: str, register: Register, value: int) -> RegisterValue:
        """Return a value with its register."""
        made = cls(value)
        made.name, made.register = name, register
        return made


class MemoryBlock(bytes):
    """Bytes out of the chip's memory.

    Attributes:
        address: Where the first one was.
        core: The name of the core that has seen them so.
    """

    address: int
    core: str

    @classmethod
    def of(cls, core: str, address: int, data: bytes) -> MemoryBlock:
        """Return bytes with their place."""
        made = cls(data)
        made.core, made.address = core, address
        return made

"""The key sequences that unlock registers of the flash interface (RM0399 4.5.1)."""

from __future__ import annotations

import enum

KEYS = (0x4567_0123, 0xCDEF_89AB)
"""Keys of KEYR1 and KEYR2, which unlock CR1 and CR2."""

OPTION_KEYS = (0x0819_2A3B, 0x4C5D_6E7F)
"""Keys of OPTKEYR, which unlocks OPTCR and the ``_PRG`` registers."""


class Lock(enum.Enum):
    """State of a register that a pair of keys unlocks."""

    LOCKED = enum.auto()
    FIRST_KEY = enum.auto()
    UNLOCKED = enum.auto()
    DEAD = enum.auto()
    """A wrong sequence was written: locked until the next system reset."""


class KeyLock:
    """The key sequence of one register (RM0399 4.5.1)."""

    def __init__(self, keys: tuple[int, int]) -> None:
        self._keys = keys
        self.state = Lock.LOCKED

    def write_key(self, key: int) -> bool:
        """Take a write to the key register; return False where it ends in a bus error.

        A write of less than 32 bits is a wrong key like any other.
        """
        if self.state is Lock.LOCKED and key == self._keys[0]:
            self.state = Lock.FIRST_KEY
        elif self.state is Lock.FIRST_KEY and key == self._keys[1]:
            self.state = Lock.UNLOCKED
        else:
            self.state = Lock.DEAD
        return self.state is not Lock.DEAD

    def break_sequence(self) -> bool:
        """Take a write to another register; return False where it ends in a bus error."""
        if self.state is not Lock.FIRST_KEY:
            return True
        self.state = Lock.DEAD
        return False

    def lock(self) -> None:
        """Lock again by software."""
        self.state = Lock.LOCKED

    @property
    def open(self) -> bool:
        """Whether the register can be written."""
        return self.state is Lock.UNLOCKED

"""The Ethernet PHY of the boards, a LAN8742A without a cable (Microchip DS00001989, chapter 4)."""

from __future__ import annotations

_CONTROL, _INTERRUPT_SOURCE = 0, 29
_RESET, _RESTART = 1 << 15, 1 << 9
_DEFAULTS = {
    _CONTROL: 0x3000,
    1: 0x7809,
    2: 0x0007,
    3: 0xC131,
    4: 0x01E1,
    18: 0x00E0,
    _INTERRUPT_SOURCE: 0,
    30: 0,
    31: 0x0040,
}
"""Registers that are not zero after reset, or can be written. The status says: able to negotiate, no link."""

_WRITABLE = {_CONTROL: 0x7D80, 4: 0xFFFF, 18: 0x00E0, 30: 0x00FF}


class Lan8742:
    """A PHY of which the management interface is all that works; no link ever comes.

    Args:
        address: 0 to 31, which its special modes register shows.
    """

    def __init__(self, address: int = 0) -> None:
        self.address = address
        self._registers: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """Reset it."""
        self._registers.clear()
        self._registers.update(_DEFAULTS)
        self._registers[18] |= self.address

    def read(self, register: int) -> int:
        """Return a register, 0 to 31, of 16 bits."""
        return self._registers.get(register, 0)

    def write(self, register: int, value: int) -> None:
        """Write a register; a reset or a new negotiation is over at once."""
        if register == _CONTROL and value & _RESET:
            self.reset()
        elif register in _WRITABLE:
            kept = self._registers[register] & ~_WRITABLE[register]
            self._registers[register] = kept | value & _WRITABLE[register] & ~_RESTART

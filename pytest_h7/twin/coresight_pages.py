"""Registers of the CoreSight components behind one access port, of which only identification is modelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.chip.coresight import components

if TYPE_CHECKING:
    from pytest_h7.chip.coresight import Component

_PAGE_MASK = 0xFFFF_F000
_IDENTIFICATION = 0xFB8
"""From AUTHSTATUS upwards the registers of a component are read-only (Arm IHI0029E B2.2)."""


class CoreSightPages:
    """The 4 KB pages of the components behind access port `apsel`; their other registers are only stored."""

    def __init__(self, apsel: int) -> None:
        own = [component for component in components() if component.apsel == apsel]
        self._components = {component.base: component for component in own}
        self._words = {
            component.base + offset: word for component in own for offset, word in component.words.items()
        }

    def component(self, address: int) -> Component | None:
        """Return the component whose page `address` is in, None if there is none."""
        return self._components.get(address & _PAGE_MASK)

    def identification(self, address: int) -> int | None:
        """Return a word that is known of a component, None if `address` is no such word."""
        return self._words.get(address)

    def read(self, address: int) -> int:
        """Return the word at `address`; what is not known reads zero."""
        return self._words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Store a word; ROM tables and identification keep theirs."""
        component = self.component(address)
        if component is not None and not component.entries and address - component.base < _IDENTIFICATION:
            self._words[address] = value

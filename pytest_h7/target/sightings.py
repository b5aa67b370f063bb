"""Resets of the cores, remembered: DHCSR.S_RESET_ST tells of one to whoever reads it first, and to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyocd.coresight.cortex_m import CortexM

if TYPE_CHECKING:
    from collections.abc import Sequence


class ResetSightings:
    """What has been seen of resets since somebody asked."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._own: set[str] = set()

    def note(self, apsel: int, dhcsr: int) -> None:
        """Take notice of a value of DHCSR that has been read."""
        if dhcsr & CortexM.S_RESET_ST:
            self._seen.add(apsel)

    def note_own(self, *flags: str) -> None:
        """Take notice of a reset that the debugger makes; `flags` of RCC_RSR are those it sets beside PINRSTF."""
        self._own |= {"PINRSTF", *flags}

    def take(self) -> tuple[set[int], set[str]]:
        """Return the access ports of the cores that were reset, and the flags of the debugger's resets.

        Both are forgotten. No flags stand for no such reset.
        """
        taken = self._seen, self._own
        self._seen, self._own = set(), set()
        return taken


def watch_port(port: Any, sightings: ResetSightings) -> None:
    """Have every reading of DHCSR through an access port noted; does nothing the second time."""
    if getattr(port, "is_watched", False):
        return
    apsel = port.address.apsel
    read_memory, read_block = port.read_memory, port.read_memory_block32

    def read(addr: int, transfer_size: int = 32, now: bool = True) -> Any:
        result = read_memory(addr, transfer_size, now)
        if addr != CortexM.DHCSR:
            return result
        if now:
            sightings.note(apsel, result)
            return result

        def fetch() -> int:
            value: int = result()
            sightings.note(apsel, value)
            return value

        return fetch

    def read_words(addr: int, size: int) -> Sequence[int]:
        words: Sequence[int] = read_block(addr, size)
        if addr <= CortexM.DHCSR < addr + 4 * size:
            sightings.note(apsel, words[(CortexM.DHCSR - addr) // 4])
        return words

    port.read_memory, port.read_memory_block32 = read, read_words
    port.is_watched = True

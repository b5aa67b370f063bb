"""The private peripheral bus as a table of words: who answers at which address."""

from __future__ import annotations

from collections.abc import Callable

PPB_BASE = 0xE000_0000
PPB_SIZE = 0x10_0000

Read = Callable[[], int]
Write = Callable[[int], None]


class RegisterMap:
    """Registers by address. What is not listed reads zero and ignores writes.

    A map made from a `base` starts with the registers of that one and shares what they store.
    """

    def __init__(self, base: RegisterMap | None = None) -> None:
        self._readers: dict[int, Read] = dict(base._readers) if base else {}
        self._writers: dict[int, Write] = dict(base._writers) if base else {}
        self._merged: set[int] = set(base._merged) if base else set()
        self._stored: dict[int, int] = base._stored if base else {}
        self._pages: set[int] = base._pages if base else set()
        self._resets: dict[bool, dict[int, int]] = {False: {}, True: {}}

    def add(
        self, address: int, read: Read | None, write: Write | None = None, *, merge: bool = False
    ) -> None:
        """Let functions answer a word.

        With `merge`, a write of a byte or halfword keeps the rest of the word; otherwise the rest is
        written as zeros, which is right for bits that act when written as one.
        """
        if read is not None:
            self._readers[address] = read
        if write is not None:
            self._writers[address] = write
        if merge:
            self._merged.add(address)

    def constant(self, address: int, value: int) -> None:
        """Let a word read as a constant."""
        self._readers[address] = lambda: value

    def storage(self, address: int, reset: int = 0, *, mask: int = 0xFFFF_FFFF, debug: bool = False) -> None:
        """Let a word be stored under `mask`; a `debug` one survives a local reset."""
        stored = self._stored
        fixed = reset & ~mask
        stored[address] = self._resets[debug][address] = reset

        def write(value: int) -> None:
            stored[address] = value & mask | fixed

        self.add(address, lambda: stored[address], write, merge=True)

    def page(self, base: int) -> None:
        """Let all words of the 4 KB at `base` that are not listed be stored; they survive a local reset."""
        self._pages.add(base)

    def __getitem__(self, address: int) -> int:
        """Return the value of a stored word."""
        return self._stored[address]

    def reset(self, *, debug: bool) -> None:
        """Give stored words their reset values, those of debug components only if `debug`."""
        if debug:
            self._stored.clear()
        self._stored.update(self._resets[False])
        if debug:
            self._stored.update(self._resets[True])

    def read(self, address: int, size: int) -> int:
        """Return `size` (1, 2 or 4) bytes."""
        aligned = address & ~3
        reader = self._readers.get(aligned)
        value = self._stored.get(aligned, 0) if reader is None else reader()
        if size == 4:
            return value
        return value >> 8 * (address & 3) & ((1 << 8 * size) - 1)

    def write(self, address: int, size: int, value: int) -> None:
        """Write `size` (1, 2 or 4) bytes."""
        aligned = address & ~3
        writer = self._writers.get(aligned)
        if writer is None:
            if aligned & ~0xFFF in self._pages and aligned not in self._readers:
                self._stored[aligned] = value
            return
        if size != 4:
            shift = 8 * (address & 3)
            mask = ((1 << 8 * size) - 1) << shift
            value = value << shift & mask
            if aligned in self._merged:
                value |= self._readers[aligned]() & ~mask
        writer(value)

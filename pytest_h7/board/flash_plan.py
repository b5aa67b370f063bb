"""What is to be done to the flash for some images: one plan over both banks, out of what is in flash now.

A flash word can be programmed once after an erase, and only a whole sector can be erased (RM0399 4.3.8, 4.3.10).
So a sector is erased only if a word of an image is to replace another one. What the images do not cover of such a
sector is read before and programmed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_h7.board.images import Segment
from pytest_h7.chip.memory import FLASH_BANKS, FLASH_SECTOR_SIZE, FLASH_WORD_SIZE

SECTOR_ERASE_TIME = 1.0
"""Seconds that a sector takes typically, with the widest parallelism (DS12110 table 140)."""

WORD_TIME = 105e-6
"""Seconds for a flash word: 100 us typically (DS12110 table 140), and the time to notice its end."""

_BLANK = b"\xff" * FLASH_WORD_SIZE

Words = Mapping[int, bytes]
"""Whole flash words by their address."""


def sector_of(address: int) -> int:
    """Return the address of the sector that an address is in."""
    return address - address % FLASH_SECTOR_SIZE


def word_of(address: int) -> int:
    """Return the address of the flash word that an address is in."""
    return address - address % FLASH_WORD_SIZE


def pieces_of(segments: Iterable[Segment]) -> list[Segment]:
    """Return what the segments hold, joined where they touch and cut at the ends of sectors, in order."""
    return [
        Segment(start, bytes(data[start - address : end - address]))
        for address, data in _joined(segments)
        for start, end in _within_sectors(address, address + len(data))
    ]


def _joined(segments: Iterable[Segment]) -> list[tuple[int, bytearray]]:
    joined: list[tuple[int, bytearray]] = []
    for segment in sorted(segments, key=lambda segment: segment.address):
        if joined and joined[-1][0] + len(joined[-1][1]) == segment.address:
            joined[-1][1].extend(segment.data)
        else:
            joined.append((segment.address, bytearray(segment.data)))
    return joined


def _within_sectors(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        limit = min(end, sector_of(start) + FLASH_SECTOR_SIZE)
        yield start, limit
        start = limit


def words_of(pieces: Iterable[Segment], under: Words | None = None) -> dict[int, bytes]:
    """Return the flash words that pieces touch, with ones, or what is in `under`, where they hold nothing."""
    words = {address: bytearray(word) for address, word in (under or {}).items()}
    for piece in pieces:
        for address in range(word_of(piece.address), piece.end, FLASH_WORD_SIZE):
            start, end = max(address, piece.address), min(address + FLASH_WORD_SIZE, piece.end)
            word = words.setdefault(address, bytearray(_BLANK))
            word[start - address : end - address] = piece.data[start - piece.address : end - piece.address]
    return {address: bytes(word) for address, word in words.items()}


@dataclass(frozen=True)
class SectorState:
    """What the chip has found in a sector; a bit for each flash word, the first one lowest.

    Attributes:
        blank: Words that are all ones.
        unreadable: Words whose ECC does not fit, because an operation was cut short.
    """

    address: int
    blank: int
    unreadable: int

    def is_blank(self, address: int) -> bool:
        """Return whether the flash word at an address of the sector is blank."""
        return bool(self.blank >> self._index(address) & 1)

    def is_unreadable(self, address: int) -> bool:
        """Return whether the flash word at an address of the sector cannot be read."""
        return bool(self.unreadable >> self._index(address) & 1)

    def content(self) -> list[int]:
        """Return the addresses of the words that hold something."""
        return self._where(~(self.blank | self.unreadable))

    def broken(self) -> list[int]:
        """Return the addresses of the words that cannot be read."""
        return self._where(self.unreadable)

    def _where(self, bits: int) -> list[int]:
        addresses = range(self.address, self.address + FLASH_SECTOR_SIZE, FLASH_WORD_SIZE)
        return [address for index, address in enumerate(addresses) if bits >> index & 1]

    def _index(self, address: int) -> int:
        return (address - self.address) // FLASH_WORD_SIZE


@dataclass(frozen=True)
class Survey:
    """What the chip has found: sectors by address, and the digest of each piece by its address.

    A digest is the MD5 of those flash words that a piece touches and that are not blank, with ones where the
    piece holds nothing. It tells pieces apart that differ by accident, whatever check sums they have in them.
    """

    sectors: Mapping[int, SectorState]
    digests: Mapping[int, bytes]

    def differs(self, piece: Segment) -> bool:
        """Return whether a word that is not blank holds something else than the piece does."""
        state = self.sectors[sector_of(piece.address)]
        words = words_of([piece])
        if any(state.is_unreadable(address) for address in words):
            return True
        there = b"".join(word for address, word in words.items() if not state.is_blank(address))
        return hashlib.md5(there, usedforsecurity=False).digest() != self.digests[piece.address]


@dataclass(frozen=True)
class SectorPlan:
    """What is to be done to a sector.

    Attributes:
        address: Where it starts.
        pieces: What the images have in it.
        erase: Whether it is erased.
        words: The flash words to be programmed, without those still to be read.
        outside: What it is to hold around the pieces, as far as it had to be read.
        kept: Addresses of the flash words that are still to be read for that, before the erase.
        lost: How many flash words around the pieces cannot be read, or be had from elsewhere.
        has_broken: Whether any flash word of it cannot be read.
    """

    address: int
    pieces: tuple[Segment, ...]
    erase: bool
    words: Words
    outside: Words = field(default_factory=dict)
    kept: tuple[int, ...] = ()
    lost: int = 0
    has_broken: bool = False

    @property
    def is_change(self) -> bool:
        """Whether anything is to be done."""
        return self.erase or bool(self.words)

    @property
    def bank(self) -> int:
        """Number of its bank, 1 or 2."""
        return 1 if self.address in FLASH_BANKS[0] else 2

    @property
    def size(self) -> int:
        """Bytes to be programmed."""
        return FLASH_WORD_SIZE * len(self.words.keys() | set(self.kept))

    @property
    def seconds(self) -> float:
        """The time that erase and programming take."""
        return SECTOR_ERASE_TIME * self.erase + WORD_TIME * self.size / FLASH_WORD_SIZE

    def with_kept(self, content: Words) -> SectorPlan:
        """Return the plan with the words that were to be read."""
        if not self.erase:
            return self
        outside = {
            **self.outside,
            **{at: _finished(word, self.outside.get(at)) for at, word in content.items()},
        }
        words = _without_blank(words_of(self.pieces, outside))
        return replace(self, words=words, outside=outside, kept=())

    def result(self) -> list[Segment]:
        """Return what the sector holds when this was done, as far as it is known, by `pieces_of`."""
        if not self.erase:
            return list(self.pieces)
        return pieces_of(Segment(*word) for word in words_of(self.pieces, self.outside).items())

    def __str__(self) -> str:
        if not self.is_change:
            return f"0x{self.address:08X}  unchanged"
        steps = ["erase"] if self.erase else []
        if self.size:
            steps.append(f"program {_amount(self.size)}")
        if self.kept:
            steps.append(f"keep {_amount(FLASH_WORD_SIZE * len(self.kept))} outside of the images")
        if self.lost:
            steps.append(f"lose {_amount(FLASH_WORD_SIZE * self.lost)} that cannot be read")
        return f"0x{self.address:08X}  {', '.join(steps)}"


def plan_sector(
    address: int,
    pieces: Sequence[Segment],
    survey: Survey,
    *,
    anew: bool = False,
    saved: Words | None = None,
) -> SectorPlan:
    """Find what is to be done to a sector.

    Args:
        address: Where it starts.
        pieces: What it is to hold, by `pieces_of`.
        survey: What is in it.
        anew: Whether it is erased in any case.
        saved: What was read of it before it was erased for a change that did not come to its end.
    """
    state = survey.sectors[address]
    if not anew and not any(survey.differs(piece) for piece in pieces):
        words = _without_blank(words_of(pieces))
        to_program = {at: word for at, word in words.items() if state.is_blank(at)}
        return SectorPlan(address, tuple(pieces), erase=False, words=to_program)
    covered = _covered(pieces)
    kept = [at for at in state.content() if at not in covered]
    lost = [at for at in state.broken() if at not in covered]
    outside: dict[int, bytes] = {}
    if saved is not None:
        if state.unreadable:
            # The erase was cut: what can be read may be junk, too, as a quarter of all values has a fitting ECC.
            kept, lost = [], []
        outside = {at: word for at, word in saved.items() if at not in covered}
    words = _without_blank(words_of(pieces, outside))
    return SectorPlan(
        address, tuple(pieces), True, words, outside, tuple(kept), len(lost), bool(state.unreadable)
    )


def _covered(pieces: Iterable[Segment]) -> set[int]:
    """Return the addresses of the flash words that pieces hold whole."""
    counts: dict[int, int] = {}
    for piece in pieces:
        for address in range(word_of(piece.address), piece.end, FLASH_WORD_SIZE):
            start, end = max(address, piece.address), min(address + FLASH_WORD_SIZE, piece.end)
            counts[address] = counts.get(address, 0) + end - start
    return {address for address, count in counts.items() if count == FLASH_WORD_SIZE}


def _finished(word: bytes, saved: bytes | None) -> bytes:
    """Return a flash word with what its programming, which only makes zeros, was to reach where it was cut."""
    if saved is None:
        return word
    return bytes(aim if now & aim == aim else now for now, aim in zip(word, saved, strict=True))


def _without_blank(words: Words) -> dict[int, bytes]:
    return {address: word for address, word in words.items() if word != _BLANK}


def _amount(size: int) -> str:
    return f"{size} bytes" if size < 1024 else f"{size / 1024:.1f} KB"


@dataclass(frozen=True)
class FlashPlan:
    """What is to be done to both banks."""

    sectors: tuple[SectorPlan, ...] = field(default=())

    @property
    def changes(self) -> tuple[SectorPlan, ...]:
        """Sectors to which something is to be done."""
        return tuple(sector for sector in self.sectors if sector.is_change)

    @property
    def erased(self) -> int:
        """How many sectors are erased."""
        return sum(sector.erase for sector in self.sectors)

    @property
    def size(self) -> int:
        """Bytes to be programmed."""
        return sum(sector.size for sector in self.sectors)

    @property
    def seconds(self) -> float:
        """The time that erasing and programming take, of both banks at the same time."""
        return max(sum(sector.seconds for sector in self.of_bank(number)) for number in (1, 2))

    def of_bank(self, number: int) -> tuple[SectorPlan, ...]:
        """Return the sectors of bank 1 or 2 to which something is to be done."""
        return tuple(sector for sector in self.changes if sector.bank == number)

    def __str__(self) -> str:
        lines = [f"bank {sector.bank}  {sector}" for sector in self.sectors]
        return "\n".join([*lines, self.summary])

    @property
    def summary(self) -> str:
        """The whole in one sentence."""
        if not self.changes:
            return "Nothing is to be done."
        erased = {0: "No sector is erased", 1: "1 sector is erased"}.get(
            self.erased, f"{self.erased} sectors are erased"
        )
        return f"{erased}, {_amount(self.size)} are programmed, in about {self.seconds:.2g} s."


def plan_flash(
    pieces: Sequence[Segment],
    survey: Survey,
    *,
    anew: bool = False,
    unfinished: Mapping[int, Words | None] | None = None,
) -> FlashPlan:
    """Find what is to be done for pieces to be in flash.

    Args:
        pieces: What is to be there, by `pieces_of`.
        survey: What is there.
        anew: Whether all sectors of the pieces are erased, whatever is in them.
        unfinished: Sectors whose last change has not come to its end, with what was read of them before they were
            erased. They are erased in any case: what seems to be there may be weak.
    """
    unfinished = unfinished or {}
    by_sector: dict[int, list[Segment]] = {address: [] for address in sorted(unfinished)}
    for piece in pieces:
        by_sector.setdefault(sector_of(piece.address), []).append(piece)
    return FlashPlan(
        tuple(
            plan_sector(
                address,
                inside,
                survey,
                anew=address in unfinished or (anew and bool(inside)),
                saved=unfinished.get(address),
            )
            for address, inside in sorted(by_sector.items())
        )
    )

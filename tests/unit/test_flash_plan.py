"""The plan for the flash, on a flash made of a dictionary: its result is right, and no erase is too much."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.board.flash_plan import (
    FlashPlan,
    SectorState,
    Survey,
    Words,
    pieces_of,
    plan_flash,
    sector_of,
    words_of,
)
from pytest_h7.board.images import Segment

SECTOR, WORD = 0x2_0000, 32
BANK_1, BANK_2 = 0x0800_0000, 0x0810_0000
BLANK = b"\xff" * WORD
UNREADABLE = None

Content = dict[int, bytes | None]
"""Flash words by address, those that are not blank."""

PLACES = [
    sector + offset
    for sector in (BANK_1, BANK_1 + SECTOR, BANK_2)
    for offset in (*range(0, 4 * WORD, WORD), SECTOR - 2 * WORD, SECTOR - WORD)
]
"""Flash words that the tests play with: at both ends of three sectors, two of which are neighbours."""


class Flash:
    """Flash of which only words count that are not blank."""

    def __init__(self, content: Content) -> None:
        self.words = dict(content)
        self.erased: set[int] = set()
        self.programmed: set[int] = set()

    def word(self, address: int) -> bytes | None:
        return self.words.get(address, BLANK)

    def byte(self, address: int) -> int | None:
        word = self.word(address - address % WORD)
        return None if word is None else word[address % WORD]

    def survey(self, pieces: Sequence[Segment], sectors: set[int]) -> Survey:
        """Look at it as the agent on the CM7 does."""
        states = {}
        for sector in sectors:
            blank, unreadable = (1 << SECTOR // WORD) - 1, 0
            for address, word in self.words.items():
                if sector_of(address) == sector:
                    bit = 1 << (address - sector) // WORD
                    blank &= ~bit
                    unreadable |= bit if word is UNREADABLE else 0
            states[sector] = SectorState(sector, blank, unreadable)
        return Survey(states, {piece.address: self._digest(piece) for piece in pieces})

    def _digest(self, piece: Segment) -> bytes:
        digest = hashlib.md5()
        for address in range(piece.address - piece.address % WORD, piece.end, WORD):
            word = self.word(address)
            if word != BLANK:
                digest.update(
                    bytes(
                        (word or bytes(WORD))[at] if piece.address <= address + at < piece.end else 0xFF
                        for at in range(WORD)
                    )
                )
        return digest.digest()

    def carry_out(self, plan: FlashPlan, stop_after: int | None = None) -> None:
        """Do what is planned, or so many steps of it: an erase, or a flash word, in one sector after the other."""
        steps: list[tuple[int, bytes | None]] = []
        for sector in plan.changes:
            steps += [(sector.address, None)] if sector.erase else []
            steps += [(address, word) for address, word in sorted(sector.words.items())]
        for address, word in steps[:stop_after]:
            if word is None:
                self.erased.add(address)
                self.words = {at: old for at, old in self.words.items() if sector_of(at) != address}
            else:
                assert self.word(address) == BLANK, "a flash word is programmed twice"
                assert word != BLANK
                self.words[address] = word
                self.programmed.add(address)

    def complete(self, plan: FlashPlan) -> FlashPlan:
        """Read what the plan wants to keep."""
        sectors = []
        for sector in plan.sectors:
            kept = {address: self.word(address) for address in sector.kept}
            assert None not in kept.values()
            sectors.append(sector.with_kept(kept))
        return FlashPlan(tuple(sectors))


def plan_for(
    flash: Flash,
    pieces: Sequence[Segment],
    *,
    anew: bool = False,
    unfinished: Mapping[int, Words | None] | None = None,
) -> FlashPlan:
    sectors = {sector_of(piece.address) for piece in pieces} | set(unfinished or {})
    plan = plan_flash(pieces, flash.survey(pieces, sectors), anew=anew, unfinished=unfinished)
    return flash.complete(plan)


# -- what can be in flash, and what can be wanted ----------------------------------------------------------

READABLE = st.sampled_from([BLANK, b"a" * WORD, b"\xff" * 16 + b"b" * 16, b"c" * 31 + b"\xff", bytes(WORD)])
CONTENTS = st.dictionaries(st.sampled_from(PLACES), READABLE | st.none()).map(
    lambda words: {address: word for address, word in words.items() if word != BLANK}
)
READABLE_CONTENTS = st.dictionaries(st.sampled_from(PLACES), READABLE.filter(lambda word: word != BLANK))


@st.composite
def segments(draw: st.DrawFn, flash: Content) -> list[Segment]:
    """Segments that do not overlap and mostly hold what is in flash already."""
    found: list[Segment] = []
    taken: set[int] = set()
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.sampled_from(PLACES)) + draw(st.sampled_from([0, 0, 1, 12, 31]))
        length = draw(st.sampled_from([1, 8, 31, 32, 33, 64, 100]))
        addresses = range(start, start + length)
        if taken.intersection(addresses):
            continue
        taken.update(addresses)
        there = Flash(flash)
        data = bytearray(there.byte(address) or 0 for address in addresses)
        if draw(st.booleans()):
            data[draw(st.integers(0, length - 1))] = draw(st.sampled_from([0x00, 0x61, 0xFF]))
        found.append(Segment(start, bytes(data)))
    return found


CASES = CONTENTS.flatmap(lambda flash: st.tuples(st.just(flash), segments(flash)))


def wanted_bytes(images: Sequence[Segment]) -> dict[int, int]:
    return {segment.address + at: byte for segment in images for at, byte in enumerate(segment.data)}


def must_be_erased(flash: Flash, images: Sequence[Segment]) -> set[int]:
    """The specification: a byte is to change, or to become readable, in a word that is not blank."""
    return {
        sector_of(address)
        for address, byte in wanted_bytes(images).items()
        if flash.byte(address) != byte and flash.word(address - address % WORD) != BLANK
    }


def assert_holds(flash: Flash, images: Sequence[Segment], before: Flash) -> None:
    wanted = wanted_bytes(images)
    assert {address: flash.byte(address) for address in wanted} == wanted
    for place in PLACES:
        if before.word(place) is not UNREADABLE:
            around = [address for address in range(place, place + WORD) if address not in wanted]
            assert [flash.byte(address) for address in around] == [before.byte(address) for address in around]


# -- properties ---------------------------------------------------------------------------------------------


@given(CASES)
def test_the_result_is_right_and_no_erase_is_too_much(case: tuple[Content, list[Segment]]) -> None:
    content, images = case
    before, flash = Flash(content), Flash(content)
    pieces = pieces_of(images)
    plan = plan_for(flash, pieces)
    flash.carry_out(plan)
    assert_holds(flash, images, before)
    assert flash.erased == must_be_erased(before, images)
    assert not plan_for(flash, pieces).changes


@given(CASES)
def test_what_is_there_is_not_programmed(case: tuple[Content, list[Segment]]) -> None:
    content, images = case
    flash = Flash(content)
    flash.carry_out(plan_for(flash, pieces_of(images)))
    changed = {
        address - address % WORD
        for address, byte in wanted_bytes(images).items()
        if Flash(content).byte(address) != byte
    }
    assert {address for address in flash.programmed if sector_of(address) not in flash.erased} == {
        address for address in changed if sector_of(address) not in flash.erased
    }


@given(CASES)
def test_always_erases_the_sectors_of_the_images_and_keeps_the_rest(
    case: tuple[Content, list[Segment]],
) -> None:
    content, images = case
    before, flash = Flash(content), Flash(content)
    flash.carry_out(plan_for(flash, pieces_of(images), anew=True))
    assert flash.erased == {sector_of(address) for address in wanted_bytes(images)}
    assert_holds(flash, images, before)


@given(READABLE_CONTENTS.flatmap(lambda flash: st.tuples(st.just(flash), segments(flash))), st.data())
def test_a_change_that_was_cut_is_repaired(case: tuple[Content, list[Segment]], data: st.DataObject) -> None:
    content, images = case
    before, flash = Flash(content), Flash(content)
    pieces = pieces_of(images)
    plan = plan_for(flash, pieces)
    steps = sum(sector.erase + len(sector.words) for sector in plan.changes)
    done = data.draw(st.integers(0, steps), "steps done")
    flash.carry_out(plan, done)
    for address, word in damage(plan, done, data).items():
        flash.words[address] = word
    unfinished = {sector.address: sector.outside if sector.erase else None for sector in plan.changes}
    flash.carry_out(plan_for(flash, pieces, unfinished=unfinished))
    assert_holds(flash, images, before)


def damage(plan: FlashPlan, done: int, data: st.DataObject) -> Content:
    """Return what the step after those done leaves when it is cut: junk all over a sector, or half a word."""
    if not data.draw(st.booleans(), "in a step"):
        return {}
    position = 0
    for sector in plan.changes:
        if sector.erase:
            if position == done:
                places = [place for place in PLACES if sector_of(place) == sector.address]
                junk = {place: data.draw(st.none() | READABLE, "junk") for place in places[1:]}
                return {places[0]: UNREADABLE, **{at: word for at, word in junk.items() if word != BLANK}}
            position += 1
        for address, word in sorted(sector.words.items()):
            if position == done:
                left = data.draw(st.integers(0, WORD), "bytes programmed")
                half = word[:left] + BLANK[left:]
                return {address: UNREADABLE if half == BLANK or data.draw(st.booleans(), "broken") else half}
            position += 1
    return {}


# -- examples -----------------------------------------------------------------------------------------------


def test_pieces_are_joined_and_cut_at_sectors() -> None:
    pieces = pieces_of(
        [
            Segment(BANK_1 + SECTOR, b"cd"),
            Segment(BANK_1 + SECTOR - 2, b"ab"),
            Segment(BANK_1 + SECTOR + 8, b"e"),
        ]
    )
    assert pieces == [
        Segment(BANK_1 + SECTOR - 2, b"ab"),
        Segment(BANK_1 + SECTOR, b"cd"),
        Segment(BANK_1 + SECTOR + 8, b"e"),
    ]


def test_a_blank_sector_is_not_erased() -> None:
    plan = plan_for(Flash({}), pieces_of([Segment(BANK_1, b"x" * 40)]))
    assert plan.erased == 0
    assert str(plan) == (
        "bank 1  0x08000000  program 64 bytes\nNo sector is erased, 64 bytes are programmed, in about 0.00021 s."
    )


def test_both_banks_take_the_time_of_one() -> None:
    flash = Flash({BANK_1: bytes(WORD), BANK_2: bytes(WORD), BANK_2 + SECTOR - WORD: bytes(WORD)})
    pieces = pieces_of([Segment(BANK_1, b"x" * 3000), Segment(BANK_2, b"y" * 2000)])
    plan = plan_flash(pieces, flash.survey(pieces, {BANK_1, BANK_2}))
    assert 1.0 < plan.seconds < 1.1
    assert str(plan).splitlines() == [
        "bank 1  0x08000000  erase, program 2.9 KB",
        "bank 2  0x08100000  erase, program 2.0 KB, keep 32 bytes outside of the images",
        "2 sectors are erased, 4.9 KB are programmed, in about 1 s.",
    ]


def test_what_cannot_be_kept_is_told() -> None:
    flash = Flash({BANK_1: bytes(WORD), BANK_1 + 64: UNREADABLE})
    plan = plan_for(flash, pieces_of([Segment(BANK_1, b"x" * WORD)]))
    assert "lose 32 bytes that cannot be read" in str(plan)


@pytest.mark.parametrize("bytes_done", [0, 7, 31, 32])
def test_a_word_whose_restoring_was_cut_is_completed(bytes_done: int) -> None:
    """Half of it is programmed and reads without an error, which happens to one in four."""
    kept = bytes(range(WORD))
    flash = Flash({BANK_1: b"x" * WORD, BANK_1 + 64: kept[:bytes_done] + BLANK[bytes_done:]})
    plan = plan_for(
        flash, pieces_of([Segment(BANK_1, b"x" * WORD)]), unfinished={BANK_1: {BANK_1 + 64: kept}}
    )
    flash.carry_out(plan)
    assert flash.word(BANK_1 + 64) == kept


def test_unchanged_images() -> None:
    plan = plan_for(Flash({BANK_1: b"x" * WORD}), pieces_of([Segment(BANK_1, b"x" * WORD)]))
    assert str(plan) == "bank 1  0x08000000  unchanged\nNothing is to be done."


@pytest.mark.parametrize("address", [BANK_1 + 5, BANK_1 + WORD - 5])
def test_words_of_a_piece_have_ones_around_it(address: int) -> None:
    words = words_of([Segment(address, b"0123456789")])
    together = b"".join(word for _, word in sorted(words.items()))
    assert together.strip(b"\xff") == b"0123456789"
    assert together.index(b"0") == address - BANK_1

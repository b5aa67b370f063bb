"""The power is cut at every moment of a flash change: the next run finds what is left, repairs it, and boots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import FlashPolicy, Settings
from pytest_h7.board.board import Board
from pytest_h7.board.images import ImagePair, load_pair, reference_image
from pytest_h7.chip.memory import FLASH_BANK1, FLASH_BANK2, FLASH_BANKS, FLASH_WORD_SIZE
from pytest_h7.errors import InfrastructureError
from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import BoardSnapshot, VirtualBoard
from pytest_h7.twin.peripherals.flash_bank import FlashBank

PARTS = 8
"""Tests that all cases are divided into, so that several processes can share them."""

SAMPLE = 2
"""Cases of each part that are tried unless all are."""

KEPT = {
    FLASH_BANK1.start + 0x1_0000: b"calibration data of the CM7".ljust(70, b"\0"),
    FLASH_BANK2.start + 0x1_F000: b"what the CM4 has logged".ljust(33, b"."),
}
"""What else is in the sectors of the images."""


@dataclass(frozen=True)
class Moment:
    """A time in picoseconds after the begin of the flash change."""

    time: int
    what: str


class PowerCuts:
    """A board with older images in flash, and what happens when it is to be given new ones."""

    def __init__(self) -> None:
        self.pair = load_pair(None, None)
        self.board = VirtualBoard()
        self._fill(load_pair(reference_image("cm7_never_releases"), reference_image("cm4_never_sleeps")))
        self._before: BoardSnapshot = self.board.take_snapshot()
        self.moments: list[Moment] = []

    def _fill(self, pair: ImagePair) -> None:
        mcu = self.board.mcu
        mcu.power_off()
        content = {segment.address: segment.data for image in pair for segment in image.segments}
        for address, data in (content | KEPT).items():
            bank = next(bank for bank in FLASH_BANKS if address in bank)
            mcu.memory(bank.name)[address - bank.start : address - bank.start + len(data)] = data
        for bank in FLASH_BANKS:
            mcu.code_changed(bank.start, bank.size)
        mcu.power_on()

    @contextmanager
    def session(self) -> Iterator[Board]:
        """Connect as a run does, until its end."""
        bench = Bench(Settings())
        try:
            yield Board(bench)
        finally:
            bench.close()

    def find_moments(self) -> None:
        """Flash once without a cut and note when each operation of both banks begins and ends."""
        found: list[Moment] = []
        begun: dict[int, int] = {}
        begin = 0

        def noted(name: str, note: Callable[[FlashBank], None]) -> None:
            original = getattr(FlashBank, name)

            def wrapped(bank: FlashBank) -> None:
                if name == "_finish":
                    note(bank)
                original(bank)
                if name == "_start" and bank.busy:
                    note(bank)

            patch.setattr(FlashBank, name, wrapped)

        def note_begin(bank: FlashBank) -> None:
            begun[bank.number] = self.board.picoseconds() - begin

        def note_end(bank: FlashBank) -> None:
            start, end = begun[bank.number], self.board.picoseconds() - begin
            what = f"operation {len(found) // 3} (bank {bank.number}, {(end - start) / 1e9:g} ms)"
            found.extend(
                (
                    Moment(start + 1, f"at the begin of {what}"),
                    Moment((start + end) // 2, f"in {what}"),
                    Moment(end + 1, f"after {what}"),
                )
            )

        with pytest.MonkeyPatch.context() as patch:
            noted("_start", note_begin)
            noted("_finish", note_end)
            with self.session() as board:
                begin = self.board.picoseconds()
                board.flash(self.pair, FlashPolicy.AUTO)
        self.moments = found

    def cut(self, moment: Moment) -> None:
        """Flash, with the power cut at a moment; see that the next run repairs the board."""
        self.board.restore(self._before)
        mcu, stlink = self.board.mcu, self.board.stlink

        def power_off() -> None:
            mcu.power_off()
            stlink.debug_port.power_on_reset()

        with self.session() as board:
            mcu.schedule(moment.time, power_off)
            with pytest.raises(InfrastructureError, match="has no power"):
                board.flash(self.pair, FlashPolicy.AUTO)
        mcu.power_on()
        with self.session() as board:
            board.flash(self.pair, FlashPolicy.AUTO)
            board.boot_contract(timeout=1.0)
        assert self._wrong_places() == [], moment.what
        assert mcu.flash.broken_words() == [[], []], moment.what

    def _wrong_places(self) -> list[str]:
        wanted = {segment.address: segment.data for image in self.pair for segment in image.segments} | KEPT
        return [
            f"0x{address:08X}"
            for address, data in wanted.items()
            if self._content(address, len(data)) != data
        ]

    def _content(self, address: int, length: int) -> bytes:
        bank = next(bank for bank in FLASH_BANKS if address in bank)
        start = address - bank.start
        return bytes(self.board.mcu.memory(bank.name)[start : start + length])


@pytest.fixture(scope="module")
def power_cuts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerCuts]:
    notes = tmp_path_factory.mktemp("notes")
    with pytest.MonkeyPatch.context() as patch:
        cuts = PowerCuts()
        patch.setattr(twin_board, "_boards", {"": cuts.board})
        # A board that one comes back to, as one on the desk.
        patch.setattr(Bench, "notes", notes)
        cuts.find_moments()
        yield cuts
        assert list(notes.iterdir()) == [], "nothing is left to be repaired"


@pytest.mark.parametrize("part", range(PARTS))
def test_the_next_run_repairs_the_board(
    power_cuts: PowerCuts, choose: Callable[[Sequence[Moment], int], list[Moment]], part: int
) -> None:
    for moment in choose(power_cuts.moments[part::PARTS], SAMPLE):
        power_cuts.cut(moment)


def test_every_step_of_a_change_is_a_case(power_cuts: PowerCuts) -> None:
    content = [segment.data for image in power_cuts.pair for segment in image.segments] + list(KEPT.values())
    words = sum(len(data) for data in content) // FLASH_WORD_SIZE
    erases = [moment for moment in power_cuts.moments if "1000 ms" in moment.what]
    assert len(erases) == 2 * 3
    assert len(power_cuts.moments) - len(erases) >= 3 * words

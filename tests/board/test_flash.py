"""Both banks are programmed, read back, and left alone when nothing has changed."""

import pytest

from pytest_h7 import Board, FlashError, ImagePair, Probe, Segment, reference_image
from pytest_h7.bench.settings import FlashPolicy
from pytest_h7.board.flashing import Flasher
from pytest_h7.board.images import load_pair
from pytest_h7.chip.memory import FLASH_WORD_SIZE

LAST_SECTOR_OF_BANK_1, LAST_SECTOR_OF_BANK_2 = 0x080E_0000, 0x081E_0000


def test_both_banks_hold_their_image(h7_board: Board, h7_flashed: ImagePair) -> None:
    for image in h7_flashed:
        for segment in image.segments:
            assert h7_board.cm7.read_bytes(segment.address, len(segment.data)) == segment.data


def test_the_cm4_sees_the_same_flash(started: Board, h7_flashed: ImagePair) -> None:
    for image in h7_flashed:
        first = image.segments[0]
        assert started.cm4.read_bytes(first.address, 64) == first.data[:64]


def test_unchanged_images_are_not_programmed_again(h7_board: Board, h7_flashed: ImagePair) -> None:
    result = h7_board.flash(h7_flashed, FlashPolicy.AUTO)
    assert result.programmed == ()
    assert result.sectors == 0


def test_skipping_costs_few_transfers(h7_board: Board, h7_flashed: ImagePair, h7_probe: Probe) -> None:
    before = h7_probe.transfers
    h7_board.flash(h7_flashed, FlashPolicy.AUTO)
    h7_board.reset()
    assert h7_probe.transfers - before < 30


def test_only_the_image_that_differs_is_programmed(h7_board: Board, h7_flashed: ImagePair) -> None:
    other = load_pair(None, reference_image("cm4_never_sleeps"))
    assert [image.core for image in h7_board.flash(other, FlashPolicy.AUTO).programmed] == ["cm4"]
    assert h7_board.cm7.read_bytes(h7_flashed.cm7.entry, 64) == h7_flashed.cm7.read(h7_flashed.cm7.entry, 64)
    result = h7_board.flash(h7_flashed, FlashPolicy.AUTO)
    assert [image.core for image in result.programmed] == ["cm4"]
    assert result.sectors == 1
    h7_board.boot_contract(timeout=1.0)


def test_sectors_behind_the_images_keep_their_content(h7_board: Board, h7_flashed: ImagePair) -> None:
    marks = {
        LAST_SECTOR_OF_BANK_1: b"behind the CM7's firmware".ljust(32),
        LAST_SECTOR_OF_BANK_2: bytes(range(32)),
    }
    Flasher(h7_board).program(Segment(*mark) for mark in marks.items())
    h7_board.flash(h7_flashed, FlashPolicy.ALWAYS)
    assert {address: h7_board.cm7.read_bytes(address, 32) for address in marks} == marks


def test_content_beside_an_image_is_kept(h7_board: Board, h7_flashed: ImagePair) -> None:
    marks = {
        start + 0x1_8000: b"beside the firmware".ljust(FLASH_WORD_SIZE)
        for start in (image.segments[0].address for image in h7_flashed)
    }
    Flasher(h7_board).program(Segment(*mark) for mark in marks.items())
    assert h7_board.flash(h7_flashed, FlashPolicy.ALWAYS).sectors == 2
    assert {address: h7_board.cm7.read_bytes(address, FLASH_WORD_SIZE) for address in marks} == marks


def test_flash_that_may_not_be_programmed(h7_board: Board, h7_flashed: ImagePair) -> None:
    other = load_pair(None, reference_image("cm4_never_sleeps"))
    with pytest.raises(FlashError, match=r"does not hold cm4_never_sleeps\.elf for the cm4"):
        h7_board.flash(other, FlashPolicy.NEVER)
    assert h7_board.flash(h7_flashed, FlashPolicy.NEVER).programmed == ()


def test_programming_always_leaves_a_board_that_boots(h7_board: Board, h7_flashed: ImagePair) -> None:
    result = h7_board.flash(h7_flashed, FlashPolicy.ALWAYS)
    h7_board.reset()
    assert [image.core for image in result.programmed] == ["cm7", "cm4"]
    h7_board.boot_contract(timeout=1.0)


def test_flash_is_locked_after_programming(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.flash(h7_flashed, FlashPolicy.ALWAYS)
    flash = h7_board.registers.FLASH
    assert (flash.CR1.LOCK, flash.CR2.LOCK, flash.OPTCR.OPTLOCK) == (1, 1, 1)

"""Both banks are programmed, read back, and left alone when nothing has changed."""

from pytest_h7 import Board, ImagePair, Probe
from pytest_h7.bench.settings import FlashPolicy

SECTOR = 128 * 1024


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


def test_only_the_damaged_image_is_programmed(h7_board: Board, h7_flashed: ImagePair) -> None:
    # The sector behind the CM4's image is erased flash: programming the CM4 with the CM7's image as
    # neighbour must not touch bank 1.
    from pytest_h7.board.flashing import program

    before = h7_board.cm7.read_bytes(0x0800_0000, 1024)
    result = program(h7_board.bench.connection, [h7_flashed.cm4])
    assert [image.core for image in result.programmed] == ["cm4"]
    assert result.sectors == 1
    assert h7_board.cm7.read_bytes(0x0800_0000, 1024) == before


def test_programming_always_leaves_a_board_that_boots(h7_board: Board, h7_flashed: ImagePair) -> None:
    result = h7_board.flash(h7_flashed, FlashPolicy.ALWAYS)
    h7_board.reset()
    assert [image.core for image in result.programmed] == ["cm7", "cm4"]
    h7_board.boot_contract(timeout=1.0)


def test_flash_is_locked_after_programming(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.flash(h7_flashed, FlashPolicy.ALWAYS)
    flash = h7_board.registers.FLASH
    assert (flash.CR1.LOCK, flash.CR2.LOCK, flash.OPTCR.OPTLOCK) == (1, 1, 1)

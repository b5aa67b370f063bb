"""Flash that was left half programmed or half erased: a bus error wherever it is read, until it is erased."""

import pytest

from pytest_h7.chip.memory import FLASH_WORD_SIZE
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.timeline import PS_PER_S

from .conftest import Run

BOOTS = """
def test_it(h7_board, h7_flashed):
    h7_board.reset()
    h7_board.boot_contract(timeout=1.0)
"""


@pytest.mark.parametrize("words", [[[0], []], [[9], [0, 8]], [[], [20]]])
def test_broken_images_are_programmed_anew(run: Run, virtual: VirtualBoard, words: list[list[int]]) -> None:
    virtual.mcu.flash.load_broken_words(words)
    run(BOOTS).assert_outcomes(passed=1)
    assert virtual.mcu.flash.broken_words() == [[], []]


@pytest.mark.parametrize("seconds", [0.7, 1.0037])
def test_power_cut_while_the_images_are_programmed(run: Run, virtual: VirtualBoard, seconds: float) -> None:
    """The next session repairs what the cut has left."""
    bank = virtual.mcu.memory("flash bank 1")
    bank[:FLASH_WORD_SIZE] = bytes(FLASH_WORD_SIZE)  # differs, so that it is programmed
    source = """
        import pytest
        from pytest_h7 import H7Error
        from pytest_h7.bench.settings import FlashPolicy
        from pytest_h7.twin.board import virtual_board

        def test_it(h7_board, h7_images):
            mcu = virtual_board().mcu
            mcu.schedule({delay}, mcu.power_off)
            with pytest.raises(H7Error):
                h7_board.flash(h7_images, FlashPolicy.AUTO)
        """
    run(source.format(delay=round(seconds * PS_PER_S)))
    assert virtual.mcu.flash.broken_words() != [[], []]
    virtual.mcu.power_on()
    run(BOOTS).assert_outcomes(passed=1)
    assert virtual.mcu.flash.broken_words() == [[], []]


def test_read_protection_is_not_taken_for_broken_flash(run: Run, virtual: VirtualBoard) -> None:
    """With RDP at level 1 flash cannot be read either, and no programming helps."""
    words = virtual.mcu.flash.save()
    virtual.mcu.flash.load(words | {"OPTSR": words["OPTSR"] & ~0xFF00 | 0x5500})
    result = run(BOOTS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Flash cannot be read: RDPERR*"])

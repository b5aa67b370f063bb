"""DMA2D on the registers, in AXI SRAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wiring import enable, pending

if TYPE_CHECKING:
    from conftest import Desk

START, ABORT, TEIE, TCIE = 1 << 0, 1 << 2, 1 << 8, 1 << 9
COPY, CONVERT, FILL = 0 << 16, 1 << 16, 3 << 16
TEIF, TCIF, CEIF = 1 << 0, 1 << 1, 1 << 5
TARGET, SOURCE = 0x2400_1000, 0x2400_0000


@pytest.fixture
def graphics(desk: Desk) -> Desk:
    enable(desk, "AHB3ENR.DMA2DEN")
    desk.write("DMA2D.OMAR", TARGET)
    desk.write("DMA2D.FGMAR", SOURCE)
    return desk


def memory(desk: Desk, length: int, offset: int = 0x1000) -> bytes:
    return bytes(desk.mcu.memory("AXI SRAM")[offset : offset + length])


def start(desk: Desk, mode: int, flags: int = 0) -> None:
    desk.write("DMA2D.CR", mode | flags | START)
    assert desk.read("DMA2D.CR") & START or desk.read("DMA2D.ISR")
    desk.run(100)


@pytest.mark.parametrize(
    ("format_code", "color", "pixel"),
    [(0, 0x1122_3344, "44332211"), (1, 0x0022_3344, "443322"), (2, 0x0000_F81F, "1ff8")],
)
def test_filling_a_rectangle(graphics: Desk, format_code: int, color: int, pixel: str) -> None:
    graphics.write("DMA2D.OPFCCR", format_code)
    graphics.write("DMA2D.OCOLR", color)
    graphics.write("DMA2D.NLR", 3 << 16 | 2)
    graphics.write("DMA2D.OOR", 1)
    start(graphics, FILL, TCIE)
    data = bytes.fromhex(pixel)
    gap = bytes(len(data))
    assert memory(graphics, 8 * len(data)) == data * 3 + gap + data * 3 + gap
    assert graphics.read("DMA2D.ISR") == TCIF
    assert not graphics.read("DMA2D.CR") & START
    assert pending(graphics, "DMA2D")
    graphics.write("DMA2D.IFCR", TCIF)
    assert graphics.read("DMA2D.ISR") == 0


def test_copying_a_rectangle(graphics: Desk) -> None:
    graphics.put(SOURCE, bytes(range(64)))
    graphics.write("DMA2D.FGPFCCR", 5)
    graphics.write("DMA2D.FGOR", 4)
    graphics.write("DMA2D.NLR", 4 << 16 | 3)
    start(graphics, COPY)
    assert memory(graphics, 16) == bytes([0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 0, 0, 0, 0])


def test_a_word_takes_a_cycle_of_the_bus(graphics: Desk) -> None:
    graphics.write("DMA2D.NLR", 40 << 16 | 40)
    graphics.write("DMA2D.CR", FILL | START)
    graphics.run(1600 / 64)
    assert graphics.read("DMA2D.CR") & START
    graphics.run(0.1)
    assert graphics.read("DMA2D.ISR") == TCIF


def test_nothing_to_do_is_a_configuration_error(graphics: Desk) -> None:
    start(graphics, FILL)
    assert graphics.read("DMA2D.ISR") == CEIF


def test_a_target_that_does_not_answer_is_a_transfer_error(graphics: Desk) -> None:
    graphics.write("DMA2D.OMAR", 0x6000_0000)
    graphics.write("DMA2D.NLR", 1 << 16 | 1)
    start(graphics, FILL)
    assert graphics.read("DMA2D.ISR") == TEIF


def test_an_aborted_transfer_writes_nothing(graphics: Desk) -> None:
    graphics.write("DMA2D.OCOLR", 0xFFFF_FFFF)
    graphics.write("DMA2D.NLR", 16 << 16 | 16)
    graphics.write("DMA2D.CR", FILL | START)
    graphics.write("DMA2D.CR", FILL | ABORT)
    graphics.run(100)
    assert not graphics.read("DMA2D.CR") & (START | ABORT)
    assert memory(graphics, 4) == bytes(4)


def test_conversion_is_counted_and_does_not_pretend_to_end(graphics: Desk) -> None:
    before = sum(graphics.mcu.unmodelled.values())
    graphics.write("DMA2D.NLR", 1 << 16 | 1)
    start(graphics, CONVERT)
    assert sum(graphics.mcu.unmodelled.values()) == before + 1
    assert graphics.read("DMA2D.ISR") == 0
    assert graphics.read("DMA2D.CR") & START

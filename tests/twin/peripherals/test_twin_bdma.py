"""BDMA by its registers (RM0399 chapter 17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from ..conftest import Desk

SOURCE, DESTINATION, PERIPHERAL = 0x3800_8000, 0x3800_9000, 0x3800_A000
EN, TCIE, HTIE, TEIE, DIR, CIRC, PINC, MINC = (1 << bit for bit in range(8))
MEM2MEM, DBM, CT = 1 << 14, 1 << 15, 1 << 16
HALF_WORDS, WORDS = 1, 2
GI, TC, HT, TE = (1 << bit for bit in range(4))
LPUART1_RX = 9


class Channels:
    """The controller with its clock on, and memory next to it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mcu = desk.mcu
        desk.set("RCC.AHB4ENR", BDMAEN=1)
        desk.put(SOURCE, bytes(range(1, 129)))

    def memory(self, length: int, address: int = DESTINATION) -> bytes:
        block = self.mcu.read_block(address, length, Master.CM7)
        assert block is not None
        return block

    def start(self, control: int, count: int, **registers: int) -> None:
        """Start channel 1: from CPAR to memory, or the other way."""
        places = {"CPAR": SOURCE, "CM0AR": DESTINATION, **registers}
        self.desk.write("BDMA.CCR1", 0)
        for name, value in places.items():
            self.desk.write(f"BDMA.{name}1", value)
        self.desk.write("BDMA.CNDTR1", count)
        self.desk.write("BDMA.CCR1", control | EN)

    def copy(self, count: int, control: int = PINC | MINC, **registers: int) -> None:
        self.start(control | MEM2MEM, count, **registers)
        self.mcu.run_for(20 * PS_PER_US)

    def flags(self) -> int:
        return self.desk.read("BDMA.ISR") >> 4 & 0xF

    def request(self, value: int) -> None:
        self.mcu.write(PERIPHERAL, 4, value, Master.CM7)
        self.mcu.dma_request("LPUART1_RX")
        self.mcu.run_for(PS_PER_US)


@pytest.fixture
def channels(desk: Desk) -> Channels:
    return Channels(desk)


def test_memory_is_copied_and_the_channel_stays_enabled(channels: Channels) -> None:
    channels.copy(100)
    assert channels.memory(101) == bytes(range(1, 101)) + b"\0"
    assert channels.flags() == GI | HT | TC
    assert channels.desk.read("BDMA.CNDTR1") == 0
    assert channels.desk.read("BDMA.CCR1") & EN


def test_the_other_direction(channels: Channels) -> None:
    channels.copy(4, PINC | MINC | DIR, CM0AR=SOURCE, CPAR=DESTINATION)
    assert channels.memory(5) == bytes((1, 2, 3, 4, 0))


@pytest.mark.parametrize(
    ("peripheral_size", "memory_size", "result"),
    [(0, HALF_WORDS, "0100 0200"), (HALF_WORDS, 0, "01 03 0000"), (WORDS, HALF_WORDS, "0102 0506")],
)
def test_items_of_different_sizes_are_cut_or_filled(
    channels: Channels, peripheral_size: int, memory_size: int, result: str
) -> None:
    channels.copy(2, PINC | MINC | peripheral_size << 8 | memory_size << 10)
    assert channels.memory(4) == bytes.fromhex(result)


def test_only_domain_d3_is_within_reach(channels: Channels) -> None:
    channels.copy(4, CPAR=0x2400_0000)
    assert channels.flags() == GI | TE
    assert not channels.desk.read("BDMA.CCR1") & EN


def test_a_peripheral_of_another_domain_is_out_of_reach(channels: Channels) -> None:
    channels.copy(1, CPAR=0x4000_4800)
    assert channels.flags() == GI | TE


def test_circular_requests(channels: Channels) -> None:
    channels.desk.write("DMAMUX2.C1CR", LPUART1_RX)
    channels.start(MINC | CIRC | TCIE, 2, CPAR=PERIPHERAL)
    for value in (1, 2, 3):
        channels.request(value)
    assert channels.memory(2) == bytes((3, 2))
    assert channels.desk.read("BDMA.CNDTR1") == 1
    channels.desk.write("BDMA.IFCR", GI << 4)
    assert channels.flags() == 0


def test_two_buffers_take_turns(channels: Channels) -> None:
    channels.desk.write("DMAMUX2.C1CR", LPUART1_RX)
    channels.start(MINC | DBM, 1, CPAR=PERIPHERAL, CM1AR=DESTINATION + 0x10)
    channels.request(1)
    assert channels.desk.read("BDMA.CCR1") & CT
    channels.request(2)
    channels.request(3)
    assert channels.memory(1) == bytes((3,))
    assert channels.memory(1, DESTINATION + 0x10) == bytes((2,))


def test_the_buffer_that_is_not_in_use_may_move(channels: Channels) -> None:
    channels.desk.write("DMAMUX2.C1CR", LPUART1_RX)
    channels.start(MINC | DBM, 1, CPAR=PERIPHERAL, CM1AR=DESTINATION + 0x10)
    channels.desk.write("BDMA.CM0AR1", SOURCE)
    channels.desk.write("BDMA.CM1AR1", DESTINATION + 0x20)
    assert channels.desk.read("BDMA.CM0AR1") == DESTINATION
    channels.request(1)
    channels.request(2)
    assert channels.memory(1) == bytes((1,))
    assert channels.memory(1, DESTINATION + 0x20) == bytes((2,))


def test_the_count_is_fixed_while_enabled(channels: Channels) -> None:
    channels.desk.write("DMAMUX2.C1CR", LPUART1_RX)
    channels.start(MINC, 5, CPAR=PERIPHERAL)
    channels.desk.write("BDMA.CNDTR1", 9)
    channels.desk.write("BDMA.CPAR1", 0)
    assert channels.desk.read("BDMA.CNDTR1") == 5
    assert channels.desk.read("BDMA.CPAR1") == PERIPHERAL


def test_the_interrupt(channels: Channels, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: set[tuple[str, int]] = set()
    monkeypatch.setattr(
        channels.mcu,
        "set_irq",
        lambda core, irq, level: (lines.add if level else lines.discard)((core, irq)),
    )
    channels.copy(4, TCIE)
    assert lines == {("cm7", 130), ("cm4", 130)}
    channels.desk.write("BDMA.IFCR", TC << 4)
    assert channels.flags() == GI | HT
    assert not lines


def test_everything_is_modelled(channels: Channels) -> None:
    channels.copy(4)
    assert not channels.mcu.unmodelled

"""MDMA by its registers (RM0399 chapter 14)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from ..conftest import Desk

SOURCE, DESTINATION, NODE = 0x2400_0000, 0x2400_4000, 0x2400_8000
DTCM, ITCM = 0x2000_0000, 0x0000_1000
EN, TEIE, CTCIE, BRTIE, BTIE, TCIE = (1 << bit for bit in range(6))
BEX, HEX, WEX, SWRQ = (1 << bit for bit in (12, 13, 14, 16))
TE, CTC, BRT, BT, TC = (1 << bit for bit in range(5))
CRQA = 1 << 16
PKE, SWRM = 1 << 25, 1 << 30
UP, DOWN = 2, 3
BUFFER, BLOCK, REPEATED, WHOLE = (mode << 28 for mode in range(4))
SBUS, DBUS = 1 << 16, 1 << 17


def settings(
    mode: int = WHOLE,
    *,
    size: int = 0,
    wanted: int | None = None,
    length: int = 128,
    source: int = UP,
    flags: int = PKE | SWRM,
) -> int:
    """Return CxTCR: sizes as powers of two, the address goes on by as much."""
    wanted = size if wanted is None else wanted
    steps = source | UP << 2 | size << 8 | wanted << 10
    return mode | flags | steps | size << 4 | wanted << 6 | length - 1 << 18


class Channel:
    """Channel 3 of the controller with its clock on, and memory to move."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mcu = desk.mcu
        desk.set("RCC.AHB3ENR", MDMAEN=1)
        desk.put(SOURCE, bytes(range(256)) * 4)

    def set_up(self, control: int, block: int, **registers: int) -> None:
        values = {"TCR": control, "BNDTR": block, "SAR": SOURCE, "DAR": DESTINATION, **registers}
        for name, value in values.items():
            self.desk.write(f"MDMA.C3{name}", value)
        self.desk.write("MDMA.C3CR", EN)

    def request(self) -> None:
        self.desk.write("MDMA.C3CR", EN | SWRQ)
        self.mcu.run_for(50 * PS_PER_US)

    def run(self, control: int, block: int, **registers: int) -> None:
        self.set_up(control, block, **registers)
        self.request()

    def flags(self) -> int:
        return self.desk.read("MDMA.C3ISR")

    def clear(self) -> None:
        self.desk.write("MDMA.C3IFCR", 0x1F)

    def memory(self, length: int, address: int = DESTINATION) -> bytes:
        block = self.mcu.read_block(address, length, Master.CM7)
        assert block is not None
        return block

    def enabled(self) -> bool:
        return bool(self.desk.read("MDMA.C3CR") & EN)


@pytest.fixture
def channel(desk: Desk) -> Channel:
    return Channel(desk)


def test_a_block_is_copied(channel: Channel) -> None:
    channel.run(settings(size=2), 1000)
    assert channel.memory(1001) == (bytes(range(256)) * 4)[:1000] + b"\0"
    assert channel.flags() == CTC | BRT | BT | TC
    assert not channel.enabled()
    assert channel.desk.read("MDMA.C3BNDTR") == 0


def test_nothing_moves_without_a_request(channel: Channel) -> None:
    channel.set_up(settings(), 16)
    channel.mcu.run_for(50 * PS_PER_US)
    assert channel.flags() == 0
    assert channel.memory(1) == b"\0"
    assert channel.enabled()


def test_a_copy_takes_time(channel: Channel) -> None:
    channel.set_up(settings(size=2), 256)
    channel.desk.write("MDMA.C3CR", EN | SWRQ)
    channel.mcu.run_for(64 * 15_625)
    assert channel.flags() == TC | CRQA
    channel.mcu.run_for(64 * 15_625)
    assert channel.flags() & CTC


@pytest.mark.parametrize(
    ("mode", "lengths"), [(BUFFER, [16, 32, 48]), (BLOCK, [64, 128, 192]), (REPEATED, [192, 192, 192])]
)
def test_a_request_is_for_a_part_of_the_transfer(channel: Channel, mode: int, lengths: list[int]) -> None:
    channel.set_up(settings(mode, length=16), 64 | 2 << 20)
    for length in lengths:
        channel.request()
        assert channel.memory(193).rstrip(b"\0") == bytes(range(length)).rstrip(b"\0")
    assert bool(channel.flags() & CTC) is (mode != BUFFER)


def test_blocks_are_repeated_with_new_addresses(channel: Channel) -> None:
    """The middle of each row of a picture, 16 bytes wide, goes to the lower half of another."""
    channel.run(settings(size=2), 4 | 2 << 20, SAR=SOURCE + 6 & ~3, BRUR=12 | 4 << 16)
    expected = b"".join(bytes(range(4 + row * 16, 8 + row * 16)) + bytes(4) for row in range(3))
    assert channel.memory(24) == expected


def test_block_addresses_may_go_down(channel: Channel) -> None:
    channel.run(settings(), 8 | 1 << 18 | 1 << 20, SAR=SOURCE + 8, BRUR=16)
    assert channel.memory(16) == bytes((*range(8, 16), *range(8)))


def test_data_in_the_tcms_needs_the_other_bus(channel: Channel) -> None:
    channel.run(settings(), 16, DAR=DTCM, TBR=DBUS)
    assert channel.memory(16, DTCM) == bytes(range(16))
    channel.clear()
    channel.run(settings(), 16, SAR=DTCM, DAR=ITCM, TBR=SBUS | DBUS)
    assert channel.memory(16, ITCM) == bytes(range(16))


@pytest.mark.parametrize(
    ("registers", "status"),
    [
        ({"DAR": DTCM}, 1 << 7),
        ({"TBR": SBUS}, 0),
        ({"SAR": 0x2FFF_0004}, 4),
        ({"DAR": 0x2FFF_0008}, 1 << 7 | 8),
    ],
)
def test_an_address_nothing_answers_at_is_an_error(
    channel: Channel, registers: dict[str, int], status: int
) -> None:
    channel.run(settings(), 16, **registers)
    assert channel.flags() == TE
    assert not channel.enabled()
    assert channel.desk.read("MDMA.C3ESR") == status
    channel.clear()
    assert channel.desk.read("MDMA.C3ESR") == 0


@pytest.mark.parametrize(("block", "address", "error"), [(0, 0, 11), (6, 0, 11), (8, 2, 10)])
def test_sizes_have_to_fit(channel: Channel, block: int, address: int, error: int) -> None:
    channel.run(settings(size=2), block, SAR=SOURCE + address)
    assert channel.flags() == TE
    assert channel.desk.read("MDMA.C3ESR") >> error & 1


def test_a_linked_list_goes_on_with_the_next_entry(channel: Channel) -> None:
    entry = [settings(size=0), 3, SOURCE + 100, DESTINATION + 8, 0, 0, 0, 0, 0, 0]
    channel.desk.put(NODE, struct.pack("<10I", *entry))
    channel.run(settings(), 4, LAR=NODE)
    assert channel.memory(12) == bytes((0, 1, 2, 3, 0, 0, 0, 0, 100, 101, 102, 0))
    assert channel.flags() & CTC
    assert channel.desk.read("MDMA.C3LAR") == 0


def test_each_request_takes_one_entry_of_a_ring(channel: Channel) -> None:
    entry = [settings(REPEATED), 2, SOURCE + 100, DESTINATION + 8, 0, NODE, 0, 0, 0, 0]
    channel.desk.put(NODE, struct.pack("<10I", *entry))
    channel.run(settings(REPEATED), 4, LAR=NODE)
    assert channel.memory(10) == bytes((0, 1, 2, 3, 0, 0, 0, 0, 0, 0))
    assert channel.flags() == BRT | BT | TC
    for _ in range(3):
        channel.request()
    assert channel.memory(10) == bytes((0, 1, 2, 3, 0, 0, 0, 0, 100, 101))
    assert channel.enabled()


def test_a_list_out_of_reach_is_an_error(channel: Channel) -> None:
    channel.run(settings(), 4, LAR=0x2FFF_0000)
    assert channel.flags() & TE
    assert channel.desk.read("MDMA.C3ESR") >> 8 & 1
    assert not channel.enabled()


def test_double_words_and_an_address_that_goes_down(channel: Channel) -> None:
    channel.run(settings(size=3, source=DOWN), 16, SAR=SOURCE + 8)
    assert channel.memory(16) == bytes((*range(8, 16), *range(8)))


@pytest.mark.parametrize(
    ("alignment", "size", "wanted", "expected"),
    [
        (0, 0, 1, "8000 8100"),
        (1, 0, 1, "80ff 81ff"),
        (2, 0, 1, "0080 0081"),
        (0, 1, 0, "80 82"),
        (2, 1, 0, "81 83"),
    ],
)
def test_without_packing_items_are_padded_or_cut(
    channel: Channel, alignment: int, size: int, wanted: int, expected: str
) -> None:
    control = settings(size=size, wanted=wanted, flags=SWRM | alignment << 26)
    channel.run(control, 2 << size, SAR=SOURCE + 0x80)
    assert channel.memory(len(bytes.fromhex(expected))) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("exchange", "size", "expected"),
    [
        (BEX, 2, "01000302"),
        (HEX, 2, "02030001"),
        (BEX | HEX, 2, "03020100"),
        (BEX, 0, "00010203"),
        (WEX, 3, "0405060700010203"),
    ],
)
def test_bytes_change_places(channel: Channel, exchange: int, size: int, expected: str) -> None:
    for name, value in (("TCR", settings(size=size)), ("BNDTR", 8), ("SAR", SOURCE), ("DAR", DESTINATION)):
        channel.desk.write(f"MDMA.C3{name}", value)
    channel.desk.write("MDMA.C3CR", EN | SWRQ | exchange)
    channel.mcu.run_for(PS_PER_US)
    channel.desk.write("MDMA.C3CR", EN | SWRQ | exchange)
    channel.mcu.run_for(PS_PER_US)
    assert channel.memory(len(expected) // 2) == bytes.fromhex(expected)


def test_the_end_of_a_dma_transfer_is_a_request(channel: Channel) -> None:
    desk = channel.desk
    desk.set("RCC.AHB1ENR", DMA1EN=1, DMA2EN=1)
    lifcr = desk.address("DMA1.LIFCR")
    channel.set_up(settings(BLOCK, flags=PKE), 8 | 1 << 20, TBR=1, MAR=lifcr, MDR=1 << 11)
    for expected in (8, 16):
        for name, value in (("S1PAR", SOURCE), ("S1M0AR", 0x3000_0000), ("S1NDTR", 4)):
            desk.write(f"DMA1.{name}", value)
        desk.write("DMA1.S1CR", 2 << 6 | 1)
        channel.mcu.run_for(10 * PS_PER_US)
        assert channel.memory(17).rstrip(b"\0") == bytes(range(expected))
        assert desk.read("DMA1.LISR") == 1 << 10, "half; MDMA has cleared the other flag"
    assert channel.flags() == CTC | BRT | BT | TC


def test_interrupts_and_the_global_status(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: set[tuple[str, int]] = set()
    monkeypatch.setattr(
        channel.mcu,
        "set_irq",
        lambda core, irq, level: (lines.add if level else lines.discard)((core, irq)),
    )
    channel.run(settings(), 4)
    assert not lines
    channel.clear()
    channel.set_up(settings(), 4)
    channel.desk.write("MDMA.C3CR", EN | CTCIE | SWRQ)
    channel.mcu.run_for(PS_PER_US)
    assert lines == {("cm7", 122), ("cm4", 122)}
    assert channel.desk.read("MDMA.GISR0") == 1 << 3
    channel.clear()
    assert not lines
    assert channel.desk.read("MDMA.GISR0") == 0


def test_an_enabled_channel_keeps_its_settings(channel: Channel) -> None:
    channel.set_up(settings(), 4)
    channel.desk.write("MDMA.C3SAR", 0)
    assert channel.desk.read("MDMA.C3SAR") == SOURCE
    assert not channel.mcu.unmodelled


def test_a_request_that_never_comes_is_counted(channel: Channel) -> None:
    quadspi = 22
    channel.set_up(settings(BLOCK, flags=PKE), 4, TBR=15)
    assert not channel.mcu.unmodelled
    channel.desk.write("MDMA.C3CR", 0)
    channel.set_up(settings(BLOCK, flags=PKE), 4, TBR=quadspi)
    assert channel.mcu.unmodelled == {("MDMA", "C3TBR", "cm7", "write"): 1}

"""DMA1 and DMA2 by their registers (RM0399 chapter 16). At 64 MHz a bus clock is 15.625 ns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_h7.twin.mcu import Mcu

    from ..conftest import Desk

SOURCE, DESTINATION, PERIPHERAL = 0x3000_0000, 0x3000_1000, 0x3000_2000
EN, TEIE, HTIE, TCIE, CIRC, PINC, MINC, DBM, CT = (1 << bit for bit in (0, 2, 3, 4, 8, 9, 10, 18, 19))
TO_PERIPHERAL, BETWEEN_MEMORIES = 1 << 6, 2 << 6
HALF_WORDS, WORDS = 1, 2
DMDIS = 1 << 2
FE, TE, HT, TC = 1 << 0, 1 << 3, 1 << 4, 1 << 5
TIM2_UP, USART3_RX = 22, 45
CLOCK = 15_625


class Streams:
    """The controllers with their clocks on, and memory next to them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mcu: Mcu = desk.mcu
        desk.set("RCC.AHB1ENR", DMA1EN=1, DMA2EN=1)
        desk.put(SOURCE, bytes(range(256)))

    def memory(self, length: int, address: int = DESTINATION) -> bytes:
        block = self.mcu.read_block(address, length, Master.CM7)
        assert block is not None
        return block

    def flags(self, stream: int = 0, dma: str = "DMA1") -> int:
        word = self.desk.read(f"{dma}.{'LH'[stream // 4]}ISR")
        return word >> (0, 6, 16, 22)[stream % 4] & 0x3F

    def write(self, register: str, value: int) -> None:
        self.desk.write(f"DMA1.{register}", value)

    def read(self, register: str) -> int:
        return self.desk.read(f"DMA1.{register}")

    def copy(self, count: int, control: int = PINC | MINC, **registers: int) -> None:
        """Start a transfer between memories on stream 0."""
        self.write("S0PAR", SOURCE)
        self.write("S0M0AR", DESTINATION)
        self.write("S0NDTR", count)
        for name, value in registers.items():
            self.write(f"S0{name}", value)
        self.write("S0CR", control | BETWEEN_MEMORIES | EN)

    def listen(self, count: int, control: int = MINC, **registers: int) -> None:
        """Let stream 0 take a word-wide register to memory at each update of TIM2."""
        self.desk.write("DMAMUX1.C0CR", TIM2_UP)
        self.write("S0PAR", PERIPHERAL)
        self.write("S0M0AR", DESTINATION)
        self.write("S0NDTR", count)
        for name, value in registers.items():
            self.write(f"S0{name}", value)
        self.write("S0CR", control | EN)

    def request(self, value: int = 0) -> None:
        """Put a value into the register and request a transfer."""
        self.mcu.write(PERIPHERAL, 4, value, Master.CM7)
        self.mcu.dma_request("TIM2_UP")
        self.mcu.run_for(PS_PER_US)

    def enabled(self) -> bool:
        return bool(self.read("S0CR") & EN)


@pytest.fixture
def streams(desk: Desk) -> Streams:
    return Streams(desk)


@pytest.fixture
def interrupts(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[tuple[str, int]]]:
    """Return the interrupt lines of both cores that are high."""
    lines: set[tuple[str, int]] = set()

    def set_irq(core: str, irq: int, level: bool) -> None:
        (lines.add if level else lines.discard)((core, irq))

    monkeypatch.setattr(streams.mcu, "set_irq", set_irq)
    return lambda: set(lines)


# -- between memories ---------------------------------------------------------------------------


def test_memory_is_copied_and_the_stream_switches_itself_off(streams: Streams) -> None:
    streams.copy(200)
    streams.mcu.run_for(PS_PER_US)
    assert streams.enabled()
    streams.mcu.run_for(10 * PS_PER_US)
    assert streams.memory(201) == bytes(range(200)) + b"\0"
    assert not streams.enabled()
    assert streams.read("S0NDTR") == 0
    assert streams.flags() == HT | TC


def test_a_copy_takes_two_bus_clocks_an_item(streams: Streams) -> None:
    streams.copy(100)
    streams.mcu.run_for(100 * CLOCK - 1)
    assert streams.flags() == 0
    streams.mcu.run_for(1)
    assert streams.flags() == HT
    assert streams.memory(51) == bytes(range(50)) + b"\0"
    assert streams.read("S0NDTR") == 50
    streams.mcu.run_for(100 * CLOCK - 1)
    assert streams.flags() == HT
    streams.mcu.run_for(1)
    assert streams.flags() == HT | TC


@pytest.mark.parametrize(
    ("peripheral_size", "memory_size", "count"), [(0, WORDS, 64), (WORDS, 0, 16), (HALF_WORDS, WORDS, 32)]
)
def test_items_of_different_sizes_are_packed(
    streams: Streams, peripheral_size: int, memory_size: int, count: int
) -> None:
    streams.copy(count, PINC | MINC | peripheral_size << 11 | memory_size << 13, FCR=DMDIS | 3)
    streams.mcu.run_for(10 * PS_PER_US)
    assert streams.memory(65) == bytes(range(64)) + b"\0"


def test_without_increment_memory_is_filled(streams: Streams) -> None:
    streams.copy(8, MINC | WORDS << 11 | WORDS << 13)
    streams.mcu.run_for(10 * PS_PER_US)
    assert streams.memory(33) == bytes(range(4)) * 8 + b"\0"


def test_what_one_core_has_in_its_tcm_is_out_of_reach(streams: Streams) -> None:
    streams.copy(4, PINC | MINC, M0AR=0x2000_0000)
    streams.mcu.run_for(10 * PS_PER_US)
    assert streams.flags() == TE
    assert not streams.enabled()


def test_a_burst_that_does_not_fit_the_threshold_is_an_error(streams: Streams) -> None:
    streams.copy(16, PINC | MINC | 2 << 23, FCR=DMDIS)
    assert streams.flags() == FE
    assert not streams.enabled()
    streams.write("LIFCR", FE)
    streams.copy(16, PINC | MINC | 2 << 23, FCR=DMDIS | 1)
    streams.mcu.run_for(10 * PS_PER_US)
    assert streams.flags() == HT | TC


def test_a_copy_waits_for_the_bus_clock(streams: Streams) -> None:
    streams.copy(16)
    streams.desk.set("RCC.AHB1ENR", DMA1EN=0)
    streams.mcu.run_for(10 * PS_PER_US)
    assert streams.memory(16) == bytes(16)
    streams.desk.set("RCC.AHB1ENR", DMA1EN=1)
    streams.mcu.run_for(10 * PS_PER_US)
    assert streams.memory(16) == bytes(range(16))


# -- on requests --------------------------------------------------------------------------------


def test_each_request_moves_one_item(streams: Streams) -> None:
    streams.listen(4, MINC | WORDS << 11)
    streams.mcu.run_for(PS_PER_US)
    assert streams.read("S0NDTR") == 4
    for value in (0x11, 0x2222, 0x3333_3333):
        streams.request(value)
    assert streams.read("S0NDTR") == 1
    assert streams.memory(16) == bytes.fromhex("11000000 22220000 33333333 00000000")
    assert streams.flags() == HT
    streams.request(0x44)
    assert streams.flags() == HT | TC
    assert not streams.enabled()


def test_requests_go_where_the_multiplexer_leads_them(streams: Streams) -> None:
    streams.listen(4)
    streams.desk.write("DMAMUX1.C0CR", USART3_RX)
    streams.request(1)
    assert streams.read("S0NDTR") == 4


def test_a_request_while_the_stream_is_off_is_lost(streams: Streams) -> None:
    streams.listen(4)
    streams.write("S0CR", 0)
    streams.request(1)
    streams.write("LIFCR", 0x3F)
    streams.listen(4)
    streams.mcu.run_for(PS_PER_US)
    assert streams.read("S0NDTR") == 4


def test_a_request_line_is_served_while_it_is_high(streams: Streams) -> None:
    streams.listen(4)
    streams.desk.write("DMAMUX1.C0CR", USART3_RX)
    streams.mcu.hold_dma_request("USART3_RX", level=True)
    streams.mcu.run_for(PS_PER_US)
    assert streams.flags() == HT | TC


def test_data_goes_to_the_peripheral(streams: Streams) -> None:
    streams.listen(4, MINC | TO_PERIPHERAL | HALF_WORDS << 11, M0AR=SOURCE)
    streams.request()
    assert streams.memory(4, PERIPHERAL) == bytes((0, 1, 0, 0))
    streams.request()
    assert streams.memory(4, PERIPHERAL) == bytes((2, 3, 0, 0))


def test_direct_mode_has_one_size_for_both_sides(streams: Streams) -> None:
    streams.listen(4, MINC | WORDS << 13)
    streams.request(0x1234_5678)
    streams.request(0x1234_5699)
    assert streams.memory(3) == bytes((0x78, 0x99, 0))


def test_circular_mode_begins_anew(streams: Streams) -> None:
    streams.listen(2, MINC | CIRC)
    for value in (1, 2, 3):
        streams.request(value)
    assert streams.memory(2) == bytes((3, 2))
    assert streams.read("S0NDTR") == 1
    assert streams.enabled()
    assert streams.flags() == HT | TC


def test_two_buffers_take_turns(streams: Streams) -> None:
    second = DESTINATION + 0x100
    streams.listen(2, MINC | DBM, M1AR=second)
    streams.request(1)
    assert not streams.read("S0CR") & CT
    streams.request(2)
    assert streams.read("S0CR") & CT
    assert streams.flags() & TC
    third = DESTINATION + 0x200
    streams.write("S0M0AR", third)
    for value in (3, 4, 5):
        streams.request(value)
    assert streams.memory(2) == bytes((1, 2))
    assert streams.memory(2, second) == bytes((3, 4))
    assert streams.memory(1, third) == bytes((5,))


def test_the_address_of_the_buffer_in_use_cannot_be_changed(streams: Streams) -> None:
    streams.listen(2, MINC | DBM, M1AR=DESTINATION + 0x100)
    streams.write("S0M0AR", SOURCE)
    assert streams.flags() & TE
    assert not streams.enabled()
    assert streams.read("S0M0AR") == DESTINATION


def test_the_fifo_collects_up_to_its_threshold(streams: Streams) -> None:
    streams.listen(16, MINC, FCR=DMDIS | 1)
    for value in range(1, 8):
        streams.request(value)
    assert streams.memory(8) == bytes(8)
    assert streams.read("S0FCR") >> 3 & 7 == 1
    streams.request(8)
    assert streams.memory(9) == bytes((1, 2, 3, 4, 5, 6, 7, 8, 0))
    assert streams.read("S0FCR") >> 3 & 7 == 4


def test_switching_off_writes_what_the_fifo_holds(streams: Streams) -> None:
    streams.listen(16, MINC | WORDS << 13, FCR=DMDIS | 3)
    for value in range(1, 7):
        streams.request(value)
    assert streams.memory(1) == bytes(1)
    streams.write("S0CR", 0)
    assert streams.memory(7) == bytes((1, 2, 3, 4, 5, 6, 0))
    assert streams.flags() == TC
    assert streams.read("S0NDTR") == 10


def test_a_stream_that_is_off_already_shows_no_flag(streams: Streams) -> None:
    streams.write("S0CR", 0)
    assert streams.flags() == 0


def test_enabling_again_loads_the_count_once_more(streams: Streams) -> None:
    streams.listen(2)
    streams.request(1)
    streams.request(2)
    assert not streams.enabled()
    streams.write("LIFCR", 0x3F)
    streams.write("S0CR", MINC | EN)
    assert streams.read("S0NDTR") == 2
    streams.request(3)
    assert streams.memory(2) == bytes((3, 2))


def test_an_enabled_stream_keeps_its_settings(streams: Streams) -> None:
    streams.listen(2)
    streams.write("S0NDTR", 7)
    streams.write("S0PAR", 0)
    streams.write("S0M0AR", 0)
    streams.write("S0FCR", DMDIS)
    streams.write("S0CR", EN | TCIE | CIRC)
    assert streams.read("S0NDTR") == 2
    assert streams.read("S0PAR") == PERIPHERAL
    assert streams.read("S0M0AR") == DESTINATION
    assert not streams.read("S0FCR") & DMDIS
    assert streams.read("S0CR") == EN | TCIE | MINC


def test_a_fault_at_the_peripheral_ends_the_transfer(streams: Streams) -> None:
    streams.listen(4, PAR=0x4FFF_0000)
    streams.request()
    assert streams.flags() == TE
    assert not streams.enabled()


# -- flags and interrupts -----------------------------------------------------------------------


def test_the_interrupt_follows_the_enabled_flags(
    streams: Streams, interrupts: Callable[[], set[tuple[str, int]]]
) -> None:
    streams.listen(4, MINC | HTIE | TCIE)
    streams.request()
    assert not interrupts()
    streams.request()
    assert interrupts() == {("cm7", 11), ("cm4", 11)}
    streams.write("LIFCR", HT)
    assert not interrupts()
    streams.request()
    streams.request()
    assert interrupts() == {("cm7", 11), ("cm4", 11)}
    streams.write("S0CR", MINC)
    assert not interrupts()


def test_flags_of_the_upper_streams_are_in_the_other_register(
    streams: Streams, interrupts: Callable[[], set[tuple[str, int]]]
) -> None:
    for name, value in (("S7PAR", SOURCE), ("S7M0AR", DESTINATION), ("S7NDTR", 1)):
        streams.desk.write(f"DMA2.{name}", value)
    streams.desk.write("DMA2.S7CR", BETWEEN_MEMORIES | TCIE | EN)
    streams.mcu.run_for(PS_PER_US)
    assert streams.flags(7, "DMA2") == HT | TC
    assert streams.desk.read("DMA2.LISR") == 0
    assert interrupts() == {("cm7", 70), ("cm4", 70)}
    streams.desk.write("DMA2.HIFCR", (HT | TC) << 22)
    assert streams.flags(7, "DMA2") == 0
    assert not interrupts()


def test_a_reset_of_the_controller_ends_everything(
    streams: Streams, interrupts: Callable[[], set[tuple[str, int]]]
) -> None:
    streams.listen(2, MINC | HTIE)
    streams.request()
    assert interrupts()
    streams.desk.set("RCC.AHB1RSTR", DMA1RST=1)
    streams.desk.set("RCC.AHB1RSTR", DMA1RST=0)
    assert not interrupts()
    streams.request()
    assert streams.read("S0CR") == streams.read("S0NDTR") == streams.flags() == 0


def test_everything_is_modelled(streams: Streams) -> None:
    streams.listen(2, MINC | TCIE)
    streams.request()
    assert not [entry for entry in streams.mcu.unmodelled if "DMA" in entry[0]]

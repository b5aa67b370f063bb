"""USART3, which carries the console. At 64 MHz and 115200 baud BRR is 556: a bit takes 8.6875 us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from conftest import Bench

UE, RE, TE, FIFOEN = 1 << 0, 1 << 2, 1 << 3, 1 << 29
IDLEIE, RXNEIE, TCIE, TXEIE, CMIE = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 14
FE, ORE, IDLE, RXNE, TC, TXE = 1 << 1, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
BUSY, CMF, TEACK, REACK, TXFE, RXFF, RXFT, TXFT = (1 << bit for bit in (16, 17, 21, 22, 23, 24, 26, 27))
BIT = 556 * PS_PER_S // 64_000_000
FRAME = 10 * BIT
BOTH_CORES = {("cm7", 39), ("cm4", 39)}


@pytest.fixture
def line(chip: Bench) -> list[tuple[int, int]]:
    """What leaves the chip: characters and the time of their last bit."""
    sent: list[tuple[int, int]] = []
    chip.usart3.on_transmit = lambda character, time: sent.append((character, time))
    return sent


def open_port(chip: Bench, *, fifo: bool = False, interrupts: int = 0) -> None:
    """Switch the pins, set 115200 baud and let the first idle frame pass."""
    chip.write("GPIOD.MODER", chip.read("GPIOD.MODER") & ~(0xF << 16) | 0xA << 16)
    chip.write("GPIOD.AFRH", 0x77)
    chip.write("USART3.BRR", 556)
    chip.write("USART3.CR1", UE | RE | TE | (FIFOEN if fifo else 0) | interrupts)
    chip.run(FRAME)


def status(chip: Bench) -> int:
    return chip.read("USART3.ISR")


def test_status_after_reset(chip: Bench) -> None:
    assert status(chip) == 0xC0


def test_enabling_is_acknowledged(chip: Bench) -> None:
    open_port(chip)
    assert status(chip) == TC | TXE | TEACK | REACK


def test_characters_leave_one_frame_after_another(chip: Bench, line: list[tuple[int, int]]) -> None:
    open_port(chip)
    start = chip.now
    chip.write("USART3.TDR", ord("h"))
    assert status(chip) & (TXE | TC) == TXE
    chip.write("USART3.TDR", ord("7"))
    assert status(chip) & (TXE | TC) == 0
    chip.run(FRAME - 1)
    assert line == []
    chip.run(1)
    assert line == [(ord("h"), start + FRAME)]
    assert status(chip) & (TXE | TC) == TXE
    chip.run(FRAME)
    assert line == [(ord("h"), start + FRAME), (ord("7"), start + 2 * FRAME)]
    assert status(chip) & (TXE | TC) == TXE | TC


def test_an_idle_frame_precedes_the_first_character(chip: Bench, line: list[tuple[int, int]]) -> None:
    open_port(chip)
    chip.write("USART3.CR1", UE | RE)
    chip.write("USART3.CR1", UE | RE | TE)
    start = chip.now
    chip.write("USART3.TDR", 1)
    chip.run(3 * FRAME)
    assert line == [(1, start + 2 * FRAME)]


def test_a_character_written_without_txe_replaces_the_waiting_one(
    chip: Bench, line: list[tuple[int, int]]
) -> None:
    open_port(chip)
    for character in b"abc":
        chip.write("USART3.TDR", character)
    chip.run(5 * FRAME)
    assert bytes(character for character, _ in line) == b"ac"


def test_the_fifo_takes_sixteen_characters_and_loses_what_comes_then(
    chip: Bench, line: list[tuple[int, int]]
) -> None:
    open_port(chip, fifo=True)
    assert status(chip) & (TXFE | TXE | TC) == TXFE | TXE | TC
    text = b"The quick brown fox jumps"
    for index, character in enumerate(text):
        assert bool(status(chip) & TXE) is (index < 17), index
        chip.write("USART3.TDR", character)
    chip.run(30 * FRAME)
    assert bytes(character for character, _ in line) == text[:17]
    assert status(chip) & (TXFE | TXE | TC) == TXFE | TXE | TC


@pytest.mark.parametrize(
    ("over8", "brr", "presc", "baud"),
    [
        (0, 556, 0, 64e6 / 556),
        (0, 0x22C, 1, 32e6 / 556),
        (1, 0x453, 0, 2 * 64e6 / 0x456),
        (0, 64, 0xB, 64e6 / 256 / 64),
    ],
)
def test_the_baud_rate_follows_oversampling_and_prescaler(
    chip: Bench, over8: int, brr: int, presc: int, baud: float
) -> None:
    chip.write("USART3.CR1", over8 << 15)
    chip.write("USART3.BRR", brr)
    chip.write("USART3.PRESC", presc)
    assert chip.usart3.baud_rate == pytest.approx(baud)


@pytest.mark.parametrize(
    ("cr1", "cr2", "bits"), [(0, 2 << 12, 11), (1 << 12, 0, 11), (1 << 28, 0, 9), (1 << 12 | 1 << 10, 0, 11)]
)
def test_the_frame_format_decides_the_time(
    chip: Bench, line: list[tuple[int, int]], cr1: int, cr2: int, bits: int
) -> None:
    chip.write("USART3.CR1", cr1)
    chip.write("USART3.CR2", cr2)
    open_port(chip, interrupts=cr1)
    chip.run(FRAME)
    start = chip.now
    chip.write("USART3.TDR", 0x41)
    chip.run(2 * FRAME)
    assert line == [(0x41, start + bits * BIT)]


def test_the_speed_cannot_be_changed_while_enabled(chip: Bench) -> None:
    open_port(chip)
    chip.write("USART3.BRR", 100)
    chip.write("USART3.CR1", UE | RE | TE | FIFOEN)
    assert chip.read("USART3.BRR") == 556
    assert chip.read("USART3.CR1") == UE | RE | TE


def test_nothing_leaves_while_the_pin_is_not_switched_to_the_usart(
    chip: Bench, line: list[tuple[int, int]]
) -> None:
    open_port(chip)
    chip.write("GPIOD.AFRH", 0x78)
    chip.write("USART3.TDR", 0x55)
    chip.run(2 * FRAME)
    assert line == []
    assert status(chip) & TC


def test_a_transmission_waits_for_the_kernel_clock(chip: Bench, line: list[tuple[int, int]]) -> None:
    open_port(chip)
    chip.usart_clocked = False
    chip.write("USART3.TDR", 0x55)
    chip.run(5 * FRAME)
    assert line == []
    chip.usart_clocked = True
    chip.usart3.clock_changed()
    chip.run(FRAME)
    assert [character for character, _ in line] == [0x55]


def test_disabling_drops_what_is_under_way_and_keeps_the_set_up(
    chip: Bench, line: list[tuple[int, int]]
) -> None:
    open_port(chip)
    chip.usart3.receive(b"x", 115_200)
    chip.run(2 * FRAME)
    chip.write("USART3.TDR", 0x55)
    chip.write("USART3.CR1", RE | TE)
    chip.run(2 * FRAME)
    assert line == []
    assert status(chip) == TC | TXE
    assert chip.read("USART3.BRR") == 556


# -- receiving ----------------------------------------------------------------------------------

ARRIVAL = 10 * PS_PER_S // 115_200


def test_received_characters_arrive_one_frame_after_another(chip: Bench) -> None:
    open_port(chip)
    chip.usart3.receive(b"ab")
    assert status(chip) & BUSY
    chip.run(ARRIVAL - 1)
    assert not status(chip) & RXNE
    chip.run(1)
    assert status(chip) & RXNE
    assert chip.read("USART3.RDR") == ord("a")
    assert not status(chip) & RXNE
    chip.run(ARRIVAL)
    assert chip.read("USART3.RDR") == ord("b")
    assert not status(chip) & BUSY


def test_without_fifo_the_second_unread_character_is_an_overrun(chip: Bench) -> None:
    open_port(chip)
    chip.usart3.receive(b"abc")
    chip.run(4 * ARRIVAL)
    assert status(chip) & (ORE | RXNE) == ORE | RXNE
    assert chip.read("USART3.RDR") == ord("a")
    assert not status(chip) & RXNE
    chip.write("USART3.ICR", ORE)
    assert not status(chip) & ORE


def test_with_overrun_disabled_the_newest_character_wins(chip: Bench) -> None:
    chip.write("USART3.CR3", 1 << 12)
    open_port(chip)
    chip.usart3.receive(b"abc")
    chip.run(4 * ARRIVAL)
    assert not status(chip) & ORE
    assert chip.read("USART3.RDR") == ord("c")


def test_the_fifo_holds_sixteen_and_one(chip: Bench) -> None:
    chip.write("USART3.CR3", 3 << 25)
    open_port(chip, fifo=True)
    text = bytes(range(0x41, 0x41 + 18))
    for received in range(1, 18):
        chip.usart3.receive(text[received - 1 : received])
        chip.run(ARRIVAL)
        assert bool(status(chip) & RXFT) is (received >= 12), received
        assert bool(status(chip) & RXFF) is (received == 17), received
    assert not status(chip) & ORE
    chip.usart3.receive(text[17:])
    chip.run(ARRIVAL)
    assert status(chip) & ORE
    assert bytes(chip.read("USART3.RDR") for _ in range(17)) == text[:17]
    assert not status(chip) & RXNE


def test_idle_comes_one_frame_after_the_last_character(chip: Bench) -> None:
    open_port(chip)
    chip.usart3.receive(b"ab")
    chip.run(2 * ARRIVAL + FRAME - BIT)
    assert not status(chip) & IDLE
    chip.run(2 * BIT)
    assert status(chip) & IDLE
    chip.write("USART3.ICR", IDLE)
    chip.run(5 * FRAME)
    assert not status(chip) & IDLE


def test_a_pause_shorter_than_a_frame_is_not_idle(chip: Bench) -> None:
    open_port(chip)
    chip.usart3.receive(b"a")
    chip.run(ARRIVAL + FRAME // 2)
    chip.usart3.receive(b"b")
    chip.run(FRAME)
    assert not status(chip) & IDLE


def test_another_speed_breaks_the_characters(chip: Bench) -> None:
    open_port(chip)
    chip.usart3.receive(b"a", 9_600)
    chip.run(PS_PER_S // 900)
    assert status(chip) & FE
    assert chip.read("USART3.RDR") != ord("a")


@pytest.mark.parametrize("cause", ["receiver off", "pin elsewhere", "no clock"])
def test_characters_nobody_hears_are_lost(chip: Bench, cause: str) -> None:
    open_port(chip)
    match cause:
        case "receiver off":
            chip.write("USART3.CR1", UE | TE)
        case "pin elsewhere":
            chip.write("GPIOD.MODER", 0xFFFF_FFFF)
        case _:
            chip.usart_clocked = False
    chip.usart3.receive(b"a")
    chip.run(2 * FRAME)
    open_port(chip)
    assert not status(chip) & RXNE


def test_a_character_match_is_flagged(chip: Bench) -> None:
    chip.write("USART3.CR2", ord("\n") << 24)
    open_port(chip, interrupts=CMIE)
    chip.usart3.receive(b"a\n")
    chip.run(ARRIVAL)
    assert not chip.irqs
    chip.read("USART3.RDR")
    chip.run(ARRIVAL)
    assert status(chip) & CMF
    assert chip.irqs == BOTH_CORES
    chip.write("USART3.ICR", CMF)
    assert not chip.irqs


def test_a_flush_request_empties_the_receiver(chip: Bench) -> None:
    open_port(chip, interrupts=RXNEIE)
    chip.usart3.receive(b"a")
    chip.run(ARRIVAL)
    chip.write("USART3.RQR", 1 << 3)
    assert not status(chip) & RXNE
    assert not chip.irqs


# -- interrupts ---------------------------------------------------------------------------------


def test_the_receive_interrupt_follows_rxne(chip: Bench) -> None:
    open_port(chip, interrupts=RXNEIE)
    chip.usart3.receive(b"a")
    chip.run(ARRIVAL)
    assert chip.irqs == BOTH_CORES
    chip.read("USART3.RDR")
    assert not chip.irqs


def test_the_transmit_interrupts_follow_txe_and_tc(chip: Bench) -> None:
    open_port(chip, interrupts=TXEIE)
    assert chip.irqs == BOTH_CORES
    chip.write("USART3.TDR", 1)
    chip.write("USART3.TDR", 2)
    assert not chip.irqs
    chip.run(FRAME)
    assert chip.irqs == BOTH_CORES
    chip.write("USART3.CR1", UE | RE | TE | TCIE)
    assert not chip.irqs
    chip.run(FRAME)
    assert chip.irqs == BOTH_CORES
    chip.write("USART3.ICR", TC)
    assert not chip.irqs


def test_a_reset_lowers_the_line_and_the_port_can_be_opened_again(
    chip: Bench, line: list[tuple[int, int]]
) -> None:
    open_port(chip, interrupts=TXEIE)
    chip.write("USART3.TDR", 1)
    chip.usart3.reset()
    assert not chip.irqs
    assert status(chip) == TC | TXE
    open_port(chip)
    chip.write("USART3.TDR", 2)
    chip.run(2 * FRAME)
    assert [character for character, _ in line] == [2]


def test_what_is_not_modelled_is_counted(chip: Bench) -> None:
    open_port(chip)
    assert not chip.unmodelled
    chip.write("USART3.CR3", 1 << 7)
    chip.write("USART3.CR3", 1 << 6, Master.AP0)
    assert chip.unmodelled == {("USART3", "CR3"): 1}

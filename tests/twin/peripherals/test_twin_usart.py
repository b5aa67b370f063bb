"""U(S)ARTs by their registers (RM0399 chapters 51 and 52).

At 64 MHz and 115200 baud BRR is 556: a bit takes 8.6875 us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.twin.bus import Master
from pytest_h7.twin.peripherals.usart import USARTS
from pytest_h7.twin.pins import Pull
from pytest_h7.twin.serial_line import Format
from pytest_h7.twin.serial_peer import SerialPeer
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S, PS_PER_US

if TYPE_CHECKING:
    from ..conftest import Desk

UE, UESM, RE, TE, PS, PCE, M0, M1, FIFOEN = (1 << bit for bit in (0, 1, 2, 3, 9, 10, 12, 28, 29))
IDLEIE, RXNEIE, TCIE, TXEIE, CMIE, RTOIE = (1 << bit for bit in (4, 5, 6, 7, 14, 26))
SWAP, RXINV, TXINV, DATAINV, MSBFIRST, ABREN, RTOEN, LINEN = (
    1 << bit for bit in (15, 16, 17, 18, 19, 20, 23, 14)
)
HDSEL, DMAR, DMAT, RTSE, CTSE, CTSIE, DDRE, DEM, DEP, WUFIE = (
    1 << bit for bit in (3, 6, 7, 8, 9, 10, 13, 14, 15, 22)
)
PE, FE, ORE, IDLE, RXNE, TC, TXE, LBDF, CTSIF, CTS, RTOF = (
    1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11)
)
ABRE, ABRF, BUSY, CMF, SBKF, WUF, TEACK, REACK, TXFE, RXFF, RXFT, TXFT = (
    1 << bit for bit in (14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 26, 27)
)
BIT = 556 * PS_PER_S // 64_000_000
FRAME = 10 * BIT
BOTH_CORES = {("cm7", 39), ("cm4", 39)}
ALTERNATE = 2

ENABLES = {
    "USART1": "APB2ENR",
    "USART6": "APB2ENR",
    "LPUART1": "APB4ENR",
    **dict.fromkeys(("USART2", "USART3", "UART4", "UART5", "UART7", "UART8"), "APB1LENR"),
}
PLACES = {
    "USART1": ("PA9", "PA10", 7),
    "USART2": ("PD5", "PD6", 7),
    "USART3": ("PD8", "PD9", 7),
    "UART4": ("PA0", "PA1", 8),
    "UART5": ("PC12", "PD2", None),
    "USART6": ("PC6", "PC7", 7),
    "UART7": ("PE8", "PE7", 7),
    "UART8": ("PE1", "PE0", 8),
    "LPUART1": ("PA9", "PA10", 3),
}
FUNCTIONS = {"PC12": 8, "PD2": 8}


class Port:
    """A U(S)ART of the chip, its pins and the interrupt lines of both cores."""

    def __init__(self, desk: Desk, name: str = "USART3") -> None:
        self.desk = desk
        self.mcu = desk.mcu
        self.name = name
        self.irqs: set[tuple[str, int]] = set()
        desk.set(f"RCC.{ENABLES[name]}", **{f"{name}EN": 1})
        self.tx, self.rx, _ = PLACES[name]
        for pin in (self.tx, self.rx):
            self.switch(pin, FUNCTIONS.get(pin, PLACES[name][2] or 0))

    def set_irq(self, core: str, irq: int, level: bool) -> None:
        (self.irqs.add if level else self.irqs.discard)((core, irq))

    def switch(self, pin: str, function: int) -> None:
        """Switch a pin to an alternate function."""
        port, number = pin[1], int(pin[2:])
        self.desk.set("RCC.AHB4ENR", **{f"GPIO{port}EN": 1})
        half = "L" if number < 8 else "H"
        self.desk.set(f"GPIO{port}.AFR{half}", **{f"AFSEL{number}": function})
        self.desk.set(f"GPIO{port}.MODER", **{f"MODE{number}": ALTERNATE})

    def read(self, register: str) -> int:
        return self.desk.read(f"{self.name}.{register}")

    def write(self, register: str, value: int, master: Master = Master.CM7) -> None:
        self.desk.write(f"{self.name}.{register}", value, master)

    @property
    def status(self) -> int:
        return self.read("ISR")

    def open(self, cr1: int = 0, cr2: int = 0, cr3: int = 0, *, brr: int = 556) -> None:
        """Set 115200 baud and let the first idle frame pass."""
        self.write("CR1", 0)
        self.write("BRR", brr)
        self.write("CR2", cr2)
        self.write("CR3", cr3)
        self.write("CR1", cr1 | UE | RE | TE)
        self.mcu.run_for(2 * FRAME)

    def send(self, data: bytes) -> None:
        for character in data:
            self.write("TDR", character)

    def run(self, duration: int) -> None:
        self.mcu.run_for(duration)

    def peer(self, **settings: object) -> SerialPeer:
        """Wire the other end of a serial line to the pins."""
        return SerialPeer(self.mcu, self.tx, self.rx, **settings)


@pytest.fixture
def port(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Port:
    """USART3 with its interrupt lines written down instead of led to the cores."""
    port = Port(desk)
    monkeypatch.setattr(port.mcu, "set_irq", port.set_irq)
    return port


@pytest.fixture
def line(port: Port) -> SerialPeer:
    return port.peer()


def text(line: SerialPeer) -> bytes:
    return line.read(1000)


# -- transmitting ---------------------------------------------------------------------------------


def test_status_after_reset(port: Port) -> None:
    assert port.status == 0xC0


def test_enabling_is_acknowledged(port: Port) -> None:
    port.open()
    assert port.status == TC | TXE | TEACK | REACK


def test_characters_leave_one_frame_after_another(port: Port, line: SerialPeer) -> None:
    port.open()
    start = port.mcu.now
    port.write("TDR", ord("h"))
    assert port.status & (TXE | TC) == TXE
    port.write("TDR", ord("7"))
    assert port.status & (TXE | TC) == 0
    port.run(FRAME - 1)
    assert not line.arrived
    port.run(1)
    assert list(line.arrived) == [(start + FRAME, ord("h"))]
    assert port.status & (TXE | TC) == TXE
    port.run(FRAME)
    assert line.arrived[1] == (start + 2 * FRAME, ord("7"))
    assert port.status & (TXE | TC) == TXE | TC


def test_an_idle_frame_precedes_the_first_character(port: Port, line: SerialPeer) -> None:
    port.open()
    port.write("CR1", UE | RE)
    port.write("CR1", UE | RE | TE)
    start = port.mcu.now
    port.write("TDR", 1)
    port.run(3 * FRAME)
    assert list(line.arrived) == [(start + 2 * FRAME, 1)]


def test_a_character_written_without_txe_replaces_the_waiting_one(port: Port, line: SerialPeer) -> None:
    port.open()
    port.send(b"abc")
    port.run(5 * FRAME)
    assert text(line) == b"ac"


def test_the_fifo_takes_sixteen_characters_and_loses_what_comes_then(port: Port, line: SerialPeer) -> None:
    port.open(FIFOEN)
    assert port.status & (TXFE | TXE | TC) == TXFE | TXE | TC
    sent = b"The quick brown fox jumps"
    for index, character in enumerate(sent):
        assert bool(port.status & TXE) is (index < 17), index
        port.write("TDR", character)
    port.run(30 * FRAME)
    assert text(line) == sent[:17]
    assert port.status & (TXFE | TXE | TC) == TXFE | TXE | TC


@pytest.mark.parametrize(
    ("over8", "brr", "presc", "baud"),
    [
        (0, 556, 0, 64e6 / 556),
        (0, 0x22C, 1, 32e6 / 556),
        (1, 0x453, 0, 2 * 64e6 / 0x456),
        (0, 64, 0xB, 64e6 / 256 / 64),
        (0, 15, 0, 0),
    ],
)
def test_the_baud_rate_follows_oversampling_and_prescaler(
    port: Port, over8: int, brr: int, presc: int, baud: float
) -> None:
    port.write("CR1", over8 << 15)
    port.write("BRR", brr)
    port.write("PRESC", presc)
    assert port.mcu.peripherals["USART3"].baud_rate == pytest.approx(baud)


@pytest.mark.parametrize(
    ("cr1", "cr2", "bits"), [(0, 2 << 12, 11), (M0, 0, 11), (M1, 0, 9), (M0 | PCE, 0, 11), (0, 3 << 12, 10.5)]
)
def test_the_frame_format_decides_the_time(
    port: Port, line: SerialPeer, cr1: int, cr2: int, bits: float
) -> None:
    line.frame_format = Format(9 if cr1 & M0 else 7 if cr1 & M1 else 8)
    port.open(cr1, cr2)
    start = port.mcu.now
    port.write("TDR", 0x41)
    port.run(2 * FRAME)
    assert list(line.arrived) == [(start + round(bits * BIT), 0x41)]


def test_the_speed_cannot_be_changed_while_enabled(port: Port) -> None:
    port.open()
    port.write("BRR", 100)
    port.write("CR1", UE | RE | TE | FIFOEN)
    port.write("CR2", MSBFIRST | RTOEN)
    port.write("CR3", HDSEL | DMAR)
    assert port.read("BRR") == 556
    assert port.read("CR1") == UE | RE | TE
    assert port.read("CR2") == RTOEN
    assert port.read("CR3") == DMAR


def test_nothing_leaves_while_the_pin_is_not_switched_to_the_usart(port: Port, line: SerialPeer) -> None:
    port.open()
    port.switch("PD8", 8)
    port.write("TDR", 0x55)
    port.run(2 * FRAME)
    assert not line.arrived
    assert port.status & TC


def test_any_of_several_pins_carries_the_signal(port: Port) -> None:
    line = SerialPeer(port.mcu, hears="PB10")
    port.switch("PB10", 7)
    port.open()
    port.send(b"x")
    port.run(FRAME)
    assert text(line) == b"x"


def test_a_transmission_waits_for_the_kernel_clock(port: Port, line: SerialPeer) -> None:
    port.desk.set("RCC.D2CCIP2R", USART28SEL=4)
    port.open()
    port.write("TDR", 0x55)
    port.run(5 * FRAME)
    assert not line.arrived
    line.baud_rate = 4e6 / 34
    port.write("CR1", 0)
    port.open(brr=34)
    port.write("TDR", 0x55)
    port.desk.set("RCC.CR", CSION=1)
    port.run(2 * FRAME)
    assert text(line) == b"\x55"


def test_disabling_drops_what_is_under_way_and_keeps_the_set_up(port: Port, line: SerialPeer) -> None:
    port.open()
    line.write(b"x")
    port.run(2 * FRAME)
    port.write("TDR", 0x55)
    port.write("CR1", RE | TE)
    port.run(2 * FRAME)
    assert not line.arrived
    assert port.status == TC | TXE
    assert port.read("BRR") == 556


# -- receiving ------------------------------------------------------------------------------------

ARRIVAL = 10 * PS_PER_S // 115_200


def test_received_characters_arrive_one_frame_after_another(port: Port, line: SerialPeer) -> None:
    port.open()
    line.write(b"ab")
    assert port.status & BUSY
    port.run(ARRIVAL - 1)
    assert not port.status & RXNE
    port.run(1)
    assert port.status & RXNE
    assert port.read("RDR") == ord("a")
    assert not port.status & RXNE
    port.run(ARRIVAL)
    assert port.read("RDR") == ord("b")
    assert not port.status & BUSY


def test_without_fifo_the_second_unread_character_is_an_overrun(port: Port, line: SerialPeer) -> None:
    port.open()
    line.write(b"abc")
    port.run(4 * ARRIVAL)
    assert port.status & (ORE | RXNE) == ORE | RXNE
    assert port.read("RDR") == ord("a")
    assert not port.status & RXNE
    port.write("ICR", ORE)
    assert not port.status & ORE


def test_with_overrun_disabled_the_newest_character_wins(port: Port, line: SerialPeer) -> None:
    port.open(cr3=1 << 12)
    line.write(b"abc")
    port.run(4 * ARRIVAL)
    assert not port.status & ORE
    assert port.read("RDR") == ord("c")


def test_the_fifo_holds_sixteen_and_one(port: Port, line: SerialPeer) -> None:
    port.open(FIFOEN, cr3=3 << 25)
    sent = bytes(range(0x41, 0x41 + 18))
    for received in range(1, 18):
        line.write(sent[received - 1 : received])
        port.run(ARRIVAL)
        assert bool(port.status & RXFT) is (received >= 12), received
        assert bool(port.status & RXFF) is (received == 17), received
    assert not port.status & ORE
    line.write(sent[17:])
    port.run(ARRIVAL)
    assert port.status & ORE
    assert bytes(port.read("RDR") for _ in range(17)) == sent[:17]
    assert not port.status & RXNE


def test_idle_comes_one_frame_after_the_last_character(port: Port, line: SerialPeer) -> None:
    port.open()
    line.write(b"ab")
    port.run(2 * ARRIVAL + FRAME - BIT)
    assert not port.status & IDLE
    port.run(2 * BIT)
    assert port.status & IDLE
    port.write("ICR", IDLE)
    port.run(5 * FRAME)
    assert not port.status & IDLE


def test_a_pause_shorter_than_a_frame_is_not_idle(port: Port, line: SerialPeer) -> None:
    port.open()
    line.write(b"a")
    port.run(ARRIVAL + FRAME // 2)
    line.write(b"b")
    port.run(FRAME)
    assert not port.status & IDLE


def test_the_receiver_time_out_counts_bits(port: Port, line: SerialPeer) -> None:
    port.write("RTOR", 40)
    port.open(RTOIE, RTOEN)
    line.write(b"ab")
    port.run(2 * ARRIVAL + 39 * BIT)
    assert not port.status & RTOF
    port.run(2 * BIT)
    assert port.status & RTOF
    assert port.irqs == BOTH_CORES
    port.write("ICR", RTOF)
    assert not port.irqs


def test_another_speed_breaks_the_characters(port: Port, line: SerialPeer) -> None:
    port.open()
    line.baud_rate = 9_600
    line.write(b"a")
    port.run(PS_PER_S // 900)
    assert port.status & FE
    assert port.read("RDR") != ord("a")


@pytest.mark.parametrize("cause", ["receiver off", "pin elsewhere", "no clock"])
def test_characters_nobody_hears_are_lost(port: Port, line: SerialPeer, cause: str) -> None:
    port.open()
    match cause:
        case "receiver off":
            port.write("CR1", UE | TE)
        case "pin elsewhere":
            port.desk.write("GPIOD.MODER", 0xFFFF_FFFF)
        case _:
            port.desk.set("RCC.APB1LENR", USART3EN=0)
    line.write(b"a")
    port.run(2 * FRAME)
    port = Port(port.desk)
    assert not port.status & RXNE


def test_a_character_match_is_flagged(port: Port, line: SerialPeer) -> None:
    port.open(CMIE, ord("\n") << 24)
    line.write(b"a\n")
    port.run(ARRIVAL)
    assert not port.irqs
    port.read("RDR")
    port.run(ARRIVAL)
    assert port.status & CMF
    assert port.irqs == BOTH_CORES
    port.write("ICR", CMF)
    assert not port.irqs


def test_a_flush_request_empties_the_receiver(port: Port, line: SerialPeer) -> None:
    port.open(RXNEIE)
    line.write(b"a")
    port.run(ARRIVAL)
    port.write("RQR", 1 << 3)
    assert not port.status & RXNE
    assert not port.irqs


# -- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cr1", "cr2", "frame_format"),
    [
        (PCE | M0, 0, Format(9, parity=0)),
        (PCE | PS | M0, 0, Format(9, parity=1)),
        (PCE | M1, 0, Format(7, parity=0)),
        (M0, 0, Format(9)),
        (0, MSBFIRST, Format(8, most_significant_first=True)),
        (PCE | M0, MSBFIRST | DATAINV, Format(9, 0, most_significant_first=True, data_inverted=True)),
        (0, TXINV | RXINV, Format(8, line_inverted=True)),
    ],
)
def test_both_ends_agree_on_the_format(port: Port, cr1: int, cr2: int, frame_format: Format) -> None:
    line = port.peer(frame_format=frame_format)
    port.open(cr1, cr2)
    sent = [value & (1 << frame_format.data_bits) - 1 for value in (0x151, 0x12, 0x0)]
    line.write(sent)
    received = []
    for value in sent:
        port.write("TDR", value)
        port.run(12 * BIT)
        received.append(port.read("RDR") & (1 << frame_format.data_bits) - 1)
    assert received == [character for _, character in line.arrived] == sent
    assert not port.status & (PE | FE)
    assert line.errors == 0


def test_rdr_shows_the_parity_bit(port: Port) -> None:
    line = port.peer(frame_format=Format(9, parity=0))
    port.open(PCE | M0)
    line.write([0x01])
    port.run(12 * BIT)
    assert port.read("RDR") == 0x101


@pytest.mark.parametrize(
    ("frame_format", "error"),
    [
        (Format(9, parity=1), PE),
        (Format(8), PE),
        (Format(9, parity=0, line_inverted=True), FE),
        (Format(10, parity=0), FE),
    ],
)
def test_what_does_not_agree_is_an_error(port: Port, frame_format: Format, error: int) -> None:
    line = port.peer(frame_format=frame_format)
    port.open(PCE | M0, cr3=1)
    line.write([0x03])
    port.run(14 * BIT)
    line.write([0x00])
    port.run(14 * BIT)
    assert port.status & (PE | FE) == error
    if error == FE:
        assert port.irqs == BOTH_CORES


def test_swapped_pins(port: Port) -> None:
    line = SerialPeer(port.mcu, hears="PD9", drives="PD8")
    port.open(cr2=SWAP)
    line.write(b"i")
    port.send(b"o")
    port.run(2 * FRAME)
    assert port.read("RDR") == ord("i")
    assert text(line) == b"o"


# -- breaks, LIN, automatic baud rate ---------------------------------------------------------------


def test_a_break_follows_the_character_under_way(port: Port, line: SerialPeer) -> None:
    port.open()
    edges: list[tuple[int, bool]] = []
    port.send(b"U")
    port.write("RQR", 1 << 1)
    assert port.status & SBKF
    port.run(FRAME)
    port.mcu.pins.watch("PD8", lambda level: edges.append((port.mcu.now, level)))
    assert port.status & SBKF
    port.run(2 * FRAME)
    assert not port.status & SBKF
    assert [character for _, character in line.arrived] == [ord("U"), 0]
    assert line.errors == 1
    port.write("RQR", 1 << 1)
    start = port.mcu.now
    port.run(2 * FRAME)
    assert edges == [(start, False), (start + 10 * BIT, True)]


def test_a_received_break_is_a_framing_error(port: Port, line: SerialPeer) -> None:
    port.open()
    line.write_break()
    port.run(2 * FRAME)
    assert port.status & (FE | RXNE | LBDF) == FE | RXNE
    assert port.read("RDR") == 0


def test_lin_detects_breaks_and_sends_thirteen_bits(port: Port, line: SerialPeer) -> None:
    port.open(cr2=LINEN | 1 << 6)
    line.write_break()
    port.run(2 * FRAME)
    assert port.status & LBDF
    assert port.irqs == BOTH_CORES
    edges: list[tuple[int, bool]] = []
    port.mcu.pins.watch("PD8", lambda level: edges.append((port.mcu.now, level)))
    port.write("RQR", 1 << 1)
    port.run(2 * FRAME)
    assert edges[1][0] - edges[0][0] == 13 * BIT


@pytest.mark.parametrize(("mode", "character"), [(0, 0x41), (1, 0x45), (2, 0x7F), (3, 0x55)])
def test_the_baud_rate_is_taken_from_the_first_character(port: Port, mode: int, character: int) -> None:
    line = port.peer(baud_rate=9_600)
    port.open(cr2=ABREN | mode << 21, brr=16)
    line.write([character, 0x0A])
    port.run(2 * PS_PER_MS)
    assert port.status & (ABRF | ABRE | RXNE) == ABRF | RXNE
    assert port.read("BRR") == round(64e6 / 9_600)
    assert port.read("RDR") == character
    port.run(PS_PER_MS)
    port.write("RQR", 1)
    assert not port.status & ABRF


@pytest.mark.parametrize(("mode", "character"), [(0, 0x42), (1, 0x43), (2, 0x55), (3, 0x7F)])
def test_an_unsuitable_character_is_an_error_of_detection(port: Port, mode: int, character: int) -> None:
    line = port.peer(baud_rate=9_600)
    port.open(cr2=ABREN | mode << 21)
    line.write([character])
    port.run(2 * PS_PER_MS)
    assert port.status & (ABRF | ABRE) == ABRF | ABRE
    assert port.read("BRR") == 556


# -- half duplex, hardware flow control, driver enable ------------------------------------------------


def test_on_a_single_wire_the_sender_hears_itself(port: Port) -> None:
    line = SerialPeer(port.mcu, hears="PD8", drives="PD8")
    port.open(cr3=HDSEL)
    port.send(b"o")
    port.run(FRAME)
    assert text(line) == b"o"
    assert port.read("RDR") == ord("o")
    line.write(b"i")
    port.run(FRAME)
    assert port.read("RDR") == ord("i")
    assert not line.arrived


def test_a_single_wire_is_left_to_the_pull_up(port: Port) -> None:
    port.mcu.pins.set_external_pull("PD8", Pull.UP)
    port.open(cr3=HDSEL)
    levels: list[bool] = []
    port.mcu.pins.watch("PD8", levels.append)
    port.send(b"\x0f")
    port.run(2 * FRAME)
    assert levels == [False, True, False, True]
    port.mcu.pins.drive("PD8", level=False)
    assert not port.mcu.pins.level("PD8")


def test_a_frame_waits_for_cts(port: Port, line: SerialPeer) -> None:
    port.switch("PD11", 7)
    port.mcu.pins.drive("PD11", level=True)
    port.open(FIFOEN, cr3=CTSE | CTSIE)
    assert not port.status & CTS
    port.send(b"ab")
    port.run(5 * FRAME)
    assert not line.arrived
    assert not port.irqs
    port.mcu.pins.drive("PD11", level=False)
    assert port.status & (CTS | CTSIF) == CTS | CTSIF
    assert port.irqs == BOTH_CORES
    port.run(FRAME // 2)
    port.mcu.pins.drive("PD11", level=True)
    port.run(5 * FRAME)
    assert text(line) == b"a"


def test_rts_is_low_while_there_is_room(port: Port, line: SerialPeer) -> None:
    port.switch("PD12", 7)
    port.open(cr3=RTSE)
    assert not port.mcu.pins.level("PD12")
    line.write(b"a")
    port.run(ARRIVAL)
    assert port.mcu.pins.level("PD12")
    port.read("RDR")
    assert not port.mcu.pins.level("PD12")


@pytest.mark.parametrize("polarity", [0, DEP])
def test_the_driver_is_enabled_around_frames(port: Port, line: SerialPeer, polarity: int) -> None:
    port.switch("PD12", 7)
    edges: list[tuple[int, bool]] = []
    port.mcu.pins.watch("PD12", lambda level: edges.append((port.mcu.now, level)))
    port.open(8 << 21 | 16 << 16, cr3=DEM | polarity)
    edges.clear()
    start = port.mcu.now
    active = not polarity
    port.send(b"ab")
    port.run(4 * FRAME)
    end = start + BIT // 2 + 2 * FRAME + BIT
    assert edges == [(start, active), (end, not active)]
    assert line.arrived[0] == (start + BIT // 2 + FRAME, ord("a"))


# -- levels -----------------------------------------------------------------------------------------


def test_the_line_idles_high_while_the_transmitter_is_on(port: Port) -> None:
    assert not port.mcu.pins.level("PD8")
    port.open()
    assert port.mcu.pins.level("PD8")
    port.write("CR1", UE | RE)
    assert not port.mcu.pins.level("PD8")


def test_who_watches_the_pin_sees_the_bits(port: Port) -> None:
    port.open()
    edges: list[tuple[int, bool]] = []
    port.mcu.pins.watch("PD8", lambda level: edges.append((port.mcu.now, level)))
    start = port.mcu.now
    port.send(b"\x0f")
    port.run(2 * FRAME)
    assert [((time - start) // BIT, level) for time, level in edges] == [
        (0, False),
        (1, True),
        (5, False),
        (9, True),
    ]


def test_a_start_bit_from_outside_is_an_edge_on_the_pin(port: Port, line: SerialPeer) -> None:
    port.open()
    edges: list[tuple[int, bool]] = []
    port.mcu.pins.watch("PD9", lambda level: edges.append((port.mcu.now, level)))
    start = port.mcu.now
    line.write(b"\xff")
    port.run(2 * ARRIVAL)
    assert edges == [(start, False), (start + round(PS_PER_S / 115_200), True)]
    assert port.read("RDR") == 0xFF


# -- interrupts and DMA requests ----------------------------------------------------------------------


def test_the_receive_interrupt_follows_rxne(port: Port, line: SerialPeer) -> None:
    port.open(RXNEIE)
    line.write(b"a")
    port.run(ARRIVAL)
    assert port.irqs == BOTH_CORES
    port.read("RDR")
    assert not port.irqs


def test_the_transmit_interrupts_follow_txe_and_tc(port: Port) -> None:
    port.open(TXEIE)
    assert port.irqs == BOTH_CORES
    port.write("TDR", 1)
    port.write("TDR", 2)
    assert not port.irqs
    port.run(FRAME)
    assert port.irqs == BOTH_CORES
    port.write("CR1", UE | RE | TE | TCIE)
    assert not port.irqs
    port.run(FRAME)
    assert port.irqs == BOTH_CORES
    port.write("ICR", TC)
    assert not port.irqs


@pytest.mark.parametrize("name", USARTS)
def test_every_port_works_on_its_pins_and_interrupts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    irqs = {"USART1": 37, "USART2": 38, "USART3": 39, "UART4": 52, "UART5": 53, "USART6": 71}
    irqs |= {"UART7": 82, "UART8": 83, "LPUART1": 142}
    port = Port(desk, name)
    monkeypatch.setattr(port.mcu, "set_irq", port.set_irq)
    line = port.peer()
    port.open(RXNEIE, brr=round(256 * 64e6 / 115_200) if name == "LPUART1" else 556)
    line.write(b"i")
    port.send(b"o")
    port.run(FRAME + BIT)
    assert text(line) == b"o"
    assert port.irqs == {("cm7", irqs[name]), ("cm4", irqs[name])}
    assert port.read("RDR") == ord("i")
    assert not port.mcu.unmodelled


@pytest.mark.parametrize("name", USARTS)
def test_every_port_has_its_wake_up_line(desk: Desk, name: str) -> None:
    lines = {"USART1": 26, "USART2": 27, "USART3": 28, "USART6": 29, "UART4": 30, "UART5": 31}
    lines |= {"UART7": 32, "UART8": 33, "LPUART1": 34}
    port = Port(desk, name)
    line = port.peer()
    desk.write("EXTI.C2IMR2" if lines[name] >= 32 else "EXTI.C2IMR1", 1 << lines[name] % 32)
    port.open(UESM | RXNEIE, brr=round(256 * 64e6 / 115_200) if name == "LPUART1" else 556)
    assert not port.mcu.exti.wake_pending("cm4")
    line.write(b"i")
    port.run(FRAME + BIT)
    assert port.mcu.exti.wake_pending("cm4")
    port.read("RDR")
    assert not port.mcu.exti.wake_pending("cm4")


def test_two_ports_talk_over_a_wire(desk: Desk) -> None:
    one, other = Port(desk, "USART1"), Port(desk, "UART7")
    desk.mcu.pins.connect(one.tx, other.rx)
    desk.mcu.pins.connect(other.tx, one.rx)
    one.open()
    other.open()
    one.send(b"1")
    other.send(b"2")
    one.run(FRAME)
    assert (one.read("RDR"), other.read("RDR")) == (ord("2"), ord("1"))
    desk.mcu.pins.disconnect(one.tx, other.rx)
    one.send(b"3")
    one.run(2 * FRAME)
    assert not other.status & RXNE


def test_a_sender_that_goes_off_leaves_nothing(desk: Desk) -> None:
    one, other = Port(desk, "USART1"), Port(desk, "UART7")
    desk.mcu.pins.connect(one.tx, other.rx)
    one.open()
    other.open()
    one.send(b"1")
    one.run(FRAME // 2)
    assert other.status & BUSY
    one.write("CR1", 0)
    assert not other.status & BUSY
    one.run(2 * FRAME)
    assert not other.status & (RXNE | FE)


def test_dma_requests_follow_the_data_registers(port: Port, line: SerialPeer) -> None:
    held: dict[str, bool] = {}
    port.mcu.hold_dma_request = lambda request, level: held.update({request: level})  # type: ignore[method-assign]
    port.open(cr3=DMAR | DMAT)
    assert held == {"USART3_TX": True}
    port.write("TDR", 1)
    port.write("TDR", 2)
    assert held == {"USART3_TX": False}
    line.write(b"a")
    port.run(ARRIVAL)
    assert held["USART3_RX"]
    port.read("RDR")
    assert not held["USART3_RX"]


def test_a_reception_error_stops_dma_if_wanted(port: Port, line: SerialPeer) -> None:
    held: dict[str, bool] = {}
    port.mcu.hold_dma_request = lambda request, level: held.update({request: level})  # type: ignore[method-assign]
    port.open(cr3=DMAR | DDRE)
    line.write_break()
    port.run(2 * FRAME)
    assert not held
    port.write("ICR", FE)
    assert held == {"USART3_RX": True}


def test_a_reset_lowers_the_line_and_the_port_can_be_opened_again(port: Port, line: SerialPeer) -> None:
    port.open(TXEIE)
    port.write("TDR", 1)
    port.mcu.peripherals["USART3"].reset()
    assert not port.irqs
    assert port.status == TC | TXE
    port.open()
    port.write("TDR", 2)
    port.run(2 * FRAME)
    assert [character for _, character in line.arrived] == [2]


def test_what_is_not_modelled_is_counted(port: Port) -> None:
    port.open()
    assert not port.mcu.unmodelled
    port.write("CR2", 1 << 11)
    port.write("CR2", 1 << 10, Master.AP0)
    assert port.mcu.unmodelled == {("USART3", "CR2", "cm7", "write"): 1}


def test_a_peer_that_is_taken_off_hears_nothing_more(port: Port, line: SerialPeer) -> None:
    port.open()
    line.write(b"abc")
    line.detach()
    port.send(b"x")
    port.run(5 * FRAME)
    assert not line.arrived
    assert not port.status & RXNE


# -- wake-up from Stop --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wus", "sent", "wakes"),
    [(0, b"\x42", True), (0, b"\x41", False), (2, b"\x41", True), (3, b"\x41", True)],
)
def test_a_stopped_port_shows_why_it_wakes(desk: Desk, wus: int, sent: bytes, wakes: bool) -> None:
    """LPUART1 without bus clock, on HSI; line 34 of EXTI rises."""
    port = Port(desk, "LPUART1")
    desk.set("RCC.D3CCIPR", LPUART1SEL=3)
    line = port.peer()
    desk.write("EXTI.C1IMR2", 1 << 34 - 32)
    desk.write("EXTI.C2IMR2", 1 << 35 - 32)
    port.open(UESM, 0x42 << 24, wus << 20 | WUFIE, brr=round(256 * 64e6 / 115_200))
    desk.mcu.clocked = lambda name: False  # type: ignore[method-assign]
    line.write(sent)
    desk.mcu.run_for(ARRIVAL + PS_PER_US)
    model = desk.mcu.peripherals["LPUART1"]
    assert bool(model.read_ISR(Master.CM7) & WUF) is wakes
    assert desk.mcu.exti.wake_pending("cm7") is wakes
    assert model.read_ISR(Master.CM7) & RXNE
    assert not desk.mcu.exti.wake_pending("cm4"), "line 35, of transmission"
    model.write_ICR(WUF, Master.CM7)
    assert not desk.mcu.exti.wake_pending("cm7")


def test_without_uesm_a_stopped_port_hears_nothing(desk: Desk) -> None:
    port = Port(desk, "LPUART1")
    desk.set("RCC.D3CCIPR", LPUART1SEL=3)
    line = port.peer()
    port.open(RXNEIE, cr3=3 << 20 | WUFIE, brr=round(256 * 64e6 / 115_200))
    clocked = desk.mcu.clocked
    desk.mcu.clocked = lambda name: False  # type: ignore[method-assign]
    line.write(b"x")
    desk.mcu.run_for(2 * ARRIVAL)
    desk.mcu.clocked = clocked  # type: ignore[method-assign]
    assert not port.status & (WUF | RXNE)


def test_the_lpuart_has_a_baud_rate_rule_of_its_own(desk: Desk) -> None:
    port = Port(desk, "LPUART1")
    port.write("BRR", 0x2FF)
    assert desk.mcu.peripherals["LPUART1"].baud_rate == 0
    port.write("BRR", 0x300)
    assert desk.mcu.peripherals["LPUART1"].baud_rate == pytest.approx(256 * 64e6 / 0x300)

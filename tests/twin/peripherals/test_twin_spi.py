"""SPI on the registers: SPI1 (FIFOs of 16 bytes) runs on 64 MHz of HSI, and with MBR 0 at 32 MHz."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wiring import OUTPUT, configure, enable, pending, read_bytes, switch, write_bytes

from pytest_h7.twin.bus import Master
from pytest_h7.twin.timeline import PS_PER_S

if TYPE_CHECKING:
    from conftest import Desk

SPE, MASRX, CSTART, CSUSP, SSI = 1 << 0, 1 << 8, 1 << 9, 1 << 10, 1 << 12
MASTER, SSM, SSOE, CPOL, CPHA, LSBFRST = 1 << 22, 1 << 26, 1 << 29, 1 << 25, 1 << 24, 1 << 23
TRANSMITTER, RECEIVER, HALF_DUPLEX = 1 << 17, 2 << 17, 3 << 17
RXP, TXP, DXP, EOT, TXTF, UDR, OVR, MODF, TSERF, SUSP, TXC, RXWNE = (
    1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 15)
)
BIT = PS_PER_S // 32_000_000
BIT_US = BIT / 1e6
BYTE_US = 8 * BIT_US
PER_CK = 4


class Echo:
    """A device that answers each frame with its complement, and writes down what it heard."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.selections: list[bool] = []

    def select(self, active: bool) -> None:
        self.selections.append(active)

    def transfer(self, frame: int, bits: int) -> int:
        self.heard.append(frame)
        return frame ^ (1 << bits) - 1


@pytest.fixture
def spi(desk: Desk) -> Desk:
    """SPI1 with SCK on PA5, MISO on PA6 and MOSI on PB5, and SPI4 on PE12, PE13, PE14, all clocked."""
    enable(desk, "APB2ENR.SPI1EN", "APB2ENR.SPI4EN")
    desk.set("RCC.D2CCIP1R", SPI123SEL=PER_CK, SPI45SEL=3)
    for pin, signal in (("PA5", "SPI1_SCK"), ("PA6", "SPI1_MISO"), ("PB5", "SPI1_MOSI")):
        switch(desk, pin, signal)
    for pin, signal in (("PE12", "SPI4_SCK"), ("PE13", "SPI4_MISO"), ("PE14", "SPI4_MOSI")):
        switch(desk, pin, signal)
    return desk


def open_master(desk: Desk, *, bits: int = 8, size: int = 0, packet: int = 1, flags: int = 0) -> None:
    """Enable SPI1 as a master with software slave select."""
    desk.write("SPI1.CFG1", 7 << 16 | packet - 1 << 5 | bits - 1)
    desk.write("SPI1.CR1", SSI)
    desk.write("SPI1.CFG2", MASTER | SSM | flags)
    desk.write("SPI1.CR2", size)
    desk.write("SPI1.CR1", SSI | SPE)


def start(desk: Desk) -> None:
    desk.write("SPI1.CR1", SSI | SPE | CSTART)


def status(desk: Desk, spi: str = "SPI1") -> int:
    return desk.read(f"{spi}.SR")


def send(desk: Desk, *frames: int, spi: str = "SPI1", size: int = 1) -> None:
    for frame in frames:
        write_bytes(desk, f"{spi}.TXDR", frame, size)


def receive(desk: Desk, count: int, spi: str = "SPI1", size: int = 1) -> list[int]:
    return [read_bytes(desk, f"{spi}.RXDR", size) for _ in range(count)]


def test_reset_values(spi: Desk) -> None:
    assert spi.read("SPI1.CFG1") == 0x0007_0007
    assert status(spi) == TXP | TXC


def test_a_transfer_of_known_size_ends_with_eot_at_the_time_of_its_last_bit(spi: Desk) -> None:
    open_master(spi, size=3)
    start(spi)
    send(spi, 1, 2, 3)
    assert status(spi) & (EOT | TXTF | TXC) == TXTF
    spi.run(3 * BYTE_US - BIT_US / 2)
    assert not status(spi) & EOT
    assert spi.read("SPI1.CR1") & CSTART
    spi.run(BIT_US)
    assert status(spi) & (EOT | TXC) == EOT | TXC
    assert not spi.read("SPI1.CR1") & CSTART


@pytest.mark.parametrize(("mbr", "divider"), [(0, 2), (3, 16), (7, 256)])
def test_the_bit_rate_is_the_kernel_clock_by_mbr(spi: Desk, mbr: int, divider: int) -> None:
    spi.write("SPI1.CFG1", mbr << 28 | 7 << 16 | 7)
    spi.write("SPI1.CR1", SSI)
    spi.write("SPI1.CFG2", MASTER | SSM)
    spi.write("SPI1.CR2", 1)
    spi.write("SPI1.CR1", SSI | SPE)
    start(spi)
    send(spi, 0)
    spi.run(8 * divider / 64 - 0.001)
    assert not status(spi) & EOT
    spi.run(0.002)
    assert status(spi) & EOT


def test_a_pause_between_frames_and_after_slave_select(spi: Desk) -> None:
    spi.write("SPI1.CFG1", 7 << 16 | 7)
    spi.write("SPI1.CFG2", MASTER | SSOE | 4 << 4 | 2)
    spi.write("SPI1.CR2", 2)
    spi.write("SPI1.CR1", SPE)
    spi.write("SPI1.CR1", SPE | CSTART)
    send(spi, 0, 0)
    spi.run((2 + 8 + 4 + 8) * BIT_US - 0.001)
    assert not status(spi) & EOT
    spi.run(0.002)
    assert status(spi) & EOT


def test_without_kernel_clock_nothing_moves_until_it_comes(spi: Desk) -> None:
    spi.set("RCC.D2CCIP1R", SPI123SEL=0)
    open_master(spi, size=1)
    start(spi)
    send(spi, 1)
    spi.run(100)
    assert not status(spi) & EOT
    spi.set("RCC.D2CCIP1R", SPI123SEL=PER_CK)
    spi.write("RCC.D1CFGR", spi.read("RCC.D1CFGR"))
    spi.run(BYTE_US + 0.01)
    assert status(spi) & EOT


@pytest.mark.parametrize(("pull", "byte"), [(0, 0x00), (1, 0xFF), (2, 0x00)])
def test_where_nobody_answers_miso_is_read_as_its_pin_is_pulled(spi: Desk, pull: int, byte: int) -> None:
    configure(spi, "PA6", 2, pull=pull)
    open_master(spi, size=2)
    start(spi)
    send(spi, 0x12, 0x34)
    spi.run(2 * BYTE_US)
    assert receive(spi, 2) == [byte, byte]


def test_a_wire_from_mosi_to_miso_brings_back_what_is_sent(spi: Desk) -> None:
    spi.mcu.pins.connect("PB5", "PA6")
    open_master(spi, size=4)
    start(spi)
    send(spi, *b"wire")
    spi.run(4 * BYTE_US)
    assert bytes(receive(spi, 4)) == b"wire"
    assert receive(spi, 1) == [0]


@pytest.mark.parametrize("bits", [4, 7, 8, 12, 16, 24, 32])
def test_frames_have_their_size(spi: Desk, bits: int) -> None:
    echo = Echo()
    spi.mcu.peripherals["SPI1"].attach(echo)
    open_master(spi, bits=bits, size=1)
    start(spi)
    word = 0xA5C3_9F61
    spi.write("SPI1.TXDR", word)
    spi.run(bits * BIT_US)
    mask = (1 << bits) - 1
    assert echo.heard == [word & mask]
    assert spi.read("SPI1.RXDR") == ~word & mask
    assert status(spi) & EOT


def test_the_least_significant_bit_can_go_first(spi: Desk) -> None:
    echo = Echo()
    spi.mcu.peripherals["SPI1"].attach(echo)
    open_master(spi, size=1, flags=LSBFRST)
    start(spi)
    send(spi, 0b0000_1101)
    spi.run(BYTE_US)
    assert echo.heard == [0b1011_0000]
    assert receive(spi, 1) == [0b1111_0010]


def test_wide_accesses_carry_several_frames(spi: Desk) -> None:
    spi.mcu.pins.connect("PB5", "PA6")
    open_master(spi, size=6, packet=4)
    start(spi)
    spi.write("SPI1.TXDR", 0x4433_2211)
    write_bytes(spi, "SPI1.TXDR", 0x6655, 2)
    spi.run(4 * BYTE_US)
    assert status(spi) & (RXP | RXWNE) == RXP | RXWNE
    assert spi.read("SPI1.RXDR") == 0x4433_2211
    spi.run(2 * BYTE_US)
    assert status(spi) & (RXP | RXWNE) == 0
    assert status(spi) >> 13 & 3 == 2
    assert spi.read("SPI1.RXDR") == 0x0000_6655


@pytest.mark.parametrize(
    ("spi_name", "bits", "capacity"), [("SPI1", 8, 16), ("SPI1", 12, 8), ("SPI1", 24, 5), ("SPI4", 8, 8)]
)
def test_the_fifo_takes_as_many_frames_as_fit_and_ignores_the_others(
    spi: Desk, spi_name: str, bits: int, capacity: int
) -> None:
    spi.write(f"{spi_name}.CFG1", 7 << 16 | bits - 1)
    spi.write(f"{spi_name}.CR1", SSI)
    spi.write(f"{spi_name}.CFG2", MASTER | SSM)
    spi.write(f"{spi_name}.CR1", SSI | SPE)
    size = (1, 2, 4, 4)[(bits - 1) // 8]
    for number in range(capacity):
        assert status(spi, spi_name) & TXP, number
        send(spi, number, spi=spi_name, size=size)
    assert not status(spi, spi_name) & TXP
    echo = Echo()
    spi.mcu.peripherals[spi_name].attach(echo)
    send(spi, 0x55, spi=spi_name, size=size)
    spi.write(f"{spi_name}.CR1", SSI | SPE | CSTART)
    spi.run(100)
    assert echo.heard == list(range(capacity))


def test_txp_stands_for_a_packet_and_for_the_rest_of_the_transfer(spi: Desk) -> None:
    open_master(spi, size=18, packet=8)
    send(spi, *range(8))
    assert status(spi) & TXP
    send(spi, 8)
    assert not status(spi) & TXP
    send(spi, *range(9, 16))
    start(spi)
    spi.run(2 * BYTE_US)
    assert status(spi) & TXP
    send(spi, 16, 17, 18, 19)
    assert status(spi) & TXTF
    echo = Echo()
    spi.mcu.peripherals["SPI1"].attach(echo)
    spi.run(100)
    assert echo.heard[-1] == 17


def test_an_overrun_keeps_the_old_frames(spi: Desk) -> None:
    spi.mcu.pins.connect("PB5", "PA6")
    open_master(spi)
    start(spi)
    for number in range(18):
        send(spi, number)
        spi.run(BYTE_US)
    assert status(spi) & OVR
    assert receive(spi, 17) == [*range(16), 0]
    spi.write("SPI1.IFCR", OVR)
    assert not status(spi) & OVR


def test_a_receiver_suspends_itself_before_an_overrun_and_goes_on(spi: Desk) -> None:
    spi.write("SPI1.CFG1", 7 << 16 | 7)
    spi.write("SPI1.CR1", SSI | MASRX)
    spi.write("SPI1.CFG2", MASTER | SSM | RECEIVER)
    spi.write("SPI1.CR2", 20)
    spi.write("SPI1.CR1", SSI | MASRX | SPE)
    spi.write("SPI1.CR1", SSI | MASRX | SPE | CSTART)
    spi.run(30 * BYTE_US)
    assert status(spi) & (SUSP | OVR | EOT) == SUSP
    assert status(spi) >> 16 == 4
    receive(spi, 16)
    spi.write("SPI1.IFCR", SUSP)
    spi.run(4 * BYTE_US)
    assert status(spi) & (SUSP | OVR | EOT) == EOT


def test_software_suspends_at_the_end_of_a_frame(spi: Desk) -> None:
    open_master(spi, size=4)
    start(spi)
    send(spi, 1, 2, 3, 4)
    spi.run(BYTE_US / 2)
    spi.write("SPI1.CR1", SSI | SPE | CSTART | CSUSP)
    assert spi.read("SPI1.CR1") & (CSTART | CSUSP) == CSTART
    spi.run(BYTE_US)
    assert status(spi) & (SUSP | EOT) == SUSP
    assert status(spi) >> 16 == 3
    assert not spi.read("SPI1.CR1") & CSTART


def test_a_transfer_is_extended_by_tser(spi: Desk) -> None:
    open_master(spi, size=2)
    spi.write("SPI1.CR2", 1 << 16)
    assert spi.read("SPI1.CR2") == 1 << 16 | 2
    start(spi)
    send(spi, 1, 2)
    spi.run(2 * BYTE_US)
    assert status(spi) & (TSERF | EOT) == TSERF
    assert spi.read("SPI1.CR2") == 1
    send(spi, 3)
    spi.run(BYTE_US)
    assert status(spi) & EOT


def test_disabling_flushes_everything(spi: Desk) -> None:
    open_master(spi, size=4)
    start(spi)
    send(spi, 1, 2, 3)
    spi.run(BYTE_US)
    spi.write("SPI1.CR1", SSI)
    spi.run(10 * BYTE_US)
    assert spi.read("SPI1.CR1") == SSI
    assert status(spi) & (RXP | RXWNE | EOT | 3 << 13) == 0
    assert receive(spi, 1) == [0]


def test_the_configuration_is_locked_while_enabled(spi: Desk) -> None:
    open_master(spi)
    before = spi.read("SPI1.CFG1"), spi.read("SPI1.CFG2")
    spi.write("SPI1.CFG1", 3 << 14 | 0x1F)
    spi.write("SPI1.CFG2", 0)
    assert spi.read("SPI1.CFG1") == before[0] | 3 << 14
    assert spi.read("SPI1.CFG2") == before[1]


# -- slave select -------------------------------------------------------------------------------


def test_a_master_whose_select_input_is_active_becomes_a_disabled_slave(spi: Desk) -> None:
    spi.write("SPI1.CFG2", MASTER | SSM)
    assert status(spi) & MODF
    assert not spi.read("SPI1.CFG2") & MASTER
    spi.write("SPI1.CR1", SSI | SPE)
    assert not spi.read("SPI1.CR1") & SPE
    spi.write("SPI1.IFCR", MODF)
    open_master(spi)
    assert spi.read("SPI1.CR1") & SPE


def test_hardware_slave_select_frames_a_transfer(spi: Desk) -> None:
    switch(spi, "PA4", "SPI1_NSS")
    spi.write("SPI1.CFG2", MASTER | SSOE)
    spi.write("SPI1.CR2", 1)
    spi.write("SPI1.CR1", SPE)
    assert spi.mcu.pins.level("PA4")
    spi.write("SPI1.CR1", SPE | CSTART)
    assert not spi.mcu.pins.level("PA4")
    send(spi, 1)
    spi.run(BYTE_US)
    assert spi.mcu.pins.level("PA4")


def test_a_device_answers_only_while_its_select_pin_is_low(spi: Desk) -> None:
    echo = Echo()
    spi.mcu.peripherals["SPI1"].attach(echo, "PD14")
    spi.mcu.pins.drive("PD14", True)
    configure(spi, "PA6", 2, pull=1)
    open_master(spi)
    start(spi)
    send(spi, 0x0F)
    spi.run(BYTE_US)
    spi.mcu.pins.drive("PD14", False)
    send(spi, 0x0F)
    spi.run(BYTE_US)
    spi.mcu.pins.drive("PD14", True)
    assert receive(spi, 2) == [0xFF, 0xF0]
    assert echo.heard == [0x0F]
    assert echo.selections == [False, True, False]


# -- slave --------------------------------------------------------------------------------------


def wire(desk: Desk) -> None:
    """Join SPI1 and SPI4 as ST's example does on this board: SCK, MISO, MOSI."""
    for one, other in (("PA5", "PE12"), ("PA6", "PE13"), ("PB5", "PE14")):
        desk.mcu.pins.connect(one, other)


def open_slave(desk: Desk, *, flags: int = 0, size: int = 0, cfg1: int = 0) -> None:
    desk.write("SPI4.CFG1", 7 << 16 | 7 | cfg1)
    desk.write("SPI4.CFG2", SSM | flags)
    desk.write("SPI4.CR2", size)
    desk.write("SPI4.CR1", SPE)


def test_master_and_slave_exchange_frames_over_wires(spi: Desk) -> None:
    wire(spi)
    open_slave(spi, size=3)
    send(spi, *b"abc", spi="SPI4")
    open_master(spi, size=3)
    start(spi)
    send(spi, *b"xyz")
    spi.run(3 * BYTE_US)
    assert bytes(receive(spi, 3)) == b"abc"
    assert bytes(receive(spi, 3, "SPI4")) == b"xyz"
    assert status(spi, "SPI4") & (EOT | UDR) == EOT


def test_a_slave_whose_data_wires_are_missing_hears_silence(spi: Desk) -> None:
    spi.mcu.pins.connect("PA5", "PE12")
    open_slave(spi)
    send(spi, 0x55, spi="SPI4")
    open_master(spi, size=1)
    start(spi)
    send(spi, 0xAA)
    spi.run(BYTE_US)
    assert receive(spi, 1) == [0]
    assert receive(spi, 1, "SPI4") == [0]


def test_a_slave_of_longer_frames_collects_two_of_the_master(spi: Desk) -> None:
    wire(spi)
    open_slave(spi, cfg1=15)
    send(spi, 0xBEEF, spi="SPI4", size=2)
    open_master(spi, size=2)
    start(spi)
    send(spi, 0x12, 0x34)
    spi.run(2 * BYTE_US)
    assert receive(spi, 1, "SPI4", size=2) == [0x1234]
    assert receive(spi, 2) == [0xBE, 0xEF]


def test_a_slave_without_data_reports_an_underrun_and_sends_its_pattern(spi: Desk) -> None:
    wire(spi)
    spi.write("SPI4.UDRDR", 0xC7)
    open_slave(spi)
    open_master(spi, size=1)
    start(spi)
    send(spi, 0)
    spi.run(BYTE_US)
    assert receive(spi, 1) == [0xC7]
    assert status(spi, "SPI4") & UDR


@pytest.mark.parametrize(("size", "flag"), [(1, 0), (2, UDR), (0, UDR)])
def test_an_underrun_at_the_end_of_a_frame_unless_it_was_the_last(spi: Desk, size: int, flag: int) -> None:
    wire(spi)
    open_slave(spi, size=size, cfg1=7 | 1 << 11)
    send(spi, 0x12, spi="SPI4")
    assert not status(spi, "SPI4") & UDR
    open_master(spi, size=1)
    start(spi)
    send(spi, 0)
    spi.run(BYTE_US)
    assert receive(spi, 1) == [0x12]
    assert status(spi, "SPI4") & UDR == flag


def test_clock_phases_that_differ_shift_the_data_by_a_bit(spi: Desk) -> None:
    wire(spi)
    open_slave(spi, flags=CPHA)
    open_master(spi, size=1)
    start(spi)
    send(spi, 0x86)
    spi.run(BYTE_US)
    assert receive(spi, 1, "SPI4") == [0x43]


def test_modes_0_and_3_sample_the_same_edges(spi: Desk) -> None:
    wire(spi)
    open_slave(spi, flags=CPOL | CPHA)
    open_master(spi, size=1)
    start(spi)
    send(spi, 0x86)
    spi.run(BYTE_US)
    assert receive(spi, 1, "SPI4") == [0x86]


def test_a_slave_with_nss_listens_from_its_falling_edge_on(spi: Desk) -> None:
    wire(spi)
    switch(spi, "PE11", "SPI4_NSS")
    spi.mcu.pins.drive("PE11", False)
    spi.write("SPI4.CFG1", 7 << 16 | 7)
    spi.write("SPI4.CFG2", RECEIVER)
    spi.write("SPI4.CR1", SPE)
    open_master(spi)
    start(spi)
    send(spi, 1)
    spi.run(BYTE_US)
    spi.mcu.pins.drive("PE11", True)
    send(spi, 2)
    spi.run(BYTE_US)
    spi.mcu.pins.drive("PE11", False)
    send(spi, 3)
    spi.run(BYTE_US)
    assert receive(spi, 2, "SPI4") == [3, 0]


def test_half_duplex_uses_one_wire_both_ways(spi: Desk) -> None:
    echo = Echo()
    spi.mcu.peripherals["SPI1"].attach(echo)
    spi.write("SPI1.CR1", SSI)
    spi.write("SPI1.CFG2", MASTER | SSM | HALF_DUPLEX)
    spi.write("SPI1.CR2", 1)
    spi.write("SPI1.CR1", SSI | SPE | 1 << 11)
    spi.write("SPI1.CR1", SSI | SPE | 1 << 11 | CSTART)
    send(spi, 0x21)
    spi.run(BYTE_US)
    assert echo.heard == [0x21]
    assert not status(spi) & (RXP | RXWNE | 3 << 13)
    spi.write("SPI1.IFCR", EOT | TXTF)
    spi.write("SPI1.CR1", SSI)
    spi.write("SPI1.CR1", SSI | SPE)
    spi.write("SPI1.CR1", SSI | SPE | CSTART)
    spi.run(BYTE_US)
    assert receive(spi, 1) == [0xFF]


# -- interrupt ----------------------------------------------------------------------------------


def test_the_interrupt_goes_to_both_cores_and_txtf_ends_that_of_txp(spi: Desk) -> None:
    open_master(spi, size=2)
    spi.write("SPI1.IER", TXP | EOT)
    assert pending(spi, "SPI1")
    assert pending(spi, "SPI1", "cm4")
    start(spi)
    send(spi, 1, 2)
    assert spi.read("SPI1.IER") == EOT
    pending(spi, "SPI1")
    assert not pending(spi, "SPI1")
    spi.run(2 * BYTE_US)
    assert pending(spi, "SPI1")
    spi.write("SPI1.IFCR", EOT)
    pending(spi, "SPI1")
    assert not pending(spi, "SPI1")


def test_i2s_ti_mode_and_crc_are_counted(spi: Desk) -> None:
    before = sum(spi.mcu.unmodelled.values())
    spi.write("SPI1.CFG2", MASTER | SSM | 1 << 19)
    spi.write("SPI1.CFG1", 1 << 22 | 7 << 16 | 7)
    spi.write("SPI1.I2SCFGR", 1)
    assert sum(spi.mcu.unmodelled.values()) == before + 3


def test_without_bus_clock_it_reads_zero(desk: Desk) -> None:
    assert desk.mcu.read(desk.address("SPI1.SR"), 4, Master.CM7) == 0


def test_a_pin_that_is_an_output_on_the_miso_wire_is_read(spi: Desk) -> None:
    configure(spi, "PD0", OUTPUT)
    spi.write("GPIOD.BSRR", 1)
    spi.mcu.pins.connect("PD0", "PA6")
    open_master(spi, size=1)
    start(spi)
    send(spi, 0)
    spi.run(BYTE_US)
    assert receive(spi, 1) == [0xFF]

"""Interfaces with nothing at their other end: ETH, USB, SDMMC, QUADSPI, FMC, and what is not modelled at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from wiring import enable, pending, read_bytes, switch, write_bytes

from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.peripherals.ethernet_phy import Lan8742

if TYPE_CHECKING:
    from conftest import Desk

# -- Ethernet -----------------------------------------------------------------------------------

SWR, MB, WRITE, READ = 1 << 0, 1 << 0, 1 << 2, 3 << 2


@pytest.fixture
def ethernet(desk: Desk) -> Desk:
    """ETH with all clocks, REF_CLK on PA1 and RMII selected; a PHY at address 0."""
    enable(desk, "AHB1ENR.ETH1MACEN", "AHB1ENR.ETH1TXEN", "AHB1ENR.ETH1RXEN", "APB4ENR.SYSCFGEN")
    desk.set("SYSCFG.PMCR", EPIS_SEL=4)
    switch(desk, "PA1", "ETH_REF_CLK")
    desk.mcu.peripherals["ETH"].attach(Lan8742(), 0)
    return desk


def manage(desk: Desk, phy: int, register: int, operation: int) -> int:
    desk.write("ETH.MACMDIOAR", phy << 21 | register << 16 | 4 << 8 | operation | MB)
    desk.run(200)
    assert not desk.read("ETH.MACMDIOAR") & MB
    return desk.read("ETH.MACMDIODR") & 0xFFFF


def test_the_software_reset_ends_and_resets_the_registers(ethernet: Desk) -> None:
    ethernet.write("ETH.MACCR", 3)
    ethernet.write("ETH.DMAMR", SWR)
    assert ethernet.read("ETH.DMAMR") == 0
    assert ethernet.read("ETH.MACCR") == 0


def test_without_the_reference_clock_the_software_reset_hangs(ethernet: Desk) -> None:
    ethernet.write("GPIOA.MODER", ethernet.read("GPIOA.MODER") | 3 << 2)
    ethernet.write("ETH.DMAMR", SWR)
    ethernet.run(1000)
    assert ethernet.read("ETH.DMAMR") == SWR
    switch(ethernet, "PA1", "ETH_REF_CLK")
    assert ethernet.read("ETH.DMAMR") == 0


@pytest.mark.parametrize("bit", ["ETH1TXEN", "ETH1RXEN"])
def test_without_a_bus_clock_the_software_reset_hangs(ethernet: Desk, bit: str) -> None:
    ethernet.set("RCC_C1.AHB1ENR", **{bit: 0})
    ethernet.write("ETH.DMAMR", SWR)
    assert ethernet.read("ETH.DMAMR") == SWR


def test_the_management_interface_takes_its_time(ethernet: Desk) -> None:
    ethernet.write("ETH.MACMDIOAR", 2 << 16 | 2 << 8 | READ | MB)
    microseconds = 64 * 16 / 64
    ethernet.run(microseconds - 0.1)
    assert ethernet.read("ETH.MACMDIOAR") & MB
    ethernet.run(0.2)
    assert not ethernet.read("ETH.MACMDIOAR") & MB
    assert ethernet.read("ETH.MACMDIODR") == 0x0007


def test_the_phy_has_no_link(ethernet: Desk) -> None:
    assert manage(ethernet, 0, 18, READ) & 0x1F == 0
    assert not manage(ethernet, 0, 1, READ) & (1 << 2 | 1 << 5)
    ethernet.write("ETH.MACMDIODR", 0x8000)
    manage(ethernet, 0, 0, WRITE)
    assert manage(ethernet, 0, 0, READ) == 0x3000
    ethernet.write("ETH.MACMDIODR", 0x2100)
    manage(ethernet, 0, 0, WRITE)
    assert manage(ethernet, 0, 0, READ) == 0x2100


def test_an_absent_phy_reads_as_ones(ethernet: Desk) -> None:
    assert manage(ethernet, 5, 1, READ) == 0xFFFF


def test_flushing_and_time_stamp_commands_are_over_at_once(ethernet: Desk) -> None:
    ethernet.write("ETH.MTLTxQOMR", 1 << 0 | 1 << 1)
    assert ethernet.read("ETH.MTLTxQOMR") == 1 << 1
    ethernet.write("ETH.MACTSCR", 1 << 0 | 1 << 2 | 1 << 5)
    assert ethernet.read("ETH.MACTSCR") == 1


# -- USB ----------------------------------------------------------------------------------------

CSRST, RXFFLSH, TXFFLSH, AHBIDL = 1 << 0, 1 << 4, 1 << 5, 1 << 31
FHMOD, FDMOD = 1 << 29, 1 << 30
USBSUSP = 1 << 11


@pytest.fixture(params=["USB1_OTG_HS", "USB2_OTG_FS"])
def usb(desk: Desk, request: pytest.FixtureRequest) -> tuple[Desk, str]:
    enable(desk, "AHB1ENR.USB1OTGHSEN", "AHB1ENR.USB2OTGFSEN")
    return desk, request.param


def test_usb_resets_and_flushes_are_over_at_once(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    assert desk.read(f"{name}.GRSTCTL") & AHBIDL
    for command in (CSRST, RXFFLSH, TXFFLSH | 0x10 << 6):
        desk.write(f"{name}.GRSTCTL", command)
        assert desk.read(f"{name}.GRSTCTL") & ~(0x1F << 6) == AHBIDL


def test_usb_says_which_core_it_is(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    assert desk.read(f"{name}.CID") == 0x2300
    assert desk.read(f"{name}.GSNPSID") == 0x4F54_330A


def test_a_forced_mode_comes_after_25_ms(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    desk.write(f"{name}.GUSBCFG", FHMOD)
    assert not desk.read(f"{name}.GINTSTS") & 1
    desk.run(25_000)
    assert desk.read(f"{name}.GINTSTS") & 1
    desk.write(f"{name}.GUSBCFG", FDMOD)
    desk.run(25_000)
    assert not desk.read(f"{name}.GINTSTS") & 1


def test_a_device_that_feels_no_vbus_hears_nothing(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    desk.write(f"{name}.DCTL", 0)
    desk.run(10_000)
    assert not desk.read(f"{name}.GINTSTS") & USBSUSP
    assert not desk.read(f"{name}.GOTGCTL") & 1 << 19


def test_a_device_that_pretends_vbus_is_suspended(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    desk.write(f"{name}.GINTMSK", USBSUSP)
    desk.write(f"{name}.GAHBCFG", 1)
    desk.write(f"{name}.GOTGCTL", 3 << 6)
    desk.write(f"{name}.DCTL", 0)
    desk.run(2_999)
    assert not desk.read(f"{name}.GINTSTS") & USBSUSP
    desk.run(2)
    assert desk.read(f"{name}.GINTSTS") & USBSUSP
    assert desk.read(f"{name}.DSTS") & 1
    assert pending(desk, name[5:])
    desk.write(f"{name}.GINTSTS", 0xBFFF_FFFF)
    assert not desk.read(f"{name}.GINTSTS") & USBSUSP


def test_endpoints_and_channels_stop_when_they_are_told(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    desk.write(f"{name}.DIEPCTL1", 1 << 31 | 1 << 15)
    assert desk.read(f"{name}.DIEPCTL1") == 1 << 31 | 1 << 15
    desk.write(f"{name}.DIEPCTL1", 1 << 30 | 1 << 27)
    assert desk.read(f"{name}.DIEPCTL1") == 1 << 17
    assert desk.read(f"{name}.DIEPINT1") == 2
    desk.write(f"{name}.DIEPINT1", 0xFB7F)
    assert desk.read(f"{name}.DIEPINT1") == 0
    desk.write(f"{name}.HCCHAR3", 3 << 30)
    assert not desk.read(f"{name}.HCCHAR3") >> 30
    assert desk.read(f"{name}.HCINT3") == 2


def test_the_port_of_a_host_is_powered_and_empty(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    desk.write(f"{name}.HPRT", 1 << 12)
    assert desk.read(f"{name}.HPRT") == 1 << 12


def test_the_fifos_of_usb_are_within_its_addresses(usb: tuple[Desk, str]) -> None:
    desk, name = usb
    base = desk.address(f"{name}.GOTGCTL")
    desk.mcu.write(base + 0x1000, 4, 1, Master.CM7)
    assert desk.mcu.read(base + 0x3_FFFC, 4, Master.CM7) == 0


# -- SDMMC --------------------------------------------------------------------------------------

CTIMEOUT, DTIMEOUT, CMDSENT, CPSMACT = 1 << 2, 1 << 3, 1 << 7, 1 << 13
CPSMEN, SHORT_RESPONSE = 1 << 12, 1 << 8


@pytest.fixture
def card(desk: Desk) -> Desk:
    """SDMMC1 at 64 MHz of PLL1Q by 160, 400 kHz; no card."""
    enable(desk, "AHB3ENR.SDMMC1EN")
    desk.write("RCC.PLLCKSELR", 32 << 4)
    desk.write("RCC.PLL1DIVR", 127 | 1 << 9 | 3 << 16 | 1 << 24)
    desk.set("RCC.CR", PLL1ON=1)
    desk.run(200)
    desk.write("SDMMC1.CLKCR", 80)
    desk.write("SDMMC1.POWER", 3)
    return desk


def test_a_command_without_response_is_sent(card: Desk) -> None:
    card.write("SDMMC1.CMD", CPSMEN)
    assert card.read("SDMMC1.STA") & CPSMACT
    card.run(48 / 0.4 - 1)
    assert not card.read("SDMMC1.STA") & CMDSENT
    card.run(2)
    assert card.read("SDMMC1.STA") & (CMDSENT | CPSMACT) == CMDSENT


def test_a_command_with_response_times_out(card: Desk) -> None:
    card.write("SDMMC1.MASK", CTIMEOUT)
    card.write("SDMMC1.CMD", CPSMEN | SHORT_RESPONSE | 8)
    card.run((48 + 64) / 0.4 - 1)
    assert not card.read("SDMMC1.STA") & CTIMEOUT
    card.run(2)
    assert card.read("SDMMC1.STA") & (CTIMEOUT | CPSMACT) == CTIMEOUT
    assert pending(card, "SDMMC1")
    card.write("SDMMC1.ICR", CTIMEOUT)
    assert not card.read("SDMMC1.STA") & CTIMEOUT


def test_data_times_out(card: Desk) -> None:
    card.write("SDMMC1.DTIMER", 400)
    card.write("SDMMC1.DLEN", 512)
    card.write("SDMMC1.DCTRL", 1)
    assert card.read("SDMMC1.DCOUNT") == 512
    card.run(1001)
    assert card.read("SDMMC1.STA") & DTIMEOUT


def test_without_power_no_command_goes_out(card: Desk) -> None:
    card.write("SDMMC1.POWER", 0)
    card.write("SDMMC1.CMD", CPSMEN)
    card.run(10_000)
    assert not card.read("SDMMC1.STA") & (CMDSENT | CTIMEOUT)


# -- QUADSPI ------------------------------------------------------------------------------------

EN, TCF, FTF, BUSY = 1 << 0, 1 << 1, 1 << 2, 1 << 5


@pytest.fixture
def quad(desk: Desk) -> Desk:
    """QUADSPI at 64 MHz by 8; single-line, IO1 of bank 1 on PF9 pulled up."""
    enable(desk, "AHB3ENR.QSPIEN")
    switch(desk, "PF9", "QUADSPI_BK1_IO1", pull=1)
    desk.write("QUADSPI.CR", EN | 7 << 24)
    return desk


def test_a_command_alone_takes_eight_clocks(quad: Desk) -> None:
    quad.write("QUADSPI.CCR", 0x06 | 1 << 8)
    assert quad.read("QUADSPI.SR") & (BUSY | TCF) == BUSY
    quad.run(0.9)
    assert quad.read("QUADSPI.SR") & BUSY
    quad.run(0.2)
    assert quad.read("QUADSPI.SR") & (BUSY | TCF) == TCF
    quad.write("QUADSPI.FCR", TCF)
    assert not quad.read("QUADSPI.SR")


def test_reading_an_absent_memory_gives_the_level_of_the_line(quad: Desk) -> None:
    quad.write("QUADSPI.DLR", 2)
    quad.write("QUADSPI.CCR", 0x9F | 1 << 8 | 1 << 24 | 1 << 26)
    quad.run(10)
    assert quad.read("QUADSPI.SR") & (FTF | TCF) == FTF | TCF
    assert [read_bytes(quad, "QUADSPI.DR", 1) for _ in range(3)] == [0xFF] * 3
    assert not quad.read("QUADSPI.SR") & FTF


def test_a_long_read_stops_at_a_full_fifo(quad: Desk) -> None:
    quad.write("QUADSPI.DLR", 99)
    quad.write("QUADSPI.CCR", 0x03 | 1 << 8 | 1 << 10 | 2 << 12 | 1 << 24 | 1 << 26)
    assert not quad.read("QUADSPI.SR") & BUSY
    quad.write("QUADSPI.AR", 0x1000)
    quad.run(1000)
    assert quad.read("QUADSPI.SR") & (BUSY | TCF) == BUSY
    assert quad.read("QUADSPI.SR") >> 8 == 32
    for _ in range(100):
        read_bytes(quad, "QUADSPI.DR", 1)
        quad.run(2)
    assert quad.read("QUADSPI.SR") & (BUSY | TCF) == TCF


def test_writing_waits_for_data(quad: Desk) -> None:
    quad.write("QUADSPI.DLR", 3)
    quad.write("QUADSPI.CCR", 0x02 | 1 << 8 | 1 << 10 | 2 << 12 | 1 << 24)
    quad.write("QUADSPI.AR", 0)
    assert not quad.read("QUADSPI.SR") & BUSY
    for byte in b"data":
        write_bytes(quad, "QUADSPI.DR", byte, 1)
    assert quad.read("QUADSPI.SR") & BUSY
    quad.run(8 + 4 + 0.1)
    assert not quad.read("QUADSPI.SR") & TCF or quad.read("QUADSPI.SR") & BUSY == 0
    quad.run(10)
    assert quad.read("QUADSPI.SR") & (BUSY | TCF) == TCF


def test_polling_never_finds_a_match_and_can_be_aborted(quad: Desk) -> None:
    quad.write("QUADSPI.CCR", 0x05 | 1 << 8 | 1 << 24 | 2 << 26)
    quad.run(1000)
    assert quad.read("QUADSPI.SR") & (BUSY | TCF) == BUSY
    quad.write("QUADSPI.CR", EN | 7 << 24 | 2)
    assert quad.read("QUADSPI.SR") & (BUSY | TCF) == TCF
    assert not quad.read("QUADSPI.CR") & 2


def test_the_region_of_an_absent_memory_faults(quad: Desk) -> None:
    with pytest.raises(BusFault):
        quad.mcu.read(0x9000_0000, 4, Master.CM7)


# -- FMC and the others -------------------------------------------------------------------------


def test_sdram_commands_are_over_at_once(desk: Desk) -> None:
    enable(desk, "AHB3ENR.FMCEN")
    for command in (1, 2, 3 | 7 << 5, 4):
        desk.write("FMC.SDCMR", command | 1 << 4)
        assert desk.read("FMC.SDSR") == 0
    desk.write("FMC.SDCMR", 5 | 1 << 3)
    assert desk.read("FMC.SDSR") == 1 << 3


@pytest.mark.parametrize(
    ("clock", "register", "value", "answer"),
    [
        ("AHB2ENR.HASHEN", "HASH.CR", 1 << 2 | 1 << 7, 1 << 7),
        ("AHB2ENR.CRYPEN", "CRYP.CR", 1 << 14 | 1 << 3, 1 << 3),
        ("AHB3ENR.JPGDECEN", "JPEG.CR", 3 << 13 | 1, 1),
        ("APB2ENR.SAI1EN", "SAI1.ACR2", 1 << 3 | 1, 1),
        ("APB2ENR.DFSDM1EN", "DFSDM1.DFSDM_FLT0CR1", 1 << 17 | 1, 1),
        ("APB3ENR.LTDCEN", "LTDC.SRCR", 1, 0),
        ("APB1HENR.CRSEN", "CRS.CR", 1 << 7 | 1 << 5, 1 << 5),
    ],
)
def test_commands_of_what_is_not_modelled_are_over_at_once_and_counted(
    desk: Desk, clock: str, register: str, value: int, answer: int
) -> None:
    enable(desk, clock)
    desk.write(register, value)
    assert desk.read(register) == answer
    name, field = register.split(".")
    counted = {key[3]: count for key, count in desk.mcu.unmodelled.items() if key[:2] == (name, field)}
    assert counted == {"write": 1, "read": 1}


def test_ready_bits_follow_what_switches_them_on(desk: Desk) -> None:
    enable(desk, "APB1HENR.SWPMIEN", "AHB3ENR.SDMMC1EN")
    assert not desk.read("SWPMI1.ISR") & 1 << 11
    desk.write("SWPMI1.CR", 1 << 11)
    assert desk.read("SWPMI1.ISR") & 1 << 11
    desk.write("DLYB_SDMMC1.CR", 3)
    assert desk.read("DLYB_SDMMC1.CFGR") & 1 << 31


def test_caches_and_bus_settings_are_only_stored_and_that_is_all_there_is(desk: Desk) -> None:
    enable(desk, "AHB1ENR.ARTEN")
    before = sum(desk.mcu.unmodelled.values())
    desk.write("ART.CTR", 0x105)
    assert desk.read("ART.CTR") == 0x105
    desk.write("GPV.TARG1_FN_MOD", 1)
    desk.write("RAMECC1.M1CR", 1 << 2)
    assert sum(desk.mcu.unmodelled.values()) == before

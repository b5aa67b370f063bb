"""Flash words whose ECC does not fit, and banks that are busy (RM0399 4.3.8 to 4.3.12, 4.7.6, 4.7.7)."""

from __future__ import annotations

import pytest
from flash_driver import BANKS, ERASE_US, ERASED, PROGRAM_US, SECTOR_SIZE, FlashDriver

from pytest_h7.twin.access_port import AccessPortBusy, create_access_ports
from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.core_modes import CpuMode

FIRST, SECOND = bytes(range(32)), bytes(range(1, 33))
DATA = BANKS[1] + 3 * SECTOR_SIZE
DBECCERR, WORDS_BEFORE = 1 << 26, 3 * SECTOR_SIZE // 32


@pytest.fixture
def flash(desk) -> FlashDriver:
    return FlashDriver(desk)


@pytest.fixture
def broken(desk, flash: FlashDriver) -> FlashDriver:
    """The word at DATA has been programmed twice."""
    for content in (FIRST, SECOND):
        flash.program(DATA, content)
        desk.run(PROGRAM_US)
    return flash


# -- words programmed twice ------------------------------------------------------------------------------


def test_programming_twice_breaks_the_word(desk, broken: FlashDriver) -> None:
    assert broken.cells(DATA) == bytes(one & two for one, two in zip(FIRST, SECOND, strict=True))
    assert not desk.read("FLASH.SR2") & DBECCERR, "only a read notices"
    with pytest.raises(BusFault):
        broken.read(DATA + 8)
    assert desk.read("FLASH.SR2") & DBECCERR
    assert desk.read("FLASH.ECC_FA2") == WORDS_BEFORE
    assert not desk.read("FLASH.SR1") & DBECCERR
    for place in (DATA - 4, DATA + 32):
        assert broken.read(place) == 0xFFFF_FFFF


def test_same_content_again_does_no_harm(desk, flash: FlashDriver) -> None:
    for _ in range(2):
        flash.program(DATA, FIRST)
        desk.run(PROGRAM_US)
    assert flash.read(DATA) == int.from_bytes(FIRST[:4], "little")


def test_erase_repairs(desk, broken: FlashDriver) -> None:
    broken.erase(DATA + 64)
    desk.run(ERASE_US)
    assert broken.read(DATA) == 0xFFFF_FFFF
    broken.program(DATA, FIRST)
    desk.run(PROGRAM_US)
    assert broken.read(DATA) == int.from_bytes(FIRST[:4], "little")


def test_address_of_the_first_error_stays_until_the_flag_is_cleared(desk, broken: FlashDriver) -> None:
    for content in (FIRST, SECOND):
        broken.program(DATA + 320, content)
        desk.run(PROGRAM_US)
    for place in (DATA, DATA + 320):
        with pytest.raises(BusFault):
            broken.read(place)
    assert desk.read("FLASH.ECC_FA2") == WORDS_BEFORE
    desk.write("FLASH.CCR2", DBECCERR)
    assert not desk.read("FLASH.SR2") & DBECCERR
    with pytest.raises(BusFault):
        broken.read(DATA + 320)
    assert desk.read("FLASH.ECC_FA2") == WORDS_BEFORE + 10


@pytest.mark.parametrize("port", [0, 3])
def test_debugger_reads_around_a_broken_word(desk, broken: FlashDriver, port: int) -> None:
    access = create_access_ports(desk.mcu)[port]
    with pytest.raises(BusFault) as fault:
        access.read_block(DATA - 32, 4, 96)
    assert fault.value.address == DATA
    assert access.read_block(DATA + 32, 4, 64) == b"\xff" * 64


READER = """
void program(void)
{
    result[0] = read_faults(%#x);
    result[1] = FLASH_SR2 >> 26 & 1;
    result[2] = read_faults(%#x);
    result[3] = 1;
    for (;;) wfi();
}
"""


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_core_that_reads_a_broken_word_takes_a_bus_fault(run, core: str) -> None:
    source = READER % (DATA + 4, DATA + 32)
    desk = run(us=0, **{core: source})
    desk.mcu.flash.load_broken_words([[], [WORDS_BEFORE]])
    desk.run(200)
    assert [desk.result(core, index) for index in range(4)] == [1, 1, 0, 1]


def test_core_whose_first_instruction_is_broken_locks_up(run) -> None:
    """The reset vector cannot be read: a fault before there is a handler for it."""
    desk = run(us=0, cm7=READER % (DATA, DATA), cm4=READER % (DATA, DATA))
    desk.mcu.flash.load_broken_words([[0], []])
    desk.run(200)
    assert desk.mcu.cores["cm7"].read_debug(0xE000_EDF0) >> 19 & 1  # S_LOCKUP
    assert desk.result("cm4", 3) == 1


def test_core_that_runs_into_a_broken_word_takes_a_bus_fault(run) -> None:
    source = """
    void program(void)
    {
        SCS_SHCSR = 0; /* the fault escalates */
        ((void (*)(void))0x08120001)();
        result[0] = 1;
        for (;;) wfi();
    }
    void HardFault_Handler(void) { result[2] = SCS_CFSR; for (;;) wfi(); }
    """
    desk = run(us=0, cm7=source)
    desk.put(0x0812_0000, b"\x00\xbf" * 15 + b"\x70\x47" + b"\x70\x47")
    desk.mcu.flash.load_broken_words([[], [SECTOR_SIZE // 32 + 1]])
    desk.run(200)
    assert (desk.result("cm7"), desk.result("cm7", 2)) == (1, 0), "it returns before the broken word"
    desk.put(0x0812_0000, b"\x00\xbf" * 16 + b"\x70\x47")
    desk.mcu.system_reset()
    desk.run(200)
    assert desk.result("cm7", 2) & 0x100, "IBUSERR"


# -- operations cut short --------------------------------------------------------------------------------


def cut_power(desk) -> None:
    desk.mcu.power_off()
    desk.run(1_000)
    desk.mcu.power_on()
    desk.run(100)


@pytest.mark.parametrize("cut", [cut_power, lambda desk: desk.mcu.system_reset()], ids=["power", "reset"])
@pytest.mark.parametrize("us", [1, 50, 99])
def test_programming_that_is_cut_short_breaks_the_word(desk, flash: FlashDriver, cut, us: float) -> None:
    flash.program(DATA, FIRST + SECOND)
    desk.run(us)
    cut(desk)
    assert flash.cells(DATA) not in (FIRST, ERASED)
    with pytest.raises(BusFault):
        flash.read(DATA)
    assert flash.read(DATA + 32) == 0xFFFF_FFFF, "the second word was not begun"
    desk.run(1_000)
    with pytest.raises(BusFault):
        flash.read(DATA)


def test_erase_that_is_cut_short_leaves_broken_words(desk, flash: FlashDriver) -> None:
    desk.put(DATA, (FIRST + SECOND) * 4)
    flash.erase(DATA)
    desk.run(ERASE_US / 2)
    cut_power(desk)
    states = []
    for place in range(DATA, DATA + 512, 32):
        try:
            states.append(flash.read(place))
        except BusFault:
            states.append(None)
    assert states == [0xFFFF_FFFF, None] * 4 + [0xFFFF_FFFF] * 8
    assert desk.read("FLASH.SR2") & 1 == 0
    again = FlashDriver(desk)
    again.erase(DATA)
    desk.run(ERASE_US)
    assert [again.read(place) for place in range(DATA, DATA + 256, 32)] == [0xFFFF_FFFF] * 8


def test_broken_words_outlive_the_power(desk, broken: FlashDriver) -> None:
    cut_power(desk)
    with pytest.raises(BusFault):
        broken.read(DATA)


def test_option_bytes_change_all_or_not_at_all(desk, flash: FlashDriver) -> None:
    for us, then in ((299_999, 1), (300_001, 0)):
        FlashDriver(desk).change_options(BCM4=0)
        desk.run(us)
        cut_power(desk)
        assert desk.field("FLASH.OPTSR_CUR.BCM4") == then
    assert desk.mcu.mode("cm4") is CpuMode.HELD


# -- busy banks --------------------------------------------------------------------------------------------

COUNTER = """
void program(void)
{
    for (;;) result[0] = result[0] + 1;
}
"""
COUNTER_IN_RAM = """
void program(void)
{
    static const uint16_t loop[] = {0x6803, 0x3301, 0x6003, 0xE7FB}; /* count what r0 points to */
    volatile uint16_t *ram = (volatile uint16_t *)0x30000000;
    RCC_AHB2ENR |= 7u << 29;
    for (int i = 0; i < 4; ++i) ram[i] = loop[i];
    dsb(); isb();
    ((void (*)(volatile uint32_t *))0x30000001)(result);
}
"""


def progress(desk, core: str, us: float = 100) -> int:
    before = desk.result(core)
    desk.run(us)
    return desk.result(core) - before


@pytest.mark.parametrize(("bank", "stopped"), [(0, "cm7"), (1, "cm4")])
def test_core_stands_still_while_its_bank_is_busy(run, bank: int, stopped: str) -> None:
    desk = run(us=200, cm7=COUNTER, cm4=COUNTER)
    other = {"cm7": "cm4", "cm4": "cm7"}[stopped]
    FlashDriver(desk).erase(BANKS[bank] + 4 * SECTOR_SIZE)
    desk.run(10)
    assert progress(desk, stopped) == 0
    assert progress(desk, other) > 0
    desk.run(ERASE_US)
    assert progress(desk, stopped) > 0


def test_core_in_ram_runs_on(run) -> None:
    desk = run(us=500, cm7=COUNTER_IN_RAM, cm4=COUNTER)
    driver = FlashDriver(desk)
    for bank in BANKS:
        driver.erase(bank + 4 * SECTOR_SIZE)
    desk.run(10)
    assert (progress(desk, "cm7") > 0, progress(desk, "cm4") > 0) == (True, False)


def test_core_that_programs_its_own_bank_goes_on_when_it_is_done(run) -> None:
    """Its next instruction comes when the bank is idle: no need to wait for QW."""
    source = """
    void program(void)
    {
        FLASH_KEYR1 = 0x45670123; FLASH_KEYR1 = 0xCDEF89AB;
        FLASH_CR1 = 0x32;
        for (uint32_t i = 0; i < 8; ++i) REGISTER(0x08080000 + 4 * i) = i;
        dsb();
        result[1] = FLASH_SR1;
        result[2] = REGISTER(0x0808001C);
        result[0] = 1;
        for (;;) wfi();
    }
    """
    desk = run(us=90, cm7=source)
    assert desk.result("cm7") == 0
    desk.run(200)
    assert (desk.result("cm7"), desk.result("cm7", 1), desk.result("cm7", 2)) == (1, 1 << 16, 7)


def test_third_word_waits_for_a_place_in_the_queue(run) -> None:
    """One word is programmed, one waits; the bus stalls the core that brings a third (RM0399 4.3.9)."""
    source = """
    void program(void)
    {
        FLASH_KEYR2 = 0x45670123; FLASH_KEYR2 = 0xCDEF89AB;
        FLASH_CR2 = 0x32;
        for (uint32_t i = 0; i < 24; ++i) {
            REGISTER(0x08160000 + 4 * i) = i;
            dsb();
            if (i % 8 == 7) result[0] = result[0] + 1;
        }
        for (;;) wfi();
    }
    """
    desk = run(us=60, cm7=source)
    assert desk.result("cm7") == 2
    desk.run(100)
    assert desk.result("cm7") == 3
    desk.run(300)
    assert FlashDriver(desk).cells(0x0816_0000, 96) == b"".join(
        value.to_bytes(4, "little") for value in range(24)
    )


def test_access_port_waits_for_a_busy_bank(desk, flash: FlashDriver) -> None:
    port = create_access_ports(desk.mcu)[0]
    flash.program(DATA, FIRST)
    with pytest.raises(AccessPortBusy):
        port.load(DATA, 4)
    assert port.load(BANKS[0], 4) == 0xFFFF_FFFF
    desk.run(PROGRAM_US)
    assert port.load(DATA, 4) == int.from_bytes(FIRST[:4], "little")


# -- across banks, without keys ----------------------------------------------------------------------------


def test_one_bank_is_programmed_from_the_other(run) -> None:
    source = """
    void program(void)
    {
        FLASH_KEYR2 = 0x45670123; FLASH_KEYR2 = 0xCDEF89AB;
        FLASH_CR2 = 0x32;
        for (uint32_t i = 0; i < 8; ++i) REGISTER(0x08160000 + 4 * i) = ~i;
        while (FLASH_SR2 & 4) result[1] = result[1] + 1;
        result[0] = 1;
        for (;;) wfi();
    }
    """
    desk = run(cm7=source)
    assert desk.result("cm7") == 1
    assert desk.result("cm7", 1) > 10, "the core ran meanwhile"
    assert FlashDriver(desk).cells(0x0816_0000, 4) == b"\xff\xff\xff\xff"
    assert FlashDriver(desk).cells(0x0816_0004, 4) == b"\xfe\xff\xff\xff"


def test_locked_bank_takes_no_write(desk) -> None:
    desk.mcu.write(DATA, 4, 0, Master.CM7)
    assert desk.read("FLASH.SR2") & 1 << 18, "PGSERR"
    desk.run(1_000)
    assert desk.mcu.read(DATA, 4, Master.CM7) == 0xFFFF_FFFF

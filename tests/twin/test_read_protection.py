"""RDP level 1: who is locked out, and the way back to level 0 (RM0399 4.5.3, tables 22 to 24)."""

from __future__ import annotations

import pytest
from flash_driver import BANK_ERASE_US, BANKS, OPTIONS_US, PROGRAM_US, SECTOR_SIZE, FlashDriver

from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.debug_port import CDBGPWRUPREQ, CTRL_STAT, DebugPort

LEVEL_0, LEVEL_1 = 0xAA, 0x55
RDPERR, WRPERR, OPTCHANGEERR = 1 << 23, 1 << 17, 1 << 30
SECRET = 0x5EC2_E700
KEEP_COUNTING = """
void program(void)
{
    result[1] = REGISTER(0x08080000);
    for (;;) result[0] = result[0] + 1;
}
"""
BACKUP = 0x3880_0000


def connect(desk) -> DebugPort:
    port = DebugPort(desk.mcu)
    port.switch_to_swd()
    port.write(CTRL_STAT, CDBGPWRUPREQ)
    return port


def set_level(desk, level: int, us: float = OPTIONS_US + 1, master: Master = Master.CM7) -> None:
    FlashDriver(desk, master).change_options(RDP=level)
    desk.run(us)


@pytest.fixture
def protected(run):
    """A running chip at level 1, with a secret in flash and one in the backup SRAM."""
    desk = run(cm7=KEEP_COUNTING)
    desk.put(0x0808_0000, SECRET.to_bytes(4, "little"))
    desk.write("RCC_C1.AHB4ENR", desk.read("RCC_C1.AHB4ENR") | 1 << 28)
    desk.set("PWR.CR1", DBP=1)
    desk.mcu.write(BACKUP, 4, SECRET, Master.CM7)
    desk.write("RTC.BKP5R", SECRET)
    set_level(desk, LEVEL_1)
    return desk


def reads(desk, master: Master = Master.AP0) -> list[int | None]:
    """Return what flash and backup SRAM show; None is a bus error."""
    values: list[int | None] = []
    for address in (0x0808_0000, BACKUP):
        try:
            values.append(desk.mcu.read(address, 4, master))
        except BusFault:
            values.append(None)
    return values


def counts(desk) -> bool:
    before = desk.result("cm7")
    desk.run(100)
    return desk.result("cm7") > before


def cut_power(desk) -> None:
    desk.mcu.power_off()
    desk.mcu.power_on()
    desk.run(1_000)


def test_without_a_debugger_nothing_is_locked(protected) -> None:
    assert protected.field("FLASH.OPTSR_CUR.RDP") == LEVEL_1
    assert reads(protected, Master.CM7) == [SECRET, SECRET]
    protected.mcu.system_reset()
    protected.run(1_000)
    assert protected.result("cm7", 1) == SECRET
    assert counts(protected)


def test_any_value_but_the_two_is_level_1(protected) -> None:
    set_level(protected, 0x12)
    connect(protected)
    assert reads(protected)[0] is None


def test_debugger_that_connects_locks_flash_and_backup_sram(protected) -> None:
    connect(protected)
    assert reads(protected) == [None, 0]
    assert protected.read("FLASH.SR1") & RDPERR
    assert protected.mcu.read(0x2000_0000, 4, Master.AP0) == 0, "RAM stays open"


def test_debugger_that_was_there_before_counts(run) -> None:
    desk = run(cm7=KEEP_COUNTING)
    connect(desk)
    set_level(desk, LEVEL_1)
    assert reads(desk)[0] is None


def test_locked_flash_stops_the_program(protected) -> None:
    """Instruction fetches are reads, too: the core ends in a fault, and locks up as its vectors are locked."""
    connect(protected)
    protected.run(100)
    assert not counts(protected)
    assert protected.mcu.cores["cm7"].lockup


def test_reset_does_not_unlock_and_a_power_cycle_does(protected) -> None:
    port = connect(protected)
    protected.mcu.system_reset()
    protected.run(1_000)
    assert reads(protected)[0] is None
    port.power_on_reset()
    cut_power(protected)
    assert reads(protected, Master.CM7)[0] == SECRET
    assert counts(protected)


def test_locked_flash_takes_no_program_and_no_erase(protected) -> None:
    connect(protected)
    driver = FlashDriver(protected)
    driver.program(BANKS[1], bytes(32))
    protected.run(PROGRAM_US)
    assert protected.read("FLASH.SR2") & WRPERR
    driver.erase(BANKS[0] + 4 * SECTOR_SIZE)
    assert protected.read("FLASH.SR1") & WRPERR
    assert driver.cells(0x0808_0000, 4) == SECRET.to_bytes(4, "little")


@pytest.mark.parametrize("boot", [0x2400, 0x1FF0], ids=["SRAM", "system memory"])
def test_start_elsewhere_than_in_flash_locks(protected, boot: int) -> None:
    FlashDriver(protected, Master.CM7).change_options(BOOT_CM7_ADD0=boot)
    protected.run(OPTIONS_US)
    protected.mcu.system_reset()
    protected.run(100)
    assert reads(protected, Master.CM7) == [None, 0]


@pytest.mark.parametrize("intruded", [False, True])
def test_way_back_to_level_0_erases_everything(protected, intruded: bool) -> None:
    if intruded:
        connect(protected)
    FlashDriver(protected).change_options(RDP=LEVEL_0)
    protected.run(BANK_ERASE_US)
    assert protected.read("FLASH.OPTSR_CUR") & 1, "OPT_BUSY"
    protected.run(OPTIONS_US + 1)
    assert protected.field("FLASH.OPTSR_CUR.RDP") == LEVEL_0
    assert not protected.read("FLASH.OPTSR_CUR") & 1
    for bank in BANKS:
        assert set(FlashDriver(protected).cells(bank, 8 * SECTOR_SIZE)) == {0xFF}
    assert reads(protected) == [0xFFFF_FFFF, 0]
    assert protected.read("RTC.BKP5R") == 0


def test_write_protection_does_not_stop_the_regression(protected) -> None:
    FlashDriver(protected).change_options(WRPSn1=0)
    protected.run(OPTIONS_US)
    set_level(protected, LEVEL_0, BANK_ERASE_US + OPTIONS_US + 1)
    assert reads(protected)[0] == 0xFFFF_FFFF
    assert protected.read("FLASH.WPSN_CUR1") == 0


def test_regression_that_is_cut_short_leaves_level_1(protected) -> None:
    FlashDriver(protected).change_options(RDP=LEVEL_0)
    protected.run(BANK_ERASE_US / 2)
    cut_power(protected)
    assert protected.field("FLASH.OPTSR_CUR.RDP") == LEVEL_1
    set_level(protected, LEVEL_0, BANK_ERASE_US + OPTIONS_US + 1)
    assert protected.field("FLASH.OPTSR_CUR.RDP") == LEVEL_0
    assert reads(protected)[0] == 0xFFFF_FFFF


def test_protected_chip_cannot_be_read_by_way_of_a_snapshot_of_its_lock(protected) -> None:
    """The lock is state like any other: a restored board is locked as it was."""
    connect(protected)
    state = protected.mcu.save()
    cut_power(protected)
    assert reads(protected, Master.CM7)[0] == SECRET
    protected.mcu.restore(state)
    assert reads(protected)[0] is None


def test_level_2_is_refused(desk) -> None:
    """What it does to a chip is for ever; the virtual one does not do it."""
    FlashDriver(desk).change_options(RDP=0xCC)
    assert desk.read("FLASH.OPTSR_CUR") & OPTCHANGEERR
    desk.run(OPTIONS_US)
    assert desk.field("FLASH.OPTSR_CUR.RDP") == LEVEL_0

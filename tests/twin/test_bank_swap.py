"""Banks in each other's place (RM0399 4.3.13, tables 18 and 19)."""

from __future__ import annotations

import pytest
from flash_driver import BANKS, ERASE_US, OPTIONS_US, PROGRAM_US, SECTOR_SIZE, FlashDriver

from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.twin.bus import BusFault, Master

WHERE = """
void program(void)
{
    result[0] = result[0] + 1;
    result[1] = NUMBER;
}
"""
LOWER, UPPER = b"lower bank" * 4, b"upper bank" * 4


@pytest.fixture
def filled(desk):
    """Each bank has its own content; "lower" and "upper" say where it was before any swap."""
    for bank, content in zip(BANKS, (LOWER, UPPER), strict=True):
        desk.put(bank, content)
    return desk


def swap(desk, swapped: int = 1, *, reset: bool = True) -> None:
    FlashDriver(desk).change_options(SWAP_BANK_OPT=swapped)
    desk.run(OPTIONS_US + 1)
    if reset:
        desk.mcu.system_reset()
        desk.run(100)


def seen(desk, master: Master = Master.AP0) -> tuple[bytes, bytes]:
    """Return what a bus master reads at the start of both banks."""
    first, second = (
        b"".join(desk.mcu.read(bank + offset, 4, master).to_bytes(4, "little") for offset in range(0, 40, 4))
        for bank in BANKS
    )
    return first, second


@pytest.mark.parametrize("master", [Master.CM7, Master.CM4, Master.AP0, Master.AP3])
def test_swap_exchanges_the_addresses_for_everybody_from_the_next_reset_on(filled, master: Master) -> None:
    swap(filled, reset=False)
    assert seen(filled, master) == (LOWER, UPPER)
    assert filled.field("FLASH.OPTSR_CUR.SWAP_BANK_OPT") == 1
    assert filled.field("FLASH.OPTCR.SWAP_BANK") == 0
    filled.mcu.system_reset()
    filled.run(100)
    assert seen(filled, master) == (UPPER, LOWER)
    assert filled.field("FLASH.OPTCR.SWAP_BANK") == 1
    filled.mcu.system_reset()
    filled.run(100)
    assert seen(filled, master) == (UPPER, LOWER), "no reset swaps twice"
    swap(filled, 0)
    assert seen(filled, master) == (LOWER, UPPER)
    assert filled.field("FLASH.OPTCR.SWAP_BANK") == 0


def test_syscfg_shows_the_swap(desk) -> None:
    for swapped in (1, 0):
        swap(desk, swapped)
        desk.set("RCC_C1.APB4ENR", SYSCFGEN=1)
        assert desk.field("SYSCFG.UR0.BKS") == 1 - swapped


def test_swap_outlives_the_power(filled) -> None:
    swap(filled, reset=False)
    for _ in range(2):
        filled.mcu.power_off()
        filled.mcu.power_on()
        filled.run(100)
        assert seen(filled) == (UPPER, LOWER)


def test_both_cores_start_from_the_bank_that_is_at_their_address(run, build_program) -> None:
    desk = run(cm7=WHERE.replace("NUMBER", "7"), cm4=WHERE.replace("NUMBER", "4"))
    # The same programs, with other numbers, where the swap puts them in place.
    for core, bank, number in (("cm7", 1, 70), ("cm4", 0, 40)):
        program = build_program(core, WHERE.replace("NUMBER", str(number)))
        start = BANKS[1 - bank]
        for segment in program.image.segments:
            desk.put(segment.address - start + BANKS[bank] + 4 * SECTOR_SIZE, segment.data)
    for bank in (0, 1):
        memory = desk.mcu.memory(f"flash bank {bank + 1}")
        memory[:0x8000] = bytes(memory[4 * SECTOR_SIZE : 4 * SECTOR_SIZE + 0x8000])
        desk.mcu.code_changed(BANKS[bank], 0x8000)
    swap(desk)
    desk.run(1_000)
    assert (desk.result("cm7", 1), desk.result("cm4", 1)) == (70, 40)


def test_registers_go_with_the_addresses(filled) -> None:
    """Bank 1's registers are for what is at 0x08000000, swapped or not."""
    swap(filled)
    driver = FlashDriver(filled)
    driver.program(BANKS[0] + SECTOR_SIZE, bytes(32))
    assert filled.read("FLASH.SR1") & 4
    assert not filled.read("FLASH.SR2") & 4
    filled.run(PROGRAM_US)
    assert driver.read(BANKS[0] + SECTOR_SIZE) == 0
    swap(filled, 0)
    assert FlashDriver(filled).read(BANKS[1] + SECTOR_SIZE) == 0


def test_erase_hits_what_is_at_the_address(filled) -> None:
    swap(filled)
    FlashDriver(filled).erase(BANKS[0])
    filled.run(ERASE_US)
    assert seen(filled) == (b"\xff" * 40, LOWER)
    swap(filled, 0)
    assert seen(filled) == (LOWER, b"\xff" * 40)


def test_write_protection_stays_with_its_cells(filled) -> None:
    """The words WPSN1 and WPSN2 are exchanged, too."""
    FlashDriver(filled).change_options(WRPSn2=0xFE)
    filled.run(OPTIONS_US)
    swap(filled)
    assert (filled.read("FLASH.WPSN_CUR1"), filled.read("FLASH.WPSN_CUR2")) == (0xFE, 0xFF)
    driver = FlashDriver(filled)
    driver.erase(BANKS[0])
    driver.erase(BANKS[1])
    filled.run(ERASE_US)
    assert filled.read("FLASH.SR1") & 1 << 17, "WRPERR"
    assert seen(filled) == (UPPER, b"\xff" * 40)


def test_broken_words_move_along(filled) -> None:
    filled.mcu.flash.load_broken_words([[5], []])
    swap(filled)
    assert seen(filled)[0] == UPPER
    with pytest.raises(BusFault):
        filled.mcu.read(BANKS[1] + 5 * 32, 4, Master.AP0)
    assert filled.mcu.flash.broken_words() == [[5], []], "of the chip's own banks"
    filled.mcu.read(BANKS[0] + 5 * 32, 4, Master.AP0)


def test_option_words_are_saved_as_the_chip_has_them(filled, make_desk) -> None:
    FlashDriver(filled).change_options(WRPSn1=0x7F)
    filled.run(OPTIONS_US)
    before = filled.mcu.flash.save()
    swap(filled)
    swapped = filled.mcu.flash.save()
    option = OPTION_BYTES["SWAP_BANK_OPT"]
    assert swapped == before | {"OPTSR": before["OPTSR"] | option.mask}
    other = make_desk()
    other.mcu.flash.load(swapped)
    other.mcu.system_reset()
    assert (other.read("FLASH.WPSN_CUR1"), other.read("FLASH.WPSN_CUR2")) == (0xFF, 0x7F)
    filled.mcu.flash.load(before)
    filled.mcu.system_reset()
    assert filled.read("FLASH.WPSN_CUR1") == 0x7F

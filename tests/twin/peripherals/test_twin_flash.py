from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US

if TYPE_CHECKING:
    from conftest import Bench

KEY1, KEY2 = 0x4567_0123, 0xCDEF_89AB
OPTKEY1, OPTKEY2 = 0x0819_2A3B, 0x4C5D_6E7F
LOCK, PG, SER, BER, FW, START = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 7
X64 = 3 << 4
BSY, WBNE, QW = 1 << 0, 1 << 1, 1 << 2
EOP, WRPERR, PGSERR, STRBERR, INCERR = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 21
OPTSTART, MER, OPTCHANGEERR, OPT_BUSY = 1 << 1, 1 << 4, 1 << 30, 1 << 0
BANK1, BANK2 = 0x0800_0000, 0x0810_0000
SECTOR = 0x2_0000
WORD = bytes(range(32))


def unlock(chip: Bench, bank: int = 1) -> None:
    chip.write(f"FLASH.KEYR{bank}", KEY1)
    chip.write(f"FLASH.KEYR{bank}", KEY2)


def unlock_options(chip: Bench) -> None:
    chip.write("FLASH.OPTKEYR", OPTKEY1)
    chip.write("FLASH.OPTKEYR", OPTKEY2)


def store(chip: Bench, address: int, data: bytes, master: Master = Master.CM7) -> None:
    for offset in range(0, len(data), 4):
        chip.flash.core_store(
            address + offset, 4, int.from_bytes(data[offset : offset + 4], "little"), master
        )


def cells(chip: Bench, address: int, length: int) -> bytes:
    bank, start = ("flash bank 2", BANK2) if address >= BANK2 else ("flash bank 1", BANK1)
    return bytes(chip.cells[bank][address - start : address - start + length])


def fill(chip: Bench, address: int, data: bytes) -> None:
    chip.memory("flash bank 1")[address - BANK1 : address - BANK1 + len(data)] = data


# -- locks --------------------------------------------------------------------------------------


def test_the_control_registers_start_locked_and_ignore_writes(chip: Bench) -> None:
    assert chip.read("FLASH.CR1") == chip.read("FLASH.CR2") == 0x31
    assert chip.read("FLASH.OPTCR") == 1
    chip.write("FLASH.CR1", PG)
    assert chip.read("FLASH.CR1") == 0x31


@pytest.mark.parametrize("bank", [1, 2])
def test_two_keys_unlock_one_bank(chip: Bench, bank: int) -> None:
    unlock(chip, bank)
    assert not chip.read(f"FLASH.CR{bank}") & LOCK
    assert chip.read(f"FLASH.CR{3 - bank}") & LOCK
    chip.write(f"FLASH.CR{bank}", PG)
    assert chip.read(f"FLASH.CR{bank}") == PG


def test_software_locks_and_unlocks_again(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    chip.write("FLASH.CR1", LOCK)
    assert chip.read("FLASH.CR1") == LOCK | PG | X64
    unlock(chip)
    assert chip.read("FLASH.CR1") == PG | X64


def assert_dead(chip: Bench, bank: int = 1) -> None:
    """Locked until a reset, which gives the keys another chance."""
    assert chip.read(f"FLASH.CR{bank}") & LOCK
    with pytest.raises(BusFault):
        chip.write(f"FLASH.KEYR{bank}", KEY1)
    assert chip.read(f"FLASH.CR{bank}") & LOCK
    chip.reset()
    unlock(chip, bank)
    assert not chip.read(f"FLASH.CR{bank}") & LOCK


@pytest.mark.parametrize("keys", [(0x1234_5678,), (KEY2,), (KEY1, KEY1), (KEY1, KEY2, KEY1), (KEY1, KEY2, 0)])
def test_a_wrong_key_locks_until_reset_and_is_a_bus_error(chip: Bench, keys: tuple[int, ...]) -> None:
    for key in keys[:-1]:
        chip.write("FLASH.KEYR1", key)
    with pytest.raises(BusFault):
        chip.write("FLASH.KEYR1", keys[-1])
    assert_dead(chip)


@pytest.mark.parametrize("size", [1, 2])
def test_a_short_key_locks_until_reset(chip: Bench, size: int) -> None:
    with pytest.raises(BusFault):
        chip.flash.write(4, size, KEY1 & (1 << 8 * size) - 1, Master.CM7)
    assert_dead(chip)


def test_another_register_of_the_bank_between_the_keys_locks_until_reset(chip: Bench) -> None:
    chip.write("FLASH.KEYR2", KEY1)
    with pytest.raises(BusFault):
        chip.write("FLASH.CCR2", EOP)
    assert_dead(chip, 2)


@pytest.mark.parametrize("register", ["CR2", "CCR2", "KEYR2", "ACR", "ACR_MIRROR", "OPTCCR"])
def test_registers_of_the_other_bank_or_of_both_do_not_disturb_the_keys(chip: Bench, register: str) -> None:
    chip.write("FLASH.KEYR1", KEY1)
    chip.write(f"FLASH.{register}", KEY1 if register == "KEYR2" else 0)
    chip.write("FLASH.KEYR1", KEY2)
    assert not chip.read("FLASH.CR1") & LOCK


def test_any_other_register_between_the_option_keys_locks_until_reset(chip: Bench) -> None:
    chip.write("FLASH.OPTKEYR", OPTKEY1)
    with pytest.raises(BusFault):
        chip.write("FLASH.ACR", 0x24)
    assert chip.read("FLASH.OPTCR") & LOCK
    assert chip.read("FLASH.ACR") == 0x37
    with pytest.raises(BusFault):
        chip.write("FLASH.OPTKEYR", OPTKEY1)


@given(st.lists(st.sampled_from([KEY1, KEY2, 0, OPTKEY1]), max_size=6))
def test_only_exactly_the_two_keys_leave_the_bank_unlocked(make_chip: type[Bench], keys: list[int]) -> None:
    chip = make_chip()
    faults = 0
    for key in keys:
        try:
            chip.write("FLASH.KEYR1", key)
        except BusFault:
            faults += 1
    assert (not chip.read("FLASH.CR1") & LOCK) is (keys == [KEY1, KEY2])
    assert faults == (0 if keys in ([], [KEY1], [KEY1, KEY2]) else len(keys) - right_keys(keys))


def right_keys(keys: list[int]) -> int:
    return 0 if keys[0] != KEY1 else 1 if keys[1] != KEY2 else 2


# -- programming --------------------------------------------------------------------------------


def test_a_flash_word_is_programmed_when_its_time_is_over(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1 + 0x40, WORD[:28])
    assert chip.read("FLASH.SR1") == WBNE
    assert chip.flash.busy
    store(chip, BANK1 + 0x40 + 28, WORD[28:])
    assert chip.read("FLASH.SR1") == BSY | QW
    chip.run(100 * PS_PER_US - 1)
    assert cells(chip, BANK1 + 0x40, 32) == b"\xff" * 32
    chip.run(1)
    assert chip.read("FLASH.SR1") == EOP
    assert cells(chip, BANK1 + 0x40, 32) == WORD
    assert chip.changed_code == [(BANK1 + 0x40, 32)]
    assert not chip.flash.busy


@pytest.mark.parametrize(("psize", "microseconds"), [(0, 290), (1, 180), (2, 130), (3, 100)])
def test_parallelism_decides_the_time(chip: Bench, psize: int, microseconds: int) -> None:
    unlock(chip, 2)
    chip.write("FLASH.CR2", PG | psize << 4)
    store(chip, BANK2, WORD)
    chip.run(microseconds * PS_PER_US - 1)
    assert chip.read("FLASH.SR2") & BSY
    chip.run(1)
    assert not chip.read("FLASH.SR2") & (BSY | QW)


def test_any_mix_of_widths_and_any_order_fills_a_word(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    for offset in range(31, 15, -1):
        chip.flash.core_store(BANK1 + offset, 1, WORD[offset], Master.CM7)
    for offset in range(0, 16, 2):
        chip.flash.core_store(
            BANK1 + offset, 2, int.from_bytes(WORD[offset : offset + 2], "little"), Master.CM7
        )
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 32) == WORD


def test_programming_only_clears_bits(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, b"\x0f" * 32)
    store(chip, BANK1, b"\xf1" * 32)
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 32) == b"\x01" * 32


def test_words_queue_and_their_times_add_up(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    for index in range(3):
        store(chip, BANK1 + 32 * index, bytes([index]) * 32)
    chip.run(200 * PS_PER_US)
    assert cells(chip, BANK1, 96) == b"\0" * 32 + b"\1" * 32 + b"\xff" * 32
    assert chip.read("FLASH.SR1") & (BSY | QW) == BSY | QW
    chip.run(100 * PS_PER_US)
    assert cells(chip, BANK1 + 64, 32) == b"\2" * 32
    assert not chip.read("FLASH.SR1") & QW


def test_the_banks_work_side_by_side(chip: Bench) -> None:
    for bank in (1, 2):
        unlock(chip, bank)
        chip.write(f"FLASH.CR{bank}", PG | X64)
    store(chip, BANK1, WORD, Master.CM7)
    store(chip, BANK2, WORD, Master.CM4)
    chip.run(100 * PS_PER_US)
    assert chip.read("FLASH.SR1") == chip.read("FLASH.SR2") == EOP
    assert cells(chip, BANK1, 32) == cells(chip, BANK2, 32) == WORD


def test_a_write_without_pg_is_a_sequence_error_that_blocks_until_cleared(chip: Bench) -> None:
    unlock(chip)
    store(chip, BANK1, WORD[:4])
    assert chip.read("FLASH.SR1") == PGSERR
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, WORD)
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 32) == b"\xff" * 32
    chip.write("FLASH.CCR1", PGSERR)
    store(chip, BANK1, WORD)
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 32) == WORD


def test_a_new_word_before_the_old_is_full_is_an_inconsistency(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, WORD[:16])
    store(chip, BANK1 + 32, WORD[:4])
    assert chip.read("FLASH.SR1") == INCERR
    store(chip, BANK1 + 32, WORD[:4])
    assert chip.read("FLASH.SR1") == INCERR | PGSERR
    chip.write("FLASH.CCR1", INCERR | PGSERR)
    store(chip, BANK1 + 32, WORD)
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 64) == b"\xff" * 32 + WORD


def test_two_masters_in_one_word_are_an_inconsistency(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, WORD[:16], Master.CM7)
    store(chip, BANK1 + 16, WORD[16:20], Master.CM4)
    assert chip.read("FLASH.SR1") & INCERR


def test_a_byte_written_twice_is_a_strobe_error_that_blocks_nothing(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, b"\0\0\0\0")
    store(chip, BANK1, WORD)
    assert chip.read("FLASH.SR1") & STRBERR
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 32) == WORD


def test_force_write_pads_with_ones(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, WORD[:8])
    chip.write("FLASH.CR1", PG | X64 | FW)
    assert chip.read("FLASH.CR1") == PG | X64
    assert not chip.read("FLASH.SR1") & WBNE
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 32) == WORD[:8] + b"\xff" * 24


def test_clearing_pg_drops_the_write_buffer(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, WORD[:8])
    chip.write("FLASH.CR1", X64)
    assert chip.read("FLASH.SR1") == 0
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 32) == b"\xff" * 32


def test_end_of_operation_interrupts_both_cores_until_it_is_cleared(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64 | EOP)
    store(chip, BANK1, WORD)
    assert not chip.irqs
    chip.run(PS_PER_MS)
    assert chip.irqs == {("cm7", 4), ("cm4", 4)}
    chip.write("FLASH.CCR1", EOP)
    assert not chip.irqs


def test_an_error_interrupt_comes_at_once(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", X64 | PGSERR)
    store(chip, BANK1, WORD[:4])
    assert chip.irqs == {("cm7", 4), ("cm4", 4)}


# -- erasing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("psize", "milliseconds"), [(0, 2000), (1, 1800), (2, 1100), (3, 1000)])
def test_a_sector_erase_takes_its_time_and_one_sector(chip: Bench, psize: int, milliseconds: int) -> None:
    fill(chip, BANK1, b"\0" * 4 * SECTOR)
    unlock(chip)
    chip.write("FLASH.CR1", SER | psize << 4 | 2 << 8)
    chip.set_bits("FLASH.CR1", START)
    assert chip.read("FLASH.SR1") == BSY | QW
    assert not chip.read("FLASH.CR1") & START
    chip.run(milliseconds * PS_PER_MS - 1)
    assert chip.read("FLASH.SR1") == BSY | QW
    chip.run(1)
    assert chip.read("FLASH.SR1") == EOP
    assert cells(chip, BANK1, 4 * SECTOR) == b"\0" * 2 * SECTOR + b"\xff" * SECTOR + b"\0" * SECTOR
    assert chip.changed_code == [(BANK1 + 2 * SECTOR, SECTOR)]


def test_a_bank_erase_wins_over_a_sector_erase(chip: Bench) -> None:
    fill(chip, BANK1, b"\0" * 8 * SECTOR)
    unlock(chip)
    chip.write("FLASH.CR1", SER | BER | X64 | START)
    chip.run(8000 * PS_PER_MS)
    assert chip.read("FLASH.SR1") == EOP
    assert cells(chip, BANK1, 8 * SECTOR) == b"\xff" * 8 * SECTOR


def test_a_mass_erase_needs_all_three_locks_open(chip: Bench) -> None:
    fill(chip, BANK1, b"\0" * 32)
    unlock_options(chip)
    unlock(chip, 1)
    chip.write("FLASH.OPTCR", MER)
    assert not chip.read("FLASH.SR1") & BSY
    unlock(chip, 2)
    chip.write("FLASH.OPTCR", MER)
    assert chip.read("FLASH.SR1") & chip.read("FLASH.SR2") & BSY
    chip.run(16_000 * PS_PER_MS)
    assert cells(chip, BANK1, 32) == b"\xff" * 32
    assert chip.read("FLASH.SR2") == EOP


def test_a_program_queues_behind_an_erase(chip: Bench) -> None:
    fill(chip, BANK1, b"\0" * 64)
    unlock(chip)
    chip.write("FLASH.CR1", SER | PG | X64 | START)
    store(chip, BANK1, WORD)
    chip.run(1000 * PS_PER_MS + 100 * PS_PER_US)
    assert chip.read("FLASH.SR1") == EOP
    assert cells(chip, BANK1, 64) == WORD + b"\xff" * 32


def test_a_reset_in_mid_erase_leaves_a_sector_neither_old_nor_erased(chip: Bench) -> None:
    fill(chip, BANK1, b"\0" * 2 * SECTOR)
    unlock(chip)
    chip.write("FLASH.CR1", SER | X64 | START)
    chip.run(500 * PS_PER_MS)
    chip.reset()
    assert chip.read("FLASH.SR1") == 0
    content = cells(chip, BANK1, SECTOR)
    assert b"\0" * 32 in content
    assert b"\xff" * 32 in content
    assert cells(chip, BANK1 + SECTOR, SECTOR) == b"\0" * SECTOR
    chip.run(1000 * PS_PER_MS)
    assert cells(chip, BANK1, SECTOR) == content


def test_a_reset_in_mid_word_leaves_it_half_programmed(chip: Bench) -> None:
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    store(chip, BANK1, WORD)
    store(chip, BANK1 + 32, WORD)
    chip.reset()
    chip.run(PS_PER_MS)
    assert cells(chip, BANK1, 64) == WORD[:16] + b"\xff" * 48


@pytest.mark.parametrize("operation", ["sector", "bank", "word"])
def test_a_protected_sector_refuses_with_wrperr(chip: Bench, operation: str) -> None:
    chip.flash.load({"WPSN1": 0xFF & ~(1 << 1)})
    fill(chip, BANK1, b"\0" * SECTOR)
    unlock(chip)
    chip.write("FLASH.CR1", PG | X64)
    if operation == "word":
        store(chip, BANK1 + SECTOR, WORD)
    else:
        chip.write("FLASH.CR1", X64 | START | (BER if operation == "bank" else SER | 1 << 8))
    assert chip.read("FLASH.SR1") == WRPERR
    chip.run(10_000 * PS_PER_MS)
    assert cells(chip, BANK1, 2 * SECTOR) == b"\0" * SECTOR + b"\xff" * SECTOR


# -- option bytes -------------------------------------------------------------------------------


def test_factory_option_bytes(chip: Bench) -> None:
    assert chip.flash.option("RDP") == 0xAA
    assert chip.flash.option("BCM4") == chip.flash.option("BCM7") == 1
    assert chip.read("FLASH.BOOT7_CUR") == 0x1FF0_0800
    assert chip.read("FLASH.BOOT4_CUR") == 0x1000_0810
    assert chip.read("FLASH.OPTSR_CUR") == chip.read("FLASH.OPTSR_PRG") == 0x03C6_AAF0


def change(chip: Bench, register: str, clear: int, set_bits: int = 0) -> None:
    unlock_options(chip)
    name = f"FLASH.{register}_PRG"
    chip.write(name, chip.read(name) & ~clear | set_bits)
    chip.write("FLASH.OPTCR", OPTSTART)


def test_an_option_byte_changes_after_a_third_of_a_second(chip: Bench) -> None:
    change(chip, "OPTSR", 1 << 22)
    assert chip.read("FLASH.OPTSR_CUR") & OPT_BUSY
    assert chip.read("FLASH.SR1") & QW
    chip.run(300 * PS_PER_MS - 1)
    assert chip.flash.option("BCM4") == 1
    chip.run(1)
    assert not chip.read("FLASH.OPTSR_CUR") & OPT_BUSY
    assert chip.flash.option("BCM4") == 0
    assert not chip.read("FLASH.OPTSR_CUR") & 1 << 22
    chip.reset()
    assert chip.flash.option("BCM4") == 0


def test_locked_program_registers_ignore_writes(chip: Bench) -> None:
    chip.write("FLASH.BOOT4_PRG", 0)
    assert chip.read("FLASH.BOOT4_PRG") == 0x1000_0810


def test_registers_take_nothing_while_options_change(chip: Bench) -> None:
    change(chip, "BOOT4", 0xFFFF, 0x0818)
    chip.write("FLASH.ACR", 0x24)
    assert chip.read("FLASH.ACR") == 0x37
    chip.run(300 * PS_PER_MS)
    chip.write("FLASH.ACR", 0x24)
    assert chip.read("FLASH.ACR") == 0x24
    assert chip.flash.option("BOOT_CM4_ADD0") == 0x0818


def test_a_reset_in_mid_change_keeps_the_old_options(chip: Bench) -> None:
    change(chip, "OPTSR", 1 << 22)
    chip.run(100 * PS_PER_MS)
    chip.reset()
    chip.run(1000 * PS_PER_MS)
    assert chip.flash.option("BCM4") == 1
    assert chip.read("FLASH.OPTSR_PRG") == chip.read("FLASH.OPTSR_CUR") == 0x03C6_AAF0


def test_starting_without_a_change_does_nothing(chip: Bench) -> None:
    unlock_options(chip)
    chip.write("FLASH.OPTCR", OPTSTART)
    assert not chip.read("FLASH.OPTSR_CUR") & OPT_BUSY


@pytest.mark.parametrize(
    ("register", "clear", "set_bits"), [("OPTSR", 0xFF00, 0xCC00), ("OPTSR", 0, 1 << 21)]
)
def test_protected_options_are_refused(chip: Bench, register: str, clear: int, set_bits: int) -> None:
    unlock_options(chip)
    chip.write("FLASH.OPTCR", OPTCHANGEERR)
    name = f"FLASH.{register}_PRG"
    chip.write(name, chip.read(name) & ~clear | set_bits)
    chip.write("FLASH.OPTCR", OPTSTART | OPTCHANGEERR)
    assert chip.read("FLASH.OPTSR_CUR") & (OPTCHANGEERR | OPT_BUSY) == OPTCHANGEERR
    assert chip.irqs == {("cm7", 4), ("cm4", 4)}
    chip.run(1000 * PS_PER_MS)
    assert chip.flash.option("RDP") == 0xAA
    chip.write("FLASH.OPTCCR", OPTCHANGEERR)
    assert not chip.read("FLASH.OPTSR_CUR") & OPTCHANGEERR
    assert not chip.irqs


def test_sector_write_protection_can_be_changed(chip: Bench) -> None:
    unlock_options(chip)
    chip.write("FLASH.WPSN_PRG2", 0x7F)
    chip.write("FLASH.OPTCR", OPTSTART)
    chip.run(300 * PS_PER_MS)
    assert chip.flash.option("WRPSn2") == 0x7F
    assert chip.read("FLASH.WPSN_CUR2") == 0x7F
    assert chip.read("FLASH.WPSN_CUR1") == 0xFF


def test_option_words_outlive_the_chip(chip: Bench, make_chip: type[Bench]) -> None:
    change(chip, "BOOT4", 0xFFFF, 0x0818)
    chip.run(300 * PS_PER_MS)
    other = make_chip()
    other.flash.load(chip.flash.save())
    assert other.flash.option("BOOT_CM4_ADD0") == 0x0818
    assert other.read("FLASH.BOOT4_PRG") == 0x1000_0818
    with pytest.raises(ValueError, match="no such option word: BOOT9"):
        other.flash.load({"BOOT9": 0})


@pytest.mark.parametrize("name", ["ACR", "OPTCR", "OPTSR_CUR", "OPTSR_PRG", "BOOT7_CUR", "BOOT4_PRG"])
def test_shared_registers_answer_at_their_mirror_too(chip: Bench, name: str) -> None:
    unlock_options(chip)
    chip.write("FLASH.OPTSR_PRG_MIRROR", chip.read("FLASH.OPTSR_PRG") ^ 1 << 4)
    chip.write("FLASH.BOOT4_PRG_MIRROR", 0x1234_5678)
    chip.write("FLASH.ACR_MIRROR", 0x12)
    assert chip.read(f"FLASH.{name}_MIRROR") == chip.read(f"FLASH.{name}")
    assert chip.read("FLASH.BOOT4_PRG") == 0x1234_5678
    assert chip.read("FLASH.ACR") == 0x12


def test_the_mirror_of_the_option_key_unlocks_too(chip: Bench) -> None:
    chip.write("FLASH.OPTKEYR_MIRROR", OPTKEY1)
    chip.write("FLASH.OPTKEYR", OPTKEY2)
    assert chip.read("FLASH.OPTCR") == 0

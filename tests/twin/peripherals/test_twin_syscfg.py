from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench

from pytest_h7.chip.registers import peripheral


def test_with_factory_option_bytes_the_user_registers_have_their_reset_values(chip: Bench) -> None:
    for name, register in peripheral("SYSCFG").registers.items():
        assert chip.read(f"SYSCFG.{name}") == register.reset, name


def test_user_registers_are_loaded_from_the_option_bytes_at_reset(chip: Bench) -> None:
    options = chip.flash.save()
    options["OPTSR"] &= ~(1 << 22)
    options["BOOT4"] = 0x2400_3000
    chip.flash.load(options)
    assert chip.read("SYSCFG.UR1") == 0x0001_0001
    chip.reset()
    assert chip.read("SYSCFG.UR1") == 0x0001_0000
    assert chip.read("SYSCFG.UR3") == 0x3000_1FF0
    assert chip.read("SYSCFG.UR4") == 0x0000_2400


def test_writing_ur3_moves_the_next_start_of_cm4(chip: Bench) -> None:
    assert chip.syscfg.boot_address("cm4") == 0x0810_0000
    chip.write("SYSCFG.UR3", 0x1000_1FF0)
    assert chip.syscfg.boot_address("cm4") == 0x1000_0000
    assert chip.syscfg.boot_address("cm7") == 0x0800_0000
    chip.reset()
    assert chip.syscfg.boot_address("cm4") == 0x0810_0000


def test_boot0_selects_the_second_address(chip: Bench) -> None:
    chip.boot0 = True
    assert chip.syscfg.boot_address("cm7") == 0x1FF0_0000
    assert chip.syscfg.boot_address("cm4") == 0x1000_0000


def test_an_address_out_of_range_falls_back(chip: Bench) -> None:
    chip.write("SYSCFG.UR2", 0x4000_0000)
    chip.write("SYSCFG.UR3", 0x9000_FFFF)
    assert chip.syscfg.boot_address("cm7") == 0x0800_0000
    assert chip.syscfg.boot_address("cm4") == 0x0810_0000
    chip.boot0 = True
    assert chip.syscfg.boot_address("cm7") == 0


@pytest.mark.parametrize(
    ("bcm7", "bcm4", "running"), [(1, 1, {"cm7", "cm4"}), (1, 0, {"cm7"}), (0, 1, {"cm4"}), (0, 0, {"cm7"})]
)
def test_the_boot_bits_decide_who_runs_after_reset(
    chip: Bench, bcm7: int, bcm4: int, running: set[str]
) -> None:
    chip.write("SYSCFG.UR1", bcm7 << 16 | bcm4)
    assert {core for core in ("cm7", "cm4") if chip.syscfg.boots(core)} == running


def test_identification_cannot_be_written(chip: Bench) -> None:
    for name in ("SR0", "PKGR", "UR0", "UR5"):
        before = chip.read(f"SYSCFG.{name}")
        chip.write(f"SYSCFG.{name}", ~before & 0xFFFF_FFFF)
        assert chip.read(f"SYSCFG.{name}") == before


def test_the_compensation_cell_needs_csi(chip: Bench) -> None:
    chip.write("SYSCFG.CCCSR", 1)
    assert chip.read("SYSCFG.CCCSR") == 1
    chip.csi_ready = True
    assert chip.read("SYSCFG.CCCSR") == 1 | 1 << 8


def test_break_connections_are_only_taken_back_by_a_reset(chip: Bench) -> None:
    chip.write("SYSCFG.CFGR", 1 << 6)
    chip.write("SYSCFG.CFGR", 0)
    assert chip.read("SYSCFG.CFGR") == 1 << 6
    chip.reset()
    assert chip.read("SYSCFG.CFGR") == 0

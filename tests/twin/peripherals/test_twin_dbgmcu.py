from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.twin.bus import Master

if TYPE_CHECKING:
    from conftest import Bench


def test_the_device_is_an_stm32h755_of_revision_v(chip: Bench) -> None:
    assert chip.read("DBGMCU.IDCODE") & 0xFFF == 0x450
    assert chip.read("DBGMCU.IDCODE") >> 16 == 0x2003
    chip.write("DBGMCU.IDCODE", 0)
    assert chip.read("DBGMCU.IDCODE") == 0x2003_6450


def test_reserved_bits_of_cr_read_zero(chip: Bench) -> None:
    chip.write("DBGMCU.CR", 0xFFFF_FFFF, Master.AP2)
    assert chip.read("DBGMCU.CR") == 0x1070_003F


def test_only_power_on_clears_it(chip: Bench) -> None:
    chip.write("DBGMCU.CR", 0x0070_0009, Master.AP2)
    chip.write("DBGMCU.APB4FZ1", 1 << 18, Master.AP2)
    chip.reset()
    assert chip.read("DBGMCU.CR") == 0x0070_0009
    assert chip.read("DBGMCU.APB4FZ1") == 1 << 18
    chip.dbgmcu.power_on_reset()
    assert chip.read("DBGMCU.CR") == 0
    assert chip.read("DBGMCU.APB4FZ1") == 0

"""How the cores start (RM0399 2.6, 4.3.13, 7.4.1), and what programs make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.chip.boards import Supply
from pytest_h7.chip.memory import FLASH_BANK2
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.twin.bus import Master
from pytest_h7.twin.core_modes import CpuMode
from pytest_h7.twin.debug_port import DPIDR, DebugPort, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import RunningProgram, Workshop

    Load = Callable[..., RunningProgram]

BUTTON = "PC13"
PREPARED = 0x600D_B007


def set_options(program: RunningProgram, **options: int) -> None:
    """Put option bytes in force before the board has power."""
    words = program.mcu.flash.save()
    for name, value in options.items():
        option = OPTION_BYTES[name]
        words[option.register] = words[option.register] & ~option.mask | value << option.lsb
    program.mcu.flash.load(words)


def press(program: RunningProgram) -> None:
    program.mcu.pins.drive(BUTTON, level=True)
    program.run(ms=1)
    program.mcu.pins.release(BUTTON)


@pytest.mark.parametrize("first", ["cm7", "cm4"])
def test_one_core_releases_the_other(load_program: Load, first: str) -> None:
    held = {"cm7": "cm4", "cm4": "cm7"}[first]
    program = load_program("boot_gated", f"-DFIRST={first[2]}")
    set_options(program, **{f"BCM{held[2]}": 0})
    program.power_on()
    program.run(ms=1)
    assert (program.mcu.mode(first), program.mcu.mode(held)) == (CpuMode.RUN, CpuMode.HELD)
    program.run(ms=100)
    assert program.variable(held, "found") == PREPARED
    program.mcu.system_reset()
    program.run(ms=1)
    assert program.mcu.mode(held) is CpuMode.HELD, "a reset closes the gate"


def test_core_that_is_not_held_comes_too_early(load_program: Load) -> None:
    program = load_program("boot_gated")
    program.power_on()
    program.run(ms=100)
    assert program.variable("cm4", "found") != PREPARED
    assert program.variable("cm7", "found") == PREPARED


def test_start_from_ram(load_program: Load) -> None:
    program = load_program("boot_ram")
    set_options(program, BCM4=0)
    program.power_on()
    program.run(ms=5)

    def word(offset: int) -> int:
        return program.mcu.read(0x3800_0000 + offset, 4, Master.AP1)

    assert word(0) > 1_000
    assert (word(4), word(8)) == (0, 0x1000_0009), "VTOR, and SRAM1 at 0"
    assert word(12) & 0xFFFF_FF00 == 0x1000_0000
    count = word(0)
    program.run(ms=1)
    assert word(0) > count


def test_update_by_bank_swap(load_program: Load, workshop: Workshop, request: pytest.FixtureRequest) -> None:
    program = load_program("boot_swap")
    set_options(program, BCM4=0)
    optimisation = request.node.callspec.params["load_program"]
    update = workshop.image("cm7", "boot_swap", optimisation, "-DVERSION=2u")
    bank = program.mcu.memory(FLASH_BANK2.name)
    bank[:] = b"\xff" * FLASH_BANK2.size
    for segment in update.segments:
        start = segment.address - 0x0800_0000
        bank[start : start + len(segment.data)] = segment.data
    program.power_on()
    program.run(ms=20)
    for version, swapped in ((1, 0), (2, 1), (1, 0), (2, 1)):
        assert program.console == f"version={version}\r\nswapped={swapped}\r\n"
        program.console = ""
        press(program)
        program.run(ms=100)
        assert program.console == "", "the option bytes take their time"
        program.run(ms=300)
    program.console = ""
    program.mcu.power_off()
    program.power_on()
    program.run(ms=20)
    assert program.console == "version=1\r\nswapped=0\r\n"


def test_wrong_supply(load_program: Load) -> None:
    """The start-up code selects SMPS; on a board wired for LDO that is the end until BOOT0 helps."""
    program = load_program("boot_swap")
    program.mcu.supply = Supply.LDO
    for _ in range(2):
        program.power_on()
        program.run(ms=50)
        assert program.console == ""
        port = DebugPort(program.mcu)
        with pytest.raises(NoAnswer):
            port.switch_to_swd()
        program.mcu.system_reset()
        program.run(ms=50)
        assert program.console == ""
        program.mcu.power_off()
    program.mcu.boot0 = True
    program.power_on()
    program.run(ms=50)
    port = DebugPort(program.mcu)
    port.switch_to_swd()
    assert port.read(DPIDR) == 0x6BA0_2477
    assert [warning[:31] for warning in program.mcu.warnings] == ["The CM7 started in system memor"]

"""Where a core starts, and what it finds there (RM0399 2.6, 9.4.6, 13.3; option bytes 4.4)."""

from __future__ import annotations

import struct

import pytest
from flash_driver import OPTIONS_US, FlashDriver
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.chip.memory import memory_at
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.twin.bus import Master
from pytest_h7.twin.core_modes import CpuMode

DHCSR, HALT = 0xE000_EDF0, 0xA05F_0003
WAIT = struct.pack("<I", 0xE7FE_202A)
"""``movs r0, #42; b .``"""
DEFAULTS = {
    ("cm7", False): 0x0800_0000,
    ("cm7", True): 0,
    ("cm4", False): 0x0810_0000,
    ("cm4", True): 0x1000_0000,
}
FIELDS = {
    ("cm7", False): ("BOOT7", "BOOT_CM7_ADD0"),
    ("cm7", True): ("BOOT7", "BOOT_CM7_ADD1"),
    ("cm4", False): ("BOOT4", "BOOT_CM4_ADD0"),
    ("cm4", True): ("BOOT4", "BOOT_CM4_ADD1"),
}
COUNT = "void program(void) { for (;;) result[0] = result[0] + 1; }"


def sentences(desk) -> list[str]:
    return list(desk.mcu.warnings)


@pytest.fixture(scope="module")
def blank_chip(make_desk):
    """A chip for many starts."""
    return make_desk()


@given(st.integers(0, 0xFFFF), st.sampled_from(sorted(FIELDS)))
def test_every_step_of_64_kbytes(blank_chip, upper_half: int, choice: tuple[str, bool]) -> None:
    """An address without memory that the core reaches is replaced; whatever is there, the other core starts."""
    core, boot0 = choice
    word, name = FIELDS[choice]
    option = OPTION_BYTES[name]
    flash = blank_chip.mcu.flash
    flash.load({word: flash.save()[word] & ~option.mask | upper_half << option.lsb})
    blank_chip.mcu.boot0 = boot0
    blank_chip.mcu.system_reset()
    blank_chip.run(100)
    memory = memory_at(upper_half << 16)
    reached = memory is not None and getattr(memory, core)
    assert blank_chip.mcu.syscfg.boot_address(core) == (upper_half << 16 if reached else DEFAULTS[choice])
    assert [blank_chip.mcu.mode(name) for name in ("cm7", "cm4")] == [CpuMode.RUN] * 2


@pytest.mark.parametrize(
    ("core", "memory", "field"),
    [
        ("cm7", "ITCM", 0x0000),
        ("cm7", "DTCM", 0x2000),
        ("cm7", "AXI SRAM", 0x2407),
        ("cm7", "SRAM4", 0x3800),
        ("cm4", "SRAM1", 0x1000),
        ("cm4", "SRAM2", 0x1002),
        ("cm4", "SRAM3", 0x1004),
        ("cm4", "SRAM3", 0x3004),
        ("cm4", "SRAM4", 0x3800),
        ("cm4", "AXI SRAM", 0x2400),
    ],
)
def test_start_from_ram(desk, core: str, memory: str, field: int) -> None:
    """RAM keeps what it holds over a reset, so a debugger or a program can put a start there."""
    _, name = FIELDS[core, False]
    FlashDriver(desk).change_options(**{name: field})
    desk.run(OPTIONS_US)
    desk.mcu.set_nrst(True)
    desk.put(field << 16, struct.pack("<II", 0x3800_8000, (field << 16) + 9) + WAIT)
    desk.mcu.set_nrst(False)
    desk.run(100)
    assert desk.mcu.cores[core].read_register("r0") == 42
    assert memory_at(field << 16).name == memory
    assert sentences(desk) == []


@pytest.mark.parametrize("upper_half", [0x1FF0, 0x1FF4])
def test_system_memory_has_no_boot_loader(run, upper_half: int) -> None:
    """Not ST's; so the core waits there, for a debugger, say, and the run is told."""
    desk = run(us=100, cm7=COUNT, cm4=COUNT)
    FlashDriver(desk).change_options(BOOT_CM7_ADD0=upper_half)
    desk.run(OPTIONS_US)
    desk.mcu.system_reset()
    desk.run(1_000)
    counted = desk.result("cm4")
    pc = desk.mcu.cores["cm7"].read_register("pc")
    assert upper_half << 16 <= pc < (upper_half << 16) + 0x100
    assert not desk.mcu.cores["cm7"].lockup
    desk.run(1_000)
    assert desk.result("cm4") > counted
    assert sentences(desk) == [
        f"The CM7 started in system memory at 0x{upper_half << 16:08X}, where the virtual board has no boot "
        "loader of ST's."
    ]
    desk.mcu.cores["cm7"].write_debug(DHCSR, HALT)
    desk.run(1)
    assert desk.mcu.cores["cm7"].read_debug(DHCSR) >> 17 & 1


def test_program_for_the_cm7_on_the_cm4(run, build_program) -> None:
    """The CM4 has no double precision: the first such instruction is a usage fault (DDI0403E B1.5.14)."""
    source = """
    void program(void)
    {
        result[1] = 1;
        __asm volatile(".inst.w 0xEE300B00"); /* vadd.f64 d0, d0, d0 */
        result[0] = 1;
    }
    void UsageFault_Handler(void) { result[2] = SCS_CFSR; for (;;) {} }
    void HardFault_Handler(void) { result[2] = SCS_CFSR; for (;;) {} }
    """
    desk = run(cm7=source, cm4=source)
    assert (desk.result("cm7"), desk.result("cm7", 2)) == (1, 0)
    assert (desk.result("cm4"), desk.result("cm4", 1), desk.result("cm4", 2)) == (0, 1, 1 << 16)


def test_start_in_the_middle_of_an_image_locks_up(run) -> None:
    """No vector table there: 64 KB into an image that is erased from there on."""
    desk = run(cm7=COUNT, cm4=COUNT)
    FlashDriver(desk).change_options(BOOT_CM7_ADD0=0x0801)
    desk.run(OPTIONS_US)
    desk.mcu.system_reset()
    desk.run(1_000)
    assert desk.mcu.cores["cm7"].lockup
    assert not desk.mcu.cores["cm4"].lockup


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_locked_up_core_takes_a_debugger_and_a_reset(desk, core: str) -> None:
    chip_core = desk.mcu.cores[core]
    assert chip_core.lockup
    chip_core.write_debug(DHCSR, HALT)
    desk.run(1)
    assert chip_core.read_debug(DHCSR) >> 17 & 1, "S_HALT"
    bank = 0x0800_0000 if core == "cm7" else 0x0810_0000
    desk.put(bank, struct.pack("<II", 0x1000_8000 if core == "cm4" else 0x2000_8000, bank + 9) + WAIT)
    desk.mcu.system_reset()
    chip_core.write_debug(DHCSR, HALT & ~2)
    desk.run(100)
    assert chip_core.read_register("r0") == 42


def test_both_images_in_the_wrong_banks(run) -> None:
    """Each core runs what its boot address leads to: the other's program, which is linked for the other bank."""
    where = "void program(void) { result[0] = (uint32_t)&program; }"
    desk = run(cm7=where, cm4=where)
    FlashDriver(desk).change_options(BOOT_CM7_ADD0=0x0810)
    desk.run(OPTIONS_US)
    FlashDriver(desk).change_options(BOOT_CM4_ADD0=0x0800)
    desk.run(OPTIONS_US)
    for start in (0x3800_0000, 0x3800_1000):
        desk.mcu.write(start, 4, 0, Master.AP1)
    desk.mcu.system_reset()
    desk.run(100)
    assert desk.result("cm4") & 0xFFF0_0000 == 0x0810_0000, "the CM7 runs the CM4's program"
    assert desk.mcu.cores["cm7"].read_register("pc") & 0xFFF0_0000 == 0x0810_0000
    assert desk.mcu.cores["cm4"].read_register("pc") & 0xFFF0_0000 == 0x0800_0000

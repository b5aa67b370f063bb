"""The firmware as it is built: reproducible, in the right places, and with the names that tests rely on."""

from __future__ import annotations

import importlib.util
import json
import shutil
from typing import TYPE_CHECKING

import pytest
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const

from pytest_h7 import firmware_build
from pytest_h7.chip import memory, registers
from pytest_h7.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGES = (
    "cm7",
    "cm7_never_releases",
    "cm7_hard_fault",
    "cm7_companion",
    "cm7_example_test",
    "cm4",
    "cm4_never_sleeps",
    "cm4_lockup",
    "cm4_release_1_1",
    "cm4_companion",
    "cm4_example_test",
)
APPLICATIONS = tuple(name for name in IMAGES if not name.endswith(("_lockup", "_companion", "_test")))
RAM_CODE = firmware_build.ROOT / "pytest_h7" / "target"

needs_compiler = pytest.mark.skipif(
    not firmware_build.compiler_found(), reason=f"{firmware_build.COMPILER} is not installed"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with everything that CMake builds."""
    directory = tmp_path_factory.mktemp("firmware")
    firmware_build.configure(directory)
    firmware_build.build_target(directory)
    return directory


@pytest.fixture
def elf(built: Path, request: pytest.FixtureRequest) -> Iterator[ELFFile]:
    with (built / f"{request.param}.elf").open("rb") as stream:
        yield ELFFile(stream)


def bank_of(name: str) -> memory.Memory:
    return memory.FLASH_BANK1 if name.startswith("cm7") else memory.FLASH_BANK2


def loaded(elf: ELFFile) -> list[tuple[int, bytes]]:
    """Return load address and content of what is programmed."""
    segments = [segment for segment in elf.iter_segments("PT_LOAD") if segment["p_filesz"]]
    return [(segment["p_paddr"], segment.data()) for segment in segments]


def symbol(elf: ELFFile, name: str) -> int:
    found = elf.get_section_by_name(".symtab").get_symbol_by_name(name)
    assert found, f"no symbol {name}"
    address: int = found[0]["st_value"]
    return address


@needs_compiler
def test_an_image_does_not_depend_on_where_it_was_built(built: Path, tmp_path: Path) -> None:
    root = tmp_path / "some" / "other checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(firmware_build.ROOT / "firmware", root / "firmware", ignore=ignored)
    shutil.copytree(firmware_build.ROOT / "pytest_h7" / "chip", root / "pytest_h7" / "chip", ignore=ignored)

    rebuilt = firmware_build.build(root)

    assert [image.stem for image in rebuilt] == sorted(IMAGES)
    for image in rebuilt:
        assert image.read_bytes() == (built / image.name).read_bytes(), image.name


@needs_compiler
@pytest.mark.parametrize(("elf", "name"), [(name, name) for name in IMAGES], indirect=["elf"])
def test_image_is_programmed_into_the_bank_of_its_core(elf: ELFFile, name: str) -> None:
    bank = bank_of(name)
    segments = loaded(elf)
    assert segments[0][0] == bank.start
    for address, content in segments:
        assert bank.start <= address
        assert address + len(content) <= bank.end
    assert sum(len(content) for _, content in segments) < 8 * 1024


@needs_compiler
@pytest.mark.parametrize(("elf", "name"), [(name, name) for name in IMAGES], indirect=["elf"])
def test_vector_table_starts_the_core_in_its_own_memory(elf: ELFFile, name: str) -> None:
    table = elf.get_section_by_name(".isr_vector")
    stack, reset = (int.from_bytes(table.data()[at : at + 4], "little") for at in (0, 4))
    ram = memory.DTCM.start if name.startswith("cm7") else memory.SRAM1.aliases[0]
    assert stack == ram + 128 * 1024
    assert reset == symbol(elf, "Reset_Handler") | 1
    assert table["sh_addr"] % 1024 == 0


@needs_compiler
@pytest.mark.parametrize(("elf", "name"), [(name, name) for name in APPLICATIONS], indirect=["elf"])
def test_vectors_lead_to_their_handlers(elf: ELFFile, name: str) -> None:
    content = elf.get_section_by_name(".isr_vector").data()
    table = [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content), 4)]
    assert len(table) == 16 + 150
    assert table[3] == symbol(elf, "HardFault_Handler") | 1
    assert table[15] == symbol(elf, "SysTick_Handler") | 1
    assert table[16 + 40] == symbol(elf, "EXTI15_10_IRQHandler") | 1
    assert table[16 + 28] == symbol(elf, "Default_Handler") | 1
    # Each fault stops at an address of its own, so that the program counter names it.
    assert len({table[number] for number in (2, 3, 4, 5, 6)}) == 5


@needs_compiler
@pytest.mark.parametrize("elf", APPLICATIONS, indirect=True)
def test_names_that_board_tests_use(elf: ELFFile) -> None:
    for function in ("main", "exti_toggle_led", "Error_Handler"):
        assert elf.get_section_by_name(".symtab").get_symbol_by_name(function)[0]["st_size"] > 0
    for variable in ("ticks", "exti_count", "boot_stage", "SystemCoreClock"):
        assert elf.get_section_by_name(".symtab").get_symbol_by_name(variable)[0]["st_size"] == 4
    assert symbol(elf, "mailbox") == memory.SRAM4.start


@needs_compiler
@pytest.mark.parametrize(("elf", "name"), [("cm7", "cm7"), ("cm4", "cm4")], indirect=["elf"])
def test_initial_values_lie_in_flash(elf: ELFFile, name: str) -> None:
    address, content = loaded(elf)[-1]
    assert address in bank_of(name)
    assert symbol(elf, "SystemCoreClock") not in bank_of(name)
    assert content == (64_000_000).to_bytes(8, "little")  # with what fills up to a multiple of 8


@needs_compiler
@pytest.mark.parametrize(("elf", "name"), [("cm7", "cm7"), ("cm4", "cm4")], indirect=["elf"])
def test_supply_is_chosen_before_ram_is_touched(elf: ELFFile, name: str) -> None:
    core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    core.mem_map(bank_of(name).start, bank_of(name).size)  # and no RAM
    for address, content in loaded(elf):
        core.mem_write(address, content)
    pwr = registers.peripheral("PWR").registers
    core.mem_map(pwr["CR1"].address & ~0xFFF, 0x1000)
    core.mem_write(pwr["CR3"].address, pwr["CR3"].reset.to_bytes(4, "little"))
    core.mem_write(pwr["CSR1"].address, pwr["CSR1"].fields["ACTVOSRDY"].mask.to_bytes(4, "little"))

    core.emu_start(symbol(elf, "Reset_Handler") | 1, symbol(elf, "start") & ~1, count=1000)

    assert core.reg_read(arm_const.UC_ARM_REG_PC) == symbol(elf, "start") & ~1
    assert core.mem_read(pwr["CR3"].address, 1)[0] == pwr["CR3"].fields["SMPSEN"].mask


@needs_compiler
def test_building_again_without_a_change_builds_nothing(built: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in built.glob("*.elf")}
    firmware_build.configure(built)
    firmware_build.build_target(built)
    assert {path.name: path.stat().st_mtime_ns for path in built.glob("*.elf")} == before


@needs_compiler
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_does_where_there_is_no_ninja(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, **options: None if name == "ninja" else find(name, **options)
    )
    firmware_build.configure(tmp_path)
    firmware_build.build_target(tmp_path)
    assert (tmp_path / "Makefile").exists()
    assert (tmp_path / "cm7.elf").read_bytes() == (built / "cm7.elf").read_bytes()


def test_a_missing_compiler_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError) as raised:
        firmware_build.build()
    assert str(raised.value) == (
        "Building needs arm-none-eabi-gcc: on Debian or Ubuntu, apt-get install gcc-arm-none-eabi."
    )


@needs_compiler
@pytest.mark.parametrize("kind", ["algorithm", "agent"])
def test_committed_code_for_ram_is_what_its_source_compiles_to(built: Path, kind: str) -> None:
    spec = importlib.util.spec_from_file_location(
        "export", firmware_build.ROOT / "firmware" / "flash_algorithm" / "export.py"
    )
    assert spec
    assert spec.loader
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)

    committed = json.loads((RAM_CODE / f"flash_{kind}.json").read_text("ascii"))
    compiled = export.read_code(built / f"flash_{kind}.elf", kind)
    if compiled["compiler"] != committed["compiler"]:
        pytest.skip(f"built with {compiled['compiler']}, committed was {committed['compiler']}")
    assert compiled == committed

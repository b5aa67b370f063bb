"""Small programs in C for either core, compiled by the tests that run them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_h7.board.images import Image
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.firmware_build import COMPILER, ROOT
from pytest_h7.twin.mcu import Mcu

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = Path(__file__).parent / "programs"
COMMON = ROOT / "firmware" / "common"
_PLACES = {
    "cm7": ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "0x08000000", "0x20020000"),
    "cm4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "0x08100000", "0x10010000"),
}


HSE_HZ = 8_000_000
UNIQUE_ID = bytes(range(12))


@dataclass(frozen=True)
class Program:
    """A program of `core`, as an ELF file and as an image."""

    core: str
    path: Path

    @property
    def image(self) -> Image:
        return Image(self.core, self.path)


def load(mcu: Mcu, image: Image) -> None:
    """Put an image into the flash of a chip that has no power."""
    for segment in image.segments:
        bank = next(bank for bank in FLASH_BANKS if segment.address in bank)
        start = segment.address - bank.start
        mcu.memory(bank.name)[start : start + len(segment.data)] = segment.data


@pytest.fixture(scope="session")
def make_mcu() -> Callable[..., Mcu]:
    """Return a chip with programs in its flash, just powered: ``make_mcu(cm7_program, cm4_program)``."""

    def make(*programs: Program | Image) -> Mcu:
        mcu = Mcu(UNIQUE_ID, HSE_HZ)
        for program in programs:
            load(mcu, program.image if isinstance(program, Program) else program)
        mcu.power_on()
        return mcu

    return make


@pytest.fixture(scope="session")
def build_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Program]:
    """Compile C that includes program.h for a core: ``build_program("cm4", source, *flags)``."""
    folder = tmp_path_factory.mktemp("programs")
    generator = [sys.executable, COMMON / "generate_header.py", folder / "stm32h755.h"]
    subprocess.run(generator, check=True)
    built: dict[tuple[str, ...], Program] = {}

    def build(core: str, source: str, *flags: str) -> Program:
        key = (core, source, *flags)
        if key not in built:
            stem = folder / f"program{len(built)}"
            stem.with_suffix(".c").write_text(f'#include "program.h"\n#line 1 "program.c"\n{source}')
            cpu, fpu, flash, ram_end = _PLACES[core]
            command = [COMPILER, cpu, fpu, "-mthumb", "-mfloat-abi=hard", "-std=c11", "-O2", "-g", "-Wall"]
            command += ["-Werror", "-ffreestanding", "-nostdlib", "-Wl,--fatal-warnings", *flags]
            command += [f"-DCORE_{core.upper()}", f"-I{PROGRAMS}", f"-I{COMMON}", f"-I{folder}"]
            command += [
                f"-T{PROGRAMS / 'program.ld'}",
                f"-Wl,--defsym=FLASH={flash},--defsym=RAM_END={ram_end}",
            ]
            command += [str(PROGRAMS / "program.c"), str(stem.with_suffix(".c")), "-lgcc"]
            subprocess.run([*command, "-o", str(stem.with_suffix(".elf"))], check=True)
            built[key] = Program(core, stem.with_suffix(".elf"))
        return built[key]

    return build

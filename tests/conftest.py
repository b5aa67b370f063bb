"""Small programs in C for either core, compiled by the tests that run them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from pytest_h7.board.images import Image
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.firmware_build import COMPILER, ROOT
from pytest_h7.twin.mcu import Mcu

if TYPE_CHECKING:
    from collections.abc import Callable

# A busy machine is no failure, and a run no lottery.
settings.register_profile(
    "project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

PROGRAMS = Path(__file__).parent / "programs"
COMMON = ROOT / "firmware" / "common"
_CPU = {"cm7": ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"), "cm4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16")}
_FLAGS = ["-mthumb", "-mfloat-abi=hard", "-std=c11", "-O2", "-g", "-Wall", "-Werror", "-ffreestanding"]
_FLAGS += ["-fno-delete-null-pointer-checks", "-Wno-array-bounds"]  # memory begins at address 0
_PLACES = {"cm7": ("0x08000000", "0x20020000"), "cm4": ("0x08100000", "0x10010000")}


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
        mcu.code_changed(segment.address, len(segment.data))


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


class Compiler:
    """Compiles programs into a folder, each once; the header and the support code are compiled in advance."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: dict[tuple[str, ...], Program] = {}
        self._support: dict[str, Path] = {}
        shutil.copy(PROGRAMS / "program.h", folder)
        generator = [sys.executable, COMMON / "generate_header.py", folder / "stm32h755.h"]
        subprocess.run(generator, check=True)

    def build(self, core: str, source: str, *flags: str) -> Program:
        """Compile C that includes program.h for a core: ``build("cm4", source, "-DNUMBER=3")``."""
        key = (core, source, *flags)
        if key not in self._built:
            stem = self._folder / f"program{len(self._built)}"
            stem.with_suffix(".c").write_text(f'#include "{core}.h"\n#line 1 "program.c"\n{source}')
            support = self._support_of(core)
            flash, ram_end = _PLACES[core]
            link = ["-nostdlib", "-Wl,--fatal-warnings", f"-T{PROGRAMS / 'program.ld'}"]
            link += [f"-Wl,--defsym=FLASH={flash},--defsym=RAM_END={ram_end}"]
            self._run(
                core, *flags, *link, stem.with_suffix(".c"), support, "-lgcc", "-o", stem.with_suffix(".elf")
            )
            self._built[key] = Program(core, stem.with_suffix(".elf"))
        return self._built[key]

    def _support_of(self, core: str) -> Path:
        if core not in self._support:
            header, compiled = self._folder / f"{core}.h", self._folder / f"{core}.o"
            header.write_text('#include "program.h"\n')
            self._run(core, "-x", "c-header", header, "-o", f"{header}.gch")
            self._run(core, "-c", PROGRAMS / "program.c", "-o", compiled)
            self._support[core] = compiled
        return self._support[core]

    def _run(self, core: str, *arguments: str | Path) -> None:
        places = [f"-DCORE_{core.upper()}", f"-I{self._folder}", f"-I{COMMON}"]
        subprocess.run([COMPILER, *_CPU[core], *_FLAGS, *places, *arguments], check=True)


@pytest.fixture(scope="session")
def build_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Program]:
    """Compile C for a core: ``build_program("cm4", source, *flags)``."""
    return Compiler(tmp_path_factory.mktemp("programs")).build

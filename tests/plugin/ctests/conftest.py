"""ELF files with C tests, compiled by the tests that run them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_h7.firmware_build import COMPILER, ROOT

BuildTests = Callable[..., Path]
"""Compiles C tests for a core: ``build_tests("cm4", source, name="test_it.elf", flags=("-DNUMBER=3",))``."""

_COMMON = ROOT / "firmware" / "common"
_CPU = {"cm7": ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"), "cm4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16")}
_FLAGS = (
    "-mthumb",
    "-mfloat-abi=hard",
    "-std=c11",
    "-O2",
    "-g",
    "-ffreestanding",
    "-fno-delete-null-pointer-checks",
)
_WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
    "-Wno-array-bounds",
    "-includeh7_test.h",
)
_LINK = ("-nostdlib", "-Wl,--gc-sections", "-Wl,--fatal-warnings")
_RUNNER = ("startup", "memory", "test_points", "h7_test", "h7_test_main")


class _Builder:
    """Compiles C tests; the rest of the image once for each core."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runner: dict[str, list[Path]] = {}
        subprocess.run([sys.executable, _COMMON / "generate_header.py", folder / "stm32h755.h"], check=True)

    def build(self, folder: Path, core: str, source: str, name: str, flags: tuple[str, ...]) -> Path:
        file = folder / Path(name).with_suffix(".c").name
        file.write_text(source)
        elf = folder / name
        link = (*_LINK, f"-L{_COMMON}", f"-T{core}.ld")
        self._run(
            core, folder, *_WARNINGS, *flags, *link, file.name, *self._runner_of(core), "-lgcc", "-o", elf
        )
        return elf

    def _runner_of(self, core: str) -> list[Path]:
        if core not in self._runner:
            objects = [self._folder / f"{core}-{unit}.o" for unit in _RUNNER]
            for unit, compiled in zip(_RUNNER, objects, strict=True):
                self._run(core, self._folder, "-c", _COMMON / f"{unit}.c", "-o", compiled)
            self._runner[core] = objects
        return self._runner[core]

    def _run(self, core: str, folder: Path, *arguments: str | Path) -> None:
        own = (f"-DCORE_{core.upper()}", f"-I{self._folder}", f"-I{_COMMON}")
        done = subprocess.run(
            [COMPILER, *_CPU[core], *_FLAGS, *own, *arguments], cwd=folder, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> _Builder:
    return _Builder(tmp_path_factory.mktemp("runner"))


@pytest.fixture
def build_tests(builder: _Builder, pytester: pytest.Pytester) -> BuildTests:
    def build(core: str, source: str, name: str = "test_it.elf", flags: tuple[str, ...] = ()) -> Path:
        return builder.build(pytester.path, core, source, name, flags)

    return build

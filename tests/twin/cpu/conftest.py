"""Programs compiled for the cores, and a chip that runs one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from single_core_chip import Chip

_FLAGS = {
    "cm7": ["-mcpu=cortex-m7", "-mfpu=fpv5-d16"],
    "cm4": ["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"],
}
_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def compile_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Compile C that includes support.h into the bytes of an image for FLASH."""
    cache: dict[tuple[str, str], bytes] = {}

    def compile_source(source: str, name: str = "cm7") -> bytes:
        key = (source, name)
        if key not in cache:
            folder = tmp_path_factory.mktemp("program")
            (folder / "program.c").write_text('#include "support.h"\n' + source)
            sources = [str(folder / "program.c"), str(_HERE / "support.c")]
            elf, image = folder / "program.elf", folder / "program.bin"
            flags = ["-mthumb", "-mfloat-abi=hard", "-O2", "-ffreestanding", "-nostdlib"]
            flags += ["-fno-delete-null-pointer-checks", "-Wall", "-Werror"]
            command = ["arm-none-eabi-gcc", *_FLAGS[name], *flags, f"-I{_HERE}", f"-T{_HERE / 'support.ld'}"]
            subprocess.run([*command, *sources, "-o", str(elf)], check=True)
            subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(image)], check=True)
            cache[key] = image.read_bytes()
        return cache[key]

    return compile_source


@pytest.fixture
def load(compile_program: Callable[..., bytes]) -> Callable[..., Chip]:
    """Return a chip with a program loaded and its core reset."""

    def build(source: str, name: str = "cm7") -> Chip:
        chip = Chip(name)
        chip.load(compile_program(source, name))
        return chip

    return build

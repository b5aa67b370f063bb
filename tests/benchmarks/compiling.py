"""Compiles a program of ``programs/`` for the cores of the virtual board, and for QEMU's mps2-an500."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_h7.firmware_build import COMPILER, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_h7.board.images import ImagePair

_PROGRAMS = Path(__file__).parent / "programs"
_COMMON = ROOT / "firmware" / "common"
_REFERENCE = ROOT / "firmware" / "reference"
_MPS2 = ROOT / "tests" / "oracle" / "target"

_EXAMPLES = ROOT / "tests" / "twin" / "programs"
_UNITS = ("startup", "memory", "text")
"""What the examples use of the firmware."""

_SUPPORT = (_COMMON / "memory.c", _COMMON / "test_points.c")
_BOARD = (_PROGRAMS / "virtual_board.c", _COMMON / "startup.c", _REFERENCE / "clocks.c", *_SUPPORT)
_CPU = {
    "cm7": ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"),
    "cm4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"),
}
_COMPILE = ("-mthumb", "-mfloat-abi=hard", "-std=gnu11", "-g", "-ffreestanding", "-Wall", "-Werror")
_LINK = ("-nostdlib", "-static", "-Wl,--build-id=none", "-Wl,--fatal-warnings")


def for_virtual_board(folder: Path, program: str, *flags: str) -> ImagePair:
    """Compile ``programs/PROGRAM.c`` for both cores into `folder`; `flags` are for the program alone."""
    from pytest_h7.board.images import load_pair

    header = folder / "stm32h755.h"
    subprocess.run([sys.executable, _COMMON / "generate_header.py", header], check=True)
    for core in _CPU:
        common = (f"-DCORE_{core.upper()}", f"-I{folder}", f"-I{_COMMON}", f"-I{_REFERENCE}")
        places = (f"-L{_COMMON}", f"-T{core}.ld")
        _build(core, folder / f"{core}.elf", program, flags, common, [*places, *_BOARD])
    return load_pair(folder / "cm7.elf", folder / "cm4.elf")


def example(folder: Path, name: str) -> ImagePair:
    """Compile ``tests/twin/programs/NAME`` for both cores into `folder`."""
    from pytest_h7.board.images import load_pair

    subprocess.run([sys.executable, _COMMON / "generate_header.py", folder / "stm32h755.h"], check=True)
    support = (_EXAMPLES / "support" / "example.c", *(_COMMON / f"{unit}.c" for unit in _UNITS))
    for core, cpu in _CPU.items():
        places = (f"-I{folder}", f"-I{_COMMON}", f"-I{_EXAMPLES / 'support'}", f"-L{_COMMON}", f"-T{core}.ld")
        command = [COMPILER, *cpu, *_COMPILE, "-O2", f"-DCORE_{core.upper()}", *_LINK, *places]
        command += [_EXAMPLES / name / f"{core}.c", *support, "-lgcc", "-o", folder / f"{core}.elf"]
        subprocess.run(command, check=True)
    return load_pair(folder / "cm7.elf", folder / "cm4.elf")


def for_mps2(folder: Path, program: str, result: str, *flags: str, milliseconds: int = 0) -> Path:
    """Compile ``programs/PROGRAM.c`` for the Cortex-M7 of QEMU's mps2-an500; return the ELF file.

    When it ends, it prints the variable called `result`; a program that waits does after so many milliseconds.
    """
    elf = folder / f"mps2-{milliseconds}.elf"
    own = (f"-DRESULT={result}", f"-DMILLISECONDS={milliseconds}u", "-DSysTick_Handler=systick")
    common = (*own, f"-I{_MPS2}", f"-I{_COMMON}")
    sources = (_PROGRAMS / "mps2.c", _MPS2 / "start.c", *_SUPPORT)
    _build("cm7", elf, program, flags, common, [f"-T{_MPS2 / 'target.ld'}", *sources])
    return elf


def _build(
    core: str,
    elf: Path,
    program: str,
    flags: Iterable[str],
    common: Iterable[str],
    link: Iterable[str | Path],
) -> None:
    """Compile the program with its own flags, the rest with -O2, and link them."""
    compiler = [COMPILER, *_CPU[core], *_COMPILE, "-O2", *common]
    compiled = elf.with_suffix(".o")
    subprocess.run([*compiler, *flags, "-c", _PROGRAMS / f"{program}.c", "-o", compiled], check=True)
    subprocess.run([*compiler, *_LINK, *link, compiled, "-o", elf], check=True)

"""``pytest-h7 build-c-tests``: tests in C and what they test, linked with a start-up and a main for one core.

For projects that have no such build of their own. What is linked are the sources in ``firmware/common``, which a
wheel brings along as ``pytest_h7/firmware``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_h7.errors import H7Error, InfrastructureError
from pytest_h7.firmware_build import COMPILER, ROOT

_CPU = {"cm7": ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"), "cm4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16")}
_COMPILE = ("-mthumb", "-mfloat-abi=hard", "-std=gnu11", "-Og", "-g", "-ffreestanding", "-Wall", "-Wextra")
_LINK = (
    "-nostdlib",
    "-static",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wl,--gc-sections",
    "-Wl,--build-id=none",
)
_RUNNER = ("startup", "memory", "test_points", "h7_test", "h7_test_main")


def sources() -> Path:
    """Return the folder with ``h7_test.h`` and what tests are linked with."""
    checkout = ROOT / "firmware" / "common"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "firmware"


def build(core: str, elf: Path, files: Sequence[str | Path], options: Sequence[str] = ()) -> None:
    """Compile and link tests.

    Args:
        core: The core that they are for, ``"cm7"`` or ``"cm4"``.
        elf: The ELF file to be written.
        files: Sources and objects.
        options: More options for the compiler: ``-O2``, ``-Iinclude``.

    Raises:
        InfrastructureError: there is no compiler.
        H7Error: they do not compile; the message is the compiler's.
    """
    if shutil.which(COMPILER) is None:
        raise InfrastructureError(
            f"C tests need {COMPILER}: on Debian or Ubuntu, apt-get install gcc-arm-none-eabi."
        )
    common = sources()
    with tempfile.TemporaryDirectory() as folder:
        generator: list[str | Path] = [
            sys.executable,
            common / "generate_header.py",
            Path(folder) / "stm32h755.h",
        ]
        subprocess.run(generator, check=True)
        places = (f"-DCORE_{core.upper()}", f"-I{folder}", f"-I{common}", f"-L{common}", f"-T{core}.ld")
        runner = [common / f"{unit}.c" for unit in _RUNNER]
        command: list[str | Path] = [
            COMPILER,
            *_CPU[core],
            *_COMPILE,
            *_LINK,
            *places,
            *options,
            *files,
            *runner,
            "-lgcc",
            "-o",
            elf,
        ]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise H7Error(f"{elf} does not build:\n{done.stderr.rstrip()}")
    sys.stderr.write(done.stderr)


def add_build_command(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the command and its arguments."""
    parser = add_parser("build-c-tests", help="compile tests in C for a core")
    parser.add_argument("core", choices=tuple(_CPU), help="the core that they are for")
    parser.add_argument("elf", type=Path, metavar="ELF", help="the file to be written, such as test_ring.elf")
    parser.add_argument("files", nargs="+", metavar="FILE", help="C sources, objects and archives")
    parser.add_argument(
        "-o", "--option", action="append", default=[], metavar="OPTION", help="for the compiler: -o=-Iinclude"
    )
    parser.set_defaults(run=_build)


def _build(arguments: argparse.Namespace) -> None:
    build(arguments.core, arguments.elf, arguments.files, arguments.option)

"""Builds the firmware in ``firmware/`` into ``pytest_h7/images/``, with CMake and the GNU Arm compiler.

Only of use in a checkout or a source distribution; an installed package brings its images along. It imports
nothing beyond the standard library, because it also runs where the package is only being built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from pytest_h7.errors import InfrastructureError

ROOT = Path(__file__).parents[1]
"""The repository."""

COMPILER = "arm-none-eabi-gcc"


def images(root: Path = ROOT) -> list[Path]:
    """Return the images that have been built into the package in `root`, sorted by name."""
    return sorted((root / "pytest_h7" / "images").glob("*.elf"))


def compiler_found() -> bool:
    """Tell whether the cross compiler is installed."""
    return shutil.which(COMPILER) is not None


def _tool(name: str) -> str | None:
    """Return the path of a program of this Python environment, or else of the system."""
    environment = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=environment)


def _required(name: str, package: str) -> str:
    path = _tool(name)
    if path is None:
        raise InfrastructureError(f"Building needs {name}: on Debian or Ubuntu, apt-get install {package}.")
    return path


def _generator() -> list[str]:
    """Return CMake's options that choose Ninja, or make where there is no Ninja."""
    ninja = _tool("ninja")
    if ninja is not None:
        return ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    return ["-G", "Unix Makefiles", f"-DCMAKE_MAKE_PROGRAM={_required('make', 'ninja-build')}"]


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise InfrastructureError(f"It does not build:\n{done.stdout}")


def configure(build_directory: Path, root: Path = ROOT) -> None:
    """Prepare `build_directory` for building the firmware of `root`; cheap if that has been done before.

    A directory that was prepared for something else (the repository was moved, or a tool is gone) is started
    afresh.

    Raises:
        InfrastructureError: the compiler, CMake, or both Ninja and make are missing, or CMake fails.
    """
    _required(COMPILER, "gcc-arm-none-eabi")
    firmware = root / "firmware"
    options = [f"-DPython3_EXECUTABLE={sys.executable}", f"-DCMAKE_INSTALL_PREFIX={root / 'pytest_h7'}"]
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={firmware / 'arm-none-eabi.cmake'}"
    configure_project(firmware, build_directory, [toolchain, *options])


def configure_project(source: Path, build_directory: Path, options: list[str]) -> None:
    """Prepare `build_directory` for building the CMake project in `source`, as `configure` does.

    Raises:
        InfrastructureError: CMake, or both Ninja and make are missing, or CMake fails.
    """
    cmake = _required("cmake", "cmake")
    command: list[str | Path] = [cmake, "-S", source, "-B", build_directory, *_generator(), *options]
    try:
        _run(*command)
    except InfrastructureError:
        if not (build_directory / "CMakeCache.txt").exists():
            raise
        shutil.rmtree(build_directory)
        _run(*command)


def build_target(build_directory: Path, *targets: str) -> None:
    """Build `targets`, or everything, in a configured directory; raise InfrastructureError if it fails."""
    selected = ["--target", *targets] if targets else []
    _run(_required("cmake", "cmake"), "--build", build_directory, *selected)


def build(root: Path = ROOT) -> list[Path]:
    """Build what has changed since the last time and return all images.

    Raises:
        InfrastructureError: a tool is missing, or the firmware does not compile.
    """
    build_directory = root / "build" / "firmware"
    configure(build_directory, root)
    build_target(build_directory, "install")
    return images(root)


if __name__ == "__main__":
    try:
        build()
    except InfrastructureError as error:
        sys.exit(str(error))

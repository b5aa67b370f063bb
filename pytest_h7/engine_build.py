"""Builds the cores of the virtual board, the extension module ``pytest_h7.twin.cpu._native``, with CMake.

Only of use in a checkout or a source distribution; an installed package brings the module along. It imports
nothing beyond the standard library, because it also runs where the package is only being built.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from pytest_h7.errors import InfrastructureError
from pytest_h7.firmware_build import ROOT, build_target, configure_project

MODULE = Path("pytest_h7/twin/cpu/_native.abi3.so")


def _require_compiler() -> None:
    compiler = os.environ.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    header = Path(sysconfig.get_path("include"), "Python.h")
    if compiler is None or not header.is_file():
        raise InfrastructureError(
            "The virtual board's cores need a C compiler and Python's headers: on Debian or Ubuntu, "
            "apt-get install gcc libc6-dev python3-dev."
        )


def build(root: Path = ROOT) -> Path:
    """Build what has changed since the last time and return the module.

    Raises:
        InfrastructureError: a tool is missing, or the module does not compile.
    """
    _require_compiler()
    build_directory = root / "build" / "engine"
    configure_project(
        root / "pytest_h7" / "twin" / "cpu" / "native",
        build_directory,
        [f"-DPYTHON_INCLUDE={sysconfig.get_path('include')}", f"-DCMAKE_INSTALL_PREFIX={root}"],
    )
    build_target(build_directory, "install")
    return root / MODULE


if __name__ == "__main__":
    try:
        build()
    except InfrastructureError as error:
        sys.exit(str(error))

"""Build hook of the package: builds the virtual board's cores and the firmware into every wheel."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_OLDEST_GLIBC = 17
"""Minor version of the oldest glibc 2 that a wheel is offered to, that of manylinux2014."""

_GLIBC_VERSION = re.compile(r"GLIBC_2\.(\d+)")


def _glibc_needed(module: Path) -> int | None:
    """Return the minor version of glibc 2 that a module needs, None if it needs anything else.

    The module is nobody's but ours, so that what `auditwheel` would have to put into the wheel is only found, not
    put in: ci/package has `auditwheel` look at the wheel.
    """
    needed = {0}
    with module.open("rb") as file:
        versions = ELFFile(file).get_section_by_name(".gnu.version_r")
        for library, symbols in versions.iter_versions() if versions is not None else ():
            found = [_GLIBC_VERSION.match(symbol.name) for symbol in symbols]
            if library.name not in ("libc.so.6", "libm.so.6") or not all(found):
                return None
            needed.update(int(match[1]) for match in found if match)
    return max(needed)


def _platform(module: Path) -> str:
    """Return the platform tag: on Linux manylinux as PEP 600 has it, if the module needs no more than glibc."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if not platform.startswith("linux_"):
        return platform
    glibc = _glibc_needed(module)
    if glibc is None:
        return platform
    return platform.replace("linux", f"manylinux_2_{max(glibc, _OLDEST_GLIBC)}", 1)


class PackageBuildHook(BuildHookInterface):
    """Adds ``_native.abi3.so`` and ``pytest_h7/images/*.elf``, which version control ignores, to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build both; without a cross compiler, take the images that are there already."""
        sys.path.insert(0, self.root)
        from pytest_h7 import engine_build, firmware_build

        root = Path(self.root)
        module = engine_build.build(root)
        if firmware_build.compiler_found() or not firmware_build.images(root):
            firmware_build.build(root)
        if version == "editable":
            return  # the package is used where it lies
        for file in (module, *firmware_build.images(root)):
            build_data["force_include"][str(file)] = file.relative_to(root).as_posix()
        # What tests in C are built with: see pytest_h7/ctests/building.py.
        build_data["force_include"][str(root / "firmware" / "common")] = "pytest_h7/firmware"
        # What a user without rights at the probe is told to copy: see pytest_h7/bench/usb_errors.py.
        build_data["force_include"][str(root / "ci" / "60-stlink.rules")] = "pytest_h7/bench/60-stlink.rules"
        build_data["pure_python"] = False
        # CPython's limited API: one wheel for 3.10 and later on this platform.
        build_data["tag"] = f"cp310-abi3-{_platform(module)}"

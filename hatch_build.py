"""Build hook of the package: builds the virtual board's cores and the firmware into every wheel."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


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
        build_data["pure_python"] = False
        # CPython's limited API: one wheel for 3.11 and later on this platform.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"cp311-abi3-{platform}"

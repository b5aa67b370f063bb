"""Build hook of the package: builds the firmware, so that every wheel contains the reference images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FirmwareBuildHook(BuildHookInterface):
    """Adds ``pytest_h7/images/*.elf``, which version control ignores, to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the images; without a cross compiler, take those that are there already."""
        sys.path.insert(0, self.root)
        from pytest_h7 import firmware_build

        root = Path(self.root)
        if firmware_build.compiler_found() or not firmware_build.images(root):
            firmware_build.build(root)
        if version == "editable":
            return  # the package is used where it lies, and its images with it
        for image in firmware_build.images(root):
            build_data["force_include"][str(image)] = image.relative_to(root).as_posix()

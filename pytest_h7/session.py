"""The board of a pytest run: opened when first needed, closed at the end."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.settings import Settings
    from pytest_h7.board.board import Board
    from pytest_h7.board.images import ImagePair

_SERVICES = ("power", "loopback", "pin")
_SHOWN_OPTION_BYTES = ("BCM7", "BCM4", "BOOT_CM7_ADD0", "BOOT_CM4_ADD0", "RDP")
_IDCODE_AP2 = 0xE00E_1000
_REVISIONS = {0x1001: "Z", 0x1003: "Y", 0x2001: "X", 0x2003: "V"}


class BoardSession:
    """What the tests of a run share: settings, bench and board."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._bench: Bench | None = None
        self._board: Board | None = None

    @property
    def is_open(self) -> bool:
        """Whether a board is connected."""
        return self._board is not None

    @property
    def board(self) -> Board:
        """The board, connected now if it was not.

        Raises:
            H7Error: it cannot be connected.
        """
        if self._board is None:
            from pytest_h7.bench.bench import Bench
            from pytest_h7.board.board import Board

            self._bench = Bench(self.settings)
            self._board = Board(self._bench)
        return self._board

    def close(self) -> None:
        """Disconnect."""
        if self._bench is not None:
            self._bench.close()
            self._bench = self._board = None

    def images(self, item: pytest.Item) -> ImagePair:
        """Return the images for a test: those of its marker, else those of the options.

        Raises:
            ImageError: one is missing or does not fit.
        """
        paths = {"cm7": self.settings.cm7_image, "cm4": self.settings.cm4_image}
        marker = item.get_closest_marker("h7_images")
        if marker is not None:
            if marker.args or not set(marker.kwargs) <= set(paths):
                raise pytest.UsageError("the marker h7_images takes cm7= and cm4=, by name")
            for core, path in marker.kwargs.items():
                if path is not None:
                    paths[core] = _resolve(item, str(path))
        return _load_pair(paths["cm7"], paths["cm4"])

    def header(self) -> list[str]:
        """Return the lines that tell what is connected.

        Raises:
            H7Error: the board cannot be connected, or an image is unusable.
        """
        pair = _load_pair(self.settings.cm7_image, self.settings.cm4_image)
        board = self.board
        probe = board.bench.probe
        voltage = f"{probe.voltage:.2f} V" if probe.voltage is not None else "voltage unknown"
        kind = "virtual board" if board.bench.is_virtual else "board"
        idcode = board.ap[2].read_u32(_IDCODE_AP2)
        revision = _REVISIONS.get(idcode >> 16, f"0x{idcode >> 16:04X}")
        options = board.option_bytes.read(*_SHOWN_OPTION_BYTES)
        shown = " ".join(
            f"{name}={value if value < 2 else format(value, '#06x' if 'ADD' in name else '#04x')}"
            for name, value in options.items()
        )
        return [
            f"h7: {kind} {probe.serial}, {probe.product} {probe.firmware}, target {voltage}, "
            f"chip 0x{idcode & 0xFFF:03X} revision {revision}",
            "h7: "
            + ", ".join(f"{image.core} {image.path.name} (sha256 {image.sha256[:12]})" for image in pair),
            f"h7: {shown}",
        ]

    def why_skip(self, item: pytest.Item) -> str | None:
        """Return why a test cannot run on the selected board, None if it can."""
        from pytest_h7.bench.probes import is_twin

        virtual = is_twin(self.settings.probe)
        if virtual and item.get_closest_marker("h7_hardware"):
            return "needs a real board (--h7-probe=<serial>)"
        if not virtual and item.get_closest_marker("h7_virtual"):
            return "needs the virtual board (--h7-probe=twin)"
        for marker in item.iter_markers("h7_requires"):
            for service in marker.args:
                if service not in _SERVICES:
                    raise pytest.UsageError(
                        f"{item.nodeid}: no bench has {service!r}; h7_requires takes {', '.join(_SERVICES)}"
                    )
                if not self.board.bench.has(service):
                    return f"this bench has no {service}"
        return None


def _resolve(item: pytest.Item, path: str) -> str:
    """A relative path is meant from the test's file, else from the root of the run."""
    beside = item.path.parent / path
    return str(
        beside if Path(str(beside).rpartition("@")[0] or beside).exists() else item.config.rootpath / path
    )


@lru_cache(maxsize=32)
def _load_pair(cm7: str | None, cm4: str | None) -> ImagePair:
    from pytest_h7.board.images import load_pair

    return load_pair(cm7, cm4)


session_key = pytest.StashKey[BoardSession]()

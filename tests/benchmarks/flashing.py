"""Measures what flashing costs on a bench, in board time: an ST-LINK V3E at 24 MHz, typical erase times.

The connection is not part of it; the reset that starts the firmware is.
"""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from measure import Figures

    from pytest_h7.board.board import Board
    from pytest_h7.board.images import Image, ImagePair

_SWCLK = 24_000_000
_BANKS = {"cm7": 0x0800_0000, "cm4": 0x0810_0000}
_SMALL = {"cm7": 8868, "cm4": 4700}
"""Bytes of two images that ST's programmer took 3.65 s and 3.84 s for on a board: 8.66 KB and 4.59 KB."""

_LARGE = dict.fromkeys(_BANKS, 256 * 1024)


def both_banks() -> Figures:
    """Measure flashing pairs of images where all of both differ from what is in flash, and where nothing does.

    The ratio is that of one bank after the other to both at the same time.

    Raises:
        RuntimeError: more or less was erased than had to be.
    """
    from pytest_h7.bench.bench import Bench
    from pytest_h7.bench.settings import FlashPolicy, Settings
    from pytest_h7.board.board import Board

    bench = Bench(Settings(frequency=_SWCLK))
    try:
        board = Board(bench)
        with tempfile.TemporaryDirectory() as folder:
            small = [_pair(Path(folder), _SMALL, version) for version in range(2)]
            large = [_pair(Path(folder), _LARGE, version) for version in range(4)]
            board.flash(small[0], FlashPolicy.AUTO)
            figures = {"flash_pair_board_s": _seconds(board, small[1], erased=2)}
            unchanged = [_seconds(board, small[1], erased=0)]
            board.flash(large[0], FlashPolicy.AUTO)
            figures["flash_pair_256k_board_s"] = _seconds(board, large[1], erased=4)
            unchanged.append(_seconds(board, large[1], erased=0))
            one_by_one = [_seconds(board, pair, erased=2) for pair in (_mixed(large[2], large[1]), large[2])]
    finally:
        bench.close()
    figures["flash_256k_serial_vs_parallel"] = sum(one_by_one) / figures["flash_pair_256k_board_s"]
    figures["reflash_unchanged_board_s"] = max(unchanged)
    return figures


def _seconds(board: Board, pair: ImagePair, *, erased: int) -> float:
    """Return the board time of flashing, in seconds; `erased` is how many sectors that should take."""
    from pytest_h7.bench.settings import FlashPolicy

    start = board.time()
    result = board.flash(pair, FlashPolicy.AUTO)
    board.reset()
    if result.sectors != erased:
        raise RuntimeError(f"{result.sectors} sectors were erased instead of {erased}")
    return round(board.time() - start, 9)


def _mixed(one: ImagePair, other: ImagePair) -> ImagePair:
    from pytest_h7.board.images import ImagePair

    return ImagePair(one.cm7, other.cm4)


def _pair(folder: Path, sizes: dict[str, int], version: int) -> ImagePair:
    from pytest_h7.board.images import ImagePair

    return ImagePair(*(_image(folder, core, size, version) for core, size in sizes.items()))


def _image(folder: Path, core: str, size: int, version: int) -> Image:
    """Return an image of random bytes behind its vectors."""
    from pytest_h7.board.images import Image

    start = _BANKS[core]
    path = folder / f"{core}-{size}-{version}.bin"
    vectors = struct.pack("<II", 0x2001_0000, start + 0x201)
    path.write_bytes(vectors + random.Random(version).randbytes(size - len(vectors)))
    return Image(core, f"{path}@{start:08X}")

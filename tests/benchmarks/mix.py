"""The program that computes while the virtual board's speed is measured, and what it computes."""

from __future__ import annotations

import operator
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from compiling import for_virtual_board

if TYPE_CHECKING:
    from pytest_h7.board.images import ImagePair

_NODES, _SEARCHES, _SIZE = 64, 24, 12
_ROWS = range(0, _SIZE * _SIZE, _SIZE)


def build(folder: Path, rounds: int) -> ImagePair:
    """Compile ``programs/mix.c`` for both cores into `folder`; each core sleeps after so many rounds."""
    return for_virtual_board(folder, "mix", f"-DROUNDS={rounds}u")


def checksum(rounds: int) -> int:
    """Return what `checksum` of the program is after so many rounds."""
    seed = 0
    for _ in range(rounds):
        seed = _matrix_work(seed, _list_work(seed, 0))
    return seed


def _numbers(seed: int, count: int) -> list[int]:
    numbers = []
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) & 0xFFFF_FFFF
        numbers.append(seed)
    return numbers


def _list_work(seed: int, crc: int) -> int:
    values = [number >> 8 for number in _numbers(seed, _NODES)]
    ordered = sorted(values)
    ranks = sum(map(ordered.index, values[:_SEARCHES]))
    return zlib.crc32(struct.pack(f"<{_NODES + 1}I", *ordered, ranks), crc)


def _matrix_work(seed: int, crc: int) -> int:
    numbers = _numbers(seed, _SIZE * _SIZE)
    left = [[(number >> 24) - 128 for number in numbers[row : row + _SIZE]] for row in _ROWS]
    transposed = [[(number >> 16 & 0xFF) - 128 for number in numbers[row : row + _SIZE]] for row in _ROWS]
    product = [[sum(map(operator.mul, row, column)) for column in transposed] for row in left]
    return zlib.crc32(struct.pack(f"<{2 * _SIZE}i", *map(sum, product), *product[-1]), crc)

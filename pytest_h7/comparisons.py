"""Failed comparisons in the vocabulary of the chip: registers by field, memory by address, images by segment."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_h7.board.core import CoreState
from pytest_h7.board.domains import DomainState
from pytest_h7.board.images import Image, ImagePair
from pytest_h7.board.values import MemoryBlock, RegisterValue

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROW = 16
_ROWS = 3
_PLACES = 5
"""Rows of memory and places of images that are shown at most: pytest cuts after eight lines."""

_SUBJECTS: dict[type[enum.Enum], str] = {DomainState: "domain", CoreState: "core"}


def explain_comparison(operator: str, left: object, right: object) -> list[str] | None:
    """Return the lines that explain why a comparison has failed, None for those that are none of ours."""
    if operator in ("==", "is"):
        for compare in (_registers, _memory, _images, _states):
            lines = compare(left, right)
            if lines:
                return lines
    return None


# -- registers ----------------------------------------------------------------------------------------


def _registers(left: object, right: object) -> list[str]:
    value = left if isinstance(left, RegisterValue) else right
    if not isinstance(value, RegisterValue) or not isinstance(left, int) or not isinstance(right, int):
        return []
    lines = [f"{value.name}: 0x{left:08X} == 0x{right:08X}"]
    unnamed = (left ^ right) & 0xFFFF_FFFF
    for field in value.register.fields.values():
        first, second = field.extract(left), field.extract(right)
        unnamed &= ~field.mask
        if first != second:
            lines.append(f"{field.name}: {_number(first)} != {_number(second)}")
    if unnamed:
        lines.append(f"bits without a name: 0x{left & unnamed:X} != 0x{right & unnamed:X}")
    return lines


def _number(value: int) -> str:
    return str(value) if value < 10 else f"0x{value:X}"


# -- memory -------------------------------------------------------------------------------------------


def _memory(left: object, right: object) -> list[str]:
    block = left if isinstance(left, MemoryBlock) else right
    if not isinstance(block, MemoryBlock) or not isinstance(left, bytes) or not isinstance(right, bytes):
        return []
    start = block.address
    differing = [index for index, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]]
    lines = [f"memory of {block.core} from 0x{start:08X}: {_counted(differing, left, right)}"]
    lines += _rows(start, left, right, differing)
    return lines


def _counted(differing: Sequence[int], left: bytes, right: bytes) -> str:
    if len(left) != len(right):
        return f"{len(left)} bytes == {len(right)} bytes, {len(differing)} of those in both differ"
    return f"{len(differing)} of {len(left)} bytes differ"


def _rows(start: int, left: bytes, right: bytes, differing: Sequence[int]) -> Iterator[str]:
    """Give rows of both blocks around what differs."""
    rows = sorted({(start + index) // _ROW for index in differing})
    for row in rows[:_ROWS]:
        low, high = max(row * _ROW - start, 0), (row + 1) * _ROW - start
        yield f"0x{start + low:08X}: {left[low:high].hex(' ')}"
        yield f"{'!=':>10}  {right[low:high].hex(' ')}"
    if len(rows) > _ROWS:
        yield f"and {len(rows) - _ROWS} more rows of {_ROW} bytes"


# -- images -------------------------------------------------------------------------------------------


def _images(left: object, right: object) -> list[str]:
    if isinstance(left, ImagePair) and isinstance(right, ImagePair):
        return [
            line
            for first, second in zip(left, right, strict=True)
            if first != second
            for line in _images(first, second)
        ]
    if not isinstance(left, Image) or not isinstance(right, Image):
        return []
    lines = [f"{image.core} image {image.path.name} (sha256 {image.sha256[:12]})" for image in (left, right)]
    lines[0] += " == "
    first, second = _content(left), _content(right)
    if first == second:
        return [*lines, "the same bytes to load, in files that differ"]
    places = [
        f"0x{start:08X} to 0x{stop:08X} differs{_symbol(left, start)}"
        for start, stop in _ranges(sorted(at for at in first | second if first.get(at) != second.get(at)))
    ]
    if len(places) > _PLACES:
        places[_PLACES:] = [f"and {len(places) - _PLACES} more places"]
    return [*lines, *places]


def _content(image: Image) -> dict[int, int]:
    return {
        segment.address + offset: byte
        for segment in image.segments
        for offset, byte in enumerate(segment.data)
    }


def _ranges(addresses: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give first and last address of what is closer together than a row."""
    start = previous = None
    for address in addresses:
        if start is not None and previous is not None and address - previous > _ROW:
            yield start, previous
            start = address
        start = address if start is None else start
        previous = address
    if start is not None and previous is not None:
        yield start, previous


def _symbol(image: Image, address: int) -> str:
    function = image.debug_info.function_at(address)
    return f", in {function.name}" if function else ""


# -- states -------------------------------------------------------------------------------------------


def _states(left: object, right: object) -> list[str]:
    subject = _SUBJECTS.get(type(left)) if isinstance(left, enum.Enum) else None
    if subject is None or type(left) is not type(right):
        return []
    assert isinstance(left, enum.Enum)
    assert isinstance(right, enum.Enum)
    return [f"the {subject} is in state {left.name} == {right.name}"]

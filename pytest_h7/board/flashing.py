"""Getting images into flash: only where they differ, and proven by reading back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_h7.bench.connection import translated_errors
from pytest_h7.bench.settings import FlashPolicy
from pytest_h7.board.access_port import AccessPort
from pytest_h7.board.images import flash_content
from pytest_h7.chip.memory import FLASH_SECTOR_SIZE
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import FlashError, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.images import Image, ImagePair, Segment

_BRIDGED = 256
"""Bytes between two segments that are read as well: they take less time than another command."""


@dataclass(frozen=True)
class FlashResult:
    """What had to be done: the images programmed, and the sectors erased for them."""

    programmed: tuple[Image, ...]
    sectors: int


def differing_images(connection: Connection, pair: ImagePair) -> list[Image]:
    """Return the images of which flash holds something else."""
    return [image for image in pair if not _holds(connection, image)]


def _holds(connection: Connection, image: Image) -> bool:
    for segments in _neighbours(image):
        start = segments[0].address & ~3
        end = segments[-1].end + 3 & ~3
        try:
            content = connection.read_bytes(0, start, end - start)
        except TargetAccessError:
            if not _has_broken_words(connection):
                raise
            return False
        for segment in segments:
            offset = segment.address - start
            if content[offset : offset + len(segment.data)] != segment.data:
                return False
    return True


def _has_broken_words(connection: Connection) -> bool:
    """Return whether a read of flash failed at a word whose ECC does not fit, and forget that (RM0399 4.7.7).

    Programming or an erase that was cut short, by a reset or a loss of power, leaves such words; reading one is a
    bus error until its sector is erased.
    """
    flash = peripheral("FLASH").registers
    broken = False
    for bank in ("1", "2"):
        mask = flash[f"SR{bank}"].fields[f"DBECCERR"].mask
        if connection.read_word(0, flash[f"SR{bank}"].address) & mask:
            connection.write_words(0, flash[f"CCR{bank}"].address, [mask])
            broken = True
    return broken


def _neighbours(image: Image) -> list[list[Segment]]:
    """Group the segments that are read in one go, in whole words, which costs the fewest transfers."""
    groups: list[list[Segment]] = []
    for segment in sorted(image.segments, key=lambda segment: segment.address):
        if groups and segment.address - groups[-1][-1].end <= _BRIDGED:
            groups[-1].append(segment)
        else:
            groups.append([segment])
    return groups


def sectors_of(image: Image) -> set[int]:
    """Return the addresses of the sectors that an image occupies."""
    return {
        address
        for segment in image.segments
        for address in range(
            segment.address - segment.address % FLASH_SECTOR_SIZE, segment.end, FLASH_SECTOR_SIZE
        )
    }


def program(connection: Connection, images: list[Image]) -> FlashResult:
    """Erase the sectors of `images` and program them; the other sectors keep their content.

    The chip is reset for it and both cores are left halted.

    Raises:
        FlashError: erasing or programming failed, or flash does not hold the images afterwards.
    """
    from pyocd.core.exceptions import FlashFailure
    from pyocd.flash.loader import MemoryLoader

    with translated_errors("program flash"):
        loader = MemoryLoader(
            connection.session, progress=lambda _: None, chip_erase="sector", smart_flash=False
        )
        for address, data in flash_content(images).items():
            loader.add_data(address, list(data))
        try:
            loader.commit()
        except FlashFailure as error:
            raise FlashError(f"Programming flash failed: {str(error).rstrip('.')}.") from error
    for image in images:
        if not _holds(connection, image):
            raise FlashError(f"Flash does not hold {image.path.name} after it was programmed.")
    return FlashResult(tuple(images), sum(len(sectors_of(image)) for image in images))


def images_to_program(connection: Connection, pair: ImagePair, policy: FlashPolicy) -> list[Image]:
    """Return which images have to be programmed under a policy.

    Raises:
        FlashError: the policy is never, and flash holds something else.
        TargetAccessError: flash cannot be read.
    """
    if policy is FlashPolicy.ALWAYS:
        return list(pair)
    differing = differing_images(connection, pair)
    if differing and not AccessPort(connection, 0).readable:
        # Zeros, which AP0 may answer while the CM7 has no clock, are no content.
        raise TargetAccessError(
            "Could not compare flash with the images: the CM7, which AP0 needs, has no clock."
        )
    if differing and policy is FlashPolicy.NEVER:
        names = " and ".join(f"{image.path.name} for the {image.core}" for image in differing)
        raise FlashError(
            f"Flash does not hold {names}, and --h7-flash=never leaves it alone: "
            "program it, or use --h7-flash=auto."
        )
    return differing

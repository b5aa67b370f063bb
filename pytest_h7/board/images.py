"""Firmware images: what is to be where in flash, and the symbols in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import FLASH_BANK1, FLASH_BANK2, Memory
from pytest_h7.errors import ImageError

if TYPE_CHECKING:
    from pytest_h7.board.debug_info import DebugInfo

_BANKS = {"cm7": FLASH_BANK1, "cm4": FLASH_BANK2}
_ELF_MAGIC = b"\x7fELF"
_EM_ARM = 40
_RAM_WINDOW = range(0x1000_0000, 0x4000_0000)


@dataclass(frozen=True)
class Segment:
    """Bytes to be loaded at `address` (the load address, LMA)."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """First address behind the segment."""
        return self.address + len(self.data)


class Image:
    """The firmware of one core, out of an ELF, HEX or BIN file.

    Args:
        core: ``"cm7"`` or ``"cm4"``.
        path: The file; a BIN is given as ``FILE@ADDRESS`` with its load address in hexadecimal.

    Raises:
        ImageError: the file is missing, is no image, or does not fit this core.
    """

    def __init__(self, core: str, path: str | Path) -> None:
        self.core = core
        name, at, address = str(path).rpartition("@")
        has_address = at and Path(address).name == address  # else the "@" is in the name of a folder
        self.path = Path(name if has_address else path)
        self.segments = self._load(address if has_address else None)
        self._check()

    def __repr__(self) -> str:
        return f"<Image {self.core} {self.path.name} {self.sha256[:8]}>"

    # -- loading ----------------------------------------------------------------------------------

    def _load(self, address: str | None) -> tuple[Segment, ...]:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise ImageError(
                f"The {self.core} image {self.path} cannot be read: {error.strerror}."
            ) from error
        if address is not None:
            return self._load_binary(content, address)
        if content.startswith(_ELF_MAGIC):
            return self._load_elf()
        if content.startswith(b":"):
            return self._load_hex()
        raise ImageError(
            f"The {self.core} image {self.path} is neither ELF nor Intel HEX; "
            f"a raw binary needs its load address: {self.path}@0x{_BANKS[self.core].start:08X}."
        )

    def _load_binary(self, content: bytes, address: str) -> tuple[Segment, ...]:
        try:
            start = int(address, 16)
            if start < 0:
                raise ValueError
        except ValueError:
            raise ImageError(
                f"The load address of the {self.core} image, {address!r}, is not a hexadecimal number."
            ) from None
        return (Segment(start, content),) if content else ()

    def _load_elf(self) -> tuple[Segment, ...]:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        try:
            with self.path.open("rb") as stream:
                elf = ELFFile(stream)
                machine = elf.header["e_machine"]
                if machine not in ("EM_ARM", _EM_ARM):
                    raise ImageError(
                        f"The {self.core} image {self.path} is for another machine ({machine}), not for Arm."
                    )
                if elf.header["e_type"] != "ET_EXEC":
                    raise ImageError(
                        f"The {self.core} image {self.path} is not a linked program ({elf.header['e_type']})."
                    )
                segments = []
                for segment in elf.iter_segments("PT_LOAD"):
                    data = segment.data()
                    if len(data) != segment["p_filesz"]:
                        raise ELFError("it ends within a segment")
                    if data:
                        segments.append(Segment(segment["p_paddr"], data))
                return tuple(segments)
        except (ELFError, ValueError, KeyError, AssertionError) as error:
            raise ImageError(f"The {self.core} image {self.path} is a damaged ELF file: {error}.") from error

    def _load_hex(self) -> tuple[Segment, ...]:
        from intelhex import IntelHex, IntelHexError

        try:
            hex_file = IntelHex(str(self.path))
        except (IntelHexError, UnicodeDecodeError, ValueError) as error:
            raise ImageError(f"The {self.core} image {self.path} is a damaged HEX file: {error}.") from error
        return tuple(
            Segment(start, bytes(hex_file.tobinarray(start=start, end=end - 1)))
            for start, end in hex_file.segments()
        )

    # -- checks -----------------------------------------------------------------------------------

    def _check(self) -> None:
        what = f"The {self.core} image {self.path}"
        if not self.segments:
            raise ImageError(f"{what} holds nothing to load.")
        bank = _BANKS[self.core]
        for segment in self.segments:
            self._check_place(what, segment, bank)
        previous: Segment | None = None
        for segment in sorted(self.segments, key=lambda segment: segment.address):
            if previous is not None and segment.address < previous.end:
                raise ImageError(
                    f"{what} has overlapping segments at 0x{previous.address:08X} and 0x{segment.address:08X}."
                )
            previous = segment
        self._check_vectors(what, bank)

    def _check_place(self, what: str, segment: Segment, bank: Memory) -> None:
        if segment.address in bank and segment.end <= bank.end:
            return
        place = f"0x{segment.address:08X} to 0x{segment.end - 1:08X}"
        for other in _BANKS.values():
            if other is not bank and segment.address in other:
                raise ImageError(
                    f"{what} would be loaded to {place}, in {other.name}; the {self.core} "
                    f"starts from {bank.name} at 0x{bank.start:08X}."
                )
        raise ImageError(
            f"{what} would be loaded to {place}, outside {bank.name} "
            f"(0x{bank.start:08X} to 0x{bank.end - 1:08X})."
        )

    def _check_vectors(self, what: str, bank: Memory) -> None:
        vectors = self.read(bank.start, 8)
        if vectors is not None:
            stack = int.from_bytes(vectors[:4], "little")
            reset = int.from_bytes(vectors[4:], "little")
            if stack in _RAM_WINDOW and reset & 1 and reset & ~1 in bank:
                return
        raise ImageError(
            f"{what} has no vector table at 0x{bank.start:08X}: expected an initial stack pointer in RAM "
            f"and a reset handler in {bank.name}."
        )

    # -- use --------------------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes | None:
        """Return bytes of the image, None where it holds none at `address`."""
        for segment in self.segments:
            if segment.address <= address and address + length <= segment.end:
                start = address - segment.address
                return segment.data[start : start + length]
        return None

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, in hexadecimal."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def entry(self) -> int:
        """Address of the reset handler, without the Thumb bit."""
        vectors = self.read(_BANKS[self.core].start, 8)
        assert vectors is not None
        return int.from_bytes(vectors[4:], "little") & ~1

    @cached_property
    def debug_info(self) -> DebugInfo:
        """Symbols, lines and frames of the ELF file; empty for other files."""
        from pytest_h7.board.debug_info import DebugInfo

        return DebugInfo(self.path)

    def symbol(self, name: str) -> int:
        """Return the address of a symbol; a function's without the Thumb bit.

        Raises:
            ImageError: the image has no such symbol, or no symbols at all.
        """
        symbol = self.debug_info.symbols.get(name)
        if symbol is None:
            raise ImageError(f"The {self.core} image {self.path} has no symbol {name!r}.")
        return symbol.address


@dataclass(frozen=True)
class ImagePair:
    """The firmware of both cores, which does not overlap."""

    cm7: Image
    cm4: Image

    def __iter__(self) -> Iterator[Image]:
        return iter((self.cm7, self.cm4))


def reference_image(name: str) -> Path:
    """Return the path of a firmware built into the package, for example ``"cm7"`` or ``"cm7_never_releases"``.

    Raises:
        ImageError: the firmware has not been built.
    """
    path = Path(str(resources.files("pytest_h7") / "images" / f"{name}.elf"))
    if not path.is_file():
        raise ImageError(
            f"The reference firmware {name}.elf is not built: run ci/firmware in the source tree "
            "(it needs arm-none-eabi-gcc), or install a pytest-h7 wheel."
        )
    return path


def load_pair(cm7: str | Path | None, cm4: str | Path | None) -> ImagePair:
    """Load both images; None stands for the reference firmware of that core.

    Raises:
        ImageError: an image is missing or does not fit.
    """
    return ImagePair(
        Image("cm7", cm7 if cm7 is not None else reference_image("cm7")),
        Image("cm4", cm4 if cm4 is not None else reference_image("cm4")),
    )


def flash_content(images: Iterable[Image]) -> dict[int, bytes]:
    """Return what `images` put into flash, by load address."""
    return {segment.address: segment.data for image in images for segment in image.segments}

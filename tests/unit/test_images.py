"""Firmware images out of ELF, HEX and BIN files made here: what is loaded, and what is refused."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_h7.board.images import Image, ImagePair, Segment, flash_content, load_pair, reference_image
from pytest_h7.errors import ImageError

BANK1, BANK2, END = 0x0800_0000, 0x0810_0000, 0x0820_0000
EM_ARM, EM_X86_64, EM_RISCV = 40, 62, 243
ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
PT_LOAD, PT_NOTE = 1, 4
HEADER_SIZE, PROGRAM_HEADER_SIZE = 52, 32


def vectors(bank: int = BANK1, stack: int = 0x2002_0000) -> bytes:
    """Return the first two vectors of a program that starts right behind them."""
    return struct.pack("<II", stack, bank + 0x09)


def elf(
    *segments: tuple[int, bytes],
    machine: int = EM_ARM,
    kind: int = ET_EXEC,
    types: tuple[int, ...] = (),
    virtual_offset: int = 0,
) -> bytes:
    """Return a 32-bit little-endian ELF file with program headers for `segments` (LMA, content)."""
    offset = HEADER_SIZE + PROGRAM_HEADER_SIZE * len(segments)
    headers = content = b""
    for index, (address, data) in enumerate(segments):
        segment_type = types[index] if types else PT_LOAD
        headers += struct.pack(
            "<8I",
            segment_type,
            offset + len(content),
            address + virtual_offset,
            address,
            len(data),
            len(data),
            5,
            4,
        )
        content += data
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", kind, machine, 1, 0, 52, 0, 0, 52, 32, len(segments), 40, 0, 0)
    return header + headers + content


def hex_record(kind: int, address: int, data: bytes = b"") -> str:
    record = bytes([len(data), address >> 8 & 0xFF, address & 0xFF, kind]) + data
    return f":{(record + bytes([-sum(record) & 0xFF])).hex().upper()}\n"


def intel_hex(*segments: tuple[int, bytes]) -> str:
    """Return an Intel HEX file in records of up to 16 bytes."""
    text = ""
    for address, data in segments:
        for start in range(0, len(data), 16):
            place = address + start
            text += hex_record(4, 0, struct.pack(">H", place >> 16))
            text += hex_record(0, place & 0xFFFF, data[start : start + 16])
    return text + hex_record(1, 0)


@pytest.fixture
def make(tmp_path: Path):
    """Write a file and load it as the image of a core."""

    def load(content: bytes | str, core: str = "cm7", name: str = "image", at: str = "") -> Image:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("ascii"))
        return Image(core, f"{path}{at}")

    return load


def described(image: Image) -> list[tuple[int, bytes]]:
    return [(segment.address, segment.data) for segment in image.segments]


# -- what is loaded ---------------------------------------------------------------------------------


def test_elf_segments_are_loaded_by_physical_address(make) -> None:
    code, data = vectors() + b"code", b"initial values"
    image = make(elf((BANK1, code), (BANK1 + 0x100, data), virtual_offset=0x1800_0000))
    assert described(image) == [(BANK1, code), (BANK1 + 0x100, data)]
    assert [segment.end for segment in image.segments] == [BANK1 + len(code), BANK1 + 0x100 + len(data)]


def test_elf_segments_without_content_or_not_to_be_loaded_do_not_count(make) -> None:
    image = make(elf((BANK1, vectors()), (0x2000_0000, b""), (0x2000_0000, b"note"), types=(1, 1, PT_NOTE)))
    assert described(image) == [(BANK1, vectors())]


def test_hex_records_are_joined(make) -> None:
    content = vectors(BANK2) + bytes(range(60))
    image = make(intel_hex((BANK2, content), (BANK2 + 0x1000, b"far")), core="cm4")
    assert described(image) == [(BANK2, content), (BANK2 + 0x1000, b"far")]


def test_hex_across_a_64_kib_border(make) -> None:
    image = make(intel_hex((BANK1, vectors() + bytes(0x1_0000))))
    assert [len(segment.data) for segment in image.segments] == [0x1_0008]


@pytest.mark.parametrize("address", ["0x08000000", "8000000", "0X0800_0000"])
def test_binary_goes_where_it_is_told(make, address: str) -> None:
    image = make(vectors() + b"raw", at=f"@{address}")
    assert described(image) == [(BANK1, vectors() + b"raw")]
    assert image.path.name == "image"


def test_folder_with_an_at_sign_is_no_load_address(tmp_path: Path) -> None:
    folder = tmp_path / "me@desk"
    folder.mkdir()
    (folder / "cm7.elf").write_bytes(elf((BANK1, vectors())))
    assert Image("cm7", folder / "cm7.elf").path == folder / "cm7.elf"
    (folder / "cm7.bin").write_bytes(vectors())
    assert described(Image("cm7", f"{folder / 'cm7.bin'}@8000000")) == [(BANK1, vectors())]


def test_read_gives_what_one_segment_holds(make) -> None:
    image = make(elf((BANK1, vectors() + b"abcd"), (BANK1 + 12, b"efgh"), (BANK1 + 0x100, b"ijkl")))
    assert image.read(BANK1 + 9, 2) == b"bc"
    assert image.read(BANK1 + 0x100, 4) == b"ijkl"
    for address, length in ((BANK1 + 0x100, 5), (BANK1 + 0x20, 1), (BANK1 - 1, 2)):
        assert image.read(address, length) is None


def test_entry_is_the_reset_handler_without_the_thumb_bit(make) -> None:
    assert make(elf((BANK1, vectors()))).entry == BANK1 + 8


def test_hash_is_that_of_the_file(make) -> None:
    image = make(vectors(), at="@8000000")
    assert image.sha256 == hashlib.sha256(vectors()).hexdigest()
    assert repr(image) == f"<Image cm7 image {image.sha256[:8]}>"


def test_flash_content_of_both_images(make) -> None:
    pair = ImagePair(
        make(elf((BANK1, vectors())), name="a"), make(elf((BANK2, vectors(BANK2))), core="cm4", name="b")
    )
    assert list(pair) == [pair.cm7, pair.cm4]
    assert flash_content(pair) == {BANK1: vectors(), BANK2: vectors(BANK2)}


# -- what is refused --------------------------------------------------------------------------------


def test_missing_file() -> None:
    with pytest.raises(ImageError, match=r"The cm7 image /nowhere/cm7.elf cannot be read: No such file"):
        Image("cm7", "/nowhere/cm7.elf")


def test_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        Image("cm7", tmp_path)


def test_binary_without_an_address(make) -> None:
    with pytest.raises(ImageError, match=r"a raw binary needs its load address: .*/image@0x08100000"):
        make(vectors(BANK2), core="cm4")


def test_binary_with_an_address_that_is_none(make) -> None:
    with pytest.raises(ImageError, match="'-8000000', is not a hexadecimal number"):
        make(vectors(), at="@-8000000")
    with pytest.raises(ImageError, match="'flash', is not a hexadecimal number"):
        make(vectors(), at="@flash")


@pytest.mark.parametrize(("machine", "name"), [(EM_X86_64, "EM_X86_64"), (EM_RISCV, "EM_RISCV")])
def test_elf_for_another_machine(make, machine: int, name: str) -> None:
    with pytest.raises(ImageError, match=f"is for another machine .{name}., not for Arm"):
        make(elf((BANK1, vectors()), machine=machine))


@pytest.mark.parametrize("kind", [ET_REL, ET_DYN])
def test_elf_that_is_not_linked(make, kind: int) -> None:
    with pytest.raises(ImageError, match="is not a linked program"):
        make(elf((BANK1, vectors()), kind=kind))


@pytest.mark.parametrize("length", [4, 20, 51, 60, 83, 84, 88])
def test_truncated_elf(make, length: int) -> None:
    whole = elf((BANK1, vectors()))
    assert length < len(whole)
    with pytest.raises(ImageError, match="damaged ELF file"):
        make(whole[:length])


@pytest.mark.parametrize("damage", ["flipped", "short", "not hexadecimal", "not text"])
def test_damaged_hex(make, damage: str) -> None:
    text = intel_hex((BANK1, vectors()))
    broken = {
        "flipped": text.replace("0902", "0903", 1).replace("0800", "0801", 1),
        "short": text[:30],
        "not hexadecimal": text.replace(":0", ":z", 1),
    }.get(damage)
    with pytest.raises(ImageError, match="damaged HEX file"):
        make(broken if broken is not None else b":\xff\xfe\x80 no text")


@pytest.mark.parametrize("content", [elf(), intel_hex(), elf((BANK1, b""))])
def test_nothing_to_load(make, content: bytes | str) -> None:
    with pytest.raises(ImageError, match="holds nothing to load"):
        make(content)


def test_empty_binary(make) -> None:
    with pytest.raises(ImageError, match="holds nothing to load"):
        make(b"", at="@8000000")


@pytest.mark.parametrize(
    ("core", "bank", "place"),
    [("cm4", BANK1, "in flash bank 1; the cm4"), ("cm7", BANK2, "in flash bank 2; the cm7")],
)
def test_image_in_the_bank_of_the_other_core(make, core: str, bank: int, place: str) -> None:
    with pytest.raises(ImageError, match=f"would be loaded to 0x{bank:08X} to 0x{bank + 7:08X}, {place}"):
        make(elf((bank, vectors(bank))), core=core)


@pytest.mark.parametrize("address", [0, 0x0700_0000, 0x2000_0000, 0x2400_0000, END, 0xFFFF_FFF8])
def test_outside_flash(make, address: int) -> None:
    with pytest.raises(ImageError, match=f"0x{address:08X} to .*, outside flash bank 1"):
        make(elf((BANK1, vectors()), (address, b"lost")))


@pytest.mark.parametrize(("core", "bank", "end"), [("cm7", BANK1, BANK2), ("cm4", BANK2, END)])
def test_bank_has_an_end(make, core: str, bank: int, end: int) -> None:
    fits = make(elf((bank, vectors(bank)), (end - 4, b"last")), core=core)
    assert fits.segments[-1].end == end
    with pytest.raises(ImageError, match="outside flash bank"):
        make(elf((bank, vectors(bank)), (end - 4, b"beyond")), core=core)


def test_overlapping_segments(make) -> None:
    with pytest.raises(ImageError, match="overlapping segments at 0x08000000 and 0x08000006"):
        make(elf((BANK1 + 6, b"overlap"), (BANK1, vectors())))


@pytest.mark.parametrize(
    "first",
    [
        struct.pack("<II", 0x0800_0000, BANK1 + 9),  # stack in flash
        struct.pack("<II", 0xFFFF_FFFF, BANK1 + 9),  # erased
        struct.pack("<II", 0x2002_0000, BANK1 + 8),  # not Thumb
        struct.pack("<II", 0x2002_0000, BANK2 + 9),  # reset handler in the other bank
        struct.pack("<II", 0x2002_0000, 0x2000_0001),  # reset handler in RAM
        struct.pack("<I", 0x2002_0000),  # too short
    ],
)
def test_no_vector_table(make, first: bytes) -> None:
    with pytest.raises(ImageError, match="has no vector table at 0x08000000"):
        make(elf((BANK1, first)))


def test_image_that_does_not_begin_at_its_bank(make) -> None:
    with pytest.raises(ImageError, match="has no vector table at 0x08000000"):
        make(elf((BANK1 + 0x2_0000, vectors())))


def test_symbol_that_is_not_there(make) -> None:
    with pytest.raises(ImageError, match="has no symbol 'main'"):
        make(elf((BANK1, vectors()))).symbol("main")
    with pytest.raises(ImageError, match="has no symbol 'main'"):
        make(intel_hex((BANK1, vectors()))).symbol("main")


def test_pair_of_the_reference_firmware() -> None:
    pair = load_pair(None, None)
    assert (pair.cm7.path, pair.cm4.path) == (reference_image("cm7"), reference_image("cm4"))
    assert pair.cm7.read(pair.cm7.symbol("Reset_Handler"), 2) is not None
    assert pair.cm7.entry == pair.cm7.symbol("Reset_Handler")


def test_reference_firmware_that_is_not_there() -> None:
    with pytest.raises(ImageError, match=r"nonsense.elf is not built: run ci/firmware"):
        reference_image("nonsense")


# -- whatever a file holds --------------------------------------------------------------------------


def check_loads_or_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, at: str = "") -> None:
    path = tmp_path_factory.getbasetemp() / "any-image"
    path.write_bytes(content)
    try:
        image = Image("cm7", f"{path}{at}")
    except ImageError:
        return
    assert all(BANK1 <= segment.address < segment.end <= BANK2 for segment in image.segments)
    assert BANK1 <= image.entry < BANK2


VALID_ELF = elf((BANK1, vectors() + bytes(8)), (BANK1 + 0x400, b"data"))


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_elf_is_an_image_error(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = bytearray(VALID_ELF)
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(4, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    length = data.draw(st.one_of(st.just(len(content)), st.integers(4, len(content))))
    check_loads_or_is_refused(tmp_path_factory, bytes(content[:length]))


@given(tail=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_anything_after_the_elf_magic(tail: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_loads_or_is_refused(tmp_path_factory, b"\x7fELF" + tail)


@given(
    lines=st.lists(
        st.one_of(
            st.text(alphabet=":0123456789ABCDEFabcdef xyz\x00", max_size=50),
            st.builds(
                hex_record,
                st.sampled_from((0, 0, 0, 1, 2, 3, 4, 5, 6, 255)),
                st.integers(0, 0xFFFF),
                st.binary(max_size=20),
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_any_hex_file_is_an_image_or_an_image_error(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "".join(line if line.endswith("\n") else line + "\n" for line in lines)
    check_loads_or_is_refused(tmp_path_factory, b":" + text.encode("ascii"))


@given(
    content=st.binary(max_size=64), at=st.one_of(st.just("@8000000"), st.text(max_size=8).map("@{}".format))
)
@settings(max_examples=100, deadline=None)
def test_any_binary_is_an_image_or_an_image_error(
    content: bytes, at: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_loads_or_is_refused(tmp_path_factory, content, at)


ranges = st.tuples(st.integers(0, 60), st.integers(1, 12))


@given(places=st.lists(ranges, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_segments_overlap_exactly_when_a_byte_is_in_two(
    places: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    segments = [
        (BANK1 + 0x100 + start, bytes([index]) * length) for index, (start, length) in enumerate(places)
    ]
    addresses = [start + offset for start, length in places for offset in range(length)]
    path = tmp_path_factory.getbasetemp() / "segments.elf"
    path.write_bytes(elf((BANK1, vectors()), *segments))
    if len(set(addresses)) == len(addresses):
        image = Image("cm7", path)
        assert image.segments[1:] == tuple(Segment(address, data) for address, data in segments)
        for address, data in segments:
            assert image.read(address, len(data)) == data
    else:
        with pytest.raises(ImageError, match="overlapping"):
            Image("cm7", path)

"""Flashing the virtual board: what is compared, what is kept, and what happens where something is in the way."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_h7.bench.bench import Bench
from pytest_h7.bench.settings import FlashPolicy, Settings
from pytest_h7.board.board import Board
from pytest_h7.board.flash_lanes import runs_of
from pytest_h7.board.flash_plan import FlashPlan, pieces_of
from pytest_h7.board.flashing import Flasher
from pytest_h7.board.images import Image, ImagePair, Segment, load_pair, reference_image
from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.errors import FlashError, H7Error
from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.peripherals.flash_bank import FlashBank

BANK_1, BANK_2, SECTOR, WORD = 0x0800_0000, 0x0810_0000, 0x2_0000, 32
BLANK = b"\xff" * WORD
IWDG1_SW, BCM4, BCM7 = 1 << 4, 1 << 22, 1 << 23


@pytest.fixture
def virtual() -> VirtualBoard:
    return VirtualBoard()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def board(virtual: VirtualBoard, notes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """A board as it leaves the factory, that one comes back to."""
    monkeypatch.setattr(twin_board, "_boards", {"": virtual})
    monkeypatch.setattr(Bench, "notes", notes)
    bench = Bench(Settings(frequency=24_000_000))
    yield Board(bench)
    bench.close()


def fill(virtual: VirtualBoard, address: int, data: bytes) -> None:
    """Put data into flash as if by magic."""
    bank = next(bank for bank in FLASH_BANKS if address in bank)
    virtual.mcu.memory(bank.name)[address - bank.start : address - bank.start + len(data)] = data
    virtual.mcu.code_changed(address, len(data))


def content(virtual: VirtualBoard, address: int, length: int) -> bytes:
    bank = next(bank for bank in FLASH_BANKS if address in bank)
    return bytes(virtual.mcu.memory(bank.name)[address - bank.start : address - bank.start + length])


def image(folder: Path, core: str, size: int, seed: int = 0, *, check_sum: bool = False) -> Image:
    """Make an image of random bytes, with a CRC-32 of all that is before it at the end."""
    start = BANK_1 if core == "cm7" else BANK_2
    data = struct.pack("<II", 0x2001_0000, start + 0x201) + random.Random(seed).randbytes(size - 12)
    data += zlib.crc32(data).to_bytes(4, "little") if check_sum else bytes(4)
    path = folder / f"{core}-{seed}.bin"
    path.write_bytes(data)
    return Image(core, f"{path}@{start:08X}")


@pytest.fixture
def make_pair(tmp_path_factory: pytest.TempPathFactory):
    """Make a pair of images that are too large to be compared by reading."""

    def make(seed: int, size: int = 20_000, **how: bool) -> ImagePair:
        folder = tmp_path_factory.mktemp("images")
        return ImagePair(image(folder, "cm7", size, seed, **how), image(folder, "cm4", size, seed + 1, **how))

    return make


def holds(virtual: VirtualBoard, pair: ImagePair) -> bool:
    return all(
        content(virtual, segment.address, len(segment.data)) == segment.data
        for image in pair
        for segment in image.segments
    )


# -- the agent --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_what_the_agent_finds_is_what_is_there(board: Board, virtual: VirtualBoard, seed: int) -> None:
    chance = random.Random(seed)
    for bank in FLASH_BANKS:
        for _ in range(12):
            start = chance.randrange(bank.size - 400)
            fill(virtual, bank.start + start, chance.randbytes(chance.randrange(400)))
    virtual.mcu.flash.load_broken_words([sorted(chance.sample(range(0x8000), 5)) for _ in FLASH_BANKS])
    places = sorted(chance.sample(range(BANK_1, BANK_2 + 0x10_0000, 4000), 70))
    pieces = [Segment(place, bytes(chance.randrange(1, 3000))) for place in places]
    sectors = sorted(chance.sample(range(BANK_1, BANK_2 + 0x10_0000, SECTOR), chance.choice([1, 3, 16])))
    with Flasher(board)._agent() as agent:
        survey = agent.survey(pieces, sectors)
    broken = {
        bank.start + number * WORD
        for bank, numbers in zip(FLASH_BANKS, virtual.mcu.flash.broken_words(), strict=True)
        for number in numbers
    }
    for sector in sectors:
        state = survey.sectors[sector]
        words = range(sector, sector + SECTOR, WORD)
        assert [at for at in words if state.is_unreadable(at)] == [at for at in words if at in broken]
        blank = [at for at in words if at not in broken and content(virtual, at, WORD) == BLANK]
        assert [at for at in words if state.is_blank(at)] == blank
    for piece in pieces:
        touched = range(piece.address - piece.address % WORD, piece.end, WORD)
        if not broken.intersection(touched):
            assert survey.digests[piece.address] == digest(virtual, piece, touched)


def digest(virtual: VirtualBoard, piece: Segment, touched: range) -> bytes:
    found = hashlib.md5()
    for address in touched:
        word = content(virtual, address, WORD)
        if word != BLANK:
            inside = range(piece.address, piece.end)
            found.update(bytes(byte if address + at in inside else 0xFF for at, byte in enumerate(word)))
    return found.digest()


def test_an_agent_that_does_not_answer(board: Board) -> None:
    with Flasher(board)._agent() as agent:
        agent.halt()
        with pytest.raises(FlashError, match="does not answer"):
            agent.survey([], [BANK_1])


def test_the_core_is_left_as_if_the_agent_had_not_been_there(board: Board, make_pair) -> None:
    board.flash(make_pair(0), FlashPolicy.AUTO)
    assert board.cm7.is_halted
    assert board.cm7.read_u32(0xE000_ED30) == 0, "DFSR would tell of a halt that no test has asked for"


def test_runs_bridge_small_gaps_and_no_large_ones() -> None:
    words = dict.fromkeys((0, 32, 96, 0x4000), b"w" * WORD)
    assert runs_of(words) == [(0, b"w" * 64 + BLANK + b"w" * 32), (0x4000, b"w" * WORD)]


# -- what is done -----------------------------------------------------------------------------------------


def test_large_images_are_compared_by_their_digest(board: Board, virtual: VirtualBoard, make_pair) -> None:
    pair = make_pair(0)
    assert board.flash(pair, FlashPolicy.AUTO).programmed == (pair.cm7, pair.cm4)
    assert holds(virtual, pair)
    start, transfers = board.time(), board.bench.probe.transfers
    result = board.flash(pair, FlashPolicy.AUTO)
    assert (result.programmed, result.sectors) == ((), 0)
    assert board.time() - start < 0.03
    assert board.bench.probe.transfers - transfers < 45


def test_one_byte_makes_the_difference(board: Board, virtual: VirtualBoard, make_pair) -> None:
    pair = make_pair(0)
    board.flash(pair, FlashPolicy.AUTO)
    byte = content(virtual, BANK_2 + 12_345, 1)[0]
    fill(virtual, BANK_2 + 12_345, bytes([byte ^ 4]))
    result = board.flash(pair, FlashPolicy.AUTO)
    assert (result.programmed, result.sectors) == ((pair.cm4,), 1)
    assert holds(virtual, pair)


def test_images_with_a_check_sum_of_their_own_are_told_apart(
    board: Board, virtual: VirtualBoard, make_pair
) -> None:
    """The CRC-32 of everything that ends in its own CRC-32 is one and the same number."""
    one, other = make_pair(0, check_sum=True), make_pair(2, check_sum=True)
    assert len({zlib.crc32(image.segments[0].data) for image in (*one, *other)}) == 1
    board.flash(one, FlashPolicy.AUTO)
    board.flash(other, FlashPolicy.AUTO)
    assert holds(virtual, other)


def test_blank_flash_is_programmed_without_an_erase(board: Board, virtual: VirtualBoard, make_pair) -> None:
    start = board.time()
    assert board.flash(make_pair(0), FlashPolicy.AUTO).sectors == 0
    assert board.time() - start < 0.2


def test_content_around_the_images_is_kept(board: Board, virtual: VirtualBoard, make_pair) -> None:
    kept = {
        BANK_1 + 20_001: b"right behind the image",
        BANK_1 + 0x1_2345: b"calibration",
        BANK_2 + SECTOR - 5: b"log\n!",
    }
    board.flash(make_pair(0), FlashPolicy.AUTO)
    for address, data in kept.items():
        fill(virtual, address, data)
    board.flash(make_pair(2), FlashPolicy.AUTO)
    assert {address: content(virtual, address, len(data)) for address, data in kept.items()} == kept


def test_what_can_be_read_beside_broken_words_is_kept(board: Board, virtual: VirtualBoard, make_pair) -> None:
    board.flash(make_pair(0), FlashPolicy.AUTO)
    first, behind = BANK_1 + 0x1_0000, BANK_1 + 0x1_0040
    for address in (first, behind):
        fill(virtual, address, b"kept".ljust(WORD))
    virtual.mcu.flash.load_broken_words([[0, 0x1_0020 // WORD], []])
    board.flash(make_pair(2), FlashPolicy.AUTO)
    assert [content(virtual, address, WORD) for address in (first, behind)] == 2 * [b"kept".ljust(WORD)]
    assert virtual.mcu.flash.broken_words() == [[], []]


def test_both_banks_work_at_the_same_time(board: Board, virtual: VirtualBoard) -> None:
    def seconds(version: int, *banks: int) -> float:
        """Program the start of three sectors of some banks, which are erased for it."""
        starts = [bank + index * SECTOR for bank in banks for index in range(3)]
        segments = [Segment(at, random.Random(version * at).randbytes(5000)) for at in starts]
        start = board.time()
        Flasher(board).program(segments)
        duration = board.time() - start
        assert [content(virtual, at, 5000) for at in starts] == [segment.data for segment in segments]
        return duration

    seconds(1, BANK_1, BANK_2)
    one_by_one = seconds(2, BANK_1) + seconds(2, BANK_2)
    assert 3.0 < seconds(3, BANK_1, BANK_2) < 0.52 * one_by_one


def test_what_only_looks_blank_is_erased(
    board: Board, virtual: VirtualBoard, make_pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flash word that was programmed with ones reads as a blank one does, and cannot be programmed again."""
    program = FlashBank._program

    def program_badly_unless_erased(bank: FlashBank, word: int, data: bytes) -> None:
        program(bank, word, data)
        if bank.number == 2 and word == 64 and not erased:
            bank.load_broken_words([word // WORD])

    erased: list[range] = []
    erase_cells = FlashBank.erase_cells
    monkeypatch.setattr(FlashBank, "_program", program_badly_unless_erased)
    monkeypatch.setattr(
        FlashBank,
        "erase_cells",
        lambda bank, sectors: (erased.append(sectors), erase_cells(bank, sectors))[1],
    )
    pair = make_pair(0)
    assert board.flash(pair, FlashPolicy.AUTO).sectors == 1
    assert erased == [range(1)]
    assert holds(virtual, pair)


def test_worn_out_flash(board: Board, make_pair, monkeypatch: pytest.MonkeyPatch) -> None:
    program = FlashBank._program
    monkeypatch.setattr(
        FlashBank, "_program", lambda bank, word, data: program(bank, word, data[:-1] + b"\0")
    )
    with pytest.raises(
        FlashError, match=r"sector at 0x08000000, which was erased before: it may be worn out"
    ):
        board.flash(make_pair(0), FlashPolicy.AUTO)


@pytest.mark.parametrize("is_blank", [True, False])
def test_write_protected_sector(board: Board, virtual: VirtualBoard, make_pair, is_blank: bool) -> None:
    pair = make_pair(0)
    if not is_blank:
        board.flash(make_pair(2), FlashPolicy.AUTO)
    virtual.mcu.flash.load(virtual.mcu.flash.save() | {"WPSN2": 0xFE})
    with pytest.raises(FlashError, match=r"bank 2 was not .*: WRPERR \(the sector is write protected\)"):
        board.flash(pair, FlashPolicy.AUTO)
    assert content(virtual, BANK_1, 20_000) == pair.cm7.segments[0].data, (
        "the other bank is not left half done"
    )
    flash = board.registers.FLASH
    assert (flash.CR1.LOCK, flash.CR2.LOCK) == (1, 1)


def test_a_cm7_that_its_option_byte_holds(board: Board, virtual: VirtualBoard, make_pair) -> None:
    words = virtual.mcu.flash.save()
    virtual.mcu.flash.load(words | {"OPTSR": words["OPTSR"] & ~BCM7})
    pair = make_pair(0)
    board.flash(pair, FlashPolicy.AUTO)
    assert holds(virtual, pair)


def test_a_watchdog_that_hardware_has_started_does_not_bite(board: Board, virtual: VirtualBoard) -> None:
    """It counts from the reset on and ends in half a second; a CM4 that is held does not freeze it."""
    words = virtual.mcu.flash.save()
    virtual.mcu.flash.load(words | {"OPTSR": words["OPTSR"] & ~(IWDG1_SW | BCM4)})
    fill(virtual, BANK_2, bytes(WORD))
    for address, size in ((BANK_1, 180_000), (BANK_2, 5000)):  # long to be programmed, and to be erased
        data = random.Random(address).randbytes(size)
        Flasher(board).program([Segment(address, data)])
        assert content(virtual, address, size) == data


def test_never_leaves_the_board_running(board: Board, make_pair) -> None:
    pair = make_pair(0)
    with pytest.raises(FlashError, match=r"does not hold cm7-0\.bin for the cm7 and cm4-1\.bin for the cm4"):
        board.flash(pair, FlashPolicy.NEVER)
    assert not board.cm7.is_halted
    board.flash(pair, FlashPolicy.AUTO)
    assert board.flash(pair, FlashPolicy.NEVER).programmed == ()


def test_progress_goes_up_to_the_end(board: Board, make_pair) -> None:
    told: list[tuple[FlashPlan, float]] = []
    board.flash(make_pair(0), FlashPolicy.AUTO)
    board.flash(make_pair(2), FlashPolicy.AUTO, lambda plan, done: told.append((plan, done)))
    fractions = [done for _, done in told]
    assert len(fractions) > 10
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.2
    assert 0.9 < fractions[-1] <= 1
    assert told[0][0].erased == 2


# -- the journal ------------------------------------------------------------------------------------------


def journal_of(virtual: VirtualBoard, notes: Path) -> Path:
    return notes / f"{bytes(virtual.mcu.memory('system flash bank 1')[0x1_E800:0x1_E80C]).hex()}.flash.json"


def leave_unfinished(virtual: VirtualBoard, notes: Path, sectors: dict[str, dict[str, str] | None]) -> Path:
    path = journal_of(virtual, notes)
    path.write_text(json.dumps(sectors))
    return path


def test_a_change_that_seems_complete_but_was_cut_is_done_again(
    board: Board, virtual: VirtualBoard, notes: Path
) -> None:
    pair = load_pair(None, None)
    board.flash(pair, FlashPolicy.AUTO)
    path = leave_unfinished(virtual, notes, {"0x08100000": None})
    with pytest.raises(FlashError, match=r"does not hold cm4\.elf for the cm4"):
        board.flash(pair, FlashPolicy.NEVER)
    result = board.flash(pair, FlashPolicy.AUTO)
    assert (result.programmed, result.sectors) == ((pair.cm4,), 1)
    assert not path.exists()


def test_what_was_kept_is_restored_to_a_sector_that_no_image_needs(
    board: Board, virtual: VirtualBoard, notes: Path
) -> None:
    pair = load_pair(None, None)
    board.flash(pair, FlashPolicy.AUTO)
    kept = b"kept".ljust(WORD, b".")
    virtual.mcu.flash.load_broken_words([list(range(0x1000, 0x1800)), []])
    leave_unfinished(virtual, notes, {"0x08020000": {"0x08020040": kept.hex()}})
    assert board.flash(pair, FlashPolicy.AUTO).sectors == 1
    assert content(virtual, BANK_1 + SECTOR, 96) == 2 * BLANK + kept
    assert virtual.mcu.flash.broken_words() == [[], []]


def test_what_another_tool_has_programmed_since_is_not_taken_back(
    board: Board, virtual: VirtualBoard, notes: Path
) -> None:
    pair = load_pair(None, None)
    board.flash(pair, FlashPolicy.AUTO)
    newer = bytes(range(WORD))
    fill(virtual, BANK_1 + 0x1_0000, newer)
    leave_unfinished(virtual, notes, {"0x08000000": {"0x08010000": (b"\x80" * WORD).hex()}})
    board.flash(pair, FlashPolicy.AUTO)
    assert content(virtual, BANK_1 + 0x1_0000, WORD) == newer


def test_the_journal_of_another_chip_is_left_alone(board: Board, virtual: VirtualBoard, notes: Path) -> None:
    pair = load_pair(None, None)
    board.flash(pair, FlashPolicy.AUTO)
    other = notes / "000102030405060708090a0b.flash.json"
    other.write_text(json.dumps({"0x08000000": None}))
    assert board.flash(pair, FlashPolicy.AUTO).programmed == ()
    assert other.exists()


def test_a_damaged_journal(board: Board, virtual: VirtualBoard, notes: Path) -> None:
    journal_of(virtual, notes).write_text("{")
    with pytest.raises(H7Error, match=r"is damaged: delete it and flash again"):
        board.flash(load_pair(None, None), FlashPolicy.AUTO)


def test_nothing_is_left_behind(board: Board, notes: Path, make_pair) -> None:
    board.flash(make_pair(0), FlashPolicy.AUTO)
    board.flash(load_pair(None, reference_image("cm4_never_sleeps")), FlashPolicy.AUTO)
    assert list(notes.iterdir()) == []


def test_pieces_of_the_reference_firmware_are_one_for_each_bank() -> None:
    pieces = pieces_of(segment for image in load_pair(None, None) for segment in image.segments)
    assert [piece.address for piece in pieces] == [BANK_1, BANK_2]

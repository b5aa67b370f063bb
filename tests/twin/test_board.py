"""The virtual board: what is wired to the chip, and what a named board keeps between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_h7.board.images import load_pair, reference_image
from pytest_h7.chip.memory import FLASH_BANK1, FLASH_BANK2
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import ImageError
from pytest_h7.twin import board as board_module
from pytest_h7.twin.board import VirtualBoard, virtual_board
from pytest_h7.twin.board_store import BoardInUse, BoardNameError
from pytest_h7.twin.bus import BusFault, Master

BANNER = b"pytest-h7 reference firmware\r\n"
SEV_WAKES_CM4 = ("void program(void) { for (;;) sev(); }", "void program(void) { result[0] = 1; }")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where named boards are kept, empty."""
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_boards(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has asked for no board yet."""
    monkeypatch.setattr(board_module, "_boards", {})
    monkeypatch.delenv("H7_TWIN_IMAGES", raising=False)


def with_firmware(board: VirtualBoard) -> VirtualBoard:
    for image in load_pair(None, None):
        bank = FLASH_BANK1 if image.core == "cm7" else FLASH_BANK2
        for segment in image.segments:
            start = segment.address - bank.start
            board.mcu.memory(bank.name)[start : start + len(segment.data)] = segment.data
    board.power_cycle(0.001)
    return board


# -- as it leaves the factory ------------------------------------------------------------------------


def test_new_board_has_power_and_erased_flash() -> None:
    board = VirtualBoard()
    assert board.mcu.powered
    assert board.serial == "H7TWIN"
    assert set(board.mcu.memory("flash bank 1")) == set(board.mcu.memory("flash bank 2")) == {0xFF}
    assert board.time() == 0.0


def test_sleep_is_board_time() -> None:
    board = VirtualBoard()
    board.sleep(0.25)
    board.sleep(1e-6)
    assert board.time() == pytest.approx(0.250001, abs=1e-12)


def test_boards_have_unique_ids_of_their_own(home: Path) -> None:
    boards = [VirtualBoard(), VirtualBoard("one"), VirtualBoard("two")]
    ids = [bytes(board.mcu.memory("system flash bank 1")[0x1E800:0x1E80C]) for board in boards]
    assert len(set(ids)) == 3
    assert [board.serial for board in boards] == ["H7TWIN", "H7TWIN-one", "H7TWIN-two"]
    for board in boards:
        board.close()


def test_clock_of_the_board() -> None:
    assert VirtualBoard().mcu.clock_hz("hse") == 8_000_000


def test_button_is_pulled_down() -> None:
    mcu = VirtualBoard().mcu
    assert not mcu.pins.level("PC13")
    mcu.pins.drive("PC13", True)
    assert mcu.pins.level("PC13")
    mcu.pins.release("PC13")
    assert not mcu.pins.level("PC13")


def test_power_cycle_takes_its_time_and_starts_the_firmware_again() -> None:
    board = with_firmware(VirtualBoard())
    board.sleep(0.05)
    board.vcp.clear()
    before = board.time()
    board.power_cycle(0.2)
    assert board.time() - before == pytest.approx(0.2)
    board.sleep(0.05)
    assert board.vcp.read(100).startswith(BANNER)


# -- virtual COM port --------------------------------------------------------------------------------


def test_console_text_arrives_with_time() -> None:
    board = with_firmware(VirtualBoard())
    assert board.vcp.in_waiting == 0
    board.sleep(0.1)
    assert board.vcp.in_waiting > len(BANNER)
    assert board.vcp.read(len(BANNER)) == BANNER
    rest = board.vcp.in_waiting
    assert len(board.vcp.read(10_000)) == rest
    assert board.vcp.read(1) == b""


def test_console_is_as_fast_as_its_baud_rate() -> None:
    board = with_firmware(VirtualBoard())
    while not board.vcp.in_waiting:
        board.sleep(1e-5)
    start = board.time()
    while board.vcp.in_waiting < 21:
        board.sleep(1e-5)
    # 20 characters of 10 bits at 115200 baud.
    assert board.time() - start == pytest.approx(20 * 10 / 115_200, rel=0.02)


def test_console_answers() -> None:
    board = with_firmware(VirtualBoard())
    board.sleep(0.1)
    board.vcp.clear()
    board.vcp.write(b"ping\r")
    board.sleep(0.1)
    assert board.vcp.read(100) == b"[CM7] pong\r\n"


def test_nothing_arrives_without_the_pin() -> None:
    board = with_firmware(VirtualBoard())
    board.sleep(0.1)
    board.vcp.clear()
    afrh = board.mcu.gpio["D"].base + 0x24
    board.mcu.write(afrh, 4, 0, Master.AP1)
    board.vcp.write(b"ping\r")
    board.sleep(0.1)
    assert board.vcp.in_waiting == 0


@pytest.mark.parametrize("baud_rate", [9_600, 57_600, 230_400])
def test_wrong_baud_rate_breaks_the_text_both_ways(baud_rate: int) -> None:
    board = with_firmware(VirtualBoard())
    board.vcp.baud_rate = baud_rate
    board.sleep(0.1)
    received = board.vcp.read(1_000)
    assert len(received) > len(BANNER)
    assert b"pytest" not in received
    board.vcp.write(b"ping\r")
    board.vcp.baud_rate = 115_200
    board.sleep(0.1)
    assert b"pong" not in board.vcp.read(1_000)


def test_clock_tree_behind_the_firmwares_back_breaks_the_text() -> None:
    """As after system Stop, when the clocks are those of the internal oscillator again."""
    board = with_firmware(VirtualBoard())
    board.sleep(0.1)
    board.vcp.clear()
    board.mcu.write(board.mcu.rcc.base + 0x10, 4, 0, Master.AP1)
    board.mcu.pins.drive("PC13", True)
    board.sleep(0.2)
    received = board.vcp.read(1_000)
    assert received
    assert b"EXTI13" not in received


# -- named boards ------------------------------------------------------------------------------------


def test_named_board_keeps_flash_and_option_bytes(home: Path) -> None:
    board = with_firmware(VirtualBoard("desk"))
    words = board.mcu.flash.save()
    words["OPTSR"] &= ~(1 << 22)
    board.mcu.flash.load(words)
    content = bytes(board.mcu.memory("flash bank 1")), bytes(board.mcu.memory("flash bank 2"))
    board.mcu.memory("AXI SRAM")[:4] = b"gone"
    board.close()

    again = VirtualBoard("desk")
    assert (bytes(again.mcu.memory("flash bank 1")), bytes(again.mcu.memory("flash bank 2"))) == content
    assert again.mcu.flash.option("BCM4") == 0
    assert bytes(again.mcu.memory("AXI SRAM")[:4]) == bytes(4)
    again.sleep(0.1)
    assert again.mcu.mode("cm4").value == "held"
    again.close()


def test_named_board_keeps_swapped_banks_in_place(home: Path) -> None:
    board = VirtualBoard("desk")
    board.mcu.memory("flash bank 1")[:4] = b"one."
    board.mcu.memory("flash bank 2")[:4] = b"two."
    words = board.mcu.flash.save()
    board.mcu.flash.load(words | {"OPTSR": words["OPTSR"] | 1 << 31})
    board.mcu.system_reset()
    for _ in range(2):
        assert bytes(board.mcu.memory("flash bank 1")[:4]) == b"two."
        board.close()
        board = VirtualBoard("desk")
    board.close()


def test_named_board_keeps_what_the_end_of_the_process_has_broken(home: Path) -> None:
    """The power of a board that is given up goes off, in mid-erase or not."""
    board = VirtualBoard("desk")
    board.mcu.memory("flash bank 2")[0x40:0xC0] = bytes(0x80)
    flash = peripheral("FLASH")
    for register, value in (("KEYR2", 0x4567_0123), ("KEYR2", 0xCDEF_89AB), ("CR2", 0xB4)):
        board.mcu.write(flash.registers[register].address, 4, value, Master.AP0)
    board.sleep(0.5)
    board.close()

    board = VirtualBoard("desk")
    assert board.mcu.flash.broken_words() == [[], [3, 5]]
    with pytest.raises(BusFault):
        board.mcu.read(0x0810_0060, 4, Master.AP0)
    board.close()


def test_named_board_starts_what_it_kept(home: Path) -> None:
    with_firmware(VirtualBoard("desk")).close()
    board = VirtualBoard("desk")
    board.sleep(0.1)
    assert board.vcp.read(len(BANNER)) == BANNER
    board.close()


def test_instructions_of_kept_flash_are_all_known(home: Path, build_program) -> None:
    """SEV of the CM7 too: nothing that was in flash before the chip was made may be overlooked."""
    board = VirtualBoard("desk")
    for core, source in zip(("cm7", "cm4"), SEV_WAKES_CM4, strict=True):
        bank = FLASH_BANK1 if core == "cm7" else FLASH_BANK2
        (segment,) = build_program(core, source).image.segments
        board.mcu.memory(bank.name)[: len(segment.data)] = segment.data
    board.close()
    board = VirtualBoard("desk")
    board.sleep(0.001)
    ispr2 = 0xE000_E208
    assert board.mcu.cores["cm4"].read_debug(ispr2) & 1  # IRQ 64, the CM7's SEV
    board.close()


def test_boards_of_different_names_have_nothing_in_common(home: Path) -> None:
    board = VirtualBoard("one")
    board.mcu.memory("flash bank 1")[0] = 0
    board.close()
    other = VirtualBoard("two")
    assert other.mcu.memory("flash bank 1")[0] == 0xFF
    other.close()


def test_unnamed_board_keeps_nothing(home: Path) -> None:
    board = VirtualBoard()
    board.mcu.memory("flash bank 1")[0] = 0
    board.close()
    assert VirtualBoard().mcu.memory("flash bank 1")[0] == 0xFF
    assert list(home.iterdir()) == []


def test_named_board_belongs_to_one_process(home: Path) -> None:
    board = VirtualBoard("desk")
    code = "from pytest_h7.twin.board import VirtualBoard; VirtualBoard('desk')"
    environment = {**os.environ, "H7_TWIN_HOME": str(home)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "The virtual board 'desk' is in use by another process." in other.stderr
    with pytest.raises(BoardInUse, match="'desk' is in use"):
        VirtualBoard("desk")
    board.close()
    VirtualBoard("desk").close()


@pytest.mark.parametrize("name", ["../desk", "a/b", "", ".hidden", "a b", "x" * 60, "täst", "a\n"])
def test_name_that_cannot_be_one_of_a_folder(home: Path, name: str) -> None:
    if name:
        with pytest.raises(BoardNameError, match="cannot be the name of a virtual board"):
            VirtualBoard(name)
    assert list(home.iterdir()) == []


# -- boards of a process --------------------------------------------------------------------------------


def test_board_is_made_once(no_boards: None) -> None:
    assert virtual_board() is virtual_board("")
    assert virtual_board("desk") is virtual_board("desk")
    assert virtual_board("desk") is not virtual_board()
    board_module.give_up(virtual_board("desk"))
    VirtualBoard("desk").close()


def test_board_that_was_given_up_is_made_again(no_boards: None) -> None:
    board = virtual_board("desk")
    board_module.give_up(board)
    again = virtual_board("desk")
    assert again is not board
    board_module.give_up(again)
    unnamed = virtual_board()
    board_module.give_up(unnamed)
    assert virtual_board() is unnamed


def test_images_of_the_environment_are_in_flash(no_boards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN_IMAGES", f"{reference_image('cm7')}, {reference_image('cm4')}")
    board = virtual_board()
    board.sleep(0.1)
    assert board.vcp.read(len(BANNER)) == BANNER


def test_image_of_the_environment_that_is_not_for_flash(
    no_boards: None, monkeypatch: pytest.MonkeyPatch, build_program, tmp_path: Path
) -> None:
    elf = build_program("cm7", "void program(void) {}", "-Wl,--section-start=.text=0x24000000").path
    monkeypatch.setenv("H7_TWIN_IMAGES", str(elf))
    with pytest.raises(ImageError, match="is no ELF file for this chip: 0x24000000 is not in flash"):
        virtual_board()


def test_file_of_the_environment_that_cannot_be_loaded(
    no_boards: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("H7_TWIN_IMAGES", str(tmp_path / "cm7.elf"))
    with pytest.raises(ImageError, match=r"cm7\.elf in H7_TWIN_IMAGES cannot be read: No such file"):
        virtual_board()
    (tmp_path / "cm7.elf").write_text("no ELF")
    with pytest.raises(ImageError, match="is no ELF file for this chip: Magic number does not match"):
        virtual_board()

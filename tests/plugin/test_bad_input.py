"""What a user can get wrong: one sentence that names it and the way out, and exit code 4 or an error of ours."""

import fcntl
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_h7.twin import board as twin_board
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run

BANK1, BANK2 = 0x0800_0000, 0x0810_0000
EM_386, EM_ARM, EM_AARCH64, EM_RISCV = 3, 40, 183, 243
ET_REL, ET_EXEC = 1, 2
Segments = list[tuple[int, bytes]]


def vectors(bank: int, stack: int = 0x2002_0000, reset: int | None = None) -> bytes:
    return struct.pack("<II", stack, bank + 0x101 if reset is None else reset).ljust(0x200, b"\0")


def elf(segments: Segments, *, machine: int = EM_ARM, kind: int = ET_EXEC) -> bytes:
    header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01",
        kind,
        machine,
        1,
        0,
        52,
        0,
        0x0500_0000,
        52,
        32,
        len(segments),
        40,
        0,
        0,
    )
    offset = 52 + 32 * len(segments)
    programs, content = b"", b""
    for address, data in segments:
        place = offset + len(content)
        programs += struct.pack("<8I", 1, place, address, address, len(data), len(data), 5, 4)
        content += data
    return header + programs + content


def elf64(machine: int) -> bytes:
    return struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", ET_EXEC, machine, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0
    )


def hex_line(kind: int, address: int, data: bytes) -> str:
    record = struct.pack(">BHB", len(data), address, kind) + data
    return f":{record.hex()}{-sum(record) & 0xFF:02x}\n".upper()


HEX_END = ":00000001FF\n"

IMAGES: dict[str, tuple[str, bytes | str | None, str]] = {
    "missing": ("cm7", None, r"cannot be read: No such file or directory\."),
    "text": ("cm7", "hello", r"is neither ELF nor Intel HEX; a raw binary needs its .*@0x08000000\."),
    "binary-cm4": ("cm4", b"\0\0\2\x10", r"is neither ELF nor Intel HEX; .*@0x08100000\."),
    "empty": ("cm7", b"", r"is neither ELF nor Intel HEX"),
    "intel": ("cm7", elf([], machine=EM_386), r"is for another machine \(EM_386\), not for Arm\."),
    "arm64": ("cm4", elf64(EM_AARCH64), r"is for another machine \(EM_AARCH64\), not for Arm\."),
    "risc-v": ("cm7", elf([], machine=EM_RISCV), r"is for another machine \(EM_RISCV\), not for Arm\."),
    "object": ("cm7", elf([], kind=ET_REL), r"is not a linked program \(ET_REL\)\."),
    "no-segment": ("cm7", elf([]), r"holds nothing to load\."),
    "truncated": ("cm7", elf([(BANK1, vectors(BANK1))])[:200], r"is a damaged ELF file: "),
    "only-magic": ("cm7", b"\x7fELF", r"is a damaged ELF file: "),
    "overlap": (
        "cm7",
        elf([(BANK1, vectors(BANK1)), (BANK1 + 0x100, bytes(16))]),
        r"has overlapping segments at 0x08000000 and 0x08000100\.",
    ),
    "ram": (
        "cm7",
        elf([(BANK1, vectors(BANK1)), (0x2400_0000, bytes(16))]),
        r"loaded to 0x24000000 to 0x2400000F, outside flash bank 1 \(0x08000000 to 0x080FFFFF\)\.",
    ),
    "across": (
        "cm7",
        elf([(BANK1, vectors(BANK1)), (BANK2 - 8, bytes(16))]),
        r"loaded to 0x080FFFF8 to 0x08100007, outside flash bank 1",
    ),
    "cm4-in-bank-1": (
        "cm4",
        elf([(BANK1, vectors(BANK1))]),
        r"0x08000000 to 0x080001FF, in flash bank 1; the cm4 starts from flash bank 2 at 0x08100000\.",
    ),
    "cm7-in-bank-2": (
        "cm7",
        elf([(BANK2, vectors(BANK2))]),
        r"0x08100000 to 0x081001FF, in flash bank 2; the cm7 starts from flash bank 1 at 0x08000000\.",
    ),
    "no-stack": (
        "cm7",
        elf([(BANK1, vectors(BANK1, stack=0))]),
        r"has no vector table at 0x08000000: expected an initial stack pointer in RAM and a reset handler",
    ),
    "no-thumb": ("cm4", elf([(BANK2, vectors(BANK2, reset=BANK2 + 0x100))]), r"has no vector table at 0x081"),
    "other-bank": ("cm4", elf([(BANK2, vectors(BANK2, reset=BANK1 + 0x101))]), r"has no vector table at"),
    "late-start": ("cm7", elf([(BANK1 + 0x400, vectors(BANK1))]), r"has no vector table at 0x08000000"),
    "hex-checksum": ("cm7", ":0400000001020304FF\n" + HEX_END, r"is a damaged HEX file: "),
    "hex-garbage": ("cm7", ":zzz\n", r"is a damaged HEX file: "),
    "hex-bytes": ("cm7", b":\xff\xfe\n", r"is a damaged HEX file: "),
    "hex-empty": ("cm7", HEX_END, r"holds nothing to load\."),
    "hex-overlap": (
        "cm7",
        hex_line(4, 0, b"\x08\0") + hex_line(0, 0, bytes(4)) * 2 + HEX_END,
        r"is a damaged HEX file: .*overlap",
    ),
    "hex-outside": ("cm7", hex_line(0, 0, bytes(4)) + HEX_END, r"to 0x00000003, outside flash bank 1"),
}


def the_error(result: pytest.RunResult) -> str:
    """The one line that a run refused by exit code 4 says."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in (*result.stdout.lines, *result.stderr.lines) if "error" in line.lower()]
    assert len(errors) == 1
    assert errors[0].startswith("ERROR: ")
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    return errors[0].removeprefix("ERROR: ")


@pytest.mark.parametrize("case", IMAGES)
def test_unusable_image(run: Run, pytester: pytest.Pytester, virtual: VirtualBoard, case: str) -> None:
    core, content, message = IMAGES[case]
    path = pytester.path / "firmware.img"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    transfers = virtual.stlink.transfers
    error = the_error(run("def test_it(h7_flashed): pass", f"--h7-{core}-image=firmware.img"))
    assert re.match(rf"The {core} image {re.escape(str(path))} .*{message}", error)
    assert virtual.stlink.transfers == transfers


@pytest.mark.parametrize(
    ("core", "option", "message"),
    [
        ("cm7", "x.bin@zork", r"The load address of the cm7 image, 'zork', is not a hexadecimal number\."),
        ("cm7", "x.bin@0x20000000", r".*loaded to 0x20000000 to 0x20000007, outside flash bank 1"),
        ("cm4", "x.bin@0x08000000", r".*in flash bank 1; the cm4 starts from flash bank 2"),
        ("cm7", "y.bin@0x08000000", r"The cm7 image .*y.bin cannot be read: No such file or directory\."),
        ("cm7", ".", r"The cm7 image .* cannot be read: Is a directory\."),
    ],
)
def test_unusable_binary(run: Run, pytester: pytest.Pytester, core: str, option: str, message: str) -> None:
    (pytester.path / "x.bin").write_bytes(vectors(BANK1)[:8])
    error = the_error(run("def test_it(h7_flashed): pass", f"--h7-{core}-image={option}"))
    assert re.match(message, error)


def test_both_images_in_the_same_place(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "one.elf").write_bytes(elf([(BANK1, vectors(BANK1))]))
    options = ("--h7-cm7-image=one.elf", "--h7-cm4-image=one.elf")
    error = the_error(run("def test_it(h7_flashed): pass", *options))
    assert re.search(r"cm4 image .*/one\.elf .* in flash bank 1; the cm4 starts from flash bank 2", error)


def test_unusable_image_of_a_marker_is_an_error_of_its_test(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "broken.elf").write_bytes(elf([(BANK1, vectors(BANK1, stack=0))]))
    source = """
        import pytest

        @pytest.mark.h7_images(cm7="broken.elf")
        def test_it(h7_flashed): pass

        def test_other(h7_flashed): pass
        """
    result = run(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["The cm7 image */broken.elf has no vector table at 0x08000000: *"])
    result.stdout.fnmatch_lines(["ERROR *::test_it - pytest_h7.errors.ImageError: The cm7 image *"])


def test_reference_firmware_that_is_not_built(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pytest_h7.board.images.resources.files", lambda _package: tmp_path)
    error = the_error(run("def test_it(h7_flashed): pass"))
    assert re.match(
        r"The reference firmware cm7\.elf is not built: run ci/firmware .*arm-none-eabi-gcc", error
    )


# -- which board --------------------------------------------------------------------------------------

ANY = "def test_it(h7_board): pass"


def test_no_board_of_that_serial_number(run: Run) -> None:
    assert the_error(run(ANY, "--h7-probe=066DFF")) == (
        "No probe has '066DFF' in its serial number: no debug probe is connected (or use --h7-probe=twin)."
    )


def test_what_is_there_is_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN", "left,right")
    error = the_error(run(ANY, "--h7-probe=066DFF"))
    assert "there are H7TWIN-left (STLINK-V3), H7TWIN-right (STLINK-V3)" in error


def test_two_boards_fit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN", "left,right")
    assert the_error(run(ANY, "--h7-probe=h7twin-")) == (
        "2 probes have 'h7twin-' in their serial number: H7TWIN-left (STLINK-V3), H7TWIN-right (STLINK-V3); "
        "give enough of it to choose one."
    )


def test_part_of_the_serial_number_is_enough(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN", "left,right,twin")
    result = run(ANY, "--h7-probe=RIGHT")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["h7: virtual board H7TWIN-right, *"])
    # The others are free for another process, and after the run it is, too.
    assert set(twin_board._boards) == {""}
    result = run(ANY, "--h7-probe=H7TWIN")
    result.stdout.fnmatch_lines(["h7: virtual board H7TWIN, *"])


@pytest.mark.parametrize("name", ["../desk", "a b", "-", "x" * 60])
def test_impossible_name_of_a_virtual_board(run: Run, name: str) -> None:
    error = the_error(run(ANY, f"--h7-probe=twin:{name}"))
    assert error == (
        f"{name!r} cannot be the name of a virtual board: letters, digits, '_', '.' and '-' can."
    )


def test_named_board_in_another_process(run: Run, virtual: VirtualBoard) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from pytest_h7.twin.board import virtual_board\n"
            "virtual_board('desk')\nprint('there', flush=True)\ninput()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "there\n"
    try:
        assert the_error(run(ANY, "--h7-probe=twin:desk", "--h7-lease-timeout=0.2")) == (
            "The board twin:desk did not become free within 0.2 s: it is in use by a program that does not tell "
            "its name; end that, use another board, or wait longer with --h7-lease-timeout."
        )
    finally:
        holder.communicate("go")
    run(ANY, "--h7-probe=twin:desk").assert_outcomes(passed=1)


def claim(board: VirtualBoard) -> None:
    board.stlink.claimed_elsewhere = True


def unplug(board: VirtualBoard) -> None:
    board.stlink.plugged = False


def cut_power(board: VirtualBoard) -> None:
    board.mcu.power_off()


def age(board: VirtualBoard) -> None:
    board.stlink.jtag_version = 1


def exchange_chip(board: VirtualBoard) -> None:
    board.mcu.dbgmcu["IDCODE"] = 0x2003_6483


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (claim, r"Could not open probe H7TWIN: another program has it; end the debug session"),
        (unplug, r"Could not open probe H7TWIN: it is not there any more; plug it in again\.$"),
        (cut_power, r"The board at probe H7TWIN has no power: .*0\.00 V; plug in its supply and check"),
        (age, r"The firmware V3J1M7 of probe H7TWIN is too old: update it to V3J2 or newer with"),
        (
            exchange_chip,
            r"Could not connect .*The chip is not an STM32H755: its device id reads 0x20036483\.$",
        ),
    ],
)
def test_board_that_cannot_be_connected(
    run: Run, virtual: VirtualBoard, trouble: Callable[[VirtualBoard], None], message: str
) -> None:
    trouble(virtual)
    assert re.match(message, the_error(run(ANY)))
    assert virtual.stlink.claimed_by is None
    assert not virtual.mcu.nrst_asserted
    virtual.stlink.claimed_elsewhere, virtual.stlink.plugged = False, True
    virtual.stlink.jtag_version = type(virtual.stlink).jtag_version
    virtual.mcu.power_off()
    virtual.mcu.power_on()
    run(ANY).assert_outcomes(passed=1)


def test_stimulus_that_a_real_board_has_not(run: Run, real_board: str, virtual: VirtualBoard) -> None:
    error = the_error(run(ANY, f"--h7-probe={real_board}", "--h7-stimulus=twin"))
    assert error == "The stimulus twin needs the virtual board; a real one has swier, drive and loopback:PIN."
    assert virtual.stlink.claimed_by is None


def test_loopback_through_a_pin_without_a_clock(run: Run) -> None:
    result = run("def test_it(started): started.button.press()", "--h7-stimulus=loopback:PK3")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *PeripheralUnclocked: GPIOK has no clock, so PK3 cannot be driven or read."]
    )


# -- console ------------------------------------------------------------------------------------------

LISTENS = """
def test_listens(h7_board, h7_console): pass
def test_does_not(h7_board): pass
"""


def test_console_port_that_is_not_there(run: Run) -> None:
    result = run(LISTENS, "--h7-console=/dev/ttyNONE")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines(
        [r"The console port /dev/ttyNONE cannot be opened \(.*No such file.*\): .*--h7-console=PORT\.$"]
    )
    assert "Traceback" not in result.stdout.str()


def test_console_port_in_use(run: Run) -> None:
    inside, outside = os.openpty()
    fcntl.flock(outside, fcntl.LOCK_EX)
    result = run(LISTENS, f"--h7-console={os.ttyname(outside)}")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines(
        [r"The console port /dev/pts/\d+ cannot be opened \(.*\): is it in use by a terminal program"]
    )
    os.close(inside)
    os.close(outside)


def test_console_url_of_no_kind(run: Run) -> None:
    result = run(LISTENS, "--h7-console=gopher://board")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines([r"The console port gopher://board cannot be opened \(.*gopher.*\): "])


def test_real_board_without_a_serial_port(run: Run, real_board: str) -> None:
    result = run(LISTENS, f"--h7-probe={real_board}")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["The probe H7TWIN has no serial port; choose one with --h7-console=PORT."])


def test_console_that_goes_away(run: Run) -> None:
    inside, outside = os.openpty()
    source = f"""
        import os

        def test_goes(h7_board, h7_console):
            os.close({inside})
            h7_console.expect("hello")

        def test_next(h7_board): pass
        """
    result = run(source, f"--h7-console={os.ttyname(outside)}")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([r"E .*ConsoleUnavailable: The console port /dev/pts/\d+ is gone \("])
    result.stdout.fnmatch_lines(["failure class: infrastructure"])
    os.close(outside)

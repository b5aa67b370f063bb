"""The options: where a value can come from, which one wins, what is refused, and what each does."""

import os
import re
import struct
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from intelhex import IntelHex

from pytest_h7 import reference_image
from pytest_h7.bench.settings import ConnectMode, FlashPolicy, LowPowerDebug, Settings, TwinAp3
from pytest_h7.board.images import Image
from pytest_h7.session import session_key
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run

VALUES: dict[str, tuple[str, Any]] = {
    "probe": ("twin:desk", "twin:desk"),
    "cm7_image": ("/images/cm7.elf", "/images/cm7.elf"),
    "cm4_image": ("/images/cm4.bin@0x08100000", "/images/cm4.bin@0x08100000"),
    "console": ("/dev/ttyACM7", "/dev/ttyACM7"),
    "connect": ("attach", ConnectMode.ATTACH),
    "frequency": ("3300000", 3_300_000),
    "low_power_debug": ("on", LowPowerDebug.ON),
    "flash": ("never", FlashPolicy.NEVER),
    "stimulus": ("loopback:PG9", "loopback:PG9"),
    "twin_ap3": ("zero", TwinAp3.ZERO),
}
OTHERS = {
    "probe": "twin",
    "cm7_image": "/other.elf",
    "cm4_image": "/other.elf",
    "console": "/dev/other",
    "connect": "under-reset",
    "frequency": "1000000",
    "low_power_debug": "off",
    "flash": "always",
    "stimulus": "swier",
    "twin_ap3": "wait",
}
EACH = pytest.mark.parametrize("name", VALUES)


@pytest.fixture
def read(pytester: pytest.Pytester, own_boards: None) -> Callable[..., Settings]:
    def read(*arguments: str) -> Settings:
        return pytester.parseconfigure(*arguments).stash[session_key].settings

    return read


def flag(name: str) -> str:
    return "--h7-" + name.replace("_", "-")


def test_defaults(read: Callable[..., Settings]) -> None:
    assert read() == Settings()


@EACH
def test_command_line(read: Callable[..., Settings], name: str) -> None:
    text, value = VALUES[name]
    assert getattr(read(f"{flag(name)}={text}"), name) == value


@EACH
def test_environment(read: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text, value = VALUES[name]
    monkeypatch.setenv(f"H7_{name.upper()}", text)
    assert getattr(read(), name) == value


@EACH
def test_ini_file(read: Callable[..., Settings], pytester: pytest.Pytester, name: str) -> None:
    text, value = VALUES[name]
    pytester.makeini(f"[pytest]\nh7_{name} = {text}\n")
    assert getattr(read(), name) == value


@EACH
def test_command_line_wins_over_the_environment(
    read: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, value = VALUES[name]
    monkeypatch.setenv(f"H7_{name.upper()}", OTHERS[name])
    assert getattr(read(f"{flag(name)}={text}"), name) == value


@EACH
def test_environment_wins_over_the_ini_file(
    read: Callable[..., Settings], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, value = VALUES[name]
    pytester.makeini(f"[pytest]\nh7_{name} = {OTHERS[name]}\n")
    monkeypatch.setenv(f"H7_{name.upper()}", text)
    assert getattr(read(), name) == value


def test_relative_image_is_meant_from_the_ini_file_or_from_here(
    read: Callable[..., Settings], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nh7_cm7_image = build/cm7.elf\n")
    elsewhere = pytester.mkdir("elsewhere")
    monkeypatch.chdir(elsewhere)
    settings = read("-c", str(pytester.path / "tox.ini"), "--h7-cm4-image=cm4.elf")
    assert settings.cm7_image == str(pytester.path / "build" / "cm7.elf")
    assert settings.cm4_image == str(elsewhere / "cm4.elf")


def test_every_option_is_explained(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest_inprocess("--help").stdout.str()
    for name in VALUES:
        assert flag(name) in text
        assert re.search(rf"^  h7_{name} \(", text, re.MULTILINE)


BAD_VALUES = [
    ("probe", "", "must not be empty"),
    ("probe", "twin:", "twin:NAME"),
    ("cm7_image", "", "must not be empty"),
    ("cm4_image", "", "must not be empty"),
    ("console", "", "must not be empty"),
    ("connect", "gently", "'gently' is none of under-reset, attach"),
    ("frequency", "fast", "'fast' is no number of hertz"),
    ("frequency", "25000000", "25000000 Hz is outside 5000 to 24000000 Hz"),
    ("low_power_debug", "yes", "'yes' is none of off, sleep, on"),
    ("flash", "maybe", "'maybe' is none of auto, always, never"),
    ("stimulus", "finger", "'finger' is none of twin, swier, drive, loopback:PIN"),
    ("stimulus", "loopback:PC16", "'loopback:PC16' is none of"),
    ("stimulus", "loopback:", "'loopback:' is none of"),
    ("twin_ap3", "one", "'one' is none of zero, fault, wait"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_VALUES)
def test_bad_value_is_refused_in_a_sentence(run: Run, name: str, text: str, message: str) -> None:
    result = run("def test_nothing(): pass", f"{flag(name)}={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, result.stderr.lines)
    assert line.startswith(f"ERROR: {flag(name)}: ")
    assert message in line
    assert result.stdout.str() == ""


def test_bad_value_names_where_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_FLASH", "maybe")
    result = run("def test_nothing(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: environment variable H7_FLASH: 'maybe' is none of *"])
    monkeypatch.delenv("H7_FLASH")
    result = run("def test_nothing(): pass", "-o", "h7_connect=gently")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: ini key h7_connect: 'gently' is none of *"])


# -- what they do -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "used"), [("4000000", 3_300), ("24000000", 24_000)])
def test_frequency_is_the_next_lower_one_of_the_probe(
    run: Run, virtual: VirtualBoard, given: str, used: int
) -> None:
    run("def test_it(h7_board): pass", f"--h7-frequency={given}").assert_outcomes(passed=1)
    assert virtual.stlink.frequency_khz == used


def test_slow_clock_costs_board_time(run: Run, pytester: pytest.Pytester) -> None:
    def board_time(frequency: int) -> float:
        source = "def test_it(h7_board): h7_board.cm7.read_bytes(0x0800_0000, 30720)"
        run(source, f"--h7-frequency={frequency}", "--junitxml=it.xml").assert_outcomes(passed=1)
        return recorded_costs(pytester.path / "it.xml")["test_it"][0]

    # 7680 words of 46 bits each.
    assert board_time(1_000_000) - board_time(8_000_000) == pytest.approx(7680 * 46 * 7 / 8e6, rel=0.2)


@pytest.mark.parametrize(("how", "goes_on"), [("attach", True), ("under-reset", False)])
def test_attaching_leaves_the_firmware_running(
    run: Run, virtual: VirtualBoard, how: str, goes_on: bool
) -> None:
    virtual.sleep(0.5)
    source = f"""
        def test_it(h7_board, h7_images, cm7):
            assert (cm7.variable("ticks").value > 400) is {goes_on}
        """
    run(source, f"--h7-connect={how}").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mode", "asleep", "stopped"), [("off", False, False), ("sleep", True, False), ("on", True, True)]
)
def test_low_power_debug_decides_when_ap3_can_be_read(
    run: Run, mode: str, asleep: bool, stopped: bool
) -> None:
    source = f"""
        def readable_ever_after(board):
            for _ in range(20):
                board.sleep(0.0013)
                if not board.ap[3].readable:
                    return False
            return True

        def test_asleep(h7_board, h7_flashed):
            h7_board.sleep(0.1)
            assert readable_ever_after(h7_board) is {asleep}

        def test_stopped(h7_board, h7_flashed):
            h7_board.reset(halt=True)
            h7_board.sleep(0.01)
            assert h7_board.ap[3].readable is {stopped}
        """
    run(source, f"--h7-low-power-debug={mode}").assert_outcomes(passed=2)


@pytest.mark.parametrize("answer", ["zero", "fault", "wait"])
@pytest.mark.parametrize("policy", ["never", "always"])
def test_flash_is_reached_although_the_cm7_sleeps_without_a_clock(run: Run, answer: str, policy: str) -> None:
    source = """
        def test_falls_asleep(h7_board, h7_flashed):
            h7_board.sleep(0.1)

        def test_next(h7_flashed, h7_console):
            h7_console.expect(r"\\[CM4\\] ready")
        """
    options = ("--h7-low-power-debug=off", f"--h7-twin-ap3={answer}", f"--h7-flash={policy}")
    run(source, *options).assert_outcomes(passed=2)


def recorded_costs(report: Path) -> dict[str, tuple[float, int]]:
    """Board time and transfers of each test in a JUnit XML file."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        values = {entry.attrib["name"]: entry.attrib["value"] for entry in case.iter("property")}
        found[case.attrib["name"]] = float(values["h7_board_time_s"]), int(values["h7_transfers"])
    return found


FLASHING_TAKES = 60
"""Transfers, at least."""


def test_flash_auto_programs_what_differs(run: Run, erased: VirtualBoard, pytester: pytest.Pytester) -> None:
    source = """
        def test_first(h7_flashed): pass
        def test_second(h7_flashed): pass
        """
    run(source, "--h7-flash=auto", "--junitxml=it.xml").assert_outcomes(passed=2)
    costs = recorded_costs(pytester.path / "it.xml")
    assert costs["test_first"][1] > FLASHING_TAKES
    assert costs["test_second"][1] < FLASHING_TAKES


def test_flash_always_programs_each_time(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        def test_first(h7_flashed): pass
        def test_second(h7_flashed): pass
        """
    run(source, "--h7-flash=always", "--junitxml=it.xml").assert_outcomes(passed=2)
    assert all(cost[1] > FLASHING_TAKES for cost in recorded_costs(pytester.path / "it.xml").values())


def test_flash_never_is_content_with_what_is_there(run: Run, pytester: pytest.Pytester) -> None:
    run("def test_it(h7_flashed): pass", "--h7-flash=never", "--junitxml=it.xml").assert_outcomes(passed=1)
    assert recorded_costs(pytester.path / "it.xml")["test_it"][1] < FLASHING_TAKES


def test_flash_never_refuses_another_firmware(run: Run, erased: VirtualBoard) -> None:
    result = run("def test_it(h7_flashed): pass", "--h7-flash=never")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cm7.elf*cm4.elf*--h7-flash=never*--h7-flash=auto*"])
    assert erased.mcu.memory("flash bank 1")[:16] == b"\xff" * 16


@pytest.mark.parametrize("how", ["twin", "swier", "drive", "loopback:PB9"])
def test_button_interrupts_both_cores_by_every_stimulus(run: Run, how: str) -> None:
    source = f"""
        def test_it(started, h7_board, cm7, cm4):
            assert h7_board.bench.stimulus.name == {how!r}
            for presses in (1, 2):
                h7_board.button.press(0.01)
                h7_board.sleep(0.01)
                assert cm7.variable("exti_count").value == presses
                assert cm4.variable("exti_count").value == presses
            assert not h7_board.gpio["PC13"].level
        """
    run(source, f"--h7-stimulus={how}").assert_outcomes(passed=1)


def test_loopback_puts_both_levels_on_the_pin(run: Run) -> None:
    source = """
        def test_it(started, h7_board):
            pin = h7_board.gpio["PC13"]
            pin.drive(True)
            assert pin.level
            pin.drive(False)
            assert not pin.level
            pin.release()
            h7_board.gpio["PC0"].drive(True)
            assert not pin.level
        """
    run(source, "--h7-stimulus=loopback:PB9").assert_outcomes(passed=1)


@pytest.mark.parametrize("how", ["swier", "drive"])
def test_stimulus_that_cannot_drive_low_says_so(run: Run, how: str) -> None:
    result = run("def test_it(started, h7_board): h7_board.gpio['PC13'].drive(False)", f"--h7-stimulus={how}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *The stimulus {how} cannot drive PC13 low*"])


def test_console_from_another_port(run: Run) -> None:
    inside, outside = os.openpty()
    tty.setraw(outside)
    source = rf"""
        import os

        OUMLAUT = "\xf6".encode()

        def test_it(h7_board, h7_console):
            os.write({inside}, b"hello fr" + OUMLAUT[:1])
            h7_console.expect("hello")
            os.write({inside}, OUMLAUT[1:] + b"m a port\r\n")
            h7_console.expect("fr\xf6m a port$")
            assert h7_console.lines == ["hello fr\xf6m a port"]
            h7_console.write("to the port")
        """
    run(source, f"--h7-console={os.ttyname(outside)}").assert_outcomes(passed=1)
    assert os.read(inside, 100) == b"to the port"
    os.close(inside)
    os.close(outside)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("zero", "0"), ("fault", "TargetAccessError: *faulted"), ("wait", "TargetAccessError: *WAIT*")],
)
def test_ap3_without_a_clock_answers_as_chosen(run: Run, answer: str, outcome: str) -> None:
    source = """
        def test_it(h7_board, h7_flashed):
            h7_board.reset(halt=True)
            h7_board.sleep(0.01)
            assert h7_board.ap[3].read_u32(0xE000_ED00) == 0, "0"
            raise AssertionError("read 0")
        """
    result = run(source, f"--h7-twin-ap3={answer}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *{outcome}*"])


def binary_of(image: Image) -> bytes:
    end = max(segment.end for segment in image.segments)
    start = min(segment.address for segment in image.segments)
    content = bytearray(b"\xff" * (end - start))
    for segment in image.segments:
        content[segment.address - start : segment.end - start] = segment.data
    return bytes(content)


def test_images_as_hex_and_as_binary(run: Run, erased: VirtualBoard, pytester: pytest.Pytester) -> None:
    cm7 = Image("cm7", reference_image("cm7"))
    hex_file = IntelHex()
    for segment in cm7.segments:
        hex_file.puts(segment.address, segment.data)
    hex_file.write_hex_file(str(pytester.path / "cm7.hex"))
    binary = binary_of(Image("cm4", reference_image("cm4")))
    (pytester.path / "cm4.bin").write_bytes(binary)
    source = """
        def test_it(h7_board, h7_flashed):
            h7_board.boot_contract(1.0)
        """
    result = run(source, "--h7-cm7-image=cm7.hex", "--h7-cm4-image=cm4.bin@0x08100000")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["h7: cm7 cm7.hex (sha256 *), cm4 cm4.bin (sha256 *)"])
    assert erased.mcu.memory("flash bank 2")[: len(binary)] == binary
    stack, _ = struct.unpack_from("<II", binary)
    assert stack == 0x1002_0000

"""The fixtures: what each gives, and that no test inherits anything from the one before."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_h7.twin.board import VirtualBoard

from .conftest import Run


def test_fixtures_are_explained(pytester: pytest.Pytester, virtual: VirtualBoard) -> None:
    transfers = virtual.stlink.transfers
    result = pytester.runpytest_inprocess("--fixtures", "-q")
    text = result.stdout.str()
    for name in ("h7_probe", "h7_images", "h7_board", "h7_flashed", "cm7", "cm4", "h7_console"):
        assert f"\n{name} " in text
    assert "no docstring available" not in text[text.index("h7_probe") :]
    assert virtual.stlink.transfers == transfers


def test_probe(run: Run) -> None:
    source = """
        import pytest
        from pytest_h7 import Probe

        @pytest.fixture(scope="session")
        def at_the_beginning(h7_probe):
            return h7_probe.transfers

        def test_it(h7_probe, at_the_beginning):
            assert isinstance(h7_probe, Probe)
            assert h7_probe.serial == "H7TWIN"
            assert h7_probe.product == "STLINK-V3"
            assert h7_probe.firmware.startswith("V3J")
            assert h7_probe.voltage == pytest.approx(3.3, abs=0.1)
            assert h7_probe.is_virtual

        def test_transfers(h7_probe, h7_board, at_the_beginning):
            before = h7_probe.transfers
            assert before > at_the_beginning
            h7_board.ap[1].read_u32(0x5802_4400)
            assert h7_probe.transfers == before + 2
        """
    run(source).assert_outcomes(passed=2)


def test_images_without_a_board(run: Run, virtual: VirtualBoard) -> None:
    transfers = virtual.stlink.transfers
    source = """
        import hashlib

        def test_it(h7_images):
            for image, start in ((h7_images.cm7, 0x0800_0000), (h7_images.cm4, 0x0810_0000)):
                assert image.sha256 == hashlib.sha256(image.path.read_bytes()).hexdigest()
                assert image.segments[0].address == start
                assert image.segments[0].data[4:8] == (image.entry | 1).to_bytes(4, "little")
                assert start < image.symbol("main") < start + 0x0010_0000
        """
    run(source).assert_outcomes(passed=1)
    assert virtual.stlink.transfers == transfers


def test_symbols_without_flashing(run: Run, virtual: VirtualBoard) -> None:
    virtual.sleep(0.1)
    source = """
        def test_known(h7_images, h7_board, cm7):
            assert cm7.variable("boot_stage").value == 5

        def test_not_asked_for(h7_board, cm7):
            cm7.variable("boot_stage")
        """
    result = run(source, "--h7-connect=attach")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *No image of cm7 is known*request the fixture h7_images."])


def test_flashed_programs_and_starts(run: Run, erased: VirtualBoard) -> None:
    source = """
        from pytest_h7 import CoreState, ImagePair

        def test_it(h7_flashed, h7_board, cm7, cm4):
            assert isinstance(h7_flashed, ImagePair)
            assert (cm7, cm4) == (h7_board.cm7, h7_board.cm4) == h7_board.cores
            h7_board.wait_until(lambda: cm4.state is CoreState.SLEEPING, 1.0)
            for image in h7_flashed:
                for segment in image.segments:
                    assert cm7.read_bytes(segment.address, len(segment.data)) == segment.data
        """
    run(source).assert_outcomes(passed=1)
    assert erased.mcu.memory("flash bank 1")[:4] != b"\xff" * 4


def test_each_test_finds_a_clean_board(run: Run) -> None:
    source = """
        from pytest_h7 import CoreState

        def test_leaves_things_behind(started, cm7, cm4):
            for core in (cm7, cm4):
                core.breakpoint("SysTick_Handler").__enter__()
            started.sleep(0.01)
            assert cm7.state is cm4.state is CoreState.HALTED
            started.gpio["PC13"].drive(True)
            started.registers.DBGMCU.CR.value = 0

        def test_finds_none_of_them(h7_board, cm7, cm4):
            assert h7_board.registers.DBGMCU.CR.value == 0x0070_0009
            assert not h7_board.gpio["PC13"].level
            h7_board.sleep(0.01)
            assert {cm7.state, cm4.state} <= {CoreState.RUNNING, CoreState.SLEEPING}
            assert h7_board.images is None

        def test_leaves_reset_asserted(h7_board):
            h7_board.bench.connection.hold_in_reset()

        def test_finds_the_cores_out_of_reset(h7_board, cm7):
            h7_board.sleep(0.01)
            assert cm7.state in (CoreState.RUNNING, CoreState.SLEEPING)
        """
    run(source).assert_outcomes(passed=4)


def test_console_shows_this_test_from_its_first_words(run: Run) -> None:
    source = """
        def test_first(started, h7_console):
            h7_console.expect(r"\\[CM4\\] ready")
            assert h7_console.lines[0] == "pytest-h7 reference firmware"
            h7_console.write("ping\\r" * 50)
            h7_console.expect("pong")

        def test_restarted_in_the_middle_of_a_line(h7_console, h7_flashed):
            h7_console.expect(r"\\[CM4\\] ready")
            assert h7_console.lines[0] == "pytest-h7 reference firmware"
            assert h7_console.lines.count("[CM7] ready") == 1

        def test_without_a_reset(h7_board, h7_console):
            h7_board.sleep(0.01)
            assert h7_console.log == ""
        """
    run(source).assert_outcomes(passed=3)


def test_fixtures_asked_for_within_a_test(run: Run) -> None:
    source = """
        def test_it(request):
            board = request.getfixturevalue("h7_board")
            assert board.ap[0].readable
            assert False, "on purpose"
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- h7 board -*", "failure class: test", "cm7: *"])


def properties(report: Path) -> dict[str, dict[str, str]]:
    return {
        case.attrib["name"]: {entry.attrib["name"]: entry.attrib["value"] for entry in case.iter("property")}
        for case in ElementTree.parse(report).iter("testcase")
    }


def test_costs_are_recorded(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        def test_first(h7_board): pass
        def test_short(h7_board): pass
        def test_long(h7_board): h7_board.sleep(0.25)
        def test_fails(h7_board):
            h7_board.ap[1].read_u32(0x5802_4400)
            assert False
        def test_without(): pass
        """
    run(source, "--junitxml=it.xml")
    found = properties(pytester.path / "it.xml")
    assert set(found["test_short"]) == {"h7_board_time_s", "h7_transfers", "h7_transfers_for", "h7_bench"}
    assert found["test_short"]["h7_bench"].startswith("virtual board H7TWIN, STLINK-V3 V3J")
    assert found["test_without"] == {}
    short, long = (float(found[name]["h7_board_time_s"]) for name in ("test_short", "test_long"))
    assert long - short == pytest.approx(0.25, abs=0.001)
    assert 0 < short < 0.1
    assert int(found["test_short"]["h7_transfers"]) == int(found["test_long"]["h7_transfers"])
    assert int(found["test_fails"]["h7_transfers"]) > int(found["test_short"]["h7_transfers"])

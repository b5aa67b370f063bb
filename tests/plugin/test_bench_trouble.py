"""The bench fails in the middle of a run: the report says so, and the probe is let go of in any case."""

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_h7.twin.board import VirtualBoard

from .conftest import Run
from .test_report import section_of

TROUBLE = """
import pytest
from pytest_h7 import InfrastructureError
from pytest_h7.twin.board import virtual_board
"""


@pytest.fixture(autouse=True)
def let_go(virtual: VirtualBoard) -> object:
    """Whatever happens, the probe is free afterwards and does not hold the chip in reset."""
    yield
    assert virtual.stlink.claimed_by is None
    assert not (virtual.stlink.plugged and virtual.mcu.nrst_asserted)


def test_cable_is_pulled(run: Run, virtual: VirtualBoard) -> None:
    source = f"""
        {TROUBLE.replace(chr(10), chr(10) + "        ")}
        def test_before(started): pass

        def test_pulled(started, h7_board):
            virtual_board().stlink.plugged = False
            h7_board.wait_until(lambda: h7_board.ap[3].readable, 1.0)

        def test_after(h7_board): pass

        def test_in_secret(h7_board): pass

        def test_without_the_board(): pass
        """
    result = run(source)
    result.assert_outcomes(passed=2, failed=1, errors=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines(
        [r"E .*ConnectionLost: Could not read 0x\w+ through AP3: .*No such device.*"]
    )
    for name, reason in (
        ("test_pulled", "Could not measure the voltage at probe H7TWIN: the probe does not answer over USB"),
        ("test_after", "Could not open probe H7TWIN: it is not there any more; plug it in again."),
        ("test_in_secret", "Could not open probe H7TWIN: it is not there any more; plug it in again."),
    ):
        lines = section_of(result, name)
        assert lines[0] == "failure class: infrastructure"
        assert lines[1].startswith("evidence: h7-evidence/")
        assert lines[2].startswith(reason)
        assert len(lines) == 3
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_hidden_trouble_is_found(run: Run) -> None:
    source = f"""
        {TROUBLE.replace(chr(10), chr(10) + "        ")}
        def test_it(started, h7_board):
            virtual_board().mcu.power_off()
            assert h7_board.ap[3].readable
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    assert section_of(result) == [
        "failure class: infrastructure",
        "evidence: h7-evidence/test_hidden_trouble_is_found.test_it/index.html",
        "The board at probe H7TWIN has no power: the probe measures 0.00 V; "
        "plug in its supply and check the power jumper.",
    ]


def test_supply_fails_and_comes_back(run: Run, virtual: VirtualBoard) -> None:
    source = f"""
        {TROUBLE.replace(chr(10), chr(10) + "        ")}
        def test_fails(started, h7_board):
            virtual_board().mcu.power_off()
            h7_board.cm7.read_u32(0x2000_0000)

        def test_meanwhile(h7_board): pass

        def test_comes_back(h7_probe):
            virtual_board().mcu.power_on()

        def test_after(h7_board, h7_flashed):
            h7_board.boot_contract(1.0)
        """
    result = run(source)
    result.assert_outcomes(failed=1, errors=1, passed=2)
    for name in ("test_fails", "test_meanwhile"):
        assert section_of(result, name)[0] == "failure class: infrastructure"
    result.stdout.fnmatch_lines(
        ["*ERROR at setup of test_meanwhile*", "The board at probe H7TWIN has no power: *0.00 V*"]
    )


def test_supply_blinks_between_two_tests(run: Run) -> None:
    source = f"""
        {TROUBLE.replace(chr(10), chr(10) + "        ")}
        def test_before(started): pass

        def test_blinks(h7_probe):
            virtual_board().power_cycle()

        def test_after(h7_board, h7_flashed):
            h7_board.boot_contract(1.0)
        """
    run(source).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    "statement",
    [
        "pytest.exit('enough')",
        "raise SystemExit(3)",
        "h7_board.bench.connection.hold_in_reset()",
        "h7_board.bench.connection.session.close()",
        "h7_board.bench.close()",
        "h7_board.cm7.halt(); h7_board.bench.console.close()",
    ],
)
def test_whatever_a_test_does(run: Run, statement: str) -> None:
    result = run(f"import pytest\ndef test_it(h7_board):\n    {statement}\n")
    assert "Traceback" not in result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_plugin_that_breaks_down(run: Run, pytester: pytest.Pytester, virtual: VirtualBoard) -> None:
    pytester.makepyfile(
        breaks="""
        def pytest_runtest_logreport(report):
            if report.when == "call":
                raise RuntimeError("on purpose")
        """
    )
    pytester.syspathinsert()
    result = run("def test_it(h7_board): pass", "-p", "breaks")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR


def test_process_ends_without_noise(pytester: pytest.Pytester, tmp_path: Path) -> None:
    source = """
        from pytest_h7.twin.board import virtual_board

        def test_pulled(h7_board):
            virtual_board().stlink.plugged = False
            h7_board.cm7.read_u32(0x2000_0000)
        """
    path = pytester.makepyfile(source)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert done.stderr == ""
    assert "failure class: infrastructure" in done.stdout


def test_firmware_drives_against_the_test(run: Run) -> None:
    source = """
        import pytest
        from pytest_h7.chip.registers import peripheral
        from pytest_h7.twin.board import virtual_board
        from pytest_h7.twin.bus import Master

        MODER = peripheral("GPIOC").registers["MODER"].address
        PC13_OUTPUT = 0xFFFF_FFFF & ~(2 << 26)

        @pytest.fixture
        def pressed(started):
            started.gpio["PC13"].drive(True)
            return started

        def test_sleeping(pressed):
            mcu = virtual_board().mcu
            mcu.schedule(10**9, lambda: mcu.write(MODER, 4, PC13_OUTPUT, Master.CM7))
            pressed.sleep(1.0)

        def test_accessing(pressed):
            pressed.ap[1].write_u32(MODER, PC13_OUTPUT)

        def test_next(h7_board, h7_flashed):
            h7_board.boot_contract(1.0)
        """
    result = run(source)
    result.assert_outcomes(failed=2, passed=1)
    sentence = "E *FirmwareError: The firmware drives PC13 against *: release the pin before *"
    result.stdout.fnmatch_lines(["*pressed.sleep(1.0)", sentence, "*MODER, PC13_OUTPUT)", sentence])
    result.stdout.fnmatch_lines(["failure class: firmware"])

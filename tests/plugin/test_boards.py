"""``--h7-board``: what is wired to the chip, on the virtual board and for the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_h7.chip.boards import known_boards

from .conftest import Run

OWN = """
name = "own"
supply = "smps"
[hse]
hz = 8_000_000
bypass = true
[leds]
GREEN = { pin = "PB0", lit = "low" }
"""
BUTTON = """
[button]
name = "S1"
pin = "PA0"
pressed = "low"
"""
VCP = """
[vcp]
usart = "USART3"
tx = "PD8"
rx = "PD9"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN + BUTTON + VCP)
    return path


def test_leds_and_button_are_those_of_the_description(run_apart: Run, own: Path) -> None:
    result = run_apart(
        """
        def test_it(started):
            assert list(started.leds) == ["GREEN"]
            assert not started.gpio["PB0"].level
            assert started.leds["GREEN"].is_on
            pin = started.bench._virtual_board.mcu.pins
            assert pin.level("PA0")
            levels = []
            pin.watch("PA0", levels.append)
            started.button.press(0.01)
            assert levels == [False, True]
        """,
        f"--h7-board={own}",
    )
    result.assert_outcomes(passed=1)


def test_board_may_have_neither_button_nor_serial_port(run_apart: Run, tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text(OWN)
    result = run_apart(
        """
        import pytest
        from pytest_h7 import ConsoleUnavailable, H7Error

        def test_it(started):
            with pytest.raises(H7Error, match="^The own has no user button.$"):
                started.button.press()
            with pytest.raises(ConsoleUnavailable, match="the own has no USART wired to its probe"):
                started.bench.console
        """,
        f"--h7-board={path}",
    )
    result.assert_outcomes(passed=1)


def test_crystal_of_a_discovery_board(run_apart: Run) -> None:
    """The reference firmware asks for the clock of a Nucleo's ST-LINK: with a crystal it gets none."""
    result = run_apart(
        """
        def test_it(h7_board, h7_flashed, cm7):
            h7_board.sleep(0.2)
            assert h7_board.registers.RCC.CR.HSEON == 1
            assert h7_board.registers.RCC.CR.HSERDY == 0
            assert not h7_board.ap[3].readable
            assert list(h7_board.leds) == ["LD1", "LD2", "LD3", "LD4"]
        """,
        "--h7-board=STM32H747I-DISCO",
    )
    result.assert_outcomes(passed=1)


def test_ini_and_environment(run_apart: Run, own: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini(f"[pytest]\nh7_board = {own}")
    result = run_apart("def test_it(h7_board):\n    assert h7_board.description.name == 'own'")
    result.assert_outcomes(passed=1)


def test_there_is_no_such_board(run: Run) -> None:
    result = run("def test_it(h7_board): pass", "--h7-board=nucleo")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --h7-board: nucleo is neither a board (*) nor a file that describes one"]
    )


def test_file_that_describes_none(run: Run, own: Path) -> None:
    own.write_text(OWN.replace("PB0", "PZ0"))
    result = run("def test_it(h7_board): pass", f"--h7-board={own}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: --h7-board: {own} does not describe a board: leds.GREEN.pin is 'PZ0', *"]
    )


def test_help_names_all_boards(run: Run) -> None:
    text = " ".join(run("", "--help").stdout.str().split())
    listed = text.partition("what is wired to the chip: ")[2].partition(", or a TOML file")[0]
    assert set(listed.split(", ")) == set(known_boards())

"""``--h7-trace``: the virtual board's signals as a VCD file."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

import pytest
from vcd.reader import TokenKind, tokenize

from .conftest import Run

PRESS = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_press(started, number):
    started.button.press(0.01)
    started.sleep(0.005)

def test_reset(started):
    started.reset()
    started.sleep(0.001)
"""
Changes = dict[str, list[tuple[int, str]]]


def read(path: Path) -> Changes:
    """Return the changes of each signal, in the order of the file, which has to be that of time."""
    names: dict[str, str] = {}
    scopes: list[str] = []
    changes: Changes = defaultdict(list)
    time = -1
    with path.open("rb") as stream:
        for token in tokenize(stream):
            if token.kind is TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scopes.pop()
            elif token.kind is TokenKind.VAR:
                names[token.var.id_code] = ".".join([*scopes, token.var.reference])
            elif token.kind is TokenKind.CHANGE_TIME:
                assert token.data > time
                time = token.data
            elif token.kind is TokenKind.CHANGE_SCALAR:
                changes[names[token.scalar_change.id_code]].append((time, token.scalar_change.value))
            elif token.kind is TokenKind.CHANGE_STRING:
                changes[names[token.string_change.id_code]].append((time, token.string_change.value))
            elif token.kind is TokenKind.TIMESCALE:
                assert str(token.timescale.unit.value) == "ps"
    return changes


def values(changes: Changes, signal: str) -> list[str]:
    return [value for _, value in changes[signal]]


@pytest.fixture
def traced(run: Run, tmp_path: Path) -> Changes:
    path = tmp_path / "trace.vcd"
    run(PRESS, f"--h7-trace={path}").assert_outcomes(passed=3)
    return read(path)


def test_every_press_and_its_interrupts(traced: Changes) -> None:
    rises = [time for time, level in traced["pins.PC13"] if level == "1"]
    assert len(rises) == 2
    for core in ("cm7", "cm4"):
        entries = [time for time, name in traced[f"{core}.exception"] if name == "EXTI15_10"]
        assert len(entries) == 2
        for rise, entry in zip(rises, entries, strict=True):
            assert 0 <= entry - rise < 5_000_000_000


def test_leds_have_their_names(traced: Changes) -> None:
    assert values(traced, "leds.LD1").count("1") == 2, "each test begins at a start, and a press toggles it"
    assert set(values(traced, "leds.LD3")) == {"0"}


def test_led_that_is_lit_by_a_low_pin_is_dark_until_the_pin_is_an_output(
    run_apart: Run, tmp_path: Path
) -> None:
    board, path = tmp_path / "own.toml", tmp_path / "trace.vcd"
    board.write_text(
        'name = "own"\nsupply = "smps"\n[hse]\nhz = 8_000_000\nbypass = true\n'
        '[leds]\nGREEN = { pin = "PA5", lit = "low" }\n'
    )
    test = """
    def test_it(h7_board):
        h7_board.sleep(0.001)
        h7_board.registers.RCC_C1.AHB4ENR.GPIOAEN = 1
        h7_board.registers.GPIOA.MODER.MODE5 = 1
        h7_board.sleep(0.001)
        h7_board.registers.GPIOA.ODR.OD5 = 1
    """
    run_apart(test, f"--h7-trace={path}", f"--h7-board={board}").assert_outcomes(passed=1)
    assert values(read(path), "leds.GREEN") == ["0", "1", "0"]


def test_start_of_the_cores(traced: Changes) -> None:
    (locked, freed) = (
        next(change for change in traced["hsem.HSEM0"] if change[1] != "free"),
        [change for change in traced["hsem.HSEM0"] if change[1] == "free"][-1],
    )
    assert locked[1] == "cm7"
    assert locked[0] < freed[0]
    assert [value for value in values(traced, "domains.D2") if value in ("run", "stop")][:3] == [
        "run",
        "stop",
        "run",
    ]
    assert "CStop" in values(traced, "cm4.mode")
    assert "SysTick" in values(traced, "cm4.exception")
    assert "0" in values(traced, "board.NRST")


def test_every_core_leaves_what_it_enters(traced: Changes) -> None:
    for core in ("cm7", "cm4"):
        names = values(traced, f"{core}.exception")
        assert all(first != second for first, second in itertools.pairwise(names))
        assert names.count("Thread") > 10


def test_processes_have_files_of_their_own(run_apart: Run, tmp_path: Path) -> None:
    path = tmp_path / "trace.vcd"
    run_apart(PRESS, f"--h7-trace={path}", "-n1").assert_outcomes(passed=3)
    assert not path.exists()
    assert read(tmp_path / "trace-gw0.vcd")["pins.PC13"]


def test_file_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "trace.vcd"
    result = run(PRESS, f"--h7-trace={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: The trace {path} cannot be written: No such file or directory."])


def test_real_board_has_no_trace(run: Run, real_board: str, tmp_path: Path) -> None:
    result = run(PRESS, f"--h7-trace={tmp_path / 'trace.vcd'}", f"--h7-probe={real_board}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --h7-trace needs the virtual board: *"])


def costs(report: Path) -> list[dict[str | None, str | None]]:
    """Return board time and transfers of each test."""
    cases = ET.parse(report).iter("testcase")
    properties = [
        {entry.get("name"): entry.get("value") for entry in case.iter("property")} for case in cases
    ]
    return [{name: each[name] for name in ("h7_board_time_s", "h7_transfers")} for each in properties]


def test_trace_changes_no_board_time(run: Run, tmp_path: Path) -> None:
    reports = [tmp_path / "with.xml", tmp_path / "without.xml"]
    for report, arguments in zip(reports, ([f"--h7-trace={tmp_path / 'trace.vcd'}"], []), strict=True):
        run(PRESS, f"--junitxml={report}", *arguments).assert_outcomes(passed=3)
    traced, plain = map(costs, reports)
    assert len(plain) == 3
    assert traced[1:] == plain[1:]

"""A state that many tests begin with is reached once on the virtual board; nothing but the wall clock shows it."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_h7.bench.checkpoints import RealCheckpoints

from .conftest import Run

SUITE = """
import pytest

ways = []

@pytest.fixture
def ready(h7_board, h7_flashed):
    def steps():
        ways.append("ready")
        h7_board.wait_until(lambda: h7_board.ap[3].readable, 1.0)
        h7_board.sleep(0.02)
        h7_board.bench.console.expect("reference firmware")
    h7_board.reach("ready", steps)
    return h7_board

def observe(board, console):
    board.button.press(0.01)
    board.sleep(0.01)
    return (
        [core.variable("ticks").value for core in board.cores],
        [core.variable("exti_count").value for core in board.cores],
        board.registers.RCC_C1.RSR.value,
        console.lines,
    )

seen = []

@pytest.mark.parametrize("number", range(4))
def test_equal(ready, h7_console, number):
    seen.append(observe(ready, h7_console))

def test_result():
    assert all(state == seen[0] for state in seen)
    assert "pytest-h7 reference firmware" in "".join(seen[0][3])
    print("WAYS", len(ways))
"""


@pytest.fixture
def real_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every way gone each time, as on a real board."""
    monkeypatch.setattr("pytest_h7.bench.bench.TwinCheckpoints", lambda _board, _bench: RealCheckpoints())


def costs(report: Path) -> list[dict[str, str]]:
    return [
        {entry.attrib["name"]: entry.attrib["value"] for entry in case.iter("property")}
        for case in ET.parse(report).iter("testcase")
    ]


def test_the_way_is_gone_once(run: Run) -> None:
    result = run(SUITE, "-s")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*WAYS 1"])


def test_on_a_real_board_it_is_gone_each_time(run: Run, real_checkpoints: None) -> None:
    result = run(SUITE, "-s")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*WAYS 4"])


def test_board_time_and_transfers_are_those_of_the_way(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pytester.path / "kept.xml", pytester.path / "gone.xml"
    run(SUITE, f"--junitxml={first}").assert_outcomes(passed=5)
    monkeypatch.setattr("pytest_h7.bench.bench.TwinCheckpoints", lambda _board, _bench: RealCheckpoints())
    run(SUITE, f"--junitxml={second}").assert_outcomes(passed=5)
    kept, gone = costs(first)[1:4], costs(second)[1:4]
    assert kept[0]["h7_board_time_s"]
    assert kept == gone


def test_way_from_elsewhere_is_gone(run: Run) -> None:
    result = run(
        """
        import pytest
        ways = []

        @pytest.mark.parametrize("number", range(3))
        def test_moved_on(h7_board, h7_flashed, number):
            h7_board.sleep(0.001 * (number + 1))
            h7_board.reach("somewhere", lambda: ways.append(h7_board.time()))

        def test_result():
            assert len(ways) == 3
        """
    )
    result.assert_outcomes(passed=4)


def test_flash_that_has_changed_is_programmed_again(run: Run) -> None:
    result = run(
        """
        import pytest
        from pytest_h7 import Image, ImagePair, reference_image
        from pytest_h7.bench.settings import FlashPolicy

        @pytest.mark.parametrize("number", range(4))
        def test_erased_between(h7_board, h7_flashed, number):
            image = h7_flashed.cm4
            segment = image.segments[0]
            assert h7_board.cm7.read_bytes(segment.address, 64) == segment.data[:64]
            if number == 2:
                broken = Image("cm4", reference_image("cm4_lockup"))
                h7_board.flash(ImagePair(h7_flashed.cm7, broken), FlashPolicy.AUTO)
                assert h7_board.cm7.read_bytes(segment.address, 64) != segment.data[:64]
        """
    )
    result.assert_outcomes(passed=4)


def test_option_bytes_have_states_of_their_own(run: Run) -> None:
    result = run(
        """
        import pytest
        from pytest_h7 import CoreState

        @pytest.mark.parametrize("held", [0, 1, 0, 1])
        def test_held(request, h7_board, held):
            if held:
                h7_board.option_bytes.set(BCM4=0)
            request.getfixturevalue("h7_flashed")
            h7_board.sleep(0.03)
            assert (h7_board.cm4.state is CoreState.HELD) == bool(held)
            h7_board.option_bytes.set(BCM4=1)
        """
    )
    result.assert_outcomes(passed=4)


def test_pin_that_a_test_drives_stays_driven(run: Run) -> None:
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(3))
        def test_driven(request, h7_board, number):
            if number:
                h7_board.gpio["PC13"].drive(True)
            request.getfixturevalue("h7_flashed")
            h7_board.sleep(0.03)
            assert h7_board.gpio["PC13"].level is bool(number)
        """
    )
    result.assert_outcomes(passed=3)


def test_breakpoints_work_after_a_state_was_put_back(run: Run) -> None:
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        @pytest.mark.parametrize("name", ["cm7", "cm4"])
        def test_stops(started, name, number):
            core = getattr(started, name)
            with core.breakpoint("SysTick_Handler"):
                started.wait_until(lambda: core.is_halted, 0.1)
                assert core.location.startswith("SysTick_Handler") or "SysTick" in core.backtrace()[0].function
        """
    )
    result.assert_outcomes(passed=8)

"""The watch on both cores: what happens to them without being expected fails the test."""

import re
import xml.etree.ElementTree as ET
from itertools import takewhile

import pytest

from pytest_h7 import reference_image
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run

HELPERS = """
import pytest
from pytest_h7 import ChipReset, CoreFaulted, CoreState
from pytest_h7.twin import board as twin_board

UNUSED = 0x3800_F200

def execute(core, instruction):
    core.halt()
    core.write_bytes(UNUSED, instruction + b"\\xfe\\xe7")
    core.registers["pc"] = UNUSED
    core.resume()

def divide_by_zero(core):
    core.write_u32(0xE000_ED14, core.read_u32(0xE000_ED14) | 1 << 4)
    execute(core, b"\\x00\\x21\\xb0\\xfb\\xf1\\xf0")

def undefined(core):
    execute(core, b"\\x00\\xde")

def bite(board, watchdog):
    registers = getattr(board.registers, watchdog)
    registers.KR.value = 0xCCCC
    registers.KR.value = 0x5555
    registers.RLR.value = 4
    board.sleep(0.001)
    registers.KR.value = 0xAAAA
"""


TOLD = ("During this test ", "cm4 was expected", "cm7 was expected", "The chip was expected")


def messages(result: pytest.RunResult) -> list[str]:
    """Return what the tests have failed of, without the summary, which is short only where CI is not set."""
    report = takewhile(lambda line: "short test summary" not in line, result.outlines)
    lines = [line.removeprefix("E").strip() for line in report if line.startswith(("E  ", *TOLD))]
    return [re.sub(r"^pytest_h7\.errors\.\w+: ", "", line) for line in lines]


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_fault_fails_the_test(run: Run, core: str) -> None:
    source = f"""{HELPERS}
def test_it(started, {core}):
    undefined({core})
    started.sleep(0.001)

def test_next(started): pass
"""
    result = run(source)
    result.assert_outcomes(failed=1, passed=1)
    (message,) = messages(result)
    assert message.startswith(
        f"During this test {core} has faulted: undefined instruction, escalated to "
        "HardFault [UNDEFINSTR FORCED]; it is in HardFault_Handler ("
    )
    result.stdout.fnmatch_lines(["failure class: firmware"])


def test_both_cores(run: Run) -> None:
    source = f"""{HELPERS}
def test_it(started, cm7, cm4):
    undefined(cm7)
    divide_by_zero(cm4)
    started.sleep(0.001)
"""
    result = run(source)
    result.assert_outcomes(failed=1)
    first, second = messages(result)
    assert "cm7 has faulted: undefined instruction" in first
    assert "cm4 has faulted: division by zero" in second


def test_lock_up(run: Run) -> None:
    source = f"""
        import pytest

        @pytest.mark.h7_images(cm4={str(reference_image("cm4_lockup"))!r})
        def test_it(h7_board, h7_flashed):
            h7_board.sleep(0.05)
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    assert messages(result)[0].endswith("[IACCVIOL UNDEFINSTR FORCED] and is locked up.")


def test_failure_of_the_test_itself_stays_what_it_is(run: Run) -> None:
    source = f"""{HELPERS}
def test_it(started, cm4):
    undefined(cm4)
    started.sleep(0.001)
    assert 1 == 2
"""
    result = run(source)
    result.assert_outcomes(failed=1)
    assert messages(result)[0] == "assert 1 == 2"
    assert "During this test cm4 has faulted: undefined instruction" in result.stdout.str()


def test_expected_fault(run: Run) -> None:
    source = f"""{HELPERS}
@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_at_once(started, name):
    core = getattr(started, name)
    with started.expect_fault(name) as expected:
        divide_by_zero(core)
        started.sleep(0.001)
    assert expected.fault.flags == ("DIVBYZERO", "FORCED")

def test_some_time(started, cm7):
    cm7.run_until("SysTick_Handler")
    with started.expect_fault("cm7", timeout=0.1) as expected:
        assert expected.fault is None
        undefined(cm7)
    assert expected.fault.flags == ("UNDEFINSTR", "FORCED")

def test_after_a_reset_of_the_test(started, cm7):
    for _ in range(2):
        with started.expect_fault("cm7", timeout=0.01):
            undefined(cm7)
        started.reset()
        started.sleep(0.01)
"""
    run(source).assert_outcomes(passed=4)


def test_expected_fault_that_does_not_come(run: Run) -> None:
    source = f"""{HELPERS}
def test_none(started):
    with started.expect_fault("cm4", timeout=0.01):
        pass

def test_of_the_other_core(started, cm7):
    with started.expect_fault("cm4"):
        undefined(cm7)
        started.sleep(0.001)

def test_only_once(started, cm4):
    undefined(cm4)
    started.sleep(0.001)
    with started.expect_fault("cm4"):
        pass
    with started.expect_fault("cm4"):
        pass

def test_unknown_core(started):
    with pytest.raises(ValueError, match="the cores are cm7 and cm4, not 'cm5'"), started.expect_fault("cm5"):
        pass
"""
    result = run(source)
    result.assert_outcomes(failed=3, passed=1)
    came = [message for message in messages(result) if "expected" in message]
    assert came[0].endswith("cm4 was expected to fault within 0.01 s of board time, and has not.")
    assert [message.endswith("cm4 was expected to fault, and has not.") for message in came[1:]] == [
        True,
        True,
    ]
    result.stdout.fnmatch_lines(["E * During this test cm7 has faulted: *"])


def test_fault_that_was_there_before_is_no_fault_of_the_test(run: Run) -> None:
    source = f"""{HELPERS}
def test_first(started, cm7):
    with started.expect_fault("cm7", timeout=0.01):
        undefined(cm7)

def test_next(h7_board, cm7):
    assert cm7.fault is not None
"""
    run(source).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("watchdog", "text"),
    [("IWDG1", "independent watchdog 1 (IWDG1)"), ("IWDG2", "independent watchdog 2 (IWDG2)")],
)
def test_watchdog(run: Run, watchdog: str, text: str) -> None:
    """Each time, although no reset but power-on takes the flag of the first one away."""
    source = f"""{HELPERS}
@pytest.mark.parametrize("time", range(2))
def test_bites(started, time):
    bite(started, {watchdog!r})
    started.sleep(0.05)

def test_expected(started):
    with started.expect_reset(timeout=0.05) as expected:
        bite(started, {watchdog!r})
    assert expected.flags[0] == "{watchdog}RSTF"
    started.reset()

def test_other(started): pass
"""
    result = run(source)
    result.assert_outcomes(failed=2, passed=2)
    for message in messages(result):
        assert message == (f"During this test the chip was reset by {text}, and not by the test.")


def test_other_resets(run: Run) -> None:
    source = f"""{HELPERS}
def test_by_the_button(h7_board):
    mcu = twin_board._boards[""].mcu
    mcu.set_nrst(True)
    h7_board.sleep(0.01)
    mcu.set_nrst(False)
    h7_board.sleep(0.01)

def test_by_software(started, cm4):
    cm4.write_u32(0xE000_ED0C, 0x05FA_0004)
    started.sleep(0.01)
"""
    result = run(source)
    first, second, *_ = messages(result)
    assert "reset by NRST" in first
    assert "reset by software of the CM4 (SYSRESETREQ)" in second


def test_expected_reset_that_does_not_come(run: Run) -> None:
    source = """
        def test_it(started):
            with started.expect_reset(timeout=0.01):
                started.sleep(0.01)

        def test_own(started):
            with started.expect_reset():
                started.reset()
        """
    result = run(source)
    result.assert_outcomes(failed=2)
    first, second = messages(result)
    assert first.endswith("The chip was expected to be reset within 0.01 s of board time, and has not been.")
    assert second.endswith("The chip was expected to be reset, and has not been.")


def test_resets_of_the_test_are_its_own(run: Run) -> None:
    source = """
        import pytest

        @pytest.mark.parametrize("kind", ["hardware", "system", "power"])
        def test_it(started, kind):
            started.reset(kind=kind)
            started.sleep(0.02)

        def test_halted(started, cm7):
            started.reset(halt=True)
            cm7.resume()
        """
    run(source).assert_outcomes(passed=4)


def test_blank_flash_is_no_fault_of_a_firmware(run: Run, erased: VirtualBoard) -> None:
    source = """
        from pytest_h7 import CoreState

        def test_it(h7_board, cm7):
            h7_board.sleep(0.01)
            assert cm7.state is CoreState.LOCKUP
        """
    run(source).assert_outcomes(passed=1)


@pytest.mark.parametrize("answer", ["zero", "fault", "wait"])
def test_core_that_cannot_be_reached_is_left_alone(run: Run, answer: str) -> None:
    source = f"""
        import pytest

        @pytest.mark.h7_images(cm7={str(reference_image("cm7_never_releases"))!r})
        def test_it(h7_board, h7_flashed):
            h7_board.sleep(0.02)
            assert not h7_board.ap[3].readable
        """
    run(source, f"--h7-twin-ap3={answer}").assert_outcomes(passed=1)


def test_costs_no_more_than_eight_transfers(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        def test_first(started): pass
        def test_flashed(started): pass
        def test_board(h7_board): pass
        """
    run(source, "--junitxml=it.xml").assert_outcomes(passed=3)
    costs = {}
    for case in ET.parse(pytester.path / "it.xml").iter("testcase"):
        properties = {entry.get("name"): entry.get("value") or "" for entry in case.iter("property")}
        counts = dict(entry.split() for entry in properties["h7_transfers_for"].split(", "))
        costs[case.get("name")] = int(counts["watch"])
    assert costs["test_flashed"] <= 8
    assert costs["test_board"] <= 4

"""What the virtual board does not model is said: on the command line, in a run's summary, and as a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_h7.cli import main

from .conftest import Run

CAMERA = """
static void switch_the_camera_on(void)
{
    RCC_AHB2ENR |= RCC_AHB2ENR_DCMIEN_Msk;
    (void)RCC_AHB2ENR;
    for (int turn = 0; turn < 3; turn++) DCMI_CWSIZE = 1u;
    (void)DCMI_CWSIZE;
}
void program(void) { switch_the_camera_on(); result[0] = 1; for (;;) __asm volatile("wfi"); }
"""
NOTHING = 'void program(void) { result[0] = 1; for (;;) __asm volatile("wfi"); }'

FAST = """
void program(void)
{
    FLASH_ACR = 0; /* HCLK is 64 MHz: 1 wait state in VOS3 */
    result[0] = 1;
    for (;;) __asm volatile("wfi");
}
"""
LIMIT = "FLASH_ACR.LATENCY is 0; the flash needs 1 wait state at 64 MHz in VOS3 (RM0399 table 16)."

TEST = """
import pytest

@pytest.mark.parametrize("number", range(2))
def test_camera(h7_board, h7_flashed, number):
    h7_board.sleep(0.001)
    assert h7_board.ap[1].read_u32(0x3800_0000) == 1
"""


@pytest.fixture
def images(build_program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Choose the programs of both cores."""

    def choose(cm7: str) -> None:
        monkeypatch.setenv("H7_CM7_IMAGE", str(build_program("cm7", cm7).path))
        monkeypatch.setenv("H7_CM4_IMAGE", str(build_program("cm4", NOTHING).path))

    return choose


def test_summary_names_register_core_and_place(run: Run, images: Callable[[str], None]) -> None:
    images(CAMERA)
    result = run(TEST)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "The firmware has touched registers that the virtual board only stores:",
            "  DCMI.CWSIZE read by the CM7 in program (program.c:*), 2x",
            "  DCMI.CWSIZE written by the CM7 in program (program.c:*), 6x",
        ]
    )


def test_no_word_where_everything_is_modelled(run: Run, images: Callable[[str], None]) -> None:
    images(NOTHING)
    result = run(TEST, "--h7-twin-strict")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*only stores*")


def test_reference_firmware_is_within_what_is_modelled(run: Run) -> None:
    result = run("def test_it(started): started.button.press(0.01)", "--h7-twin-strict")
    result.assert_outcomes(passed=1)


def test_summary_warns_of_what_silicon_would_not_stand(run: Run, images: Callable[[str], None]) -> None:
    images(FAST)
    result = run(TEST)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["The virtual board stands what a real one may not:", f"  {LIMIT} In 2 tests."]
    )


def test_what_silicon_would_not_stand_is_strictly_a_failure(run: Run, images: Callable[[str], None]) -> None:
    images(FAST)
    result = run(TEST, "--h7-twin-strict")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            f"*The virtual board stands what a real one may not (--h7-twin-strict): {LIMIT}",
            "failure class: firmware",
        ]
    )


@pytest.mark.parametrize("how", ["option", "environment", "ini"])
def test_strict_fails_every_test_that_does_it(
    run: Run,
    images: Callable[[str], None],
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    pytester: pytest.Pytester,
) -> None:
    images(CAMERA)
    if how == "environment":
        monkeypatch.setenv("H7_TWIN_STRICT", "1")
    if how == "ini":
        pytester.makeini("[pytest]\nh7_twin_strict = on")
    result = run(TEST, *(["--h7-twin-strict"] if how == "option" else []))
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*The firmware relies on what the virtual board only stores (--h7-twin-strict): "
            "DCMI.CWSIZE written by the CM7 in program (program.c:*); DCMI.CWSIZE read by the CM7 in *",
            "failure class: infrastructure",
        ]
    )


def test_a_failure_of_the_test_itself_stays(run: Run, images: Callable[[str], None]) -> None:
    images(CAMERA)
    result = run(
        "def test_it(h7_board, h7_flashed):\n    h7_board.sleep(0.001)\n    assert 0", "--h7-twin-strict"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*assert 0"])
    result.stdout.no_fnmatch_line("*UnmodelledRegister*")


def test_strict_is_on_or_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN_STRICT", "perhaps")
    result = run(TEST)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: environment variable H7_TWIN_STRICT: 'perhaps' is neither on nor off"]
    )


def test_processes_tell_what_they_have_seen(
    run_apart: Run, images: Callable[[str], None], tmp_path: Path
) -> None:
    images(FAST.replace("result[0]", "RCC_AHB2ENR |= 1; DCMI_CWSIZE = 1u; result[0]"))
    result = run_apart(TEST, "-n1")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([f"  {LIMIT} In 2 tests."])
    result.stdout.fnmatch_lines(["  DCMI.CWSIZE written by the CM7 in program (program.c:*), 2x"])


def test_command_lists_all_peripherals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "--fidelity"]) == 0
    text = capsys.readouterr().out
    modelled, partly, stored = (text.index(heading) for heading in ("modelled:", "partly:", "stored only:\n"))
    assert modelled < text.index("HSEM") < partly
    assert partly < text.index("FLASH: ") < stored
    assert stored < text.index("DCMI")


def test_command_names_the_registers_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "--fidelity", "dcmi", "HSEM"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "modelled:",
        "  HSEM: 74 of 74 registers; stored only: no register",
        "stored only:",
        "  DCMI: 0 of 11 registers; stored only: CR, CWSIZE, CWSTRT, DR, ESCR, ESUR, ICR, IER, MIS, RIS, SR",
    ]


def test_command_and_a_peripheral_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["twin", "--fidelity", "CAMERA"]) == 1
    assert capsys.readouterr().err == (
        "pytest-h7: The chip has no peripheral CAMERA: names are those of ST's header.\n"
    )

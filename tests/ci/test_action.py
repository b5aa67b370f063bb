"""The action's steps, run as a workflow runs them: a firmware that works, ones that do not, and bad input."""

import os
import re
import shutil
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_h7.bench.lease import Lease
from pytest_h7.board.images import reference_image
from pytest_h7.twin.board_store import board_folder

from .github import ROOT, Result, run_action

SUITE = """
import os
import pytest

SECRETS = ("DEPLOY_KEY", "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
SPEAKS = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")

def test_cm4_wakes(h7_board, h7_flashed):
    h7_board.wait_until(lambda: h7_board.ap[3].readable, timeout=0.5)

def test_sees_no_secret():
    assert [name for name in (*SECRETS, *SPEAKS) if name in os.environ] == []
    assert [name for name in os.environ if name.startswith("H7_CI_")] == []

@pytest.mark.h7_hardware
def test_of_hardware(h7_board): pass
"""

PRESS = """
def test_button(h7_board, h7_flashed):
    h7_board.wait_until(lambda: h7_board.ap[3].readable, timeout=0.5)
    h7_board.button.press(0.01)
    h7_board.sleep(0.05)
"""

JOB = {
    "DEPLOY_KEY": "secret-1",
    "GITHUB_TOKEN": "secret-2",
    "ACTIONS_RUNTIME_TOKEN": "secret-3",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret-4",
    "GITHUB_ENV": "/dev/null",
    "GITHUB_PATH": "/dev/null",
}
"""What a careless workflow puts into the environment of a job, and GitHub into that of a step."""

Act = Callable[..., Result]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    workspace = tmp_path / "firmware"
    (workspace / "tests").mkdir(parents=True)
    (workspace / "tests" / "test_boot.py").write_text(SUITE)
    (workspace / "pytest.ini").touch()
    (workspace / "build").mkdir()
    for core in ("cm7", "cm4"):
        shutil.copy(reference_image(core), workspace / "build" / f"{core}.elf")
    return workspace


@pytest.fixture
def act(tmp_path: Path, workspace: Path) -> Act:
    def act(boards: str = "", *, whole: bool = False, **inputs: str) -> Result:
        scratch = tmp_path / "runner"
        scratch.mkdir(exist_ok=True)
        given = {"cm7-image": "build/cm7.elf", "cm4-image": "build/cm4.elf"}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        environment = {**JOB, "H7_TWIN_HOME": str(scratch / "twins"), "H7_TWIN": boards}
        environment["XDG_STATE_HOME"] = str(tmp_path / "state")
        without = () if whole else ("Set up pytest-h7",)
        return run_action(given, workspace, scratch, environment, without)

    return act


def test_firmware_that_works(up_to_date: None, act: Act, workspace: Path) -> None:
    result = act(whole=True)
    assert result.codes == {"Set up pytest-h7": 0, "Test": 0, "Report": 0}
    assert result.outputs == {"verdict": "passed"}
    lines = result.summary.splitlines()
    assert lines[0] == "## h7-results: passed"
    assert re.fullmatch(
        r"\*\*2 passed, 1 skipped\*\* in .* s; 0\.\d+ s of board time in \d+ transfers\.", lines[2]
    )
    assert "| virtual board H7TWIN, STLINK-V3 V3J" in result.summary
    assert "cm7 cm7.elf (sha256 " in result.summary
    assert "Failures" not in result.summary
    (artifact,) = result.artifacts.values()
    assert list(result.artifacts) == ["h7-results"]
    assert {file.name for file in artifact.iterdir()} == {
        "allure-results", "exit-code", "junit.xml", "pytest.log", "summary.md",
    }  # fmt: skip
    assert len(ET.parse(artifact / "junit.xml").findall(".//testcase")) == 3
    assert any((artifact / "allure-results").glob("*-result.json"))


def test_firmware_that_does_not(act: Act, workspace: Path) -> None:
    shutil.copy(reference_image("cm7_never_releases"), workspace / "build" / "cm7.elf")
    result = act(artifact="release 2.0 | <b>")
    assert result.codes == {"Test": 1, "Report": 0}
    assert result.outputs == {"verdict": "failed"}
    assert result.summary.splitlines()[0] == r"## release 2.0 \| \<b\>: failed"
    (row,) = (line for line in result.summary.splitlines() if "cm4\\_wakes" in line)
    _, test, failure_class, sentence, evidence, _ = (
        row.split(" | ")[0:1] + re.split(r"(?<!\\) ?\| ?", row)[1:]
    )
    assert test == r"tests.test\_boot.test\_cm4\_wakes"
    assert failure_class == "firmware"
    assert sentence.startswith("WaitTimeout: Within 0.5 s of board time")
    page = workspace / evidence.replace("\\", "")
    (artifact,) = result.artifacts.values()
    assert page.is_file()
    assert page.is_relative_to(artifact / "h7-evidence")
    assert "failure class: firmware" in (artifact / "pytest.log").read_text("utf-8")


def test_firmware_that_faults(act: Act, workspace: Path) -> None:
    shutil.copy(reference_image("cm7_hard_fault"), workspace / "build" / "cm7.elf")
    (workspace / "tests" / "test_boot.py").write_text(PRESS)
    result = act()
    assert result.outputs == {"verdict": "failed"}
    assert "| firmware | " in result.summary
    assert "HardFault" in result.summary


def test_nothing_but_skipped_is_no_success(act: Act) -> None:
    result = act(arguments="-k\nof_hardware")
    assert result.codes == {"Test": 0, "Report": 1}
    assert result.outputs == {"verdict": "none"}
    assert "No test has run." in result.summary


def test_more_workers_than_free_boards(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN_HOME", str(tmp_path / "runner" / "twins"))
    lease = Lease("twin:left", board_folder("left"), 0, print)
    try:
        result = act(boards="left,right", probe="any", workers="4", arguments="-k\ncm4_wakes")
    finally:
        lease.release()
    assert "::warning::4 workers, and one board (H7TWIN-right): as many are started.\n" in result.log
    assert result.outputs == {"verdict": "passed"}
    assert "| virtual board H7TWIN-right, STLINK-V3" in result.summary


def test_a_worker_on_each_board(act: Act) -> None:
    result = act(boards="left,right", probe="any", workers="auto", arguments="--dist=each\n-k\ncm4_wakes")
    assert result.outputs == {"verdict": "passed"}
    assert "::warning" not in result.log
    boards = re.findall(r"\| virtual board (H7TWIN-\w+), STLINK-V3", result.summary)
    assert boards == ["H7TWIN-left", "H7TWIN-right"]


def test_set_up_that_fails(up_to_date: None, act: Act) -> None:
    result = act(whole=True, requirements="none.txt")
    assert result.codes == {"Set up pytest-h7": 1, "Report": 1}
    assert "Could not open requirements file" in result.log
    assert result.outputs == {"verdict": "none"}
    assert result.summary.startswith("## h7-results: no verdict\n")


WAITS = """
from pathlib import Path

def test_waits(h7_board, h7_flashed):
    Path("waits").touch()
    while True:
        h7_board.sleep(0.001)
"""


def test_cancelled(act: Act, workspace: Path, tmp_path: Path) -> None:
    (workspace / "tests" / "test_boot.py").write_text(WAITS)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(act)
        while not (workspace / "waits").exists():
            assert not running.done(), running.result().log
            time.sleep(0.05)
        os.kill(int((tmp_path / "runner" / "pid").read_text()), signal.SIGINT)
        result = running.result()
    assert result.codes == {"Test": 2, "Report": 1}
    assert result.outputs == {"verdict": "none"}
    assert "The run was interrupted." in result.summary
    assert "KeyboardInterrupt" in result.log


PWNED = "$(touch pwned)`touch pwned`;touch pwned&touch pwned|touch pwned\"'>pwned"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"cm7_image": PWNED}, "The input cm7-image names no file in the workspace: "),
        ({"cm4_image": ""}, "The input cm4-image names no file in the workspace: ''."),
        ({"tests": PWNED}, "The input tests names nothing in the workspace: "),
        ({"tests": "-x"}, "The input tests has '-x': options belong into the input arguments."),
        (
            {"workers": "2; touch pwned"},
            "The input workers has to be 1 to 64, or \"auto\": '2; touch pwned'.",
        ),
        ({"workers": "65"}, "The input workers has to be 1 to 64"),
        ({"workers": "²"}, "The input workers has to be 1 to 64"),
        ({"probe": "any"}, "There is no board at this runner: pytest-h7 list shows no probe."),
        ({"probe": PWNED}, "No probe has "),
        ({"arguments": PWNED}, "file or directory not found: "),
        ({"arguments": "-k\nno_such_test"}, "deselected"),
    ],
)
def test_bad_input(act: Act, workspace: Path, tmp_path: Path, inputs: dict[str, str], said: str) -> None:
    result = act(**inputs)
    assert result.codes["Test"] != 0
    assert result.codes["Report"] != 0
    assert result.outputs == {"verdict": "none"}
    assert result.summary.startswith("## h7-results: no verdict\n")
    assert said in result.log
    assert said in result.summary.replace("\\", "")
    assert "Traceback" not in result.log
    assert list(tmp_path.rglob("pwned*")) == []
    assert not (ROOT / "pwned").exists()


def test_metacharacters_in_the_title(act: Act, tmp_path: Path) -> None:
    result = act(artifact=PWNED, arguments="-k\nsees_no_secret")
    assert result.outputs == {"verdict": "passed"}
    assert list(tmp_path.rglob("pwned*")) == []


def test_annotation_is_one_line(act: Act) -> None:
    result = act(tests="tests\nx::stop-commands::%0A")
    assert (
        "::error::The input tests names nothing in the workspace: 'x::stop-commands::%250A'.\n" in result.log
    )
    assert len([line for line in result.log.splitlines() if line.startswith("::")]) == 1

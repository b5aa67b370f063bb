"""One board, one user: who waits says for whom, gives up in time, and gets the board when its holder ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_h7.bench.lease import Holder, Lease, probe_folder, who_has
from pytest_h7.cli import main
from pytest_h7.errors import InfrastructureError
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.board_store import board_folder

from .conftest import QUICKLY, Run
from .test_bad_input import the_error

USES_THE_BOARD = "def test_it(h7_board): pass"

HOLDS = """
import sys, time
from pathlib import Path
from pytest_h7.bench.lease import Lease
lease = Lease("desk", Path(sys.argv[1]), 0, print)
print("there", flush=True)
time.sleep(100)
"""

pytestmark = pytest.mark.usefixtures("own_boards")


@contextmanager
def held(name: str = "desk") -> Iterator[None]:
    """Have a board in this process; named boards are waited for by other processes alone."""
    lease = Lease(f"twin:{name}", board_folder(name), 0, print)
    try:
        yield
    finally:
        lease.release()


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the lease of a folder; it is killed at the end."""
    command = [sys.executable, "-c", HOLDS, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "there\n"
            yield holder
        finally:
            holder.kill()


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(pytester: pytest.Pytester) -> Iterator[Start]:
    """Start pytest in a process of its own, on a test that needs the board ``desk``."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        pytester.makepyfile(USES_THE_BOARD)
        command = [sys.executable, "-m", "pytest", *QUICKLY, "--h7-probe=twin:desk", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def waiting_line(process: subprocess.Popen[str]) -> str:
    """Return the line that tells whom a run waits for, as soon as it is there."""
    assert process.stdout is not None
    return next(line.rstrip() for line in process.stdout if line.startswith("h7: waiting"))


def test_lease_that_cannot_be_written(run: Run) -> None:
    home = board_folder("desk").parent
    home.parent.mkdir(parents=True, exist_ok=True)
    home.touch()
    error = the_error(run(USES_THE_BOARD, "--h7-probe=twin:desk"))
    assert error.startswith(f"The lease of the board twin:desk cannot be kept in {home / 'desk'} (")
    assert error.endswith("set XDG_STATE_HOME (for virtual boards H7_TWIN_HOME) to one that can be.")


# -- waiting ------------------------------------------------------------------------------------------


def test_who_waits_says_once_for_whom_and_then_goes_on(start: Start) -> None:
    with held():
        process = start()
        line = waiting_line(process)
    output, _ = process.communicate(timeout=60)
    assert line.startswith("h7: waiting up to 60 s for board twin:desk, in use by ")
    assert f"(process {os.getpid()}: " in line
    assert "h7: waiting" not in output
    assert "h7: virtual board H7TWIN-desk" in output
    assert process.returncode == pytest.ExitCode.OK


def test_processes_of_xdist_wait_as_well(start: Start) -> None:
    with held():
        process = start("--dist=each", "--tx=2*popen")
        lines = {waiting_line(process) for _ in range(2)}
    output, _ = process.communicate(timeout=60)
    assert all(
        "board twin:desk, in use by " in line and f"(process {os.getpid()}: " in line for line in lines
    )
    assert "2 passed" in output


def test_process_of_xdist_tells_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    holder = str(Holder.myself())
    assert holder.endswith(f"(process {os.getpid()}: pytest-xdist's gw1 of process {os.getppid()})")


def test_who_waits_too_long_gives_up(run: Run) -> None:
    folder = board_folder("desk")
    with held_elsewhere(folder) as holder:
        result = run(USES_THE_BOARD, "--h7-probe=twin:desk", "--h7-lease-timeout=0.1")
    there = f"process {holder.pid}: -c {folder}"
    result.stdout.fnmatch_lines([f"h7: waiting up to 0.1 s for board twin:desk, in use by *({there})"])
    error = the_error(result)
    assert error.startswith("The board twin:desk did not become free within 0.1 s: it is in use by ")
    assert error.endswith(f"({there}); end that, use another board, or wait longer with --h7-lease-timeout.")
    run(USES_THE_BOARD, "--h7-probe=twin:desk", "--h7-lease-timeout=0").assert_outcomes(passed=1)


@pytest.mark.parametrize("command", [["flash"], ["recover"], ["option-bytes"], ["registers", "RCC.CR"]])
def test_commands_wait_as_long_as_they_are_told(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_elsewhere(board_folder("desk")):
        assert main([*command, "--probe=twin:desk", "--lease-timeout=0.1"]) == 1
        assert "did not become free within 0.1 s: it is in use by " in capsys.readouterr().err
        monkeypatch.setenv("H7_LEASE_TIMEOUT", "0")
        assert main([*command, "--probe=twin:desk"]) == 1
        assert "The board twin:desk is in use by " in capsys.readouterr().err
        assert main([*command, "--probe=twin:desk", "--lease-timeout=soon"]) == 1
        assert capsys.readouterr().err == "pytest-h7: --lease-timeout: 'soon' is no number of seconds.\n"


def test_interrupted_command_ends_its_waiting_with_a_word() -> None:
    with held():
        command = [Path(sysconfig.get_path("scripts")) / "pytest-h7", "flash", "--probe=twin:desk"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("pytest-h7: waiting up to 60 s for board twin:desk, ")
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == "pytest-h7: interrupted\n"
    assert process.returncode == 128 + signal.SIGINT


def test_board_in_use_that_is_named_by_its_serial_number(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H7_TWIN", "desk,other")
    with held_elsewhere(board_folder("desk")):
        error = the_error(run(USES_THE_BOARD, "--h7-probe=H7TWIN-desk", "--h7-lease-timeout=0"))
        assert error.startswith("The board twin:desk is in use by ")
        # It counts as one of those that fit: else the other one would be taken.
        error = the_error(run(USES_THE_BOARD, "--h7-probe=H7TWIN-"))
        assert error.startswith("2 probes have 'H7TWIN-' in their serial number: H7TWIN-desk (STLINK-V3), ")


def test_interrupting_ends_the_waiting(start: Start) -> None:
    with held():
        process = start("--h7-lease-timeout=1000")
        waiting_line(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == pytest.ExitCode.INTERRUPTED
        assert f"(process {os.getpid()}: " in str(who_has(board_folder("desk")))


def test_worker_that_waits_too_long_reports_it_for_its_tests(start: Start) -> None:
    with held():
        process = start("-n1", "--h7-lease-timeout=0.1")
        output, _ = process.communicate(timeout=60)
    assert "1 error" in output
    assert "The board twin:desk did not become free within 0.1 s: it is in use by " in output


# -- what a lease is -----------------------------------------------------------------------------------


def test_death_of_the_holder_frees_the_board(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as holder:
        found = who_has(tmp_path)
        assert found is not None
        assert f"process {holder.pid}" in found
        with pytest.raises(InfrastructureError, match=f"process {holder.pid}"):
            Lease("desk", tmp_path, 0, print)
    assert holder.returncode == -signal.SIGKILL
    assert who_has(tmp_path) is None
    Lease("desk", tmp_path, 0, pytest.fail).release()


def test_real_board_is_leased_by_the_serial_number_of_its_probe(run: Run, real_board: str) -> None:
    source = f"""
        import json, os
        from pathlib import Path

        def test_it(h7_board):
            holder = json.loads(Path({str(probe_folder(real_board) / "holder.json")!r}).read_text())
            assert holder["pid"] == os.getpid()
            assert set(holder) == {{"pid", "user", "host", "command", "since"}}
        """
    run(source, f"--h7-probe={real_board}").assert_outcomes(passed=1)
    folder = probe_folder(real_board)
    assert folder.name == "H7TWIN"
    assert not (folder / "holder.json").exists()
    assert who_has(folder) is None


def test_lease_ends_with_a_run_that_could_not_connect(
    run: Run, real_board: str, virtual: VirtualBoard
) -> None:
    virtual.mcu.power_off()
    assert "has no power" in the_error(run(USES_THE_BOARD, f"--h7-probe={real_board}"))
    assert not (probe_folder(real_board) / "holder.json").exists()


def test_board_of_one_process_needs_no_lease(run: Run, tmp_path: Path) -> None:
    run(USES_THE_BOARD).assert_outcomes(passed=1)
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "twins").exists()


def test_serial_number_of_any_kind_names_a_folder() -> None:
    assert probe_folder("remote:desk/../7").name == "remote%3Adesk%2F..%2F7"


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"pid": 1})])
def test_holder_that_does_not_tell_its_name(tmp_path: Path, content: str) -> None:
    with held_elsewhere(tmp_path):
        (tmp_path / "holder.json").write_text(content)
        assert who_has(tmp_path) == "a program that does not tell its name"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("soon", "'soon' is no number of seconds"),
        ("-1", "-1 is no time to wait"),
        ("inf", "inf is no time to wait"),
        ("nan", "nan is no time to wait"),
    ],
)
def test_time_that_cannot_be_waited(run: Run, value: str, message: str) -> None:
    result = run(USES_THE_BOARD, f"--h7-lease-timeout={value}")
    assert f"ERROR: --h7-lease-timeout: {message}" in result.stderr.str()

"""``--h7-probe=remote:HOST[:PORT]``: a board at another machine is used as one here; its troubles end in time."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import serial

from pytest_h7.bench.settings import Settings
from pytest_h7.cli import main
from pytest_h7.remote import link as link_module
from pytest_h7.remote.address import Address
from pytest_h7.remote.link import Link
from pytest_h7.remote.protocol import GREETING
from pytest_h7.remote.served_board import ServedBoard
from pytest_h7.twin.board import VirtualBoard

from .conftest import QUICKLY, Run
from .remote_board import FarNetwork, Served, answering, served
from .test_bad_input import the_error

EMPTY = "def test_it(h7_board): pass"

RAM = 0x3800_0100
"""In the SRAM of D3, which AP1 reaches whatever the cores do."""

FLASHED = "def test_it(h7_flashed): pass"

TEST_COUNT = 5
TESTS = """
import pytest
from pytest_h7 import Core, SafetyError

def test_start(started, h7_console):
    h7_console.expect("CM4 is awake")

def test_button(started):
    edges = [core.variable("exti_count") for core in started.cores]
    before = [count.value for count in edges]
    started.button.press(0.05)
    assert [count.value for count in edges] == [count + 1 for count in before]

def test_power(started, h7_console):
    started.reset(kind="power")
    h7_console.expect("CM4 is awake", timeout=1.0)

def test_short_circuit(started):
    with pytest.raises(SafetyError, match="PB0"):
        started.gpio["PB0"].drive(True)
        started.sleep(0.01)

def test_console_takes_text(started, h7_console):
    h7_console.write("?")
    started.sleep(0.01)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A board that is lent to one test after another."""
    with served(tmp_path_factory.mktemp("served")) as server:
        yield server


def link(server: Served, timeout: float = 0.0) -> Link:
    return Link(Address("127.0.0.1", server.port), timeout, pytest.fail)


# -- the same tests ---------------------------------------------------------------------------------


def recorded(result: pytest.RunResult) -> list[tuple[str, list[tuple[str, object]]]]:
    """What the tests of a run have recorded: board time, transfers and so on."""
    reports = result.reprec.getreports("pytest_runtest_logreport")  # type: ignore[attr-defined]
    return [
        (report.nodeid, sorted(entry for entry in report.user_properties if "evidence" not in entry[0]))
        for report in reports
        if report.when == "teardown"
    ]


def test_tests_pass_as_they_do_here_and_cost_the_same(run: Run, server: Served) -> None:
    run(FLASHED, f"--h7-probe={server.probe}").assert_outcomes(passed=1)
    result = run(TESTS, f"--h7-probe={server.probe}")
    result.assert_outcomes(passed=TEST_COUNT)
    result.stdout.fnmatch_lines(["h7: virtual board H7TWIN, STLINK-V3 V3J15M7, target 3.30 V, chip 0x450 *"])
    here = run(TESTS)
    here.assert_outcomes(passed=TEST_COUNT)
    # Transfers and board time of each test, to the last digit.
    assert recorded(result) == recorded(here)


def test_memory_access_is_one_round_trip(run: Run, server: Served) -> None:
    """The driver makes two commands of it."""
    source = f"""
        import pytest
        from pytest_h7 import TargetAccessError

        def test_it(h7_board, h7_probe):
            link, port = h7_probe.driver.link, h7_board.ap[1]
            before, transfers = link.round_trips, h7_probe.transfers
            port.write_u32({RAM}, 7)
            assert port.read_u32({RAM}) == 7
            assert link.round_trips - before == 2
            assert h7_probe.transfers - transfers == 4
            with pytest.raises(TargetAccessError, match="read 0x5FFF0000"):
                port.read_u32(0x5FFF0000)
            with pytest.raises(TargetAccessError, match="write 0x5FFF0000"):
                port.write_u32(0x5FFF0000, 1)
        """
    run(source, f"--h7-probe={server.probe}").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--h7-trace=trace.vcd",), "--h7-trace needs the virtual board: *, or one at another machine, *"),
        (("--h7-twin-strict",), "--h7-twin-strict needs the virtual board in this process: *"),
        (("--h7-probe=remote:",), "*'' is no HOST or HOST:PORT"),
        (("--h7-probe=remote:desk:70000",), "*70000 is no TCP port"),
        (("--h7-probe=remote:a b",), "*'a b' is no HOST or HOST:PORT"),
    ],
)
def test_what_cannot_be_is_said(run: Run, server: Served, arguments: tuple[str, ...], reason: str) -> None:
    result = run(EMPTY, f"--h7-probe={server.probe}", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {reason}"])


@pytest.mark.parametrize("command", [["doctor"], ["registers", "HSEM.R0"], ["option-bytes", "BCM4"]])
def test_commands_take_a_board_elsewhere(
    run: Run, server: Served, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(TESTS, "-k", "test_start", f"--h7-probe={server.probe}").assert_outcomes(passed=1)
    assert main([*command, "--probe", server.probe]) == 0
    assert main([*command, "--probe", "remote:::"]) != 0
    assert "'remote:::' names no board: '::' is no HOST or HOST:PORT." in "".join(capsys.readouterr())


# -- the console ------------------------------------------------------------------------------------


def test_terminal_program_has_the_console_by_rfc_2217(run: Run, server: Served) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pyserial's RFC 2217
        terminal = serial.serial_for_url(f"rfc2217://127.0.0.1:{server.port}", 115200, timeout=10)
    with terminal:
        run(TESTS, "-k", "test_start", f"--h7-probe={server.probe}").assert_outcomes(passed=1)
        assert b"[CM7] CM4 is awake\r\n" in terminal.read_until(b"CM4 is awake\r\n")


# -- one board, one user ----------------------------------------------------------------------------


def test_second_run_is_told_who_has_the_board(run: Run, server: Served) -> None:
    first = link(server)
    try:
        error = the_error(run(EMPTY, f"--h7-probe={server.probe}", "--h7-lease-timeout=0"))
        assert error.startswith(f"The board at 127.0.0.1:{server.port} is in use by ")
        assert error.endswith("; end that, or use another board.")
        assert f"(process {os.getpid()}: " in error
        result = run(EMPTY, f"--h7-probe={server.probe}", "--h7-lease-timeout=0.2")
        result.stdout.fnmatch_lines(
            [f"h7: waiting up to 0.2 s for the board at *, in use by *{os.getpid()}*"]
        )
        assert "did not become free within 0.2 s: it is in use by " in the_error(result)
    finally:
        first.close()
    run(EMPTY, f"--h7-probe={server.probe}", "--h7-lease-timeout=0").assert_outcomes(passed=1)


def test_run_that_is_killed_gives_the_board_to_the_one_that_waits(
    run: Run, server: Served, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        holder="def test_it(h7_board): h7_board.hold_in_reset(); print('there'); import time; time.sleep(60)"
    )
    command = [sys.executable, "-m", "pytest", *QUICKLY, "-s", "holder.py", f"--h7-probe={server.probe}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert any("there" in line for line in holder.stdout)

        def kill(message: str) -> None:
            assert f"process {holder.pid}" in message
            holder.send_signal(signal.SIGKILL)

        waiting = Link(Address("127.0.0.1", server.port), 30.0, kill)
        waiting.close()
    source = """
        def test_it(h7_board):
            assert not h7_board.bench.connection.nrst_is_low
        """
    result = run(source, f"--h7-probe={server.probe}", "--h7-lease-timeout=30", "--h7-connect=attach")
    result.assert_outcomes(passed=1)


def test_what_a_run_has_held_is_let_go(virtual: VirtualBoard) -> None:
    board = ServedBoard(Settings(), pytest.fail)
    board.carry_out({"do": "open"}, b"")
    nrst_low = bytes((0xF2, 0x3C, 0))
    board.carry_out({"do": "usb", "commands": [[len(nrst_low), 0, 2, 1000, None]]}, nrst_low)
    board.carry_out({"do": "drive", "pin": "PC13", "high": True}, b"")
    assert virtual.stlink.claimed_by is not None
    assert virtual.mcu.pins.level("PC13")
    assert not runs(virtual)
    board.forget_run()
    assert virtual.stlink.claimed_by is None
    assert not virtual.mcu.pins.level("PC13")
    assert runs(virtual)
    board.close()


def runs(board: VirtualBoard) -> bool:
    before = board.mcu.cores["cm7"].cycles
    board.sleep(0.001)
    return board.mcu.cores["cm7"].cycles != before


def test_run_comes_back_to_its_board_after_the_network_was_away(run: Run, server: Served) -> None:
    """The server may not know yet that the first connection is dead."""
    held = link(server)
    away = held._socket
    assert away is not None
    held._socket = None
    try:
        held.reconnect()
        assert held.ask({"do": "sleep", "seconds": 0.01})
        with away:
            assert away.recv(1) == b""
    finally:
        held.close()


def test_boards_of_a_run_can_be_elsewhere(run_apart: Run, server: Served, tmp_path: Path) -> None:
    source = """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(h7_board, number): pass
        """
    with served(tmp_path) as other:
        result = run_apart(source, "-n2", f"--h7-boards={server.probe},{other.probe}")
        result.assert_outcomes(passed=4)
        other.wait_for("lent to ")


def test_polling_costs_no_round_trip_for_each_pause(run: Run, server: Served) -> None:
    source = """
        def test_it(h7_board, h7_probe):
            h7_board.reset(halt=True)
            link, port = h7_probe.driver.link, h7_board.ap[1]
            before, looks = link.round_trips, 0

            def seen():
                nonlocal looks
                looks += 1
                return port.read_u32(0x38000100) is None or looks == 20

            h7_board.wait_until(seen, 1.0)
            assert link.round_trips - before == 20
        """
    run(source, f"--h7-probe={server.probe}").assert_outcomes(passed=1)


# -- trouble ----------------------------------------------------------------------------------------


def test_nobody_is_there(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = the_error(run(EMPTY, f"--h7-probe=remote:127.0.0.1:{port}"))
    assert error == (
        f"No board at 127.0.0.1:{port} (Connection refused): is `pytest-h7 serve` running there, "
        "and the port open?"
    )


def test_host_that_has_no_address(run: Run) -> None:
    error = the_error(run(EMPTY, "--h7-probe=remote:no-such-host.invalid"))
    assert error.startswith("No board at no-such-host.invalid:7755 (")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (
            [GREETING.replace(b"1", b"2")],
            "speaks version 2 of the protocol, this side version 1: install the same *",
        ),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], "is not pytest-h7."),
        ([b"\xff\xfb\x01" * 100], "is not pytest-h7."),
        ([], "does not answer (no answer in time)."),
        ([GREETING, struct.pack("<II", 5, 0) + b"hello"], "sends what is no message."),
        ([GREETING, b"\xff" * 8], "sends what is no message."),
    ],
    ids=["version", "ssh", "telnet", "silent", "no-json", "no-length"],
)
def test_something_else_is_there(
    run: Run, monkeypatch: pytest.MonkeyPatch, answers: list[bytes], reason: str
) -> None:
    monkeypatch.setattr(link_module, "_GREETING_TIME", 0.2)
    with answering(*answers) as port:
        error = the_error(run(EMPTY, f"--h7-probe=remote:127.0.0.1:{port}"))
    assert fnmatch(error, f"What is at 127.0.0.1:{port} {reason}")


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, GREETING + b"\xff" * 100])
def test_server_stands_junk(run: Run, server: Served, junk: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as caller:
        caller.sendall(junk)
        while caller.recv(4096):
            pass
    run(EMPTY, f"--h7-probe={server.probe}").assert_outcomes(passed=1)


def test_server_that_dies_fails_this_test_and_the_next_in_time(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
        import os, signal, time, pytest
        began = time.monotonic()

        def test_that_loses_it(h7_board):
            os.kill(int(os.environ["SERVER"]), signal.SIGKILL)
            h7_board.reset()

        def test_waits(h7_board):
            h7_board.wait_until(lambda: False, 5.0)

        def test_time():
            assert time.monotonic() - began < 10
        """
    with served(tmp_path) as server:
        monkeypatch.setenv("SERVER", str(server.process.pid))
        result = run(source, f"--h7-probe={server.probe}")
    result.assert_outcomes(failed=1, errors=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*ConnectionLost: Could not reset the chip: The connection to the board at 127.0.0.1:* is lost (*): "
            "is `pytest-h7 serve` still running there, and the network up?",
            "failure class: infrastructure",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_server_that_hangs_ends_the_test_in_time(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "_ANSWER_TIME", 0.3)
    monkeypatch.setattr(link_module, "_GREETING_TIME", 0.3)
    source = """
        import os, signal

        def test_that_hangs(h7_board):
            os.kill(int(os.environ["SERVER"]), signal.SIGSTOP)
            h7_board.sleep(1)

        def test_next(h7_board): pass

        def test_goes_on():
            os.kill(int(os.environ["SERVER"]), signal.SIGCONT)

        def test_again(h7_board): pass
        """
    with served(tmp_path) as server:
        monkeypatch.setenv("SERVER", str(server.process.pid))
        result = run(source, f"--h7-probe={server.probe}")
    result.assert_outcomes(failed=1, errors=1, passed=2)
    result.stdout.fnmatch_lines(
        ["*ConnectionLost: *The connection to the board at * is lost (no answer in time)*"]
    )


def test_board_is_used_again_when_its_server_is_back(
    run: Run, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = FarNetwork(server.port, 0.0)
    source = """
        import pytest
        from pytest_h7 import InfrastructureError

        def test_that_loses_it(h7_board, network):
            before = h7_board.time()
            network.cut_connections()
            with pytest.raises(InfrastructureError):
                h7_board.reset()
            assert h7_board.time() >= before

        def test_next(started): pass
        """
    import builtins

    monkeypatch.setattr(builtins, "network_of_the_test", network, raising=False)
    source += """
        @pytest.fixture
        def network(): return network_of_the_test
        """
    result = run(source, f"--h7-probe={network.probe}")
    network.cut()
    result.assert_outcomes(passed=2)

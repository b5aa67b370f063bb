"""``--h7-probe=place:NAME``: labgrid's coordinator and exporter, and boards that are lent behind them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pytest_h7.errors import BoardInUse, ConnectionLost
from pytest_h7.labgrid.place import Place

from .conftest import QUICKLY, Run
from .remote_board import Served, served
from .test_bad_input import the_error

TOOLS = Path(sys.prefix) / "labgrid" / "bin"
EMPTY = "def test_it(h7_board): pass"


class Relay(HTTPServer):
    """A power switch with a web page, as labgrid's NetworkPowerPort of the model rest wants it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _RelayPage)
        self.levels: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _RelayPage(BaseHTTPRequestHandler):
    server: Relay

    def do_PUT(self) -> None:
        self.server.levels.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Lab:
    """A coordinator, an exporter called ``desk``, and places."""

    def __init__(self, folder: Path, resources: object, places: dict[str, str]) -> None:
        self._folder = folder
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.coordinator = self._start("labgrid-coordinator", "-l", self.address)
        self._wait_for("labgrid-coordinator", "Coordinator ready")
        (folder / "exporter.yaml").write_text(json.dumps(resources))
        self.exporter = self._start("labgrid-exporter", "-c", self.address, "-n", "desk", "exporter.yaml")
        for place, group in places.items():
            self.client("-p", place, "create")
            self.client("-p", place, "add-match", f"desk/{group}/*")
        self._wait_for("labgrid-exporter", "connected to coordinator")

    def _start(self, tool: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{tool}.log").open("wb") as log:
            return subprocess.Popen(
                [TOOLS / tool, *arguments], cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )

    def _wait_for(self, tool: str, text: str) -> None:
        log = self._folder / f"{tool}.log"
        deadline = time.monotonic() + 30
        while text not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def client(self, *arguments: str, user: str = "somebody") -> str:
        environment = {
            **os.environ,
            "LG_COORDINATOR": self.address,
            "LG_USERNAME": user,
            "LG_HOSTNAME": "far",
        }
        return subprocess.run(
            [TOOLS / "labgrid-client", *arguments],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def end(self) -> None:
        for process in (self.exporter, self.coordinator):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    relay = Relay()
    yield relay
    relay.shutdown()
    relay.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as server:
        yield server


def service(port: int) -> dict[str, object]:
    return {"cls": "NetworkService", "address": "127.0.0.1", "port": port, "username": ""}


MakeLab = Callable[[], Lab]


@pytest.fixture(scope="module")
def make_lab(tmp_path_factory: pytest.TempPathFactory, server: Served, relay: Relay) -> Iterator[MakeLab]:
    labs: list[Lab] = []

    def make() -> Lab:
        serial_port = {"cls": "NetworkSerialPort", "host": "127.0.0.1", "port": server.port}
        power = {
            "cls": "NetworkPowerPort",
            "model": "rest",
            "host": f"http://127.0.0.1:{relay.server_port}/{{index}}",
            "index": "3",
        }
        resources = {
            "board-1": {"probe": service(server.port), "serial": serial_port, "power": power},
            "board-2": {"serial": serial_port},
        }
        folder = tmp_path_factory.mktemp("labgrid") / "lab"
        labs.append(Lab(folder, resources, {"board": "board-1", "bare": "board-2"}))
        return labs[-1]

    yield make
    for lab in labs:
        lab.end()


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    return make_lab()


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch, own_boards: None) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{TOOLS}")


@pytest.fixture
def in_lab(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Lab:
    monkeypatch.setenv("LG_COORDINATOR", lab.address)
    return lab


def test_suite_passes_at_a_place(run: Run, in_lab: Lab, relay: Relay) -> None:
    result = run(
        """
        import pytest
        from pathlib import Path

        def test_start(started, h7_console):
            h7_console.expect("CM4 is awake")

        @pytest.mark.h7_requires("power")
        def test_power(h7_board):
            h7_board.reset(kind="power")

        def test_after(started): pass
        """,
        "--h7-probe=place:board",
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["h7: virtual board H7TWIN, *"])
    # By labgrid's power driver.
    assert relay.levels == ["0", "1"]
    assert "acquired: None" in in_lab.client("-p", "board", "show")


def test_serial_port_is_that_of_the_place(in_lab: Lab, server: Served) -> None:
    place = Place("board", 0.0, pytest.fail)
    try:
        assert place.console == f"rfc2217://127.0.0.1:{server.port}"
        assert f"acquired: {socket.gethostname()}/" in in_lab.client("-p", "board", "show")
    finally:
        place.release()


def test_held_place_is_waited_for(run: Run, in_lab: Lab) -> None:
    in_lab.client("-p", "board", "acquire")
    told = []

    def release(message: str) -> None:
        told.append(message)
        in_lab.client("-p", "board", "release")

    Place("board", 30.0, release).release()
    assert told == ["waiting up to 30 s for the place board, held by far/somebody"]
    in_lab.client("-p", "board", "acquire")
    try:
        error = the_error(run(EMPTY, "--h7-probe=place:board", "--h7-lease-timeout=0.2"))
    finally:
        in_lab.client("-p", "board", "release")
    assert error == (
        "The place board did not become free within 0.2 s: it is held by far/somebody; wait until it is "
        "released, use another one, or wait longer with --h7-lease-timeout."
    )


def test_two_runs_contend(in_lab: Lab, pytester: pytest.Pytester) -> None:
    """The one that is killed gives the place back as well."""
    pytester.makepyfile("def test_it(h7_board): print('there'); import time; time.sleep(60)")
    command = [sys.executable, "-m", "pytest", *QUICKLY, "-s", "--h7-probe=place:board"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert any("there" in line for line in holder.stdout)
        with pytest.raises(BoardInUse, match="it is held by "):
            Place("board", 0.0, pytest.fail)
        Place("board", 30.0, lambda _: holder.send_signal(signal.SIGKILL)).release()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nowhere", "labgrid's coordinator at * has no place 'nowhere'; its places: bare, board."),
        (
            "bare",
            "The place bare has no probe among its resources (NetworkSerialPort serial): export where `pytest-h7 "
            "serve` listens as a NetworkService called 'probe'.",
        ),
    ],
)
def test_place_that_cannot_be_used(run: Run, in_lab: Lab, place: str, reason: str) -> None:
    error = the_error(run(EMPTY, f"--h7-probe=place:{place}"))
    before, _, after = reason.partition("*")
    assert error.startswith(before)
    assert error.endswith(after)
    assert "acquired: None" in in_lab.client("-p", "bare", "show")


def test_no_coordinator(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LG_COORDINATOR", "127.0.0.1:1")
    error = the_error(run(EMPTY, "--h7-probe=place:board"))
    assert error == (
        "labgrid's coordinator at 127.0.0.1:1 does not answer (Could not connect to coordinator): is it running, "
        "and is LG_COORDINATOR right?"
    )


def test_no_labgrid(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    error = the_error(run(EMPTY, "--h7-probe=place:board"))
    assert error.startswith("A place needs labgrid, which is not installed: ")


def test_place_without_a_name(run: Run) -> None:
    assert the_error(run(EMPTY, "--h7-probe=place:")).endswith("the place has no name: 'place:NAME'")


def test_exporter_that_dies_is_infrastructure(
    run: Run, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab()
    monkeypatch.setenv("LG_COORDINATOR", lab.address)
    monkeypatch.setenv("EXPORTER", str(lab.exporter.pid))
    result = run(
        """
        import os, signal, time

        def test_that_loses_it(h7_board):
            os.kill(int(os.environ["EXPORTER"]), signal.SIGKILL)
            time.sleep(1)

        def test_next(h7_board): pass
        """,
        "--h7-probe=place:board",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*ConnectionLost: The place board is lost: exporter desk does not offer board-1/* any more."]
    )


def test_coordinator_that_dies_is_infrastructure(in_lab: Lab) -> None:
    """The last one: it takes the coordinator of the others."""
    place = Place("board", 0.0, pytest.fail)
    try:
        place.check()
        in_lab.coordinator.kill()
        time.sleep(1)
        with pytest.raises(ConnectionLost, match=f"labgrid's coordinator at {in_lab.address} is gone"):
            place.check()
    finally:
        place.release()

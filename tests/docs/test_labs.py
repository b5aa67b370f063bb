"""The commands of the page about labs: some of them run until the reader ends them."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pages import BLOCK, Command, File, environment, missing, run, steps

PAGE = Path(__file__).parents[2] / "docs" / "labs.md"
SERVERS = ("pytest-h7 serve", "labgrid-coordinator", "labgrid-exporter")


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Ports of this machine that are free, for those of the page."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{Path(sys.prefix) / 'labgrid' / 'bin'}")
    with socket.create_server(("127.0.0.1", 0)) as board, socket.create_server(("127.0.0.1", 0)) as lab:
        found = {"7755": str(board.getsockname()[1]), "20408": str(lab.getsockname()[1])}
    monkeypatch.setenv("LG_COORDINATOR", f"127.0.0.1:{found['20408']}")
    return found


@pytest.fixture
def servers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in reversed(started):
        process.kill()
        process.wait()


def test_commands_print_what_is_shown(
    tmp_path: Path, ports: dict[str, str], servers: list[subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    page = PAGE.read_text("utf-8")
    for language, title, content in BLOCK.findall(page):
        if language == "yaml":
            (tmp_path / title).write_text(content.replace("7755", ports["7755"]))
    for step in steps(page):
        if isinstance(step, File):
            (tmp_path / step.name).write_text(step.content)
        elif step.line.startswith(SERVERS):
            servers.append(start(step, tmp_path, ports))
        else:
            line = step.line.replace("remote:127.0.0.1", f"remote:127.0.0.1:{ports['7755']}")
            printed = re.sub(" +", " ", run(Command(line, step.output), tmp_path))
            assert missing(step, printed) is None, f"$ {step}\n{printed}"


def start(step: Command, folder: Path, ports: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start what goes on, and wait until it has said what it is to say."""
    own = {
        "pytest-h7": ["--port", ports["7755"]],
        "labgrid-coordinator": ["-l", f"127.0.0.1:{ports['20408']}"],
    }
    command = shlex.split(step.line)
    command += own.get(command[0], [])
    log = folder / f"{command[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=output, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 30
    while missing(step, log.read_text().replace(ports["7755"], "7755").replace("INFO:root:", "")):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return process

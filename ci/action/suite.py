"""Runs pytest as the inputs of the action say, in an environment that has nothing to steal.

The inputs come as environment variables, ``H7_CI_*``, and go to pytest as arguments: no shell sees them. What the
run leaves behind is in the folder ``h7-results``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from boards import NoBoards, boards_here

RESULTS = Path("h7-results")
MOST_WORKERS = 64
USAGE_ERROR = 4
"""As pytest has it."""

KEPT = {
    "CI",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "PYTHONPATH",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
}
KEPT_PREFIXES = ("H7_", "LC_", "XDG_")
"""Variables that a test sees: no token, no secret that somebody has put into the environment of a job, and no file
by which a step speaks to the runner."""


class BadInput(Exception):
    """An input of the action cannot be used; one sentence."""


@dataclass(frozen=True)
class Inputs:
    """What the action was given, checked; no number of workers stands for as many as make sense."""

    cm7_image: str
    cm4_image: str
    tests: list[str]
    probe: str
    workers: int | None
    arguments: list[str]

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Inputs:
        """Return the inputs.

        Raises:
            BadInput: one cannot be used.
        """
        cm7, cm4, tests, probe, workers, arguments = (
            environment.get(f"H7_CI_{name}", "").strip()
            for name in ("CM7_IMAGE", "CM4_IMAGE", "TESTS", "PROBE", "WORKERS", "ARGUMENTS")
        )
        for name, image in (("cm7-image", cm7), ("cm4-image", cm4)):
            if not Path(image).is_file() and not Path(image.rpartition("@")[0]).is_file():
                raise BadInput(f"The input {name} names no file in the workspace: {image!r}.")
        for test in tests.splitlines():
            if test.startswith("-"):
                raise BadInput(f"The input tests has {test!r}: options belong into the input arguments.")
            if not Path(test.partition("::")[0].strip()).exists():
                raise BadInput(f"The input tests names nothing in the workspace: {test!r}.")
        number = int(workers) if re.fullmatch("[0-9]{1,4}", workers) else 0
        if workers != "auto" and not 1 <= number <= MOST_WORKERS:
            raise BadInput(f'The input workers has to be 1 to {MOST_WORKERS}, or "auto": {workers!r}.')
        return cls(cm7, cm4, _lines(tests), probe, number or None, _lines(arguments))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def choose_boards(inputs: Inputs) -> list[str]:
    """Return the options for the boards and the processes; tell where there are fewer than were asked for.

    Raises:
        NoBoards: any board was asked for, and there is none.
    """
    if inputs.probe == "twin":
        return ["--h7-probe=twin", *_processes(inputs.workers)]
    boards = [inputs.probe]
    if inputs.probe == "any":
        desk = boards_here()
        boards = desk.free or desk.boards[:1]  # which pytest waits for
    workers = min(inputs.workers or len(boards), len(boards))
    if inputs.workers is not None and workers < inputs.workers:
        there = f"{len(boards)} boards" if len(boards) > 1 else "one board"
        annotate(
            "warning", f"{inputs.workers} workers, and {there} ({', '.join(boards)}): as many are started."
        )
    if len(boards) == 1:
        return [f"--h7-probe={boards[0]}"]
    return [f"--h7-boards={','.join(boards)}", *_processes(workers)]


def _processes(count: int | None) -> list[str]:
    """Return the option of pytest-xdist; a single process needs none."""
    return [] if count == 1 else [f"-n{count or 'auto'}"]


def command(inputs: Inputs, boards: list[str]) -> list[str]:
    """Return the command line of pytest."""
    line = [sys.executable, "-m", "pytest", *boards]
    line += [f"--h7-cm7-image={inputs.cm7_image}", f"--h7-cm4-image={inputs.cm4_image}"]
    line += [f"--h7-evidence-dir={RESULTS / 'h7-evidence'}", f"--alluredir={RESULTS / 'allure-results'}"]
    line += [f"--junitxml={RESULTS / 'junit.xml'}"]
    return line + inputs.arguments + inputs.tests


def environment_of_tests(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that a test may see."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or (name.startswith(KEPT_PREFIXES) and not name.startswith("H7_CI_"))
    }


def annotate(kind: str, message: str) -> None:
    """Say something at the top of the run's page; the escapes are those of GitHub's workflow commands."""
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    sys.stdout.write(f"::{kind}::{escaped}\n")
    sys.stdout.flush()


def run(line: list[str], log: Path) -> int:
    """Run pytest and keep what it prints; a signal to stop goes on to it, so that it puts its board back."""
    with (
        log.open("wb") as file,
        subprocess.Popen(
            line,
            env=environment_of_tests(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.send_signal(signal.SIGINT))
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 1 << 16):
            for place in (file, sys.stdout.buffer):
                place.write(chunk)
                place.flush()
    return process.returncode


def main() -> int:
    """Run the tests; return pytest's exit code, that of a usage error where it could not be started."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir()
    log = RESULTS / "pytest.log"
    try:
        inputs = Inputs.read(os.environ)
        line = command(inputs, choose_boards(inputs))
    except (BadInput, NoBoards) as error:
        log.write_text(f"{error}\n", "utf-8")
        annotate("error", str(error))
        code = USAGE_ERROR
    else:
        code = run(line, log)
    (RESULTS / "exit-code").write_text(f"{code}\n", "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())

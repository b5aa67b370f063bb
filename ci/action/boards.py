"""The boards at this machine, as ``pytest-h7 list`` shows them, and the labels of a runner that has them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KIND = "nucleo-h755zi-q"
"""The label of a board unless the person at the desk says otherwise; an ST-LINK does not tell what it sits on."""


@dataclass(frozen=True)
class Desk:
    """Serial numbers of the probes at this machine: all of them, and those that nobody uses now."""

    boards: list[str]
    free: list[str]


class NoBoards(Exception):
    """There is no board, or nobody can tell; one sentence."""


def read_list(text: str) -> Desk:
    """Return what ``pytest-h7 list`` has printed, without the virtual boards that are always there."""
    rows = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    rows = [row for row in rows if row[0] != "twin" and not row[0].startswith("twin:")]
    return Desk(
        [serial for serial, *_ in rows],
        [serial for serial, *rest in rows if ", in use by " not in "".join(rest)],
    )


def boards_here() -> Desk:
    """Return the boards at this machine.

    Raises:
        NoBoards: there is none, or the probes cannot be listed.
    """
    command = [str(Path(sys.executable).with_name("pytest-h7")), "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoBoards(done.stderr.strip().removeprefix("pytest-h7: "))
    desk = read_list(done.stdout)
    if not desk.boards:
        raise NoBoards(
            "There is no board at this runner: pytest-h7 list shows no probe. Plug one in, see that the user of "
            "the runner may use it (ci/60-stlink.rules), or use the virtual board (probe: twin)."
        )
    return desk


def labels(desk: Desk, kind: str) -> list[str]:
    """Return what a workflow can ask for in runs-on: the kind of board, how many, and each serial number.

    A runner with three boards has ``h7-boards-1`` to ``h7-boards-3``, because it suits a job that wants two.
    """
    counts = [f"h7-boards-{number + 1}" for number in range(len(desk.boards))]
    serials = [f"h7-{re.sub(r'[^A-Za-z0-9_-]', '-', serial)}" for serial in desk.boards]
    return [kind, *counts, *serials]


def main(kind: str = KIND) -> int:
    """Print the labels with commas between them."""
    try:
        sys.stdout.write(",".join(labels(boards_here(), kind)) + "\n")
    except NoBoards as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

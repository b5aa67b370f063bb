"""``--h7-gdb``: GDB at the board that a test has failed on."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_h7 import reference_image

from .conftest import STARTED, Run

GDB = shutil.which("gdb-multiarch")
COMMAND = re.compile(r'^(cm[74]): \S+ (\S+) -ex "target remote :(\d+)"$')

OPTCR, OPTSR_PRG = 0x5200_2018, 0x5200_2020
"""Of FLASH (RM0399 4.9)."""

SOURCE = """
import pytest

def test_fails(started, cm4):
    cm4.run_until("SysTick_Handler")
    started.cm7.variable("exti_count").value = 77
    assert 1 == 2

def test_next(h7_board, h7_flashed):
    h7_board.boot_contract(1.0)
"""


class Session:
    """A run of pytest with ``--h7-gdb`` in a process of its own."""

    def __init__(self, folder: Path, source: str, *arguments: str) -> None:
        (folder / "conftest.py").write_text(STARTED)
        (folder / "test_it.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--h7-gdb", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []

    def read_until(self, pattern: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if re.search(pattern, line):
                return line
        raise AssertionError("\n".join(self.lines))

    def ports(self) -> dict[str, int]:
        """Return the ports of the cores by name."""
        self.read_until("^The run goes on when GDB has detached")
        found = {}
        for line in self.lines:
            match = COMMAND.match(line)
            if match:
                assert match[2] == str(reference_image(match[1]))
                found[match[1]] = int(match[3])
        return found

    def end(self) -> str:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            self.lines += stdout.read().splitlines()
        self.process.wait(timeout=60)
        return "\n".join(self.lines)


def gdb(core: str, port: int, *commands: str) -> str:
    arguments = [option for command in commands for option in ("-ex", command)]
    connect = ["-ex", "set osabi none", str(reference_image(core)), "-ex", f"target remote :{port}"]
    return subprocess.run(
        [str(GDB), "-q", "-batch", *connect, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")
def test_board_is_left_as_it_is(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> None:
    session = Session(pytester.path, SOURCE)
    request.addfinalizer(session.process.kill)
    ports = session.ports()
    assert set(ports) == {"cm7", "cm4"}
    # One stays while the other comes, so that the run waits for both.
    stay = ["-ex", f"target remote :{ports['cm7']}", "-ex", "echo here\\n"]
    holder = subprocess.Popen(
        [str(GDB), "-q", str(reference_image("cm7")), *stay],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    request.addfinalizer(holder.kill)
    assert holder.stdout is not None
    assert any(line.endswith("here\n") for line in holder.stdout)
    # What is refused to a test is refused to GDB: read-out protection, and a mass erase.
    refused = [
        f"set var *(int *){address:#x} = {value:#x}" for address, value in ((OPTSR_PRG, 0), (OPTCR, 1 << 4))
    ]
    told = gdb("cm4", ports["cm4"], "backtrace", *refused, "monitor ww 0x52002020 0", "detach")
    assert re.search(r"^#0 +SysTick_Handler \(\)", told, re.MULTILINE)
    told, _ = holder.communicate("print exti_count\ndetach\nquit\n", timeout=60)
    assert "= 77" in told
    text = session.end()
    assert "1 failed, 1 passed" in text
    assert text.count("Refused to change the option byte RDP") == 2
    assert "Refused to mass-erase the chip" in text
    assert re.search("^<+ h7: the run goes on <+$", text, re.MULTILINE)


def test_core_that_cannot_be_reached_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_h7.gdb.PATIENCE", 0.0)
    source = f"""
        import pytest

        @pytest.mark.h7_images(cm7={str(reference_image("cm7_never_releases"))!r})
        def test_it(h7_board, h7_flashed):
            h7_board.sleep(0.02)
            assert False

        def test_next(h7_board, h7_flashed):
            h7_board.boot_contract(1.0)
        """
    result = run(source, "--h7-gdb")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.re_match_lines(
        [
            r">+ h7: the board is as the test has left it >+",
            r'cm7: \S+ \S+cm7_never_releases.elf -ex "target remote :\d+"',
            r"Could not start a GDB server: cm4 is unreachable\. The CM4 sleeps in D2 stop",
            r"The run goes on when GDB has detached, or if none comes within 0 s\.",
            r"<+ h7: the run goes on <+",
        ]
    )


def test_tests_without_a_board_and_tests_that_pass(run: Run) -> None:
    source = """
        def test_no_board(): assert False
        def test_passes(h7_board): pass
        """
    result = run(source, "--h7-gdb")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.no_fnmatch_line("*the board is as the test has left it*")


def test_not_with_xdist(run: Run) -> None:
    result = run("def test_it(h7_board): pass", "--h7-gdb", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --h7-gdb needs the terminal of the one process*leave out -n."])

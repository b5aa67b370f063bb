"""GDB at pyOCD's server, on the virtual board: both cores stop at main."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_h7 import reference_image

GDB = shutil.which("gdb-multiarch")
LISTENING = re.compile(rb"GDB server listening on port (\d+) \(core (\d)\)")


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    """GDB ports of both cores, with the reference firmware running."""
    images = f"{reference_image('cm7')},{reference_image('cm4')}"
    command = [sys.executable, "-m", "pyocd", "gdbserver", "-u", "h7twin:", "-t", "stm32h755xx"]
    server = subprocess.Popen(
        [*command, "--persist", "--port", "0", "--telnet-port", "0"],
        env={**os.environ, "H7_TWIN_IMAGES": images},
        stderr=subprocess.PIPE,
    )
    assert server.stderr is not None
    found: dict[int, int] = {}
    while len(found) < 2:
        line = server.stderr.readline()
        assert line, "the server ended"
        match = LISTENING.search(line)
        if match:
            found[int(match[2])] = int(match[1])
    try:
        yield [found[0], found[1]]
    finally:
        server.terminate()
        server.communicate(timeout=10)


@pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")
@pytest.mark.parametrize(("core", "name"), [(0, "cm7"), (1, "cm4")])
def test_stops_at_main(ports: list[int], core: int, name: str, tmp_path: Path) -> None:
    script = tmp_path / "stop-at-main.gdb"
    script.write_text(
        f"""set pagination off
set osabi none
target extended-remote :{ports[core]}
monitor reset halt
hbreak main
continue
backtrace
print boot_stage
detach
"""
    )
    result = subprocess.run(
        [str(GDB), "-q", "-batch", "-x", str(script), str(reference_image(name))],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert re.search(rf"Breakpoint 1, main \(\) at .*{name}\.c:\d+", result.stdout)
    assert re.search(r"#0 +main \(\)", result.stdout)

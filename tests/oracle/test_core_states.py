"""What `ci/soak` compares the suites by: it tells any two states apart, and jumps are off when they are to be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SPIN = 0xE7FE
COUNT = 0xE7FD_3001
"""``adds r0, #1; b`` back to it."""

SOURCE = """
from pytest_h7.twin.mcu import Mcu

def test_it():
    mcu = Mcu(bytes(12), 8_000_000)
    for bank, start in (("flash bank 1", 0x0800_0000), ("flash bank 2", 0x0810_0000)):
        words = [0x2000_1000 if start == 0x0800_0000 else 0x1000_1000, start + 9, {program}]
        mcu.memory(bank)[:12] = b"".join(word.to_bytes(4, "little") for word in words)
    mcu.power_on()
    mcu.run_for({duration})
    mcu.memory("SRAM4")[100] = {byte}
    assert [core.running for core in mcu.cores.values()] == [True, True]
    assert [core.skips_busy_loops for core in mcu.cores.values()] == [{jumps}, {jumps}]
"""


def states(
    pytester: pytest.Pytester, *, program: int = SPIN, duration: int = 10**9, byte: int = 0, jumps: bool
) -> str:
    """Run a test of a chip whose cores execute `program`; return what is recorded of it."""
    pytester.makepyfile(SOURCE.format(program=program, duration=duration, byte=byte, jumps=jumps))
    options = [] if jumps else ["--without-jumps"]
    report = pytester.path / "report.xml"
    arguments = ["-p", "core_states", "-p", "no:cacheprovider", f"--junitxml={report}", *options]
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
    found = re.search('name="h7_cores" value="([^"]*)"', Path(report).read_text())
    assert found is not None
    return found[1]


def test_same_state_with_and_without_jumps(pytester: pytest.Pytester) -> None:
    with_jumps = states(pytester, jumps=True)
    assert re.fullmatch(r"cm7 \d+ 08000008 [0-9a-f]{16}; cm4 \d+ 08100008 [0-9a-f]{16}", with_jumps)
    assert states(pytester, jumps=False) == with_jumps


@pytest.mark.parametrize("other", [{"duration": 10**9 + 20_000}, {"program": COUNT}, {"byte": 1}])
def test_other_states_are_told_apart(pytester: pytest.Pytester, other: dict[str, int]) -> None:
    one, another = states(pytester, jumps=True), states(pytester, jumps=True, **other)
    for core, other_core in zip(one.split("; "), another.split("; "), strict=True):
        assert core != other_core

"""What a test in C costs on the virtual board, from the clean-up before it to its end."""

from __future__ import annotations

import statistics
from pathlib import Path

import measure

from pytest_h7.ctests.building import build

_TESTS = 200
_TEST = """
H7_TEST({core}_{number})
{{
    uint32_t sum = 0;

    for (uint32_t i = 0; i <= {number}u; ++i) {{
        sum += i;
    }}
    H7_CHECK_EQUAL(sum, {sum});
}}
"""


def on_both_cores() -> measure.Figures:
    """Measure 200 tests in one ELF file for each core: set-up, call and tear-down, as pytest times them.

    Each test is from a reset of its own. The first of each core, which flashes the file, is not counted.
    """
    records = measure.run_suite(".", prepare=_build)
    tests = [[record for test, record in records.items() if test.startswith(core)] for core in ("cm7", "cm4")]
    if [len(of_core) for of_core in tests] != [_TESTS, _TESTS]:
        raise RuntimeError("not all C tests have been collected")
    counted = [record for of_core in tests for record in of_core[1:]]
    return {
        "c_test_ms": 1e3 * statistics.median(record["seconds"] for record in counted),
        "c_test_transfers": max(record["h7_transfers"] for record in counted),
    }


def _build(folder: Path) -> None:
    for core in ("cm7", "cm4"):
        tests = (
            _TEST.format(core=core, number=number, sum=number * (number + 1) // 2) for number in range(_TESTS)
        )
        source = folder / f"test_{core}.c"
        source.write_text('#include "h7_test.h"\n' + "".join(tests))
        build(core, source.with_suffix(".elf"), [source])

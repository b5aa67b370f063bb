"""What becomes of tests in C, and what pytest shows of it."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_h7.bench.checkpoints import RealCheckpoints
from pytest_h7.board.images import reference_image
from pytest_h7.twin.board import VirtualBoard

from ..conftest import Run
from .conftest import BuildTests

FAILING = Path(__file__).parent / "programs" / "failing.c"

SHOWN = {
    "number": [
        "    H7_TEST(number)",
        ">       H7_CHECK_EQUAL(two + two, 5);",
        "E       assert 4 == 5",
        "E        +  where 4 = two + two",
        "failing.c:14: AssertionError",
        "two is 2",
        "failure class: test",
    ],
    "large_number": [
        "E       assert 18446744073709551615 (0xffffffffffffffff) == -4096 (0xfffff000)",
        "E        +  where 18446744073709551615 (0xffffffffffffffff) = UINT64_MAX",
    ],
    "condition": [">       H7_CHECK(sizeof(int) == 2);", "E       assert sizeof(int) == 2"],
    "in_a_helper": [
        "    H7_TEST(in_a_helper)",
        ">       expect_sum(1, 2, 4);",
        ">   H7_CHECK_EQUAL(left + right, sum);",
        "E   assert 3 == 4",
        "E    +  where 3 = left + right",
        "failing.c:30: AssertionError",
    ],
    "text": [r'E       assert "one\n" == "one"', r'E        +  where "one\n" = line'],
    "text_at_nowhere": ["E * pytest_h7.errors.CoreFaulted: During this test * at 0x39000000 *"],
    "memory": [
        "E       assert found == expected",
        "E        +  where it is 07 04",
        "E        +  and not     03 04, from byte 2 on",
    ],
    "in_an_interrupt": [
        "    H7_TEST(in_an_interrupt)",
        '>       H7_FAIL("the interrupt has come");',
        "E       AssertionError: the interrupt has come",
        "failure class: test",
    ],
    "endless": [
        "    H7_TEST(endless, .timeout_ms = 20)",
        ">       for (;;) {",
        "E       pytest_h7.errors.WaitTimeout: The test has not returned within 0.02 s of board time: the cm? "
        "is in h7_call_endless (failing.c:*).",
        "on its way",
        "failure class: firmware",
    ],
    "asleep": [
        "E   pytest_h7.errors.WaitTimeout: The test has not returned within 0.02 s of board time: the cm? is *"
    ],
    "fault": [
        ">       H7_CHECK(peek(0x39000000u) == 0);",
        ">   return *(volatile uint32_t *)address;",
        "E   pytest_h7.errors.CoreFaulted: During this test cm? has faulted: bus error on a data access, *",
        "failing.c:*: CoreFaulted",
        "failure class: firmware",
    ],
    "other_fault": [
        "E   AssertionError: The test was to end with the fault DIVBYZERO, and it was bus error on a data *"
    ],
    "no_fault": ["E   AssertionError: The test was to end with a fault, any, and has returned."],
    "breakpoint": [
        '>       __asm volatile("bkpt #3");',
        "E       pytest_h7.errors.FirmwareError: The cm? has stopped at a breakpoint instruction in *",
    ],
    "reset": ["E   pytest_h7.errors.FirmwareError: The cm? has started anew during the test: it was reset."],
    "overwrites_its_result": [
        ">   H7_TEST(overwrites_its_result)",
        "E   pytest_h7.errors.ResultOverwritten: The test has overwritten h7_record at 0x?00000?? of the cm?, "
        "where its result is: a pointer or an index of it leads astray.",
        "failure class: firmware",
    ],
    "fails_at_no_check": ["E * pytest_h7.errors.ResultOverwritten: The test has overwritten h7_record at *"],
    "fails_at_no_line": ["E * pytest_h7.errors.ResultOverwritten: The test has overwritten h7_record at *"],
    "overwrites_its_stack": ["failure class: firmware"],
    "writes_too_much": ["line   0", "*[[]652 more characters: there is room for 2048, H7_TEST_OUTPUT_SIZE]"],
}
"""What the report of each test has, in this order."""


def reports(result: pytest.RunResult) -> dict[str, pytest.LineMatcher]:
    """Return the report of each failure by the name of the test."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in result.stdout.lines:
        title = re.fullmatch(r"_{5,} (\w+) _{5,}", line)
        if title:
            lines = found.setdefault(title[1], [])
        elif line.startswith("===="):
            lines = []
        lines.append(line)
    return {name: pytest.LineMatcher(report) for name, report in found.items()}


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_each_failure_is_told(
    run: Run, build_tests: BuildTests, pytester: pytest.Pytester, core: str
) -> None:
    build_tests(core, FAILING.read_text(), "failing.elf")
    result = run("", "failing.elf", "-rsP")
    result.assert_outcomes(failed=len(SHOWN), passed=1, skipped=1)
    found = reports(result)
    assert set(found) == {*SHOWN, "passes_after_all_that"}
    for name, patterns in SHOWN.items():
        found[name].fnmatch_lines(patterns)
    result.stdout.fnmatch_lines(["|  -42|42   |-0042|ff|FF|     abc|text|c|%|7|123456789abcdef|4|end   |"])
    result.stdout.fnmatch_lines(["SKIPPED [[]1] failing.c:*: there is no wire"])


def test_example_passes_on_both_cores(run: Run, pytester: pytest.Pytester) -> None:
    for core in ("cm7", "cm4"):
        shutil.copy(reference_image(f"{core}_example_test"), pytester.path)
    result = run("", "-rs")
    result.assert_outcomes(passed=23, skipped=3)
    result.stdout.fnmatch_lines(["SKIPPED [[]2] *test_core.c*: needs a wire from PA5 to PE12"])
    result.stdout.fnmatch_lines(["SKIPPED [[]1] *test_core.c:51: this core computes in single precision"])


COUNTER = """
static volatile int counter;

#define COUNTS(name) H7_TEST(name) { counter = counter + 1; H7_CHECK_EQUAL(counter, 1); }
COUNTS(one) COUNTS(two) COUNTS(three)
"""


def costs(report: Path) -> list[dict[str, str]]:
    return [
        {entry.attrib["name"]: entry.attrib["value"] for entry in case.iter("property")}
        for case in ET.parse(report).iter("testcase")
    ]


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_each_begins_with_a_reset_kept_or_not(
    run: Run, build_tests: BuildTests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, core: str
) -> None:
    build_tests(core, COUNTER)
    kept, gone = tmp_path / "kept.xml", tmp_path / "gone.xml"
    run("").assert_outcomes(passed=3)  # with flashing
    run("", f"--junit-xml={kept}").assert_outcomes(passed=3)
    monkeypatch.setattr("pytest_h7.bench.bench.TwinCheckpoints", lambda _board, _bench: RealCheckpoints())
    run("", f"--junit-xml={gone}").assert_outcomes(passed=3)
    assert costs(kept) == costs(gone)


MIXED = """
import pytest

def test_in_python(h7_board, h7_flashed, cm7):
    h7_board.wait_until(lambda: cm7.variable("boot_stage").value == 5, 1.0)
"""


def test_together_with_tests_in_python_in_one_report(
    run: Run, build_tests: BuildTests, pytester: pytest.Pytester
) -> None:
    build_tests("cm4", 'H7_TEST(right) { }\nH7_TEST(wrong) { h7_printf("said"); H7_FAIL("reason"); }')
    result = run(MIXED, "--junit-xml=report.xml", "--alluredir=allure", "-o", "junit_logging=all")
    result.assert_outcomes(passed=2, failed=1)
    cases = {case.attrib["name"]: case for case in ET.parse(pytester.path / "report.xml").iter("testcase")}
    assert set(cases) == {"right", "wrong", "test_in_python"}
    assert cases["right"].attrib["classname"] == "test_it.elf"
    failure = cases["wrong"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "AssertionError: reason"
    assert "said" in "".join(part.text or "" for part in cases["wrong"].iter("system-out"))
    told = [json.loads(path.read_text()) for path in pytester.path.glob("allure/*-result.json")]
    assert {(test["name"], test["status"]) for test in told} == {
        ("right", "passed"),
        ("wrong", "failed"),
        ("test_in_python", "passed"),
    }
    assert (pytester.path / "h7-evidence").is_dir()


def test_fixtures_of_a_project_apply(run: Run, build_tests: BuildTests, pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("c")
    build_tests("cm7", "H7_TEST(one) { }", "c/test_it.elf")
    folder.joinpath("conftest.py").write_text(
        """
import pytest

@pytest.fixture(autouse=True)
def around(h7_board):
    print("CORES", *(core.name for core in h7_board.cores))
"""
    )
    run("", "-s").stdout.fnmatch_lines(["*CORES cm7 cm4*"])


def test_workers_of_xdist_have_the_same_items(run_apart: Run, build_tests: BuildTests) -> None:
    build_tests("cm7", COUNTER)
    build_tests("cm4", COUNTER, "test_that.elf")
    result = run_apart("", "-n2", "-v")
    result.assert_outcomes(passed=6)
    for name in ("one", "two", "three"):
        result.stdout.fnmatch_lines_random([f"*PASSED test_{file}.elf::{name}*" for file in ("it", "that")])


def test_other_core_runs_the_image_of_the_options(run: Run, build_tests: BuildTests, tmp_path: Path) -> None:
    build_tests("cm4", 'H7_TEST(one) { H7_FAIL("look at the other core"); }')
    with_companion = reports(run(""))["one"]
    with_companion.fnmatch_lines(["cm7: sleeping in h7_test_run (h7_test.c:*)"])
    application = reports(run("", f"--h7-cm7-image={reference_image('cm7')}"))["one"]
    application.fnmatch_lines(["cm7: * in main (*)"])


def test_firmware_that_does_not_come_to_its_tests(run: Run, build_tests: BuildTests) -> None:
    source = "void SystemInit(void); void SystemInit(void) { for (;;) { } } H7_TEST(one) { }"
    build_tests("cm7", source, flags=("-Wl,--allow-multiple-definition",))
    run("").stdout.fnmatch_lines(
        [
            "E   pytest_h7.errors.FirmwareError: The cm7 has not come to h7_test_run within 1 s of board time "
            "after the reset: it is running in SystemInit (test_it.c:1).",
        ]
    )


def test_time_out_of_the_wall_clock(run: Run, build_tests: BuildTests) -> None:
    build_tests("cm7", "H7_TEST(one, .timeout_ms = 1000000000)\n{\n    for (;;) {\n    }\n}")
    run("", "--timeout=1", "-o", "timeout_func_only=true").stdout.fnmatch_lines(
        [
            ">   H7_TEST(one, .timeout_ms = 1000000000)",
            "E   Failed: Timeout (>1.0s) from pytest-timeout.",
            "failure class: firmware",
            "cm7: running in h7_call_one (test_it.c:*)",
        ]
    )


@pytest.mark.parametrize("transfers", [3, 14, 24])
def test_bench_that_fails_is_no_failure_of_the_test(
    run: Run, build_tests: BuildTests, virtual: VirtualBoard, pytester: pytest.Pytester, transfers: int
) -> None:
    folder = pytester.mkdir("c")
    build_tests("cm7", "H7_TEST(one) { }\nH7_TEST(two) { }", "c/test_it.elf")
    folder.joinpath("conftest.py").write_text(
        f"""
import pytest
from pytest_h7.twin.board import virtual_board
from pytest_h7.twin.faults import Fault

@pytest.fixture(autouse=True)
def unplugged(request, h7_flashed):
    if request.node.name == "one":
        virtual_board().stlink.inject(Fault.USB_ERROR, transfer={transfers})
"""
    )
    result = run("")
    result.assert_outcomes(failed=1, passed=1)
    found = reports(result)["one"]
    found.fnmatch_lines(["E * pytest_h7.errors.ConnectionLost: *", "test_it.c:1: ConnectionLost"])
    found.fnmatch_lines(["failure class: infrastructure"])
    found.no_fnmatch_line("*site-packages*")


def test_output_of_a_test_that_passes(run: Run, build_tests: BuildTests) -> None:
    build_tests("cm7", 'H7_TEST(one) { h7_printf("here it is"); }')
    run("", "-s").stdout.fnmatch_lines(["*here it is*"])


def test_source_that_is_elsewhere(run: Run, build_tests: BuildTests, pytester: pytest.Pytester) -> None:
    build_tests("cm7", 'H7_TEST(one)\n{\n    H7_FAIL("reason");\n}')
    pytester.path.joinpath("test_it.c").unlink()
    run("").stdout.fnmatch_lines(["E   AssertionError: reason", "test_it.c:3: AssertionError"])

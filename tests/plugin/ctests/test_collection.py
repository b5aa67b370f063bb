"""Tests in C are collected from ELF files, with no board and without running anything."""

from __future__ import annotations

import re
import shutil
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.board.images import reference_image
from pytest_h7.ctests.suite import Elf, read_suite
from pytest_h7.errors import ImageError

from ..conftest import Run
from .conftest import BuildTests

TESTS = """
static const struct { const char *name; int in, out; } squares[] = {{"zero", 0, 0}, {"minus two", -2, 4}};

H7_TEST(first) { }
H7_TEST_EACH(square, squares) { H7_CHECK_EQUAL(param->in * param->in, param->out); }
H7_TEST(last, .timeout_ms = 250, .skip = "it is late", .fault = "DIVBYZERO") { }
"""


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.stdout.lines if "::" in line]


def test_items_are_the_tests_and_their_parameters(run: Run, build_tests: BuildTests) -> None:
    build_tests("cm4", TESTS)
    items = collected(run("", "--collect-only", "-q"))
    assert items == [
        "test_it.elf::first",
        "test_it.elf::square[zero]",
        "test_it.elf::square[minus two]",
        "test_it.elf::last",
    ]


def test_description_of_a_test(build_tests: BuildTests) -> None:
    suite = read_suite(build_tests("cm4", TESTS))
    assert suite is not None
    assert suite.core == "cm4"
    first, *_, last = suite.tests
    assert (first.timeout, first.skip, first.fault, first.param) == (1.0, None, None, 0)
    assert (last.timeout, last.skip, last.fault) == (0.25, "it is late", "DIVBYZERO")
    assert (last.file, last.line) == ("test_it.c", 6)


def test_collecting_needs_no_board_and_no_library_for_one(
    run_apart: Run, pytester: pytest.Pytester, build_tests: BuildTests
) -> None:
    build_tests("cm7", TESTS)
    pytester.makepyfile(
        spy="""
        import sys
        def pytest_unconfigure(config):
            print("LOADED", sorted({"pyocd", "usb", "serial"} & set(sys.modules)))
        """
    )
    result = run_apart("", "--collect-only", "-p", "spy", "--h7-probe=not there")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*4 tests collected*", "LOADED []"])


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ("test_it.elf::square", 2),
        ("test_it.elf::square[minus two]", 1),
        ("test_it.elf::last", 1),
        ("test_it.elf", 4),
    ],
)
def test_selection_by_id(run: Run, build_tests: BuildTests, selection: str, count: int) -> None:
    build_tests("cm7", TESTS)
    assert len(collected(run("", "--collect-only", "-q", selection))) == count


def test_which_files_are_looked_at(run: Run, build_tests: BuildTests, pytester: pytest.Pytester) -> None:
    build_tests("cm7", "H7_TEST(by_default) { }")
    build_tests("cm7", "H7_TEST(by_setting) { }", "unit_it.out")
    build_tests("cm7", "H7_TEST(by_name) { }", "other.elf")
    assert collected(run("", "--collect-only", "-q")) == ["test_it.elf::by_default"]
    assert collected(run("", "--collect-only", "-q", "other.elf")) == ["other.elf::by_name"]
    pytester.makeini("[pytest]\nh7_c_tests = unit_*.out")
    assert collected(run("", "--collect-only", "-q")) == ["unit_it.out::by_setting"]


def test_file_without_tests_is_an_error_where_it_is_named(run: Run, pytester: pytest.Pytester) -> None:
    for core in ("cm7", "cm7_companion"):
        shutil.copy(reference_image(core), pytester.path / "test_none.elf")
        result = run("def test_it(): pass")
        result.assert_outcomes(passed=1)
        result = run("", "test_none.elf")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*test_none.elf has no C tests: H7_TEST of h7_test.h makes one, *"])


def test_thousand_tests(run: Run, build_tests: BuildTests, virtual: object) -> None:
    source = "\n".join(
        f"H7_TEST(number_{number}) {{ H7_CHECK({number} == {number}); }}" for number in range(1000)
    )
    build_tests("cm7", source, flags=("-O1",))
    items = collected(run("", "--collect-only", "-q"))
    assert items == [f"test_it.elf::number_{number}" for number in range(1000)]
    run("", "test_it.elf::number_998", "test_it.elf::number_7").assert_outcomes(passed=2)


# -- what is wrong with a file ------------------------------------------------------------------------


def patch(elf: Path, address: int, offset: int, value: int) -> None:
    """Change a word of the structure that an ELF file has at an address."""
    content = bytearray(elf.read_bytes())
    place = content.find(Elf(elf).read(address, 8)) + offset
    content[place : place + 4] = struct.pack("<I", value)
    elf.write_bytes(content)


def refused(run: Run) -> str:
    """Return the sentence that refuses to collect."""
    result = run("")
    result.assert_outcomes(errors=1)
    (sentence,) = [line for line in result.stdout.lines if "test_it.elf" in line and "ERROR" not in line]
    return sentence


def test_linker_refuses_two_tests_of_one_name(build_tests: BuildTests, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("other.c").write_text("H7_TEST(twin) { }")
    with pytest.raises(AssertionError, match="multiple definition of `h7_call_twin'"):
        build_tests("cm7", "H7_TEST(twin) { }", flags=("other.c",))


def test_two_tests_of_one_name(run: Run, build_tests: BuildTests) -> None:
    elf = build_tests("cm7", "H7_TEST(one) { }\nH7_TEST(two) { }")
    elf.write_bytes(elf.read_bytes().replace(b"two\0", b"one\0"))
    assert re.search(r"has two tests by the name one, at test_it.c:1 and test_it.c:2: give one", refused(run))


def test_tests_for_the_other_core(run: Run, build_tests: BuildTests) -> None:
    elf = build_tests("cm7", "H7_TEST(one) { }")
    suite = Elf(elf).suite_address
    assert suite is not None
    patch(elf, suite, 8, 4)
    assert re.search(
        r"compiled for the cm4 \(CORE_CM4\), and is linked to 0x08000000, which is not in .*, where",
        refused(run),
    )


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, 0xFFFF_FFFF, "h7_test_suite begins with 0xFFFFFFFF. Build it anew."),
        (4, 2, "was built with version 2 of h7_test.h, and this pytest-h7 reads 1"),
        (8, 5, "it names core 5"),
        (12, 0x0800_0001, "its list goes from 0x08000001 to"),
        (12, 0x2000_0000, "its list goes from 0x20000000 to"),
    ],
)
def test_damaged_suite(run: Run, build_tests: BuildTests, offset: int, value: int, message: str) -> None:
    elf = build_tests("cm7", "H7_TEST(one) { }")
    suite = Elf(elf).suite_address
    assert suite is not None
    patch(elf, suite, offset, value)
    assert message in refused(run)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, 0, "in test 1 of 1, no text is at 0x00000000"),
        (4, 0x0900_0000, "in test 1 of 1, no text is at 0x09000000"),
        (8, 0xFFFF_FFFF, "in test 1 of 1, one is in line 4294967295"),
        (12, 0x2000_0000, "in test 1 of 1, nothing is at 0x20000000"),
        (24, 0x7FFF_FFFF, "one has 2147483647 parameters"),
        (32, 0x1234_5678, "no text is at 0x12345678"),
    ],
)
def test_damaged_description(
    run: Run, build_tests: BuildTests, offset: int, value: int, message: str
) -> None:
    elf = build_tests("cm7", "H7_TEST(one) { }")
    suite = read_suite(elf)
    assert suite is not None
    patch(elf, suite.tests[0].descriptor, offset, value)
    assert message in refused(run)


def test_unknown_fault(run: Run, build_tests: BuildTests) -> None:
    build_tests("cm7", 'H7_TEST(one, .fault = "DIVBYONE") { }')
    assert "is to end with the fault 'DIVBYONE', which is none: there is any, " in refused(run)


def test_table_of_symbols_that_is_none(run: Run, build_tests: BuildTests) -> None:
    elf = build_tests("cm7", "H7_TEST(one) { }")
    content = bytearray(elf.read_bytes())
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        header = file["e_shoff"] + file.get_section_index(".symtab") * file["e_shentsize"]
    content[header + 4] = 1  # SHT_PROGBITS
    elf.write_bytes(content)
    assert "is no ELF file, or a damaged one" in refused(run)


def test_file_that_is_cut_short(run: Run, build_tests: BuildTests) -> None:
    elf = build_tests("cm7", "H7_TEST(one) { }")
    elf.write_bytes(elf.read_bytes()[:200])
    assert "is no ELF file, or a damaged one" in refused(run)


@pytest.fixture(scope="module")
def example() -> bytes:
    return reference_image("cm4_example_test").read_bytes()


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "test_it.elf"


@given(where=st.integers(0, 0xF000), data=st.binary(min_size=1, max_size=64))
def test_damage_anywhere_is_refused_or_does_not_matter(
    example: bytes, damaged: Path, where: int, data: bytes
) -> None:
    damaged.write_bytes(example[:where] + data + example[where + len(data) :])
    with suppress(ImageError):
        read_suite(damaged)

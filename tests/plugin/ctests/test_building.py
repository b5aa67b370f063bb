"""``pytest-h7 build-c-tests``: an ELF file out of C tests and what they test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_h7.cli import main
from pytest_h7.ctests.building import sources
from pytest_h7.ctests.suite import read_suite

TEST = '#include "h7_test.h"\n#include "answer.h"\nH7_TEST(answers) { H7_CHECK_EQUAL(answer(), ANSWER); }\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("include").mkdir()
    tmp_path.joinpath("include", "answer.h").write_text("int answer(void);\n")
    tmp_path.joinpath("answer.c").write_text("int answer(void) { return 42; }\n")
    tmp_path.joinpath("test_answer.c").write_text(TEST)
    return tmp_path


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_file_with_tests_for_a_core(project: Path, core: str) -> None:
    options = ["-o=-Iinclude", "-o=-DANSWER=42"]
    assert main(["build-c-tests", core, "out_test.elf", "test_answer.c", "answer.c", *options]) == 0
    suite = read_suite(project / "out_test.elf")
    assert suite is not None
    assert (suite.core, [test.name for test in suite.tests]) == (core, ["answers"])


def test_error_of_the_compiler_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build-c-tests", "cm7", "out_test.elf", "test_answer.c"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("pytest-h7: out_test.elf does not build:\n")
    assert "answer.h: No such file" in told
    assert not (project / "out_test.elf").exists()


def test_missing_compiler_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(project))
    assert main(["build-c-tests", "cm7", "out_test.elf", "test_answer.c"]) == 1
    assert capsys.readouterr().err == (
        "pytest-h7: C tests need arm-none-eabi-gcc: on Debian or Ubuntu, apt-get install gcc-arm-none-eabi.\n"
    )


def test_header_needs_no_other_file() -> None:
    """A project may take h7_test.h and h7_test.c alone."""
    for name in ("h7_test.h", "h7_test.c"):
        included = [
            line for line in (sources() / name).read_text().splitlines() if line.startswith("#include")
        ]
        assert all(line.endswith((".h>", '"h7_test.h"')) for line in included)

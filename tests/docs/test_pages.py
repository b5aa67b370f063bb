"""Every command of the documentation is executed, and prints what is shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import pytest_h7
import pytest_h7.errors
from pytest_h7 import reference_image

from .pages import Command, File, missing, run, steps

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (ROOT / "docs").glob("*.md")
    if "```console" in path.read_text("utf-8") and path.stem != "labs"  # see test_labs.py
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a reader, in which a run begins a project of its own."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_commands_print_what_is_shown(page: Path, folder: Path) -> None:
    if page.stem == "releases":
        shutil.copy(ROOT / "tests" / "release" / "suite.py", folder / "test_release.py")
        shutil.copy(reference_image("cm4_release_1_1"), folder)
    for step in steps(page.read_text("utf-8")):
        if isinstance(step, File):
            (folder / step.name).write_text(step.content)
        else:
            printed = run(step, folder)
            assert missing(step, printed) is None, f"$ {step}\n{printed}"


def test_pages_with_commands() -> None:
    assert {"first-test", "releases"} <= {path.stem for path in PAGES}


def test_reference_has_what_can_be_imported() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    shown = set(re.findall(r"^::: [\w.]+\.([A-Z]\w+|reference_image)$", page, re.MULTILINE))
    errors = {name for name in pytest_h7.__all__ if hasattr(pytest_h7.errors, name)}
    assert "::: pytest_h7.errors\n" in page
    assert shown == set(pytest_h7.__all__) - errors


def test_what_is_shown_is_looked_for() -> None:
    page = "```console\n$ echo one; echo two 1.23s\none\ntwo 4.56s\n$ true\n```\n"
    first, second = steps(page)
    assert isinstance(first, Command)
    assert missing(first, "one\ntwo 9.99s\n") is None
    assert missing(first, "two 1.23s\none\n") == "two 4.56s"
    assert second == Command("true", ())

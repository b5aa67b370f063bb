"""The journal of what has to be put back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_h7.bench.journal import Journal
from pytest_h7.errors import InfrastructureError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "before.json"


def test_what_was_before_is_found_by_the_next_process(path: Path) -> None:
    Journal(path).add({"BCM4": 1, "RDP": 0xAA}, "test_a.py::test_it")
    left = Journal(path)
    assert (left.values, left.test) == ({"BCM4": 1, "RDP": 0xAA}, "test_a.py::test_it")


def test_what_was_there_first_stays(path: Path) -> None:
    journal = Journal(path)
    journal.add({"BCM4": 1}, "first")
    journal.add({"BCM4": 0, "BCM7": 1}, "second")
    assert Journal(path).values == journal.values == {"BCM4": 1, "BCM7": 1}


def test_nothing_is_left_when_all_is_put_back(path: Path) -> None:
    journal = Journal(path)
    journal.add({"BCM4": 1}, "test")
    journal.clear()
    journal.clear()
    assert journal.values == Journal(path).values == {}
    assert list(path.parent.iterdir()) == []


def test_it_is_on_the_disk_before_it_is_in_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    fsync = os.fsync

    def noted_fsync(descriptor: int) -> None:
        steps.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    Journal(path).add({"BCM4": 1}, "test")
    assert steps == [("before.json.new", False), (path.parent.name, True)]


def test_board_of_one_process_has_it_in_memory() -> None:
    journal = Journal(None)
    journal.add({"BCM4": 1}, "test")
    assert journal.values == {"BCM4": 1}
    journal.clear()
    assert journal.values == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "7",
        "{}",
        '{"before": {"BCM4": 1}}',
        '{"test": "", "before": {"BCM4": "x"}}',
        '{"test": "", "before": {"BCM4": 2}}',
        '{"test": "", "before": {"BCM9": 1}}',
    ],
)
def test_file_that_is_damaged(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(
        InfrastructureError, match=r"before\.json of what an earlier run has changed cannot be read"
    ):
        Journal(path)


def test_journal_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    path = tmp_path / "folder" / "before.json"
    journal = Journal(path)
    with pytest.raises(InfrastructureError, match=rf"cannot be kept in {path} \(.+\), so nothing is changed"):
        journal.add({"BCM4": 1}, "test")
    assert journal.values == {}

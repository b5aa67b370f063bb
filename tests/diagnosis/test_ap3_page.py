"""docs/ap3.md shows what the commands print. After a change: python tests/diagnosis/pages.py."""

from __future__ import annotations

import pytest

from pytest_h7.diagnosis.causes import Cause

from .pages import PAGE, WIDTH, comparable, refreshed


def test_the_page_shows_what_is_printed(own_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", WIDTH)
    page = PAGE.read_text("utf-8")
    assert comparable(refreshed(page)) == comparable(page)


def test_the_page_tells_the_story() -> None:
    page = PAGE.read_text("utf-8")
    for said in (
        Cause.CM4_IN_STOP_WAITING_FOR_HSEM.value,
        "The CM7 is halted by a debugger in main (cm7.c:",
        "next step   Resume the CM7",
        "fixed       The CM7 runs again",
        "verdict     healthy",
        "verdict     infrastructure",
    ):
        assert " ".join(said.split()) in " ".join(page.split())

"""What Allure's report gets, when it is in use: steps, attachments, labels and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_h7.evidence.store import PAGE, SNAPSHOT, TIMELINE, VCD

if TYPE_CHECKING:
    import pytest

    from pytest_h7.board.board import Board

_ENVIRONMENT = "environment.properties"
_KINDS = {".html": "text/html", ".svg": "image/svg+xml", ".json": "application/json", ".vcd": "text/plain"}
_TITLES = {PAGE: "h7 evidence", TIMELINE: "h7 timeline", SNAPSHOT: "h7 snapshot", VCD: "h7 timeline (VCD)"}
_ORDER = {name: number for number, name in enumerate(_TITLES)}


def is_in_use(config: pytest.Config) -> bool:
    """Return whether this run writes results for Allure."""
    return config.pluginmanager.has_plugin("allure_listener")


def begin(item: pytest.Item, board: Board) -> None:
    """Have what the test does to the board as steps, and tell which board it is."""
    import allure

    dynamic: Any = allure.dynamic
    serial = board.bench.probe.serial
    board.bench.connection.actions.as_step = allure.step
    dynamic.label("board", serial)
    dynamic.tag(serial)
    folder = Path(str(item.config.getoption("allure_report_dir")))
    _add_environment(folder, _environment(board))


def attach(section: str, text: str, files: Mapping[str, bytes]) -> None:
    """Attach the section of the report and the files of the evidence."""
    import allure

    if text:
        allure.attach(text, name=section, attachment_type=allure.attachment_type.TEXT)
    for name in sorted(files, key=lambda name: _ORDER.get(name, len(_ORDER))):
        suffix = Path(name).suffix
        allure.attach(
            files[name],
            name=_TITLES.get(name, name),
            attachment_type=_KINDS.get(suffix, "application/octet-stream"),
            extension=suffix.lstrip("."),
        )


def _environment(board: Board) -> dict[str, str]:
    probe, images = board.bench.probe, board.images
    kind = "virtual board" if board.bench.is_virtual else board.description.name
    found = {f"h7.board.{probe.serial}": f"{kind}, {probe.product} {probe.firmware}"}
    for image in images or ():
        found[f"h7.image.{image.core}"] = f"{image.path.name} (sha256 {image.sha256[:12]})"
    return found


def _add_environment(folder: Path, wanted: Mapping[str, str]) -> None:
    """Add lines to Allure's environment, which others may write, too."""
    path = folder / _ENVIRONMENT
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    there = {line.partition("=")[0].strip() for line in lines}
    missing = [f"{name} = {value}" for name, value in wanted.items() if name not in there]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines, *missing]) + "\n", "utf-8")

"""What a failed test leaves behind, and that nothing in it ever hides the test's own failure."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from vcd.reader import tokenize

from pytest_h7 import reference_image
from pytest_h7.evidence import store
from pytest_h7.evidence.store import EvidenceStore, Unwritten, folder_name
from pytest_h7.twin.board import VirtualBoard

from .conftest import Run
from .test_report import matches, section_of

FAILS = "def test_it(started): assert 1 == 2"
FAULTS = """
def test_it(started):
    started.button.press(0.02)
    assert False, "<script>alert('x')</script> & more"
"""


def bundle(pytester: pytest.Pytester, name: str = "") -> Path:
    """The only folder of evidence, or that of a test."""
    folders = [path.parent for path in pytester.path.glob("h7-evidence/*/index.html")]
    (found,) = [folder for folder in folders if name in folder.name]
    return found


class Links(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [value or "" for name, value in attrs if name in ("href", "src")]


def test_a_failed_test_has_a_page_and_its_files(run: Run, pytester: pytest.Pytester) -> None:
    result = run(FAULTS, f"--h7-cm7-image={reference_image('cm7_hard_fault')}")
    result.assert_outcomes(failed=1)
    folder = bundle(pytester)
    assert {path.name for path in folder.iterdir()} == {
        *("index.html", "snapshot.json", "timeline.svg", "timeline.vcd", "cm7.core", "cm4.core")
    }
    matches(
        section_of(result), [r"^failure class: test$", rf"^evidence: h7-evidence/{folder.name}/index\.html$"]
    )
    page = (folder / "index.html").read_text()
    text = re.sub(r"<[^>]+>", " ", page)
    for words in (
        "AssertionError: &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more",
        "The CM7 has a fault recorded in read_reserved_address (cm7.c:",
        "HardFault was taken here",
        "(void)*(volatile uint32_t *)0x39000000u;",
        "press the button for 0.02 s",
        "[CM4] ready",
        "BCM4",
        "through AP0: 0x",
    ):
        assert words in text, words
    links = Links()
    links.feed(page)
    assert "script" not in links.tags
    assert all(re.fullmatch(r"#\w+|[\w.]+", reference) for reference in links.references)
    assert "url(" not in page


def test_the_snapshot_is_for_machines(run: Run, pytester: pytest.Pytester) -> None:
    run(FAULTS, f"--h7-cm7-image={reference_image('cm7_hard_fault')}")
    found = json.loads((bundle(pytester) / "snapshot.json").read_text())
    assert (found["format"], found["class"], found["outcome"], found["attempt"]) == (1, "test", "failed", 1)
    cm7 = found["cores"]["cm7"]
    assert (cm7["executing"], cm7["fault"]["address"]) == ("HardFault", 0x3900_0000)
    assert cm7["backtrace"][1]["function"] == "read_reserved_address"
    assert found["option_bytes"]["BCM4"] == 1
    assert [action["text"] for action in found["actions"]][-1] == "press the button for 0.02 s"
    assert found["cost_transfers"] <= 200
    assert {track["name"] for track in found["timeline"]["tracks"]} >= {
        "CM7",
        "CM4",
        "D2",
        "HSEM 0",
        "console",
    }


def test_the_timeline_shows_the_start(run: Run, pytester: pytest.Pytester) -> None:
    run("def test_it(h7_flashed, h7_board):\n    h7_board.sleep(0.05)\n    assert False")
    found = json.loads((bundle(pytester) / "snapshot.json").read_text())["timeline"]
    tracks = {track["name"]: track for track in found["tracks"]}
    assert found["is_exact"]
    assert "cm7" in {value for _, _, value in tracks["HSEM 0"]["states"]}
    assert {value for _, _, value in tracks["D2"]["states"]} >= {"stop", "run"}
    assert [text for _, _, text in tracks["console"]["marks"]][-1] == "[CM4] ready"
    ET.parse(bundle(pytester) / "timeline.svg")
    with (bundle(pytester) / "timeline.vcd").open("rb") as file:
        names = {token.data.reference for token in tokenize(file) if token.kind.name == "VAR"}
    assert {"CM7", "CM4", "NRST"} <= names


def test_a_timeline_of_a_real_board_is_of_samples(
    run: Run, pytester: pytest.Pytester, real_board: str
) -> None:
    source = """
        def test_it(h7_board):
            for _ in range(3):
                h7_board.cm7.state, h7_board.domains.d2.state
            assert False
        """
    run(source, f"--h7-probe={real_board}").assert_outcomes(failed=1)
    found = json.loads((bundle(pytester) / "snapshot.json").read_text())["timeline"]
    assert not found["is_exact"]
    assert len(next(track for track in found["tracks"] if track["name"] == "CM7")["marks"]) >= 3
    assert "Sampled" in (bundle(pytester) / "timeline.svg").read_text()
    assert not (bundle(pytester) / "timeline.vcd").exists()


# -- when, and where --------------------------------------------------------------------------------------


def test_only_failures_leave_evidence(run: Run, pytester: pytest.Pytester) -> None:
    run("import pytest\ndef test_passes(h7_board): pass\ndef test_skips(h7_board): pytest.skip()")
    assert not (pytester.path / "h7-evidence").exists()


def test_evidence_of_every_test(run: Run, pytester: pytest.Pytester) -> None:
    run("def test_passes(h7_board): pass", "--h7-evidence=on").assert_outcomes(passed=1)
    assert "The test has passed." in (bundle(pytester) / "index.html").read_text()


def test_no_evidence(run: Run, pytester: pytest.Pytester) -> None:
    result = run(FAILS, "--h7-evidence=off")
    assert not (pytester.path / "h7-evidence").exists()
    assert not any(line.startswith("evidence") for line in section_of(result))
    matches(section_of(result), ["^cm7: "])


def test_another_folder(run: Run, pytester: pytest.Pytester) -> None:
    result = run(FAILS, "--h7-evidence-dir=out/evidence")
    assert list(pytester.path.glob("out/evidence/*/index.html"))
    matches(section_of(result), ["^evidence: out/evidence/"])


def test_a_passing_test_pays_no_transfer(run: Run, pytester: pytest.Pytester) -> None:
    costs = []
    for choice in ("off", "retain-on-failure"):
        run("def test_it(h7_board): h7_board.sleep(0.1)", f"--h7-evidence={choice}", "--junitxml=report.xml")
        costs.append(properties(pytester)["h7_transfers"])
    assert costs[0] == costs[1]


def properties(pytester: pytest.Pytester) -> dict[str, str]:
    tree = ET.parse(pytester.path / "report.xml")
    return {entry.get("name", ""): entry.get("value", "") for entry in tree.iter("property")}


@pytest.mark.parametrize(
    "source",
    [
        "def test_it(h7_board): assert False",
        """
        import pytest

        @pytest.fixture
        def breaks(h7_board):
            yield
            assert False

        def test_it(breaks): pass
        """,
    ],
    ids=["call", "teardown"],
)
def test_properties_in_junit_xml(run: Run, pytester: pytest.Pytester, source: str) -> None:
    run(source, "--junitxml=report.xml")
    found = properties(pytester)
    assert (found["h7_board"], found["h7_failure_class"]) == ("H7TWIN", "test")
    assert found["h7_cm4"].startswith("sleeping")
    assert (pytester.path / found["h7_evidence"]).is_file()


def test_allure_has_steps_labels_and_the_environment(run: Run, pytester: pytest.Pytester) -> None:
    run("def test_it(started):\n    started.cm4.halt()\n    started.button.press(0.01)", "--alluredir=allure")
    folder = pytester.path / "allure"
    (report,) = (json.loads(path.read_text()) for path in folder.glob("*-result.json"))
    assert [step["name"] for step in report["steps"]] == ["cm4: halt", "press the button for 0.01 s"]
    assert {"name": "board", "value": "H7TWIN"} in report["labels"]
    assert "h7.image.cm7 = cm7.elf" in (folder / "environment.properties").read_text()


def test_the_next_run_removes_what_is_old(run: Run, pytester: pytest.Pytester) -> None:
    run(FAILS)
    old = bundle(pytester)
    theirs = pytester.path / "h7-evidence" / "notes.txt"
    theirs.write_text("mine")
    run("def test_passes(h7_board): pass")
    assert not old.exists()
    assert theirs.exists()


# -- names and sizes --------------------------------------------------------------------------------------


def test_names_with_slashes(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.mark.parametrize("name", ["a/b", "../../up", "c:\\\\d", "é<>|?*", "x" * 300])
        def test_it(h7_board, name): assert False
        """
    run(source).assert_outcomes(failed=5)
    folders = [path.parent for path in pytester.path.glob("h7-evidence/*/index.html")]
    assert len(folders) == 5
    assert all(re.fullmatch(r"[\w.\[\]=,@-]{1,140}", folder.name, re.ASCII) for folder in folders)


def test_names_of_tests_differ() -> None:
    nodeids = ["t.py::test[a/b]", "t.py::test[a-b]", "t.py::test[a\\b]", "t/a.py::test", "t.a.py::test"]
    assert len({folder_name(nodeid, "call", 1) for nodeid in nodeids}) == len(nodeids)
    assert folder_name("tests/test_a.py::test_b[1]", "call", 1) == "tests.test_a.test_b[1]"


def test_each_attempt_and_phase_has_a_folder() -> None:
    names = [
        folder_name("t.py::test", *how) for how in (("call", 1), ("call", 2), ("teardown", 2), ("setup", 1))
    ]
    assert names == ["t.test", "t.test-attempt2", "t.test-teardown-attempt2", "t.test-setup"]


def test_a_thousand_failures_are_bounded(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_BUNDLES", 2)
    source = "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(h7_board, n): assert False"
    result = run(source)
    result.assert_outcomes(failed=4)
    assert len(list(pytester.path.glob("h7-evidence/*/index.html"))) == 2
    result.stdout.fnmatch_lines(["evidence: not kept: this run has evidence of 2 failures already (*"])


def test_the_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 100)
    kept = EvidenceStore(tmp_path, "run")
    kept.write("one", {"file": bytes(60)})
    with pytest.raises(Unwritten, match="not kept"):
        kept.write("two", {"file": bytes(60)})


# -- nothing hides the failure ----------------------------------------------------------------------------


def tool(*arguments: object) -> None:
    subprocess.run([f"arm-none-eabi-{arguments[0]}", *map(str, arguments[1:])], check=True)


def without_debug_information(path: Path) -> None:
    tool("strip", "--strip-debug", path)


def without_symbols(path: Path) -> None:
    tool("strip", path)


def with_debug_information_of_noise(path: Path) -> None:
    for name in ("info", "line", "frame", "abbrev", "aranges", "rnglists"):
        noise = path.with_suffix(".noise")
        noise.write_bytes(bytes((7 * index * index + 13 * index) & 0xFF for index in range(3000)))
        tool("objcopy", f"--update-section=.debug_{name}={noise}", path)


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (without_debug_information, r"in main$"),
        (without_symbols, r"in 0x08[0-9A-F]{6}$"),
        (with_debug_information_of_noise, r"in main"),
    ],
)
def test_images_without_good_debug_information(
    run: Run, pytester: pytest.Pytester, tmp_path: Path, spoil: Callable[[Path], None], place: str
) -> None:
    image = tmp_path / "cm7.elf"
    image.write_bytes(reference_image("cm7").read_bytes())
    spoil(image)
    source = f"""
        import pytest

        @pytest.mark.h7_images(cm7={str(image)!r})
        def test_it(h7_flashed, h7_board):
            h7_board.sleep(0.1)
            assert 1 == 2
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert 1 == 2"])
    matches(
        section_of(result), [r"^evidence: h7-evidence/", rf"^cm7: sleeping {place}", "^cm4: sleeping in main"]
    )
    assert (bundle(pytester) / "cm7.core").exists()


@pytest.mark.parametrize("pointer", [0xDEAD_BEE0, 0x0000_0003, 0xFFFF_FFFF, 0x5800_0000])
def test_stack_pointer_into_nothing(run: Run, pytester: pytest.Pytester, pointer: int) -> None:
    source = f"""
        def test_it(started, cm7):
            cm7.halt()
            cm7.registers["sp"] = {pointer}
            assert 1 == 2
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    matches(section_of(result), ["^cm7: halted in main", f"sp {pointer & ~3:08x}", "^cm4: sleeping in main"])
    assert "has run over the end of its stack" in (bundle(pytester) / "index.html").read_text()


def test_both_cores_unreachable(run: Run, pytester: pytest.Pytester) -> None:
    source = """
        import contextlib, pytest_h7

        def test_it(started):
            for core in started.cores:
                # SCR.SLEEPDEEP: the next wait for an interrupt is CStop, and may come before this is seen.
                with contextlib.suppress(pytest_h7.CoreUnreachable):
                    core.write_u32(0xE000_ED10, 4)
            started.sleep(0.05)
            assert 1 == 2
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert 1 == 2"])
    matches(section_of(result), ["^evidence: ", "^cm7: unreachable$", "^cm4: unreachable$"])
    assert "The core could not be read" in (bundle(pytester) / "index.html").read_text()


@pytest.mark.parametrize("during", ["capture_peripherals", "capture_core"])
def test_probe_gone_while_evidence_is_taken(
    run: Run, pytester: pytest.Pytester, virtual: VirtualBoard, monkeypatch: pytest.MonkeyPatch, during: str
) -> None:
    from pytest_h7.evidence import capture

    whole = getattr(capture, during)

    def unplugged(*arguments: object) -> object:
        virtual.stlink.plugged = False
        return whole(*arguments)

    monkeypatch.setattr(capture, during, unplugged)
    result = run("def test_it(started): assert 1 == 2")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["E * assert 1 == 2"])
    matches(section_of(result), ["^evidence: h7-evidence/", "^The board's state could not be read: .*USB"])
    page = (bundle(pytester) / "index.html").read_text()
    assert "assert 1 == 2" in page
    assert "The board could not be looked at: " in page
    assert "through AP0: " in page  # the last commands to the probe


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_disk_full_or_read_only(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write = Path.write_bytes

    def refuse(path: Path, content: bytes) -> int:
        if "h7-evidence" in path.parts:
            raise OSError(number, "No room" if number == errno.ENOSPC else "Read only")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    result = run(FAILS)
    result.assert_outcomes(failed=1)
    matches(section_of(result), [r"^evidence: could not be written to .*: (No room|Read only)$", "^cm7: "])
    assert not list(pytester.path.glob("h7-evidence/*/*"))


def test_folder_is_a_file(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "h7-evidence").write_text("in the way")
    result = run(FAILS)
    result.assert_outcomes(failed=1)
    matches(section_of(result), ["^evidence: could not be written to ", "^cm7: "])


@pytest.mark.parametrize(
    "part",
    [
        "bundle.make_timeline",
        "bundle.render_page",
        "bundle.core_file",
        "bundle.snapshot",
        "capture.capture_core",
    ],
)
def test_an_error_in_a_part_leaves_the_others(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("it is odd")

    monkeypatch.setattr(f"pytest_h7.evidence.{part}", broken)
    result = run(FAILS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert 1 == 2"])
    matches(section_of(result), ["^evidence: h7-evidence/", "^domains: D1 run"])
    folder = next(path.parent for path in pytester.path.glob("h7-evidence/*/*"))
    assert len(list(folder.iterdir())) >= 3

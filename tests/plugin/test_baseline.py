"""Figures, baselines, and the gate of a release."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7 import BaselineError, reference_image
from pytest_h7.cli import main
from pytest_h7.release.baseline import Baseline, Figure, figures_of, load

from .conftest import Run

SUITE = Path(__file__).parents[1] / "release" / "suite.py"

ONE = """
def test_it(h7_measure):
    h7_measure("wake_us", {}, "us")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "baselines"


def save(run: Run, path: Path, value: float, *arguments: str) -> None:
    run(ONE.format(value), f"--h7-baseline-save={path}", *arguments).assert_outcomes(passed=1)


def errors(result: pytest.RunResult) -> list[str]:
    """Return what tests have failed of; what is no line of theirs stands alone."""
    told = re.compile(r"E  .*|\w+ is .*")
    return [line.removeprefix("E").strip() for line in result.outlines if told.fullmatch(line)]


# -- recording, saving, comparing ---------------------------------------------------------------------


def test_figure_is_in_the_report(run: Run, pytester: pytest.Pytester) -> None:
    run(ONE.format(12.5), "--junitxml=it.xml").assert_outcomes(passed=1)
    (entry,) = ET.parse(pytester.path / "it.xml").iter("property")
    assert (entry.get("name"), entry.get("value")) == ("h7_figure:wake_us", "12.5 us lower")


def test_file_is_readable(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    save(run, path, 12.5)
    content = json.loads(path.read_text())
    assert content["board"] == "virtual NUCLEO-H755ZI-Q"
    assert content["firmware"]["cm7"].startswith("cm7.elf sha256 ")
    assert content["figures"] == {
        "wake_us": {"unit": "us", "better": "lower", "median": 12.5, "spread": 0.0, "values": [12.5]}
    }


@pytest.mark.parametrize(("value", "passes"), [(99, True), (100, True), (102, True), (102.1, False)])
def test_regression_fails_with_the_numbers(run: Run, folder: Path, value: float, passes: bool) -> None:
    path = folder / "1.0.json"
    save(run, path, 100)
    result = run(ONE.format(value), f"--h7-baseline={path}")
    result.assert_outcomes(passed=int(passes), failed=int(not passes))
    if passes:
        result.stdout.fnmatch_lines([f"h7 baseline: 1 of 1 figures of {path} are no worse"])
    else:
        assert errors(result)[0] == (
            "wake_us is 102.1 us, and was 100 us in the baseline (+2.1 %); up to 102 us is no regression."
        )
        result.stdout.fnmatch_lines(["h7 baseline: 0 of 1 figures * are no worse; worse: wake_us"])


def test_higher_can_be_better(run: Run, folder: Path) -> None:
    source = 'def test_it(h7_measure): h7_measure("speed", {}, "B/s", better="higher")'
    path = folder / "1.0.json"
    run(source.format(1000), f"--h7-baseline-save={path}").assert_outcomes(passed=1)
    run(source.format(2000), f"--h7-baseline={path}").assert_outcomes(passed=1)
    result = run(source.format(900), f"--h7-baseline={path}")
    assert (
        "speed is 900 B/s, and was 1000 B/s in the baseline (-10.0 %); down to 980 B/s" in errors(result)[0]
    )


def test_runs_of_the_same_firmware_add_up(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    for value in (100, 110, 104):
        save(run, path, value)
    series = load(path).series["wake_us"]
    assert (series.values, series.median, series.spread) == ([100, 110, 104], 104, 10)
    run(ONE.format(114), f"--h7-baseline={path}").assert_outcomes(passed=1)
    run(ONE.format(114.1), f"--h7-baseline={path}").assert_outcomes(failed=1)


def test_another_firmware_begins_anew_and_keeps_tolerances(run: Run, folder: Path) -> None:
    path = folder / "next.json"
    save(run, path, 100)
    content = json.loads(path.read_text())
    content["figures"]["wake_us"]["tolerance"] = 0.5
    path.write_text(json.dumps(content))
    save(run, path, 200, f"--h7-cm7-image={reference_image('cm7_hard_fault')}")
    assert load(path).series["wake_us"].values == [200]
    run(ONE.format(299), f"--h7-baseline={path}").assert_outcomes(passed=1)


def test_median_of_a_test_counts(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    save(run, path, 100)
    source = """
        def test_it(h7_measure):
            for value in (90, 100, 500):
                h7_measure("wake_us", value, "us")
        """
    run(source, f"--h7-baseline={path}").assert_outcomes(passed=1)


def test_figures_of_failed_tests_do_not_count(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    source = """
        def test_fails(h7_measure):
            h7_measure("junk", 1, "us")
            assert False

        def test_passes(h7_measure): h7_measure("good", 1, "us")
        """
    run(source, f"--h7-baseline-save={path}").assert_outcomes(passed=1, failed=1)
    assert set(load(path).series) == {"good"}


def test_regressed_figures_are_saved(run: Run, folder: Path) -> None:
    first, second = folder / "1.0.json", folder / "1.1.json"
    save(run, first, 100)
    run(ONE.format(150), f"--h7-baseline={first}", f"--h7-baseline-save={second}").assert_outcomes(failed=1)
    assert load(second).series["wake_us"].values == [150]


def test_new_and_missing_figures_are_named(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    source = """
        def test_it(h7_measure):
            h7_measure("both", 1, "us")
            h7_measure("{}", 1, "us")
        """
    run(source.format("old"), f"--h7-baseline-save={path}").assert_outcomes(passed=1)
    result = run(source.format("fresh"), f"--h7-baseline={path}")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 of 2 figures * are no worse; not measured, *: old; new: fresh"])


def test_processes_of_xdist(run_apart: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    source = """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it(h7_measure, number):
            h7_measure(f"figure{number}", number, "us")
        """
    run_apart(source, "-n2", f"--h7-baseline-save={path}").assert_outcomes(passed=6)
    assert set(load(path).series) == {f"figure{number}" for number in range(6)}
    changed = source.replace('number, "us"', 'number + (number == 3), "us"')
    run_apart(changed, "-n2", f"--h7-baseline={path}").assert_outcomes(passed=5, failed=1)


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON file"),
        ("[]", 'is no baseline of pytest-h7: its "format" is not'),
        ('{"format": "pytest-h7 baseline 1"}', "is no baseline of pytest-h7"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_file_that_is_no_baseline(run: Run, tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "it.json"
    if content is not None:
        path.write_text(content)
    result = run(ONE.format(1), f"--h7-baseline={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{path} {message}*"])


def test_baseline_of_another_board(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    save(run, path, 1, "--h7-board=STM32H747I-DISCO")
    result = run(ONE.format(1), f"--h7-baseline={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: The baseline * was measured on a virtual STM32H747I-DISCO, and this is a virtual NUCLEO-*"]
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "* was measured on a virtual STM32H747I-DISCO, and this is *"), ("{", "* is no JSON file: *")],
)
def test_file_that_is_not_to_be_overwritten(
    run: Run, folder: Path, content: str | None, message: str
) -> None:
    """It is refused before the run, not after it."""
    path = folder / "1.0.json"
    save(run, path, 1, "--h7-board=STM32H747I-DISCO")
    if content is not None:
        path.write_text(content)
    before = path.read_text()
    result = run(ONE.format(1), f"--h7-baseline-save={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: The baseline {message}"])
    assert path.read_text() == before


def test_figures_of_a_board_that_is_known_late(real_board: str, run: Run, folder: Path) -> None:
    """Whether a board is virtual is seen when it is connected; the file is left as it is then, too."""
    path = folder / "1.0.json"
    save(run, path, 1)
    before = path.read_text()
    source = "def test_it(h7_board, h7_measure): h7_measure('wake_us', 1, 'us')"
    result = run(source, f"--h7-probe={real_board}", f"--h7-baseline-save={path}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["h7 baseline: * was measured on a virtual NUCLEO-*, and this is a NUCLEO-*"])
    assert path.read_text() == before


def test_baseline_of_another_firmware(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    save(run, path, 1)
    result = run('def test_it(h7_measure): h7_measure("other", 1, "us")', f"--h7-baseline={path}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["h7 baseline: None of the 1 figures of this run is in the baseline *"])


def test_figure_in_another_unit(run: Run, folder: Path) -> None:
    path = folder / "1.0.json"
    save(run, path, 1)
    result = run('def test_it(h7_measure): h7_measure("wake_us", 1, "ms")', f"--h7-baseline={path}")
    result.assert_outcomes(failed=1)
    assert "wake_us is measured in ms (lower is better), and the baseline has it in us" in errors(result)[0]


def test_nothing_to_save(run: Run, folder: Path) -> None:
    result = run("def test_it(): pass", f"--h7-baseline-save={folder / '1.0.json'}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["h7 baseline: * was not written: no test that passed has measured anything."]
    )


def test_place_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(ONE.format(1), f"--h7-baseline-save={tmp_path / 'file' / '1.0.json'}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["h7 baseline: The baseline * cannot be written: *"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('h7_measure("a b", 1, "us")', "'a b' is no name of a figure"),
        ('h7_measure("a", 1, "per second")', "'per second' is no unit"),
        ('h7_measure("a", 1, "us", better="small")', "better is 'lower' or 'higher', not 'small'"),
        ('h7_measure("a", float("nan"), "us")', "a is nan, which is no figure"),
    ],
)
def test_figure_that_is_none(run: Run, call: str, message: str) -> None:
    result = run(f"def test_it(h7_measure): {call}")
    result.assert_outcomes(failed=1)
    assert message in errors(result)[0]


# -- the figures that every firmware has --------------------------------------------------------------


def test_cycles_between_two_places(run: Run) -> None:
    source = """
        def test_it(h7_board, h7_flashed, cm7, h7_measure):
            h7_board.reset(halt=True)
            first = h7_measure.cycles("a", cm7, "clocks_start", "release_semaphore")
            h7_board.reset(halt=True)
            assert h7_measure.cycles("a", cm7, "clocks_start", "release_semaphore") == first > 100
        """
    run(source).assert_outcomes(passed=1)


def test_stack_limits_that_are_wrong(run: Run) -> None:
    source = """
        def test_it(started, cm7, h7_measure):
            with h7_measure.stack(cm7, low=0x2400_0000, high=0x2400_1000):
                pass
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    assert "The stack of cm7 is said to be from 0x24000000 to 0x24001000" in errors(result)[0]


# -- a release ----------------------------------------------------------------------------------------


def test_gate_of_a_release(run: Run, pytester: pytest.Pytester, folder: Path) -> None:
    """Release 1.0 passes as often as it is tried; 1.1 fails for the two things that are wrong with it."""
    source = SUITE.read_text()
    before, after = folder / "1.0.json", folder / "1.1.json"
    run(source, f"--h7-baseline-save={before}").assert_outcomes(passed=11)
    run(source, f"--h7-baseline={before}").assert_outcomes(passed=11)
    image = f"--h7-cm4-image={reference_image('cm4_release_1_1')}"
    result = run(source, image, f"--h7-baseline={before}", f"--h7-baseline-save={after}", "-rf")
    result.assert_outcomes(passed=9, failed=2)
    failed = [line.split("::")[1].split(" ")[0] for line in result.outlines if line.startswith("FAILED ")]
    assert failed == ["test_no_press_is_lost", "test_wake_up"]
    result.stdout.fnmatch_lines(["hsem_wake_us is * us, and was * us in the baseline (+*"])
    result.stdout.fnmatch_lines(["h7 baseline: 8 of 9 figures of * are no worse; worse: hsem_wake_us"])


# -- pytest-h7 compare --------------------------------------------------------------------------------


@pytest.fixture
def releases(folder: Path) -> list[Path]:
    paths = []
    for number, (wake, speed) in enumerate([(100.0, 7000.0), (101.0, 7100.0), (130.0, 9000.0)]):
        baseline = Baseline("virtual NUCLEO-H755ZI-Q", {})
        baseline.add([Figure("wake_us", wake, "us", "lower"), Figure("wake_us", wake + 1, "us", "lower")])
        baseline.add([Figure("speed", speed, "B/s", "higher")])
        if number == 2:
            baseline.add([Figure("fresh", 1.0, "ms", "lower")])
        paths.append(folder / f"1.{number}.json")
        baseline.save(paths[-1])
    return paths


def rows(text: str) -> dict[str, list[str]]:
    table = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line
    ]
    return {row[0]: row[1:] for row in table}


def test_compare(
    releases: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["compare", *map(str, releases[:2])]) == 0
    assert rows(capsys.readouterr().out)["wake_us"] == ["100.5 ± 0.5", "101.5 ± 0.5", "us", "+1.0 %", ""]
    assert main(["compare", *map(str, releases)]) == 1
    found = rows(capsys.readouterr().out)
    assert found["wake_us"][3:] == ["us", "+28.6 %", "worse"]
    assert found["speed"] == ["7000", "7100", "9000", "B/s", "+26.8 %", "better"]
    assert found["fresh"] == ["-", "-", "1", "ms", "", "new"]


def test_table_of_many_releases_is_cut_off_nowhere(
    releases: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    copies = [tmp_path / f"release-{number}.json" for number in range(10)]
    for copy in copies:
        shutil.copy(releases[0], copy)
    assert main(["compare", *map(str, copies)]) == 0
    output = capsys.readouterr().out
    assert all(copy.stem in output for copy in copies)
    assert rows(output)["wake_us"] == [*["100.5 ± 0.5"] * 10, "us", "+0.0 %", ""]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_chart(releases: list[Path], tmp_path: Path, suffix: str) -> None:
    charts = [tmp_path / f"{name}.{suffix}" for name in ("one", "two")]
    for chart in charts:
        assert main(["compare", *map(str, releases[:2]), f"--chart={chart}"]) == 0
    content = charts[0].read_bytes()
    assert content == charts[1].read_bytes(), "the same figures, and another file"
    if suffix == "svg":
        assert ET.fromstring(content).tag.endswith("svg")
        assert all(f"<!-- {name} -->".encode() in content for name in ("wake_us", "speed"))
    else:
        assert content.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["chart.pdf", "nowhere/chart.svg"])
def test_chart_that_cannot_be_drawn(releases: list[Path], tmp_path: Path, name: str, capsys: object) -> None:
    assert main(["compare", str(releases[0]), f"--chart={tmp_path / name}"]) == 1
    assert "chart." in capsys.readouterr().err  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "slanted"), [("1.{}", 0), ("firmware-2.1{}.0-rc1", 2 * 8)])
def test_names_of_releases_do_not_run_into_each_other(
    releases: list[Path], tmp_path: Path, name: str, slanted: int
) -> None:
    copies = [shutil.copy(releases[0], tmp_path / f"{name.format(number)}.json") for number in range(8)]
    chart = tmp_path / "chart.svg"
    assert main(["compare", *map(str, copies), f"--chart={chart}"]) == 0
    assert chart.read_text().count("rotate(-35)") == slanted


def test_chart_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.json"
    Baseline("NUCLEO-H755ZI-Q", {}).save(empty)
    assert main(["compare", str(empty), f"--chart={tmp_path / 'chart.svg'}"]) == 1
    assert "There is no figure to draw" in capsys.readouterr().err


def test_baselines_of_different_boards(releases: list[Path], folder: Path, capsys: object) -> None:
    real = folder / "real.json"
    Baseline("NUCLEO-H755ZI-Q", {}).save(real)
    assert main(["compare", str(releases[0]), str(real)]) == 1
    assert "measured on different boards, NUCLEO-H755ZI-Q and virtual" in capsys.readouterr().err  # type: ignore[attr-defined]


def test_releases_of_one_name(
    releases: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / releases[0].name
    shutil.copy(releases[0], copy)
    assert main(["compare", str(releases[0]), str(copy)]) == 0


# -- files --------------------------------------------------------------------------------------------

FIGURES = st.builds(
    Figure,
    st.from_regex(r"[a-z_0-9.\-]{1,12}", fullmatch=True),
    st.floats(-1e12, 1e12).map(lambda value: float(f"{value:.9g}")),
    st.sampled_from(["us", "bytes", "B/s"]),
    st.sampled_from(["lower", "higher"]),
)


@given(st.lists(FIGURES, min_size=1, unique_by=lambda figure: figure.name))
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, figures: list[Figure]) -> None:
    assert figures_of([figure.dump() for figure in figures]) == figures
    baseline = Baseline("NUCLEO-H755ZI-Q", {"cm7": "cm7.elf sha256 12"})
    baseline.add(figures)
    path = tmp_path_factory.getbasetemp() / "it.json"
    baseline.save(path)
    assert load(path) == baseline
    for series in baseline.series.values():
        for value in series.values:
            assert not series.is_regression(value, is_virtual=True)


@given(
    st.recursive(
        st.none() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_other_json_is_refused(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.json"
    for junk in (
        content,
        {"format": "pytest-h7 baseline 1", "board": "", "firmware": {}, "figures": {"a": content}},
    ):
        path.write_text(json.dumps(junk))
        with pytest.raises(BaselineError, match="is no baseline of pytest-h7"):
            load(path)

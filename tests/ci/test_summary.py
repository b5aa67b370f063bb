"""``pytest-h7 summary``: the verdict of a run, and text that nobody has checked."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pytest_h7.cli import main
from pytest_h7.release.junit import Case, Outcome
from pytest_h7.release.markdown import code_block, table, text
from pytest_h7.release.summary import LARGEST, Run, Verdict, summarize

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])

PASSED = Case("test_boot.test_wakes", Outcome.PASSED)
SKIPPED = Case("test_boot.test_power", Outcome.SKIPPED, "this bench has no power")


def failed(name: str = "test_boot.test_wakes", message: str = "assert 1 == 2", **recorded: str) -> Case:
    return Case(name, Outcome.FAILED, message, 0.1, list(recorded.items()))


def of_class(failure_class: str) -> Case:
    return failed(h7_failure_class=failure_class, h7_failure="What has happened.")


@pytest.mark.parametrize(
    ("run", "verdict", "reason"),
    [
        (Run([PASSED, SKIPPED], 0), Verdict.PASSED, ""),
        (Run([PASSED]), Verdict.PASSED, ""),
        (Run([PASSED, of_class("firmware")], 1), Verdict.FAILED, ""),
        (Run([PASSED, of_class("test")], 1), Verdict.FAILED, ""),
        (
            Run([PASSED, of_class("infrastructure")], 1),
            Verdict.NONE,
            "the bench has failed, not the firmware.",
        ),
        (Run([of_class("infrastructure"), of_class("firmware")], 1), Verdict.FAILED, ""),
        (Run([of_class("firmware")], 2), Verdict.FAILED, ""),
        (Run([PASSED], 2), Verdict.NONE, "the run was interrupted."),
        (Run([PASSED], 3), Verdict.NONE, "pytest has failed itself."),
        (Run([], 4), Verdict.NONE, "pytest could not start the tests."),
        (Run([], 5), Verdict.NONE, "no test was selected."),
        (Run([PASSED], -9), Verdict.NONE, "pytest has ended with exit code -9."),
        (Run([PASSED], 1), Verdict.FAILED, "pytest reports a failure outside of the tests."),
        (Run([SKIPPED], 0), Verdict.NONE, "no test has run."),
        (Run([], 0), Verdict.NONE, "no test has run."),
        (Run([], 0, trouble="There is no report."), Verdict.NONE, "There is no report."),
    ],
)
def test_verdict(run: Run, verdict: Verdict, reason: str) -> None:
    assert run.judge() == (verdict, reason)
    said = summarize(run).splitlines()
    assert said[0] == f"## pytest-h7: {'no verdict' if verdict is Verdict.NONE else verdict.value}"
    assert reason[1:] in said[2]


@pytest.mark.parametrize(
    ("message", "failure_class", "sentence"),
    [
        (
            "pytest_h7.errors.ProbeNotFound: No probe has '0042'.\nmore",
            "infrastructure",
            "No probe has '0042'.",
        ),
        ("pytest_h7.errors.WaitTimeout: Within 0.5 s\n", "firmware", "Within 0.5 s"),
        ("pytest_h7.errors.ImageError: No ELF.", "test", "No ELF."),
        ("pytest_h7.errors.Nonsense: x", "test", "pytest_h7.errors.Nonsense: x"),
        ("AssertionError: assert 1 == 2\n +  where", "test", "AssertionError: assert 1 == 2"),
        ("", "test", "no message"),
    ],
)
def test_failure_without_properties(message: str, failure_class: str, sentence: str) -> None:
    (found,) = Run([failed(message=message)]).failures
    assert (found.failure_class, found.sentence) == (failure_class, sentence)


def test_figures_and_boards() -> None:
    recorded = [("h7_figure:hsem_wake_us", "12.5 us lower"), ("h7_figure:hsem_wake_us", "12.75 us lower")]
    recorded += [
        ("h7_figure:broken", "x"),
        ("h7_bench", "board 0042, STLINK-V3 V3J15"),
        ("h7_firmware", "cm7 a.elf"),
    ]
    good = Case("test_it", Outcome.PASSED, "", 1.5, [*recorded[:2], *recorded[3:]])
    page = summarize(Run([good, Case("test_other", Outcome.PASSED, "", 1, recorded[2:])], 0))
    assert "| board 0042, STLINK-V3 V3J15 | cm7 a.elf | 2 |" in page
    assert r"| hsem\_wake\_us | 12.5 us | test\_it |" in page
    assert r"| hsem\_wake\_us | 12.75 us | test\_it |" in page
    assert "broken" not in page


def test_board_that_was_set_aside_is_named() -> None:
    log = "gw0 h7: board twin:a was set aside: The probe does not answer.\nh7: board b was set aside: x\n"
    page = summarize(Run([PASSED], 0, log))
    assert "- Board twin:a was set aside: The probe does not answer." in page
    assert "- Board b was set aside: x" in page


def test_cost() -> None:
    cases = [
        Case("a", Outcome.PASSED, "", 1.25, [("h7_board_time_s", "0.5"), ("h7_transfers", "10")]),
        Case("b", Outcome.PASSED, "", 1.0, [("h7_board_time_s", "what a test likes"), ("h7_transfers", "5")]),
    ]
    assert "**2 passed** in 2.2 s; 0.500 s of board time in 15 transfers." in summarize(Run(cases, 0))


def test_largest_summary_is_what_github_takes() -> None:
    cases = [failed(f"test_{number}", "\x00é`|<" * 1000) for number in range(5000)]
    page = summarize(Run(cases, 1), "many")
    assert len(page.encode()) <= LARGEST < 1 << 20
    rows = page.count("| test\\_")
    assert rows > 100
    assert page.splitlines()[-1] == f"and {5000 - rows} more, which are in the JUnit file."


def test_last_words_of_pytest_where_there_is_no_verdict() -> None:
    log = "\n".join(f"line {number} ```" for number in range(100))
    page = summarize(Run([], 4, log))
    assert "line 99 ```" in page
    assert "line 70 ```" in page
    assert "line 69 " not in page
    assert "line 99" not in summarize(Run([PASSED], 0, log))


# -- text that nobody has checked -----------------------------------------------------------------------

MARKED = "".join(map(chr, range(32, 127))) + "\n\r\t\x00\x1b\u202e\u2028é "
NASTY = st.text(alphabet=MARKED) | st.text()


def shown(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens)


@given(NASTY)
def test_text_is_shown_as_it_is(untrusted: str) -> None:
    """In a heading, in a table, on a line of its own: nothing but text, and all of it."""
    escaped = text(untrusted, 10**6)
    source = "\n".join([f"## {escaped}x", "", *table(["a"], [[f"{escaped}x"]]), "", f"{escaped}x"])
    blocks = [token for token in GITHUB.parse(source) if token.type == "inline"]
    children = [list(block.children or ()) for block in blocks]
    assert {child.type for tokens in children for child in tokens} <= {"text", "text_special"}
    heading, column, cell, line = map(shown, children)
    assert column == "a"
    expected = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in untrusted)).strip()
    plain = "".join(c for c in expected if c.isascii())
    for found in (heading, cell, line):
        assert "".join(c for c in found if c.isascii()).replace(" ", "") == (plain + "x").replace(" ", "")


@pytest.mark.parametrize(
    "address", ["http://evil.example", "HTTPS://evil.example", "www.evil.example", "a@b.example"]
)
def test_nothing_becomes_a_link(address: str) -> None:
    """GitHub makes links of bare addresses (GFM 6.9), which the parser of these tests does not."""
    assert not re.search(r"(?<!\\)://|www\.|[^\\]@", text(address))


@pytest.mark.parametrize(
    "untrusted", ["@team", "#12", "$x$", "![x](http://e.example/x.png)", "<img src=x>", "~~x~~"]
)
def test_nothing_is_mentioned_or_drawn(untrusted: str) -> None:
    assert not re.search(r"(?<!\\)[@#$\[\]<>~]", text(untrusted))


def test_long_text_is_cut() -> None:
    assert text("x" * 600) == "x" * 499 + "…"


@given(NASTY)
def test_code_block_ends_where_it_should(untrusted: str) -> None:
    tokens = GITHUB.parse("\n".join([*code_block(untrusted), "", "after"]))
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


# -- the command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "There is no report of the run at "),
        ("", "is no JUnit XML: no element found"),
        ("<html/>", "is no JUnit XML: it begins with"),
        ("<testsuites><testcase name=''/></testsuites>", "No test has run."),
        (
            "<testsuites><testcase name='a'><properties><property/></properties></testcase></testsuites>",
            "of pytest: 'name'",
        ),
        ('<testsuites><testcase name="a" time="soon"/></testsuites>', "is no JUnit XML of pytest: could not"),
    ],
)
def test_no_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, said: str
) -> None:
    report = tmp_path / "junit.xml"
    if content is not None:
        report.write_text(content)
    assert main(["summary", str(report)]) == Verdict.NONE.exit_code == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("## pytest-h7: no verdict\n")
    assert said in captured.out
    assert captured.err == ""


def test_error_in_a_test_module_is_told(
    capsys: pytest.CaptureFixture[str], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_it="import none_of_that_name")
    pytester.runpytest_inprocess("--junitxml=it.xml")
    assert main(["summary", "it.xml"]) == Verdict.FAILED.exit_code == 1
    assert "| ModuleNotFoundError: No module named 'none\\_of\\_that\\_name' |" in capsys.readouterr().out

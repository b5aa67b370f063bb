"""With ``-v`` the summary shows what each test costs at a bench."""

import re

from .conftest import Run

SOURCE = """
    def test_short(h7_board): pass
    def test_long(h7_board): h7_board.sleep(0.25)
    def test_reads(h7_board):
        for _ in range(50):
            h7_board.ap[1].read_u32(0x5802_4400)
    def test_without(): pass
    """
LINE = re.compile(r" +([\d.]+) s +([\d.]+) s for +(\d+) transfers  (?:.*::(\w+) \((.*)\)|in all)")


def test_summary(run: Run) -> None:
    result = run(SOURCE, "-v")
    result.assert_outcomes(passed=4)
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if line.startswith("h7 predicted bench time"))
    assert lines[start] == "h7 predicted bench time (a transfer takes 0.25 ms: pyOCD issue 1504)"
    costs = [match.groups() for line in lines[start + 1 :] if (match := LINE.fullmatch(line))]
    assert [test for *_, test, _ in costs] == ["test_long", "test_reads", "test_short", None]
    long, reads, short, total = costs
    assert float(long[0]) > 0.25
    assert int(reads[2]) == int(long[2]) + 100
    assert float(reads[1]) == round(int(reads[2]) * 0.000_25, 3)
    assert "test 100" in reads[4]
    assert "clean-up" in short[4]
    assert int(total[2]) == sum(int(cost[2]) for cost in (long, reads, short))


def test_tests_that_fail_are_in_the_summary(run: Run) -> None:
    source = """
        import pytest

        @pytest.fixture
        def fails_before(h7_board):
            raise ValueError

        @pytest.fixture
        def fails_after(h7_board):
            yield
            raise ValueError

        def test_fails(h7_board): assert False
        def test_before(fails_before): pass
        def test_after(fails_after): pass
        def test_leaves(h7_board): h7_board.option_bytes.set(BCM4=0)
        """
    result = run(source, "-v", "--h7-option-bytes=check")
    result.assert_outcomes(passed=2, failed=1, errors=3)
    tests = [match[4] for line in result.stdout.lines if (match := LINE.fullmatch(line))]
    assert sorted(tests[:-1]) == ["test_after", "test_before", "test_fails", "test_leaves"]


def test_summary_of_several_processes(run_apart: Run) -> None:
    result = run_apart(SOURCE, "-v", "-n2")
    result.assert_outcomes(passed=4)
    assert sum(LINE.fullmatch(line) is not None for line in result.stdout.lines) == 4


def test_not_without_being_asked_for(run: Run) -> None:
    assert "bench time" not in run(SOURCE).stdout.str()
    assert "bench time" not in run("def test_it(): pass", "-v").stdout.str()

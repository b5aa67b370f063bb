"""The test of the README, as a newcomer would paste it."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_pasted_test_passes(pytester: pytest.Pytester) -> None:
    (code,) = re.findall(r"```python\n# (test_\w+\.py)\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    pytester.path.joinpath(code[0]).write_text(code[1])
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines([r"h7: virtual board H7TWIN, STLINK-V3 V3J\d+\w*, target 3\.30 V.*"])


def test_options_of_the_readme_exist(pytester: pytest.Pytester) -> None:
    text = pytester.runpytest_subprocess("--help").stdout.str()
    named = set(re.findall(r"--h7-[a-z0-9-]+", README.read_text("utf-8")))
    assert {option for option in named if option not in text} == set()
    assert {option for option in re.findall(r"--h7-[a-z0-9-]+", text) if option not in named} == set()

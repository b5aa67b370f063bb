"""The option of the random programs."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pairs", type=int, default=6, help="how many random pairs of programs to run")

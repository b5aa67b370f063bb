"""What tests of scripts share that set the environment of this tree up."""

import subprocess

import pytest

from .github import ROOT


@pytest.fixture(scope="session")
def up_to_date() -> None:
    """The set-up makes the environment anew where it is not: not while tests run in it."""
    command = "(pwd; python3 --version; cat pyproject.toml) | sha256sum"
    stamp = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, check=True).stdout
    if stamp != (ROOT / ".venv" / "stamp").read_bytes():
        pytest.skip("pyproject.toml has changed since .venv was made: ci/test makes it anew")

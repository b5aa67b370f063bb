"""A sample of the comparison with the oracles; `ci/soak` runs all of it.

The engine's decoder against a table of every encoding of ARMv7E-M, and random instructions against Unicorn.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "oracle"


@pytest.fixture(scope="module", autouse=True)
def oracles() -> None:
    """Build the programs that compare."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["make", "-s", "-j2"], cwd=HERE, env={**os.environ, "PATH": path}, check=True)


def run(*command: str) -> str:
    done = subprocess.run(
        [str(BUILD / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_decoder_knows_every_encoding() -> None:
    assert "0 differences" in run("decode_check", "61")  # every 61st opcode


def test_what_unicorn_cannot_judge() -> None:
    assert "0 failures" in run("directed")


@pytest.mark.parametrize("model", [[], ["--m4"]], ids=["cm7", "cm4"])
def test_random_instructions(model: list[str]) -> None:
    assert "0 differences" in run("differential", *model, "--instructions", "300000", "--seed", "1")

#!/usr/bin/env python3
"""The engine against its oracles: `oracle.py quick` (under a minute) or `oracle.py soak` (two hours)."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from programs import compare_all, compare_rtos_on_both

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "oracle"


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Oracles:
    """Runs one after the other, reports, and remembers whether anything differed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def report(self, name: str, text: str, *, good: bool, seconds: float) -> None:
        """Print what came out."""
        say(f"{'ok    ' if good else 'FAILED'} {name} ({seconds:.1f} s)")
        if text.strip():
            say("    " + text.strip().replace("\n", "\n    "))
        if not good:
            self.failed.append(name)

    def run(self, name: str, command: list[str], last_lines: int = 1) -> None:
        """A program whose exit status says whether all is well."""
        start = time.monotonic()
        done = subprocess.run(
            command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        lines = done.stdout.strip().splitlines()
        shown = lines if done.returncode else lines[-last_lines:]
        self.report(name, "\n".join(shown), good=done.returncode == 0, seconds=time.monotonic() - start)

    def compare(self, *, quick: bool) -> None:
        """The programs on boards and on the host."""
        start = time.monotonic()
        for name, text in compare_all(quick=quick):
            self.report(name, text, good=not text, seconds=time.monotonic() - start)
            start = time.monotonic()

    def fuzz(self, seconds: int) -> None:
        """Coverage-guided, on top of what earlier runs have found."""
        corpus = BUILD / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        limits = [
            f"-max_total_time={seconds}",
            "-max_len=1024",
            "-timeout=10",
            "-print_final_stats=1",
            "-verbosity=1",
        ]
        self.run(
            "fuzzer", [str(BUILD / "fuzz"), *limits, f"-artifact_prefix={BUILD}/", str(corpus)], last_lines=9
        )


def main() -> int:
    """Run the oracles; 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("quick", "soak"))
    parser.add_argument("--instructions", type=int, default=10_000_000, help="of soak, per core")
    parser.add_argument("--fuzz-seconds", type=int, default=3600, help="of soak")
    parser.add_argument("--pairs", type=int, default=400, help="of programs, of soak")
    parser.add_argument("--accesses", type=int, default=1_000_000, help="to registers, of soak")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    quick = options.mode == "quick"
    oracles = Oracles()
    python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    targets = ["all"] if quick else ["all", "../../build/oracle/fuzz"]
    subprocess.run(["make", "-s", *targets], cwd=HERE, env={**os.environ, **python}, check=True)
    oracles.run("every opcode", [str(BUILD / "decode_check"), "61" if quick else "1"])
    oracles.run("directed", [str(BUILD / "directed")])
    oracles.run("replay", [str(BUILD / "replay"), *map(str, sorted((HERE / "seeds").iterdir()))])
    instructions = 1_500_000 if quick else options.instructions
    for model in ([], ["--m4"]):
        coverage = ["--coverage", str(BUILD / f"coverage{''.join(model)}.txt")]
        count = ["--instructions", str(instructions), "--seed", str(options.seed)]
        oracles.run("differential", [str(BUILD / "differential"), *model, *count, *coverage])
    oracles.compare(quick=quick)
    if not quick:
        oracles.run("suites with and without jumps", [sys.executable, "suites.py"])
        pairs = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_pairs.py", f"--pairs={options.pairs}"]
        oracles.run("pairs of programs with and without jumps", [sys.executable, *pairs])
        start = time.monotonic()
        text = compare_rtos_on_both(1200)
        oracles.report("RTOS on both cores", text, good=not text, seconds=time.monotonic() - start)
        oracles.run("plain C11 by every compiler", ["./plain_c.sh"], 3)
        oracles.run("under sanitizers", ["./sanitized.sh"])
        accesses = [sys.executable, "../twin/random_accesses.py", "--accesses", str(options.accesses)]
        oracles.run("random accesses to registers", accesses)
        oracles.fuzz(options.fuzz_seconds)
    say("differs: " + ", ".join(oracles.failed) if oracles.failed else "all equal")
    return bool(oracles.failed)


if __name__ == "__main__":
    sys.exit(main())

"""``pytest-h7 summary``: a run in Markdown, and its verdict as exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from pytest_h7.errors import H7Error


def add_summary_command(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """Declare the command and its arguments."""
    parser = add_parser(
        "summary",
        help="tell in Markdown what a run has found",
        description="Prints the verdict, the boards, the failures and the figures of a run in Markdown.",
        epilog=(
            "The exit code is 0 if the firmware has passed, 1 if it has failed, and 2 if the run says nothing "
            "about it: the bench has failed, or no test has run."
        ),
    )
    parser.add_argument("junit", metavar="JUNIT.xml", type=Path, help="what pytest --junitxml has written")
    parser.add_argument("--title", default="pytest-h7", help="what the run is called (default: pytest-h7)")
    parser.add_argument("--log", metavar="FILE", type=Path, help="what pytest has printed")
    parser.add_argument("--exit-code", metavar="N", type=int, help="what pytest has ended with")
    parser.set_defaults(run=_summarize)


def _summarize(arguments: argparse.Namespace) -> int:
    """Print the summary; return the exit code of the verdict.

    A report that cannot be read is no error, but a run that says nothing about the firmware.
    """
    from pytest_h7.release.junit import read_junit
    from pytest_h7.release.summary import Run, summarize

    cases, trouble, log = [], "", ""
    try:
        cases = read_junit(arguments.junit)
    except H7Error as error:
        trouble = str(error)
    if arguments.log is not None and arguments.log.is_file():
        log = arguments.log.read_text("utf-8", errors="replace")
    run = Run(cases, arguments.exit_code, log, trouble)
    sys.stdout.write(summarize(run, arguments.title))
    return run.judge()[0].exit_code

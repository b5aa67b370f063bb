"""Says whether a job may run at this machine: not if it comes from a fork, unless the machine's owner lets it.

The condition in hil.yml says the same, but a pull request brings its own workflow files along. This is on the
machine, where no pull request can change it. It needs nothing but Python, and refuses what it does not understand.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

TRUSTED = ("push", "schedule", "workflow_dispatch", "release", "merge_group")
"""Events that only somebody with write access to the repository can cause."""

APPROVED = Path(__file__).with_name("forks-are-approved")
"""This file is there if no job of a fork reaches the machine that nobody has approved (docs/ci.md). It is a file,
because a job may have a say in its environment.
"""


def why_not(environment: Mapping[str, str]) -> str | None:
    """Return why a job may not run here, None if it may.

    Args:
        environment: That of the job; GitHub's default variables are in it.
    """
    event = environment.get("GITHUB_EVENT_NAME", "")
    if event in TRUSTED:
        return None
    if event != "pull_request":
        return f"what {event or 'an unknown event'} starts has no board here: that can be the work of anybody"
    try:
        pull_request = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text("utf-8"))["pull_request"]
        home, origin = pull_request["base"]["repo"]["id"], (pull_request["head"]["repo"] or {}).get("id")
    except (KeyError, TypeError, AttributeError, OSError, ValueError):
        return "nobody can tell where this pull request comes from"
    if home == origin or APPROVED.exists():
        return None
    return "pull requests from forks have no board here"


def main() -> int:
    """Let the job run, or say in the job's log why not and return 1."""
    reason = why_not(os.environ)
    if reason is not None:
        sys.stdout.write(f"::error::This job may not run on this runner: {reason}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

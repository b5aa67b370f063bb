"""As much of GitHub Actions as it takes to run the steps of an action: expressions, and the files of a step."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
ACTION = ROOT / "ci" / "action"

_TOKENS = re.compile(r"'(?:[^']|'')*'|&&|\|\||!=|==|[!(),]|\d+|[A-Za-z_][\w-]*(?:\.[\w-]+)*")


def evaluate(expression: str, contexts: Mapping[str, Any]) -> Any:
    """Return the value of an expression, without its ``${{ }}``.

    What a context does not have is an empty string; texts are compared without regard to case, as GitHub does.
    """

    def lookup(path: str) -> Any:
        found: Any = contexts
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return "" if found is None else found

    def python(token: str) -> str:
        if token in names:
            return names[token]
        if token.startswith("'"):
            return repr(token[1:-1].replace("''", "'").lower())
        if token[0].isalpha():
            return f"lower(lookup({token!r}))"
        return token

    def lower(value: Any) -> Any:
        return value.lower() if folded and isinstance(value, str) else value

    names = {"&&": " and ", "||": " or ", "!": " not ", "contains": "contains", "fromJSON": "fromJSON"}
    # Only in comparisons is the case of no regard.
    folded = "==" in expression or "contains" in expression
    source = "".join(python(token) for token in _TOKENS.findall(expression))
    known = {"lookup": lookup, "lower": lower, "fromJSON": json.loads}
    return eval(source, {**known, "contains": lambda where, what: what in where, "__builtins__": {}})


def fill_in(text: object, contexts: Mapping[str, Any]) -> str:
    """Return text with its expressions replaced by their values."""
    return re.sub(
        r"\$\{\{(.*?)\}\}", lambda found: str(evaluate(found[1], contexts)), str(text), flags=re.DOTALL
    )


def load(path: Path) -> dict[str, Any]:
    """Return a workflow or an action."""
    loaded: dict[str, Any] = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)
    return loaded


@dataclass
class Result:
    """What has become of an action: exit codes of its steps, what they said and wrote, and what was uploaded."""

    codes: dict[str, int] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)


def run_action(
    inputs: Mapping[str, str],
    workspace: Path,
    scratch: Path,
    environment: Mapping[str, str],
    without: Collection[str] = (),
) -> Result:
    """Run the steps of ci/action as a runner does, until one fails, and those with ``always()``.

    Args:
        inputs: What the workflow gives.
        workspace: The checked-out repository.
        scratch: A folder for the files of the runner.
        environment: What a job has in its environment besides what the runner puts there.
        without: Steps that are left out, because others have shown them.
    """
    action = load(ACTION / "action.yml")
    defaults = {name: entry["default"] for name, entry in action["inputs"].items() if "default" in entry}
    steps: dict[str, Any] = {}
    contexts = {"inputs": {**defaults, **inputs}, "steps": steps}
    result = Result()
    failed = False
    for number, step in enumerate(action["runs"]["steps"]):
        if step["name"] in without or (failed and step.get("if") != "always()"):
            continue
        if "uses" in step:
            given = {name: fill_in(value, contexts) for name, value in step["with"].items()}
            result.artifacts[given["name"]] = workspace / given["path"]
            continue
        output, summary = scratch / f"output-{number}", scratch / f"summary-{number}"
        output.touch()
        summary.touch()
        script = scratch / f"step-{number}.sh"
        script.write_text(step["run"])
        with subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            cwd=workspace,
            env={
                **environment,
                "PATH": os.environ["PATH"],
                "HOME": str(scratch),
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(ACTION),
                "GITHUB_WORKSPACE": str(workspace),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                **{name: fill_in(value, contexts) for name, value in step.get("env", {}).items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            (scratch / "pid").write_text(str(process.pid))  # which a runner signals when a run is cancelled
            result.log += process.communicate(timeout=300)[0]
        result.codes[step["name"]] = process.returncode
        result.summary += summary.read_text("utf-8")
        failed |= process.returncode != 0
        if "id" in step:
            lines = output.read_text("utf-8").splitlines()
            steps[step["id"]] = {"outputs": dict(line.split("=", 1) for line in lines)}
    result.outputs = {name: fill_in(entry["value"], contexts) for name, entry in action["outputs"].items()}
    return result

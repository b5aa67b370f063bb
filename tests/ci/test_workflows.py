"""The workflows and the action as they are written: valid, audited, pinned, and every step a script."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .github import ACTION, ROOT, WORKFLOWS, evaluate, fill_in, load

FILES = [*sorted(WORKFLOWS.glob("*.yml")), ACTION / "action.yml"]
SCRIPTS = Path(sys.executable).parent
OWN, FORK = {"id": 7, "full_name": "team/firmware"}, {"id": 8, "full_name": "stranger/firmware"}


def steps_of(path: Path) -> list[dict[str, Any]]:
    content = load(path)
    if "runs" in content:
        return list(content["runs"]["steps"])
    return [step for job in content["jobs"].values() for step in (*job.get("steps", ()), job) if step]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_valid(path: Path) -> None:
    schema = "vendor.github-actions" if path.name == "action.yml" else "vendor.github-workflows"
    command = [SCRIPTS / "check-jsonschema", "--builtin-schema", schema, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_audited() -> None:
    command = [SCRIPTS / "zizmor", "--offline", "--persona=pedantic", "--no-progress", *FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings" in done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_others_actions_are_pinned_by_commit(path: Path) -> None:
    for line in path.read_text("utf-8").splitlines():
        if re.match(r"\s*(- )?uses:", line) and "uses: $/" not in line:
            assert re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_has_one_commit_in_all_files() -> None:
    pins = re.findall(
        r"uses: (\S+)@([0-9a-f]{40}) # (\S+)", "".join(path.read_text("utf-8") for path in FILES)
    )
    assert len({name for name, *_ in pins}) == len(set(pins))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_step_is_a_script_that_sees_inputs_as_variables(path: Path) -> None:
    for step in steps_of(path):
        if "run" not in step:
            continue
        assert "${{" not in step["run"]
        assert "\n" not in step["run"].strip()
        found = re.fullmatch(
            r'exec "\$GITHUB_ACTION_PATH/(\w+)"|(ci/\w+)( --[\w-]+="?[\w$./-]+"?)*', step["run"]
        )
        assert found, step["run"]
        script = ACTION / found[1] if found[1] else ROOT / found[2]
        assert os.access(script, os.X_OK), script


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_least_permissions(path: Path) -> None:
    workflow = load(path)
    granted = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
    assert all(entry in ({}, "", {"contents": "read"}) for entry in granted)
    assert "secrets" not in path.read_text("utf-8")
    for step in steps_of(path):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"] == {"persist-credentials": "false"}


def test_board_suite_as_the_workflow_runs_it(up_to_date: None, tmp_path: Path) -> None:
    report = tmp_path / "hil.xml"
    command = [
        ROOT / "ci" / "hil",
        f"--junitxml={report}",
        "tests/board/test_hsem.py",
        "-q",
        "-k",
        "observing",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "h7_bench" in report.read_text("utf-8")


def test_lines_to_paste(tmp_path: Path) -> None:
    """The workflow that docs/ci.md shows is valid, audited, and gives what is taken; ten lines are for us."""
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    workflow = re.findall(r"```yaml\n(on: .*?)```", page, re.DOTALL)[0].replace("COMMIT", "0" * 40)
    assert len(workflow.partition("  hil:\n")[2].splitlines()) <= 10
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    path = folder / "pasted.yml"
    path.write_text(workflow)
    test_valid(path)
    done = subprocess.run(
        [SCRIPTS / "zizmor", "--offline", "-q", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    declared = load(WORKFLOWS / "hil.yml")["on"]["workflow_call"]["inputs"]
    given = load(path)["jobs"]["hil"]["with"]
    assert set(given) <= set(declared)
    assert {name for name, entry in declared.items() if entry.get("required") == "true"} <= set(given)
    shown = re.findall(
        r"^\| `([\w-]+)` \| ", page.partition("More inputs")[2].partition("## ")[0], re.MULTILINE
    )
    assert {*shown, *given} == set(declared)
    (step,) = load_steps(re.findall(r"```yaml\n(- uses: .*?)```", page, re.DOTALL)[0])
    assert set(step["with"]) <= set(load(ACTION / "action.yml")["inputs"])


def load_steps(text: str) -> list[dict[str, Any]]:
    return list(yaml.load(text, yaml.BaseLoader))


EVENTS = {
    "push": {},
    "schedule": {},
    "workflow_dispatch": {},
    "release": {},
    "merge_group": {},
    "pull_request": {"pull_request": {"base": {"repo": OWN}, "head": {"repo": OWN}}},
}
"""What only somebody with write access can start."""

STRANGERS = {
    "pull_request": {"pull_request": {"base": {"repo": OWN}, "head": {"repo": FORK}}},
    "pull_request of a deleted fork": {"pull_request": {"base": {"repo": OWN}, "head": {"repo": None}}},
}
NEVER = {
    "pull_request_target": STRANGERS["pull_request"],
    "pull_request_review": STRANGERS["pull_request"],
    "workflow_run": {},
    "issue_comment": {},
    "discussion": {},
    "": {},
}


def job_condition(name: str, event: dict[str, Any], **inputs: str) -> tuple[bool, str]:
    """Whether the job for boards runs, and in which environment."""
    github = {"event_name": name.partition(" ")[0], "event": event, "repository": "team/firmware"}
    contexts = {"github": github, "inputs": {"board": "", "fork-environment": "", **inputs}}
    job = load(WORKFLOWS / "hil.yml")["jobs"]["board"]
    return bool(evaluate(job["if"], contexts)), fill_in(job["environment"], contexts).strip()


def admitted(
    name: str, event: dict[str, Any], script: Path, tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    """Have the runner's check look at a job, as the runner calls it."""
    payload = tmp_path / "event.json"
    payload.write_text(json.dumps(event))
    environment = {"GITHUB_EVENT_NAME": name.partition(" ")[0], "GITHUB_EVENT_PATH": str(payload)}
    command = ["bash", "-e", script]
    environment["PATH"] = os.environ["PATH"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


ADMIT = ROOT / "ci" / "runner" / "admit.sh"


@pytest.mark.parametrize(("name", "event"), EVENTS.items(), ids=EVENTS)
def test_who_can_write_gets_a_board(name: str, event: dict[str, Any], tmp_path: Path) -> None:
    assert job_condition(name, event, board="nucleo") == (True, "h7-board")
    assert not job_condition(name, event)[0]
    assert admitted(name, event, ADMIT, tmp_path).returncode == 0


@pytest.mark.parametrize(("name", "event"), STRANGERS.items(), ids=STRANGERS)
def test_fork_gets_a_board_when_it_is_approved_only(name: str, event: dict[str, Any], tmp_path: Path) -> None:
    assert not job_condition(name, event, board="nucleo")[0]
    approved = {"board": "nucleo", "fork-environment": "reviewed"}
    assert job_condition(name, event, **approved) == (True, "reviewed")

    done = admitted(name, event, ADMIT, tmp_path)
    assert done.returncode == 1
    assert done.stdout == (
        "::error::This job may not run on this runner: pull requests from forks have no board here.\n"
    )
    installed = tmp_path / "installed"
    installed.mkdir()
    for file in ("admit.sh", "admit.py"):
        (installed / file).write_bytes(ADMIT.with_name(file).read_bytes())
    (installed / "forks-are-approved").touch()
    assert admitted(name, event, installed / "admit.sh", tmp_path).returncode == 0


@pytest.mark.parametrize(("name", "event"), NEVER.items(), ids=NEVER)
def test_what_anybody_can_start_gets_no_board(name: str, event: dict[str, Any], tmp_path: Path) -> None:
    assert not job_condition(name, event, board="nucleo", **{"fork-environment": "reviewed"})[0]
    done = admitted(name, event, ADMIT, tmp_path)
    assert done.returncode == 1
    assert "that can be the work of anybody" in done.stdout


@pytest.mark.parametrize(
    "event",
    [{}, {"pull_request": None}, {"pull_request": {"base": {"repo": OWN}}}, [], {"pull_request": "x"}],
)
def test_runner_refuses_what_it_does_not_understand(event: Any, tmp_path: Path) -> None:
    done = admitted("pull_request", event, ADMIT, tmp_path)
    assert done.returncode == 1
    assert "nobody can tell where this pull request comes from" in done.stdout
    assert done.stderr == ""


def test_runner_refuses_without_an_event() -> None:
    environment = {"PATH": os.environ["PATH"], "GITHUB_EVENT_NAME": "pull_request"}
    done = subprocess.run(["bash", "-e", ADMIT], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_workflow_gives_the_action_what_it_has() -> None:
    declared = load(ACTION / "action.yml")["inputs"]
    for job in load(WORKFLOWS / "hil.yml")["jobs"].values():
        (step,) = (step for step in job["steps"] if step.get("uses", "").startswith("$/ci/action"))
        assert set(step["with"]) <= set(declared)
        required = {name for name, entry in declared.items() if entry.get("required") == "true"}
        assert required <= set(step["with"])


def test_verdict_is_the_boards_before_the_virtual_ones() -> None:
    value = load(WORKFLOWS / "hil.yml")["on"]["workflow_call"]["outputs"]["verdict"]["value"]
    virtual = {"outputs": {"verdict": "passed"}}
    assert fill_in(value, {"jobs": {"virtual-board": virtual}}) == "passed"
    both = {"virtual-board": virtual, "board": {"outputs": {"verdict": "failed"}}}
    assert fill_in(value, {"jobs": both}) == "failed"

"""Setting a runner up: its labels, and what is done with the rights of root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .github import ACTION, ROOT

RUNNER = ROOT / "ci" / "runner"
BOARDS = [sys.executable, str(ACTION / "boards.py")]
URL = "https://github.com/team/firmware"
LABELS = "nucleo-h755zi-q,h7-boards-1,h7-0042"

RECORDER = """#!/bin/bash
printf '%s' "$(basename "$0")" >>"$CALLS"
printf ' %q' "$@" >>"$CALLS"
echo >>"$CALLS"
"""
USER = f"""{RECORDER}
case $1 in
-u) echo 0 ;;
-nG) echo "$GROUPS_OF_USER" ;;
*) [ -e "$CALLS.user" ] ;;
esac
"""
ADD = RECORDER + 'touch "$CALLS.user"\n'
AS_USER = RECORDER + 'shift 3\nexec "$@"\n'
CONFIGURE = RECORDER + 'echo "token $ACTIONS_RUNNER_INPUT_TOKEN" >>"$CALLS"\ntouch .runner\n'


def labels(*kind: str, boards: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "H7_TWIN": boards}
    return subprocess.run([*BOARDS, *kind], env=environment, capture_output=True, text=True, check=False)


def test_labels_tell_the_boards() -> None:
    done = labels(boards="left,right")
    assert done.stdout == "nucleo-h755zi-q,h7-boards-1,h7-boards-2,h7-H7TWIN-left,h7-H7TWIN-right\n"
    assert labels("our-board", boards="left").stdout == "our-board,h7-boards-1,h7-H7TWIN-left\n"


def test_script_prints_nothing_but_labels(up_to_date: None) -> None:
    environment = {**os.environ, "H7_TWIN": "left"}
    command = [RUNNER / "labels", "our-board"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "our-board,h7-boards-1,h7-H7TWIN-left\n"


def test_no_labels_without_a_board() -> None:
    done = labels(boards="")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "There is no board at this runner: pytest-h7 list shows no probe. Plug one in"
    )
    assert len(done.stderr.splitlines()) == 1


class Machine:
    """A machine whose commands of root only write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands, self.application, self.root = (folder / name for name in ("bin", "runner", "root"))
        for place in (self.commands, self.application, self.root):
            place.mkdir()
        for name in ("apt-get", "chown", "udevadm"):
            self._put(self.commands / name, RECORDER)
        for name, script in (("id", USER), ("useradd", ADD), ("runuser", AS_USER)):
            self._put(self.commands / name, script)
        self._put(self.commands / "hostname", "#!/bin/sh\necho bench-1\n")
        self._put(self.application / "config.sh", CONFIGURE)
        self._put(self.application / "svc.sh", RECORDER)

    def _put(self, path: Path, script: str) -> None:
        path.write_text(script)
        path.chmod(0o755)

    def install(
        self, *arguments: str, token: str = "A-TOKEN\n", groups: str = "h7-runner plugdev"
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.commands}:{os.environ['PATH']}",
            "DESTDIR": str(self.root),
            "CALLS": str(self.folder / "calls"),
            "GROUPS_OF_USER": groups,
        }
        command = [RUNNER / "install", *(arguments or (str(self.application), URL, LABELS))]
        return subprocess.run(
            command, input=token, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_install(machine: Machine) -> None:
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1]
        == f"The runner bench-1-runner waits for jobs with the labels self-hosted,{LABELS}."
    )
    calls = [call for call in machine.calls if not call.startswith("id ")]
    assert calls[0].startswith("apt-get install -y ")
    assert calls[1] == (
        "useradd --system --create-home --home-dir /var/lib/h7-runner --shell /usr/sbin/nologin "
        "--groups plugdev h7-runner"
    )
    quoted = LABELS.replace(",", "\\,")
    configured = f"config.sh --unattended --replace --url {URL} --name bench-1-runner --labels {quoted}"
    assert configured in calls
    assert f"runuser -u h7-runner -- ./{configured}" in calls
    assert calls[-3:] == ["token A-TOKEN", "svc.sh install h7-runner", "svc.sh start"]
    assert calls.index("chown -R h7-runner: .") < calls.index(configured)
    rules = machine.root / "etc/udev/rules.d/60-stlink.rules"
    assert rules.read_bytes() == (ROOT / "ci" / "60-stlink.rules").read_bytes()


def test_token_is_no_argument(machine: Machine) -> None:
    machine.install()
    assert [call for call in machine.calls if "A-TOKEN" in call] == ["token A-TOKEN"]


def test_check_of_jobs_is_where_no_job_can_write(machine: Machine) -> None:
    machine.install()
    installed = machine.root / "usr/local/lib/h7-runner"
    assert (
        machine.application / ".env"
    ).read_text() == f"ACTIONS_RUNNER_HOOK_JOB_STARTED={installed}/admit.sh\n"
    environment = {"PATH": os.environ["PATH"], "GITHUB_EVENT_NAME": "issue_comment"}
    done = subprocess.run(
        ["bash", "-e", installed / "admit.sh"], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 1
    environment["GITHUB_EVENT_NAME"] = "push"
    subprocess.run(["bash", "-e", installed / "admit.sh"], env=environment, check=True)


def test_again(machine: Machine) -> None:
    machine.install()
    (machine.folder / "calls").unlink()
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "registered already" in done.stdout
    calls = machine.calls
    assert not [call for call in calls if call.startswith(("useradd", "config.sh", "runuser"))]
    assert calls[-2:] == ["svc.sh stop", "svc.sh start"]
    assert (machine.application / ".env").read_text().count("HOOK") == 1


@pytest.mark.parametrize("group", ["sudo", "docker", "root"])
def test_user_that_is_as_good_as_root_is_refused(machine: Machine, group: str) -> None:
    done = machine.install(groups=f"h7-runner plugdev {group}")
    assert done.returncode == 1
    assert done.stderr == (
        f"The user h7-runner is in the group {group}, which makes root of every job: take it out first.\n"
    )
    assert not [call for call in machine.calls if call.startswith(("config.sh", "svc.sh"))]


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        (("a", "b"), "x\n", "usage: sudo ci/runner/install FOLDER URL LABELS <token\n"),
        (
            ("/nowhere", URL, LABELS),
            "x\n",
            "There is no runner application in /nowhere: unpack it there first.\n",
        ),
        (("HERE", "http://a/b", LABELS), "x\n", "http://a/b is no URL of a repository or organization.\n"),
        (("HERE", f"{URL};id", LABELS), "x\n", f"{URL};id is no URL of a repository or organization.\n"),
        (("HERE", URL, "a b"), "x\n", "These are no labels, as ci/runner/labels prints them: a b\n"),
        (("HERE", URL, ""), "x\n", "These are no labels, as ci/runner/labels prints them: \n"),
        (("HERE", URL, LABELS), "", "Please give the registration token on standard input.\n"),
    ],
)
def test_bad_arguments(machine: Machine, arguments: tuple[str, ...], token: str, said: str) -> None:
    given = [str(machine.application) if argument == "HERE" else argument for argument in arguments]
    done = machine.install(*given, token=token)
    assert (done.returncode, done.stderr) == (1, said)
    assert [call for call in machine.calls if not call.startswith("id ")] == []


def test_only_root(machine: Machine) -> None:
    machine._put(machine.commands / "id", "#!/bin/sh\necho 1000\n")
    done = machine.install()
    assert done.returncode == 1
    assert done.stderr == "Please run this with sudo: it adds a user, udev rules and a service.\n"

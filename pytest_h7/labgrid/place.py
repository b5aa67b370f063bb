"""A place of labgrid: acquired for a run, released at its end."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.errors import BoardInUse, ConnectionLost, InfrastructureError
from pytest_h7.remote.address import Address

_START_TIME = 15.0
_POWER_TIME = 30.0
_RELEASE_TIME = 5.0
"""Seconds within which labgrid has to answer."""

_PROBE = "probe"
"""What the probe's resource is called if the place has several services."""

_CHUNK = 65_536

Message = dict[str, Any]


class Place:
    """A place that this run has, until `release`.

    Args:
        name: The place, or an alias of it.
        timeout: Seconds to wait for a place that somebody else has, 0 not to.
        announce: Tells the user, once, that this waits and for whom.

    Attributes:
        name: The place.
        probe: Where ``pytest-h7 serve`` lends its board.
        console: The pyserial URL of its serial port, None if it has none.
        has_power: Whether its power can be switched.

    Raises:
        InfrastructureError: there is no labgrid, coordinator or such place, it is not free in time, or it has no
            probe.
    """

    def __init__(self, name: str, timeout: float, announce: Callable[[str], None]) -> None:
        self.name = name
        self._received = bytearray()
        self._loss: str | None = None
        command = [labgrid_python(), str(Path(__file__).with_name("agent.py")), name, str(timeout)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the run's
        )
        try:
            answer = self._acquired(timeout, announce)
            self.has_power = bool(answer["power"])
            self.probe = self._find_probe(answer["acquired"])
            self.console = _find_console(answer["acquired"])
        except BaseException:
            self.release()
            raise

    def _acquired(self, timeout: float, announce: Callable[[str], None]) -> Message:
        answer = self._answer(_START_TIME)
        if "busy" in answer:
            if timeout:
                announce(f"waiting up to {timeout:g} s for the place {self.name}, held by {answer['busy']}")
            answer = self._answer(timeout + _START_TIME)
        if "held" in answer:
            raise BoardInUse(
                f"The place {self.name} did not become free within {timeout:g} s: it is held by {answer['held']}; "
                "wait until it is released, use another one, or wait longer with --h7-lease-timeout."
            )
        return answer

    def _find_probe(self, resources: list[Message]) -> Address:
        services = [resource for resource in resources if resource["class"] == "NetworkService"]
        named = [service for service in services if service["name"] == _PROBE] or services
        if len(named) == 1:
            return Address(str(named[0]["parameters"]["address"]), int(named[0]["parameters"]["port"]))
        has = ", ".join(f"{resource['class']} {resource['name']}" for resource in resources) or "nothing"
        raise InfrastructureError(
            f"The place {self.name} has {'no' if not named else 'more than one'} probe among its resources "
            f"({has}): export where `pytest-h7 serve` listens as a NetworkService called {_PROBE!r}."
        )

    def check(self) -> None:
        """Raise ConnectionLost if the coordinator or an exporter of the place is gone."""
        if self._loss is None:
            self._loss = self._take_news()
        if self._loss is not None:
            raise ConnectionLost(self._loss)

    def _take_news(self) -> str | None:
        with suppress(InfrastructureError):
            while (message := self._next(0.0)) is not None:
                if "gone" in message:
                    return str(message["gone"])
            return None
        return f"The process that holds the place {self.name} has ended."

    def cycle(self, seconds: float = 0.5) -> None:
        """Switch the place's power off for a time in seconds, and on again.

        Raises:
            InfrastructureError: labgrid's driver cannot.
        """
        with uninterrupted():
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(json.dumps({"do": "cycle", "seconds": seconds}).encode() + b"\n")
                self._process.stdin.flush()
            except OSError as error:
                raise ConnectionLost(f"The process that holds the place {self.name} has ended.") from error
            self._answer(seconds + _POWER_TIME)

    def release(self) -> None:
        """Let others have the place."""
        process = self._process
        if process.poll() is None:
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_RELEASE_TIME)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _answer(self, timeout: float) -> Message:
        answer = self._next(timeout)
        if answer is None:
            raise InfrastructureError(
                f"labgrid has not answered for the place {self.name} within {timeout:g} s."
            )
        if "failed" in answer:
            raise InfrastructureError(str(answer["failed"]))
        if "gone" in answer:
            self._loss = str(answer["gone"])
            raise ConnectionLost(self._loss)
        return answer

    def _next(self, timeout: float) -> Message | None:
        """Return the next message, None if there is none in time."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        while b"\n" not in self._received:
            left = max(deadline - time.monotonic(), 0.0)
            if not select.select([descriptor], [], [], left)[0]:
                return None
            data = os.read(descriptor, _CHUNK)
            if not data:
                raise InfrastructureError(f"The process that holds the place {self.name} has ended.")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        message: Message = json.loads(line)
        return message


def _find_console(resources: list[Message]) -> str | None:
    for resource in resources:
        if resource["class"] == "NetworkSerialPort":
            parameters = resource["parameters"]
            scheme = "socket" if parameters.get("protocol") == "raw" else "rfc2217"
            return f"{scheme}://{Address(parameters['host'], parameters['port'])}"
    return None


def labgrid_python() -> str:
    """Return the interpreter that has labgrid: this one, or that of the ``labgrid-client`` in the search path.

    Raises:
        InfrastructureError: labgrid is not installed.
    """
    if importlib.util.find_spec("labgrid") is not None:
        return sys.executable
    client = shutil.which("labgrid-client")
    if client is not None:
        python = Path(client).resolve().with_name("python")
        if python.exists():
            return str(python)
    raise InfrastructureError(
        "A place needs labgrid, which is not installed: pip install 'pytest-h7[labgrid]', or have the "
        "labgrid-client of another environment in PATH."
    )

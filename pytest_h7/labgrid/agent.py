"""Holds a place of labgrid's coordinator for a run: started by `pytest_h7.labgrid.place`, in labgrid's Python.

Usage: python agent.py PLACE SECONDS

It says on standard output, a JSON object in each line: ``busy`` or ``held`` with who has the place, ``acquired``
with its resources, ``failed`` or ``gone`` with a sentence, ``done`` after a command. Commands come on standard
input: ``{"do": "cycle", "seconds": S}``. When it ends, as it does when the run is killed, the place is released.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any

import grpc
from labgrid.remote.client import Error, ServerError, start_session

_POLL = 0.1
_ANSWER_TIME = 5.0
"""Seconds between two looks at what has changed, and for the coordinator's answer."""

POWER = {
    "NetworkPowerPort",
    "NetworkUSBPowerPort",
    "NetworkSiSPMPowerPort",
    "PDUDaemonPort",
    "TasmotaPowerPort",
    "NetworkYKUSHPowerPort",
    "NetworkSysfsGPIO",
}
"""Resources for which ``labgrid-client power`` has a driver."""


class _Failure(Exception):
    """The place cannot be had; the message is a sentence."""


def _reason(error: Exception) -> str:
    """Return an error's text without labgrid's prefix."""
    return str(error.args[0]) if isinstance(error, Error) and error.args else str(error)


class _Agent:
    def __init__(self, name: str, timeout: float, output: Any) -> None:
        self._name = name
        self._timeout = timeout
        self._output = output
        self._coordinator = os.environ.get("LG_COORDINATOR", "127.0.0.1:20408")
        self._input = bytearray()
        self._input_ended = False
        self._is_gone = False
        self._paths: list[tuple[str, str, str, str]] = []
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def say(self, **message: object) -> None:
        """Tell the run something."""
        self._output.write(json.dumps(message) + "\n")
        self._output.flush()

    def run(self) -> None:
        """Acquire the place, do what the run wants, release the place."""
        self._loop.add_reader(0, self._read)
        arguments = Namespace(place=self._name, allow_unmatched=True, kick=False, state=None, name=None)
        try:
            self._session = start_session(self._coordinator, extra={"args": arguments}, loop=self._loop)
        except (Error, OSError) as error:
            raise _Failure(
                f"labgrid's coordinator at {self._coordinator} does not answer ({_reason(error)}): is it "
                "running, and is LG_COORDINATOR right?"
            ) from None
        if not self._acquire():
            return
        try:
            self._tell_resources()
            self._serve()
        finally:
            self._release()

    def _read(self) -> None:
        data = os.read(0, 4096)
        self._input += data
        if not data:
            self._input_ended = True
            self._loop.remove_reader(0)

    def _wait(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(_POLL))

    def _place(self) -> Any:
        found = [
            place
            for place in self._session.places.values()
            if place.name == self._name or self._name in place.aliases
        ]
        if not found:
            there = ", ".join(sorted(self._session.places)) or "none"
            raise _Failure(
                f"labgrid's coordinator at {self._coordinator} has no place {self._name!r}; its places: {there}."
            )
        return found[0]

    def _acquire(self) -> bool:
        """Wait for the place and acquire it; return whether the run still wants it."""
        deadline = time.monotonic() + self._timeout
        told = False
        while not self._input_ended:
            place = self._place()
            if not place.acquired and self._try_to_acquire(place):
                return True
            if place.acquired and not told:
                told = True
                self.say(busy=place.acquired)
            if time.monotonic() >= deadline:
                self.say(held=place.acquired or "somebody")
                return False
            self._require_coordinator()
            self._wait()
        return False

    def _try_to_acquire(self, place: Any) -> bool:
        from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

        request = messages.AcquirePlaceRequest(placename=place.name)
        try:
            self._ask(self._session.stub.AcquirePlace, request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                return False
            raise _Failure(f"The place {place.name} cannot be acquired: {error.details()}.") from None
        self._loop.run_until_complete(self._session.sync_with_coordinator())
        return True

    def _ask(self, call: Any, request: Any) -> None:
        async def ask() -> None:
            await call(request, timeout=_ANSWER_TIME)

        self._loop.run_until_complete(ask())

    def _require_coordinator(self) -> None:
        if self._session.stopping.is_set():
            raise _Failure(f"labgrid's coordinator at {self._coordinator} is gone.")

    def _tell_resources(self) -> None:
        place = self._place()
        try:
            resources = self._session.get_target_resources(place)
        except ServerError as error:
            raise _Failure(f"The place {place.name} has lost a resource: {_reason(error)}.") from None
        self._paths = [tuple(path) for path in place.acquired_resources]
        self.say(
            acquired=[
                {"name": name, "class": entry.cls, "parameters": dict(entry.args)}
                for (name, _), entry in resources.items()
            ],
            power=any(entry.cls in POWER for entry in resources.values()),
        )

    def _serve(self) -> None:
        while not self._input_ended:
            line, end, rest = self._input.partition(b"\n")
            if end:
                self._input = rest
                self._carry_out(json.loads(line))
            self._watch()
            self._wait()

    def _carry_out(self, command: dict[str, Any]) -> None:
        arguments = self._session.args
        arguments.action, arguments.delay = command["do"], float(command["seconds"])
        try:
            self._session.power()
        except Exception as error:  # each power driver has its own
            self.say(failed=f"The power of place {self._name} cannot be switched: {_reason(error)}.")
        else:
            self.say(done=True)

    def _watch(self) -> None:
        """Tell, once, that the place is not what it was."""
        if self._is_gone:
            return
        reason = None
        if self._session.stopping.is_set():
            reason = f"labgrid's coordinator at {self._coordinator} is gone"
        for exporter, group, _, resource in self._paths:
            entry = self._session.resources.get(exporter, {}).get(group, {}).get(resource)
            if entry is None or not entry.data or not entry.avail:
                reason = f"exporter {exporter} does not offer {group}/{resource} any more"
        if reason is not None:
            self._is_gone = True
            self.say(gone=f"The place {self._name} is lost: {reason}.")

    def _release(self) -> None:
        from labgrid.remote.generated import labgrid_coordinator_pb2 as messages

        request = messages.ReleasePlaceRequest(placename=self._place().name)
        with suppress(grpc.aio.AioRpcError):  # without a coordinator there is nobody to tell
            self._ask(self._session.stub.ReleasePlace, request)


def _main() -> None:
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what labgrid prints
    agent = _Agent(sys.argv[1], float(sys.argv[2]), output)
    try:
        agent.run()
    except _Failure as failure:
        agent.say(failed=str(failure))
    output.flush()
    os._exit(0)  # gRPC's threads have nothing to finish


if __name__ == "__main__":
    _main()

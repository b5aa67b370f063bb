"""One look at the whole board after a test: both cores and what is around them, as values.

Nothing is changed but that cores which run are halted meanwhile. What cannot be read is missing and said so in
`Capture.problems`; an error of one part leaves the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_h7.board.core import CoreState
from pytest_h7.chip.option_bytes import OPTION_BYTES, current_register
from pytest_h7.chip.registers import peripheral
from pytest_h7.errors import ConnectionLost, InfrastructureError
from pytest_h7.evidence.core_capture import CoreCapture, capture_core
from pytest_h7.evidence.peripherals import PeripheralCapture, capture_peripherals

if TYPE_CHECKING:
    from pytest_h7.bench.actions import Action
    from pytest_h7.bench.transfers import Transfer
    from pytest_h7.board.access_port import AccessPort
    from pytest_h7.board.board import Board
    from pytest_h7.board.core import Core

Value = TypeVar("Value")

_SEMAPHORE_TAKEN = 1 << 31
_CORE_IDS = {3: "cm7", 1: "cm4"}


@dataclass(frozen=True)
class AccessPortCapture:
    """An access port: whether what is behind it can be read, and if not, why."""

    name: str
    leads_to: str
    readable: bool
    explanation: str | None


@dataclass(frozen=True)
class ImageCapture:
    """A firmware image: which core it is for, where it was loaded from, and its hash."""

    core: str
    path: str
    sha256: str


@dataclass
class Capture:
    """The board at one moment.

    Attributes:
        time: Board time in seconds when the look began.
        cores: Both cores by name.
        halted_for_it: The cores that ran until then.
        domains: State of each power domain in a word.
        semaphores: Who has which hardware semaphore.
        reset_flags: Flags of RCC_RSR since they were last cleared, by core: what has reset the chip.
        access_ports: AP0 to AP3.
        option_bytes: Option bytes in force.
        peripherals: Registers with their fields.
        console: What the board has said in this test, None where nobody listened; `silence` says why.
        images: What is flashed, or would be.
        transfers: The last commands to the probe before this look.
        actions: What the test did to the board.
        cost: Commands to the probe that this look took.
        problems: What could not be read.
    """

    time: float
    cores: dict[str, CoreCapture]
    halted_for_it: tuple[str, ...] = ()
    domains: dict[str, str] = field(default_factory=dict)
    semaphores: dict[int, str] = field(default_factory=dict)
    reset_flags: dict[str, list[str]] = field(default_factory=dict)
    access_ports: list[AccessPortCapture] = field(default_factory=list)
    option_bytes: dict[str, int] = field(default_factory=dict)
    peripherals: list[PeripheralCapture] = field(default_factory=list)
    console: str | None = None
    silence: str | None = None
    images: list[ImageCapture] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    cost: int = 0
    problems: list[str] = field(default_factory=list)


def take_capture(board: Board, *, start: float, stay_halted: bool) -> Capture:
    """Look at the board.

    Args:
        board: The board.
        start: Board time in seconds when the test began.
        stay_halted: Leave cores halted that have been halted for this.

    Raises:
        InfrastructureError: The bench has failed while looking.
    """
    return _Look(board, start, stay_halted).capture


def capture_without_look(board: Board, *, start: float, reason: str) -> Capture:
    """Return what is known of a board that cannot be looked at: what was done to it until then.

    Args:
        board: The board.
        start: Board time in seconds when the test began.
        reason: Why it cannot be looked at.
    """
    bench = board.bench
    return Capture(
        board.time(),
        {},
        silence="The board could not be looked at.",
        images=_images(board),
        transfers=list(bench.probe.usage.recent),
        actions=_actions(board, start),
        problems=[reason],
    )


def _images(board: Board) -> list[ImageCapture]:
    return [ImageCapture(image.core, str(image.path), image.sha256) for image in board.images or ()]


def _actions(board: Board, start: float) -> list[Action]:
    return [action for action in board.bench.connection.actions.done if action.end >= start]


class _Look:
    def __init__(self, board: Board, start: float, stay_halted: bool) -> None:
        usage = board.bench.probe.usage
        self._board = board
        self._problems: list[str] = []
        before = usage.count
        transfers = list(usage.recent)
        actions = _actions(board, start)
        with board.bench.connection.actions.unnoticed():
            self.capture = self._look(stay_halted)
        self.capture.transfers, self.capture.actions = transfers, actions
        self.capture.cost = usage.count - before
        self.capture.problems = self._problems

    def _try(self, what: str, read: Callable[[], Value], default: Value) -> Value:
        try:
            return read()
        except ConnectionLost as error:
            raise error
        except Exception as error:
            # Whatever is wrong with one part, the others are evidence.
            self._problems.append(f"{what}: {error}")
            return default

    def _look(self, stay_halted: bool) -> Capture:
        board = self._board
        time = board.time()
        states = {core.name: core.state for core in board.cores}
        with self._halted(states, stay_halted) as halted:
            capture = Capture(time, {}, halted)
            capture.peripherals = self._try("peripherals", lambda: capture_peripherals(board), [])
            for core in board.cores:
                capture.cores[core.name] = self._core(core, states[core.name])
        self._interpret(capture)
        capture.access_ports = self._access_ports(capture)
        capture.images = _images(board)
        try:
            capture.console = board.bench.heard()
        except InfrastructureError as error:
            capture.silence = str(error)
        return capture

    @contextmanager
    def _halted(self, states: dict[str, CoreState], stay_halted: bool) -> Iterator[tuple[str, ...]]:
        """Have both cores halted, those that run and can be reached."""
        board = self._board
        awake = (CoreState.RUNNING, CoreState.SLEEPING, CoreState.LOCKUP)
        running = [core for core in board.cores if states[core.name] in awake]
        if len(running) == len(board.cores):
            self._try("halting both cores", lambda: bool(board.halt()), False)
        else:
            for core in running:
                self._try(f"halting the {core.name}", core.halt, None)
        try:
            yield tuple(core.name for core in running)
        finally:
            if running and not stay_halted:
                if len(running) == len(board.cores):
                    self._try("resuming both cores", board.resume, None)
                else:
                    for core in running:
                        self._try(f"resuming the {core.name}", core.resume, None)

    def _core(self, core: Core, state: CoreState) -> CoreCapture:
        image = getattr(self._board.images, core.name) if self._board.images is not None else None
        if state in (CoreState.UNREACHABLE, CoreState.HELD):
            return CoreCapture(core.name, state.value)
        return self._try(
            core.name,
            lambda: capture_core(core, state, image, self._problems),
            CoreCapture(core.name, state.value),
        )

    def _interpret(self, capture: Capture) -> None:
        """Tell domains, semaphores, resets and option bytes from the registers that were read."""
        words = {
            (unit.name, register.name): register.value
            for unit in capture.peripherals
            for register in unit.registers
        }
        capture.domains = _domains(words)
        for number in range(32):
            word = words.get(("HSEM", f"R{number}"), 0)
            if word & _SEMAPHORE_TAKEN:
                owner = word >> 8 & 0xF
                capture.semaphores[number] = _CORE_IDS.get(owner, f"master {owner}")
        for core, unit in (("cm7", "RCC_C1"), ("cm4", "RCC_C2")):
            if (unit, "RSR") in words:
                fields = peripheral(unit).registers["RSR"].fields.items()
                word = words[unit, "RSR"]
                capture.reset_flags[core] = [
                    name for name, bits in fields if bits.extract(word) and name != "RMVF"
                ]
        for name, option in OPTION_BYTES.items():
            key = ("FLASH", current_register(option))
            if key in words:
                capture.option_bytes[name] = (words[key] & option.mask) >> option.lsb

    def _access_ports(self, capture: Capture) -> list[AccessPortCapture]:
        behind = ("the CM7 and the AXI bus", "the D3 bus", "the debug components", "the CM4")
        seen = {unit.name for unit in capture.peripherals}
        ports = []
        for number, leads_to in enumerate(behind):
            if number in (0, 3):
                readable = capture.cores["cm7" if number == 0 else "cm4"].is_reachable
            else:
                readable = ("RCC" if number == 1 else "DBGMCU") in seen
            explanation = None
            if not readable:
                explanation = self._try(f"AP{number}", partial(_explained, self._board.ap[number]), None)
            ports.append(AccessPortCapture(f"AP{number}", leads_to, readable, explanation))
        return ports


def _explained(port: AccessPort) -> str | None:
    return str(port.explain())


def _domains(words: dict[tuple[str, str], int]) -> dict[str, str]:
    """Return the state of each domain, told from RCC_CR and the wishes of both cores (RM0399 7.8, 9.7.2)."""
    control = words.get(("RCC", "CR"), 0)
    if not control:
        return dict.fromkeys(("D1", "D2", "D3"), "unknown")
    ready = peripheral("RCC").registers["CR"].fields
    wishes = [words.get(("PWR", name), 0) for name in ("CPUCR", "CPU2CR")]
    standby = peripheral("PWR").registers["CPUCR"].fields
    states = {"D3": "run"}
    for domain in ("D1", "D2"):
        if ready[f"{domain}CKRDY"].extract(control):
            states[domain] = "run"
        else:
            allowed = all(standby[f"PDDS_{domain}"].extract(word) for word in wishes)
            states[domain] = "standby" if allowed else "stop"
    return dict(sorted(states.items()))

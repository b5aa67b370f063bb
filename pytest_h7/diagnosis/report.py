"""What the doctor has found, as data. ``doctor.schema.json`` beside this file describes it as JSON."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_h7.diagnosis.knowledge import KNOWLEDGE, Concern

if TYPE_CHECKING:
    from pytest_h7.diagnosis.causes import Cause, Diagnosis

FORMAT = 1
"""Changes when a reader of the JSON has to be changed."""


class Health(enum.IntEnum):
    """The verdict in a word; the number is the exit code."""

    HEALTHY = 0
    FIRMWARE = 1
    INFRASTRUCTURE = 2


_HEALTH = {
    Concern.NOTHING: Health.HEALTHY,
    Concern.FIRMWARE: Health.FIRMWARE,
    Concern.INFRASTRUCTURE: Health.INFRASTRUCTURE,
}


@dataclass(frozen=True)
class Host:
    """The computer.

    Attributes:
        platform: Operating system and machine.
        python: Version.
        pyocd: Version.
        libusb: Whether the library that reaches probes is there.
        udev_rule: Whether a udev rule for ST-LINKs is there; None where there is no udev.
        programs: Programs that run and may have a probe open.
        unusable_probes: A sentence for each ST-LINK that is plugged in and cannot be used.
    """

    platform: str
    python: str
    pyocd: str
    libusb: bool
    udev_rule: bool | None
    programs: list[str]
    unusable_probes: list[str]


@dataclass(frozen=True)
class ProbeReport:
    """The probe; `vcp` is its serial port, `voltage` the target's in volts."""

    serial: str
    product: str
    firmware: str
    voltage: float | None
    vcp: str | None


@dataclass(frozen=True)
class PortReport:
    """An access port."""

    apsel: int
    reaches: str
    idr: int | None
    expected_idr: int
    readable: bool


@dataclass(frozen=True)
class Chip:
    """Identification of the chip, and why it was last reset as far as nobody has cleared that."""

    device_id: int
    revision_id: int
    revision: str
    unique_id: str | None
    flash_kib: int | None
    reset_flags: list[str]


@dataclass(frozen=True)
class SupplyReport:
    """The core supply: what PWR_CR3 selects, what the board is wired for, and whether the chip has accepted it."""

    pwr_cr3: int
    selected: str
    board: str
    ready: bool
    voltage_scale: int


@dataclass(frozen=True)
class FlashedImage:
    """What a core boots from.

    Attributes:
        core: The core.
        boot_address: From BOOT_CMx_ADD0, which counts while BOOT0 is low.
        stack_pointer: First word there, None if it cannot be read.
        reset_vector: Second word there.
        can_start: Whether these begin a vector table.
        image: Name of the image that is in flash, if it is the given one.
    """

    core: str
    boot_address: int
    stack_pointer: int | None
    reset_vector: int | None
    can_start: bool
    image: str | None


@dataclass(frozen=True)
class CoreReport:
    """A core: `CoreState` as text, where it is, and the fault it has recorded."""

    name: str
    state: str
    location: str | None
    fault: str | None


@dataclass(frozen=True)
class DebugConfiguration:
    """DBGMCU_CR as it was found, and what it keeps clocked."""

    dbgmcu_cr: int
    keeps: list[str]


@dataclass(frozen=True)
class Finding:
    """A diagnosis, and what it is about: ``"AP3"``, ``"CM7"``, ``"chip"``, ``"debug port"``, ``"probe"``."""

    about: str
    diagnosis: Diagnosis
    note: str | None = None

    @property
    def health(self) -> Health:
        """How bad it is."""
        return _HEALTH[KNOWLEDGE[self.diagnosis.cause].concern]

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "about": self.about,
            "concern": KNOWLEDGE[self.diagnosis.cause].concern.value,
            "candidates": [_cause_as_json(cause) for cause in self.diagnosis.candidates],
            "remedy": self.diagnosis.remedy,
            "note": self.note,
            "evidence": [
                {"name": name, "value": value, "access_port": self.diagnosis.access_ports.get(name)}
                for name, value in self.diagnosis.evidence.items()
            ],
        }


def _cause_as_json(cause: Cause) -> dict[str, str]:
    known = KNOWLEDGE[cause]
    return {
        "cause": cause.name,
        "meaning": cause.value,
        "certainty": known.certainty.value,
        "source": known.source,
    }


@dataclass
class Report:
    """All that the doctor has found; what it could not reach is None or empty.

    Attributes:
        board: What the board was asked for by.
        is_virtual: Whether it is the virtual board.
        host: The computer.
        probe: The probe.
        debug_port: DPIDR.
        ports: AP0 to AP3.
        chip: The chip.
        supply: Its core supply.
        option_bytes: The option bytes in force, by name.
        flash: What each core boots from.
        domains: State of the power domains, by name.
        cores: Both cores.
        semaphores: Owners of the hardware semaphores that are taken, by number; None where HSEM has no clock.
        debug: What DBGMCU keeps clocked.
        findings: What affects debugging or is wrong.
        fixes: What ``--fix`` has done.
    """

    board: str
    is_virtual: bool
    host: Host
    probe: ProbeReport | None = None
    debug_port: int | None = None
    ports: list[PortReport] = field(default_factory=list)
    chip: Chip | None = None
    supply: SupplyReport | None = None
    option_bytes: dict[str, int] | None = None
    flash: list[FlashedImage] = field(default_factory=list)
    domains: dict[str, str] = field(default_factory=dict)
    cores: list[CoreReport] = field(default_factory=list)
    semaphores: dict[int, str] | None = None
    debug: DebugConfiguration | None = None
    findings: list[Finding] = field(default_factory=list)
    fixes: list[str] = field(default_factory=list)

    @property
    def health(self) -> Health:
        """The worst of what was found."""
        return max((finding.health for finding in self.findings), default=Health.HEALTHY)

    @property
    def problems(self) -> list[Finding]:
        """Findings that are more than a remark, the worst first."""
        found = [finding for finding in self.findings if finding.health is not Health.HEALTHY]
        return sorted(found, key=lambda finding: finding.health, reverse=True)

    @property
    def verdict(self) -> list[str]:
        """Sentences: what is wrong, or that nothing is."""
        sentences = []
        for finding in self.problems:
            sentences.append(finding.note or finding.diagnosis.cause.value)
            others = finding.diagnosis.candidates[1:]
            if others:
                sentences.append("It may also be: " + " ".join(cause.value for cause in others))
        sentences += [
            finding.diagnosis.cause.value
            for finding in self.findings
            if finding.about.startswith("AP") and finding.health is Health.HEALTHY
        ]
        sentences += [
            f"The {core.name.upper()} is halted by a debugger"
            + (f" in {core.location}." if core.location else ".")
            for core in self.cores
            if core.state == "halted"
        ]
        if not self.problems:
            sentences.insert(0, "Nothing is wrong: both cores work, and can be debugged.")
        return list(dict.fromkeys(sentences))

    @property
    def next_step(self) -> str:
        """What to do now, empty if nothing."""
        return self.problems[0].diagnosis.remedy if self.problems else ""

    def as_json(self) -> dict[str, Any]:
        """Return it as ``doctor.schema.json`` describes it."""
        return {
            "format": FORMAT,
            "board": self.board,
            "virtual": self.is_virtual,
            "health": self.health.name.lower(),
            "exit_code": int(self.health),
            "verdict": self.verdict,
            "next_step": self.next_step,
            "host": asdict(self.host),
            "probe": asdict(self.probe) if self.probe else None,
            "debug_port": {"dpidr": self.debug_port} if self.debug_port is not None else None,
            "access_ports": [asdict(port) for port in self.ports],
            "chip": asdict(self.chip) if self.chip else None,
            "supply": asdict(self.supply) if self.supply else None,
            "option_bytes": self.option_bytes,
            "flash": [asdict(image) for image in self.flash],
            "domains": self.domains,
            "cores": [asdict(core) for core in self.cores],
            "semaphores": None
            if self.semaphores is None
            else {str(number): owner for number, owner in self.semaphores.items()},
            "debug_configuration": asdict(self.debug) if self.debug else None,
            "findings": [finding.as_json() for finding in self.findings],
            "fixes": self.fixes,
        }


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `Report.as_json`."""
    source = resources.files(__package__).joinpath("doctor.schema.json")
    schema: dict[str, Any] = json.loads(source.read_text("utf-8"))
    return schema

"""The doctor: looks at host, probe, chip and cores as they are, and says what is wrong and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_h7.bench.observation import lent_sleep_clocks
from pytest_h7.diagnosis.causes import Cause, Diagnosis, diagnosis
from pytest_h7.diagnosis.examination import Examination
from pytest_h7.diagnosis.explain import examine_chip, explain_open_core
from pytest_h7.diagnosis.facts import PORTS
from pytest_h7.diagnosis.host import examine_host
from pytest_h7.diagnosis.report import Finding, PortReport, ProbeReport, Report
from pytest_h7.diagnosis.rules import SILENT_CHIP
from pytest_h7.errors import BoardUnpowered, ChipSilent, InfrastructureError

if TYPE_CHECKING:
    from pytest_h7.bench.observation import Observation
    from pytest_h7.board.images import ImagePair

_START_UP = 0.1
"""Seconds that the start of both cores may take: a core that stops only meanwhile is no finding."""

_DEVICE_ID = 0x450

_TRANSIENT = {Cause.CM4_IN_STOP_WAITING_FOR_HSEM, Cause.CM4_IN_STOP, Cause.CM4_MISSED_HSEM_RELEASE}
_ASLEEP = {
    "cm7": Cause.CM7_IN_SLEEP_WITHOUT_DBGSLEEP,
    "cm4": Cause.CM4_IN_SLEEP_WITHOUT_DBGSLEEP,
}


def report_without_probe(board: str, *, is_virtual: bool, error: InfrastructureError) -> Report:
    """Return what can be said where the probe cannot even be found."""
    return Report(board, is_virtual, examine_host(), findings=[_of_the_probe(error)])


def _of_the_probe(error: InfrastructureError) -> Finding:
    return Finding("probe", diagnosis([Cause.PROBE_UNUSABLE], {}), note=str(error))


class Doctor:
    """Examines a board and changes nothing on it.

    Two things are changed for the time of a look and put back: DBGMCU_CR.DBG_SLEEPDn for a core that seems to be
    in CSleep, and DEMCR.TRCENA for a sample of a running core's program counter. Neither can be seen otherwise.

    Args:
        observation: The probe.
        board: What the board was asked for by.
        pair: The images that may be in flash.
    """

    def __init__(self, observation: Observation, board: str, pair: ImagePair) -> None:
        self._observation = observation
        self._board = board
        self._pair = pair
        self.examination: Examination | None = None

    def examine(self) -> Report:
        """Connect and look at everything; what fails becomes a finding."""
        report = Report(self._board, self._observation.is_virtual, examine_host())
        try:
            connection = self._observation.connect()
        except InfrastructureError as error:
            report.probe = self._probe()
            report.findings.append(self._of_the_connection(error))
            return report
        report.probe = self._probe()
        dpidr = connection.target.dp.dpidr
        report.debug_port = dpidr.idr if dpidr is not None else None
        self.examination = Examination(connection, self._observation.clock, self._pair)
        self.look(report)
        return report

    def look(self, report: Report) -> None:
        """Fill in what the chip shows now."""
        examination = self._connected
        found = self._explain_ports()
        if self._may_be_starting(found):
            self._observation.clock.sleep(_START_UP)
            found = self._explain_ports()
        report.ports = [examination.access_port(port) for port in examination.ports]
        report.debug = examination.debug_configuration()
        asleep = [core for core, cause in _ASLEEP.items() if cause in found[core].candidates]
        with lent_sleep_clocks(examination.connection, asleep):
            if asleep:
                found = {core: self._settled(core, before) for core, before in found.items()}
            self._look_behind(report)
            of_cores = [
                Finding(
                    core.upper(), explain_open_core(examination.connection, core, examination.function(core))
                )
                for core in PORTS
                if examination.ports[PORTS[core]].readable
            ]
            in_reset = any(about.cause is Cause.NRST_ASSERTED for about in found.values())
            of_chip = [
                Finding("chip", about)
                for about in (examine_chip(examination.connection) if not in_reset else ())
            ]
        if not self._observation.found_debug_bus_open:
            switch = "AP2 CSW.DBGSWEN"
            of_chip.append(Finding("chip", diagnosis([Cause.DBGSWEN_CLEARED], {switch: 0}, {switch: 2})))
        of_ports = [Finding(f"AP{PORTS[core]}", about) for core, about in found.items()]
        whole = [Finding("chip", diagnosis([Cause.OTHER_CHIP], {}))] if _is_other_chip(report) else []
        report.findings = [
            finding
            for finding in (*whole, *of_ports, *of_cores, *of_chip)
            if finding.diagnosis.cause is not Cause.NONE
        ]

    def _look_behind(self, report: Report) -> None:
        examination = self._connected
        report.chip = examination.chip()
        report.supply = examination.supply(self._observation.settings.board_description)
        report.option_bytes = examination.option_bytes()
        report.flash = examination.flash(report.option_bytes) if report.option_bytes else []
        report.domains = examination.domains()
        report.semaphores = examination.semaphores()
        report.cores = [examination.core(core) for core in PORTS]

    @property
    def _connected(self) -> Examination:
        assert self.examination is not None
        return self.examination

    def _explain_ports(self) -> dict[str, Diagnosis]:
        return {core: self._connected.ports[apsel].explain() for core, apsel in PORTS.items()}

    def _may_be_starting(self, found: dict[str, Diagnosis]) -> bool:
        """Whether the CM4 only waits for a CM7 that is on its way."""
        return found["cm4"].cause in _TRANSIENT and found["cm4"].evidence.get("CM7") != "halted"

    def _settled(self, core: str, before: Diagnosis) -> Diagnosis:
        """Return the diagnosis of a port that was closed when cores in CSleep have their clocks."""
        if before.cause is Cause.NONE:
            return before
        now = self._connected.ports[PORTS[core]].explain()
        if now.cause is Cause.NONE:
            return diagnosis([_ASLEEP[core]], before.evidence, before.access_ports)
        as_found = {name: value for name, value in before.evidence.items() if name.startswith("DBGMCU")}
        return replace(now, evidence=now.evidence | as_found)

    # -- the probe --------------------------------------------------------------------------------

    def _probe(self) -> ProbeReport:
        probe = self._observation.probe
        return ProbeReport(
            serial=probe.serial,
            product=probe.product,
            firmware=probe.firmware,
            voltage=probe.voltage,
            vcp=_virtual_com_port(self._observation),
        )

    def _of_the_connection(self, error: InfrastructureError) -> Finding:
        if isinstance(error, BoardUnpowered):
            measured = f"{self._observation.probe.voltage or 0:.2f} V"
            return Finding("probe", diagnosis([Cause.NO_POWER], {"target voltage": measured}))
        if isinstance(error, ChipSilent):
            return Finding("debug port", diagnosis(SILENT_CHIP, {"DPIDR": "no answer"}))
        return _of_the_probe(error)


def _virtual_com_port(observation: Observation) -> str | None:
    from pytest_h7.bench.probes import link_to
    from pytest_h7.bench.serial_ports import port_of

    probe = observation.probe
    link = link_to(probe.driver)
    if link is not None:
        return link.console_url() if link.board.get("console") else None
    if observation.is_virtual:
        return f"h7twin://{probe.driver.virtual_board.name or ''}"
    return port_of(probe.serial, probe.usb_location)


def _is_other_chip(report: Report) -> bool:
    """Whether what answers says that it is something else."""

    def differs(port: PortReport) -> bool:
        return bool(port.idr) and port.idr != port.expected_idr

    return any(map(differs, report.ports)) or (
        report.chip is not None and report.chip.device_id != _DEVICE_ID
    )

"""The doctor's report for eyes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.diagnosis.causes import readable
from pytest_h7.diagnosis.knowledge import KNOWLEDGE
from pytest_h7.diagnosis.report import Health

if TYPE_CHECKING:
    from rich.console import Console

    from pytest_h7.diagnosis.report import Finding, FlashedImage, Report

_SHOWN_OPTIONS = ("BCM7", "BCM4", "BOOT_CM7_ADD0", "BOOT_CM4_ADD0", "RDP", "SECURITY", "SWAP_BANK_OPT")
_HEALTH = {
    Health.HEALTHY: ("healthy", "bold green"),
    Health.FIRMWARE: ("firmware, option bytes or debug session", "bold yellow"),
    Health.INFRASTRUCTURE: ("infrastructure", "bold red"),
}

Row = tuple[str, Text]


def show(report: Report, console: Console) -> None:
    """Print a report."""
    kind = "virtual board" if report.is_virtual else "board"
    console.print(Text(f"{kind} {report.board}", "bold"))
    console.print(_grid(_facts(report)))
    for finding in report.findings:
        console.print()
        _show_finding(finding, console)
    console.print()
    word, style = _HEALTH[report.health]
    console.print(
        _grid(
            [
                *(("fixed", Text(done)) for done in report.fixes),
                ("verdict", Text(word, style)),
                *(("", Text(sentence)) for sentence in report.verdict),
                ("next step", Text(report.next_step or "none")),
            ]
        )
    )


def _grid(rows: list[Row] | Iterator[Row]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True, min_width=10)
    grid.add_column()
    for label, text in rows:
        grid.add_row(label, text)
    return grid


def _facts(report: Report) -> Iterator[Row]:
    host = report.host
    missing = [] if host.libusb else ["libusb is missing"]
    if host.udev_rule is not None:
        missing.append("a udev rule for ST-LINKs" if host.udev_rule else "no udev rule for ST-LINKs")
    yield "host", Text(", ".join([host.platform, f"Python {host.python}", f"pyOCD {host.pyocd}", *missing]))
    for problem in (*host.unusable_probes, *(f"{program} runs" for program in host.programs)):
        yield "", Text(problem)
    if report.probe is not None:
        probe = report.probe
        voltage = "voltage unknown" if probe.voltage is None else f"{probe.voltage:.2f} V"
        vcp = probe.vcp or "no serial port"
        yield "probe", Text(f"{probe.product} {probe.firmware}, {probe.serial}, target {voltage}, {vcp}")
    if report.debug_port is not None:
        yield "DP", Text(f"DPIDR 0x{report.debug_port:08X}")
    for port in report.ports:
        idr = "no IDR" if port.idr is None else f"IDR 0x{port.idr:08X}"
        state = ("open", "green") if port.readable else ("closed", "yellow")
        yield f"AP{port.apsel}", Text.assemble(f"{idr}, {port.reaches}: ", state)
    yield from _chip_facts(report)
    for core in report.cores:
        where = f" in {core.location}" if core.location else ""
        fault = f"; {core.fault}" if core.fault else ""
        yield core.name.upper(), Text(f"{core.state}{where}{fault}")


def _chip_facts(report: Report) -> Iterator[Row]:
    if report.chip is not None:
        chip = report.chip
        size = "" if chip.flash_kib is None else f", {chip.flash_kib} KiB of flash"
        yield "chip", Text(f"device id 0x{chip.device_id:03X}, revision {chip.revision}{size}")
        yield "reset by", Text(", ".join(chip.reset_flags) or "flags are cleared")
    if report.supply is not None:
        supply = report.supply
        ready = "ready" if supply.ready else "not ready"
        yield (
            "supply",
            Text(
                f"PWR_CR3 0x{supply.pwr_cr3:08X}: {supply.selected}, {ready}, VOS{supply.voltage_scale}; "
                f"the board is wired for {supply.board}"
            ),
        )
    if report.option_bytes is not None:
        options = report.option_bytes
        shown = (f"{name} {OPTION_BYTES[name].format(options[name])}" for name in _SHOWN_OPTIONS)
        yield "options", Text(", ".join(shown))
    elif report.chip is not None:
        yield "options", Text("cannot be read: neither core has a clock")
    for image in report.flash:
        yield f"{image.core.upper()} boots", Text(_describe_image(image))
    if report.domains:
        yield "domains", Text(", ".join(f"{name} {state}" for name, state in report.domains.items()))
    if report.chip is not None:
        owned = report.semaphores
        free = (
            "all free" if not owned else ", ".join(f"{number} of {owner}" for number, owner in owned.items())
        )
        yield "HSEM", Text("cannot be read: it has no clock" if owned is None else free)
    if report.debug is not None:
        keeps = " ".join(report.debug.keeps) or "nothing is kept clocked"
        yield "DBGMCU_CR", Text(f"0x{report.debug.dbgmcu_cr:08X}: {keeps}")


def _describe_image(image: FlashedImage) -> str:
    place = f"from 0x{image.boot_address:08X}"
    if image.stack_pointer is None or image.reset_vector is None:
        return f"{place}, which cannot be read"
    if not image.can_start:
        return f"{place}, where no vector table is (0x{image.stack_pointer:08X}, 0x{image.reset_vector:08X})"
    known = image.image or "a firmware that is not known here"
    return f"{place}: {known}, sp 0x{image.stack_pointer:08X}, reset vector 0x{image.reset_vector:08X}"


def _show_finding(finding: Finding, console: Console) -> None:
    found = finding.diagnosis
    style = "bold" if finding.health is Health.HEALTHY else "bold yellow"
    console.print(Text(f"{finding.about}: {finding.note or found.cause.value}", style))
    for other in found.candidates[1:]:
        console.print(Text(textwrap.indent(f"or: {other.value}", "  ")))
    known = KNOWLEDGE[found.cause]
    rows = []
    if found.evidence:
        rows.append(("read", Text(", ".join(_evidence(finding)))))
    if known.source:
        rows.append((known.certainty.value, Text(known.source)))
    if found.remedy:
        rows.append(("remedy", Text(found.remedy)))
    console.print(_grid((f"  {label}", text) for label, text in rows))


def _evidence(finding: Finding) -> Iterator[str]:
    ports = finding.diagnosis.access_ports
    for name, value in finding.diagnosis.evidence.items():
        through = f" (AP{ports[name]})" if name in ports and not name.startswith("AP") else ""
        yield f"{name} = {readable(value)}{through}"

"""The command line ``pytest-h7``: what is there, what a board shows, what is wrong with it, and flashing it."""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import version

from pytest_h7.bench.interruption import make_impatient, make_patient
from pytest_h7.board_commands import add_board_commands
from pytest_h7.ctests.building import add_build_command
from pytest_h7.doctor_command import add_doctor_command
from pytest_h7.errors import H7Error
from pytest_h7.flash_command import add_flash_command
from pytest_h7.recover_command import add_recover_command
from pytest_h7.release.compare_command import add_compare_command
from pytest_h7.serve_command import add_serve_command
from pytest_h7.summary_command import add_summary_command

_INTERRUPTED = 128 + signal.SIGINT
"""Exit code, as a shell has it."""


def _list_boards(arguments: argparse.Namespace) -> None:
    """Print what can stand behind ``--h7-probe``: serial number, what it is, its serial port, and who has it."""
    from pytest_h7.bench.lease import probe_folder, who_has
    from pytest_h7.bench.probes import Probe, connected_probes, name_behind
    from pytest_h7.bench.serial_ports import port_of
    from pytest_h7.bench.unusable_probes import unusable_stlinks
    from pytest_h7.twin.board_store import board_folder, kept_boards, serial_of

    rows = []
    for driver in connected_probes():
        serial, name = str(driver.unique_id), name_behind(driver)
        if name is None:
            console, holder = port_of(serial, Probe(driver).usb_location), who_has(probe_folder(serial))
        else:
            # The unnamed board is this process's own.
            console, holder = f"h7twin://{name}", who_has(board_folder(name)) if name else None
        rows.append((serial, str(driver.product_name), console, holder))
    listed = {serial for serial, *_ in rows}
    rows.append(
        ("twin", "virtual NUCLEO-H755ZI-Q (twin:NAME for one that keeps its flash)", "h7twin://", None)
    )
    rows += [
        (f"twin:{name}", "virtual board that is kept", f"h7twin://{name}", who_has(board_folder(name)))
        for name in kept_boards()
        if serial_of(name) not in listed
    ]
    wanted = arguments.probe
    if wanted:
        there = ", ".join(serial for serial, *_ in rows)
        rows = [row for row in rows if wanted.lower() in row[0].lower()]
        if not rows:
            raise H7Error(f"No probe has {wanted!r} in its serial number: there are {there}.")
    width = max(len(serial) for serial, *_ in rows)
    for serial, product, port, holder in rows:
        console = f", console {port}" if port is not None else ", no console"
        print(f"{serial:<{width}}  {product}{console}" + (f", in use by {holder}" if holder else ""))
    for sentence in unusable_stlinks():
        print(f"pytest-h7: {sentence}", file=sys.stderr)


def _describe_twin(arguments: argparse.Namespace) -> None:
    """Print what of the chip the virtual board models."""
    from pytest_h7.twin.board import VirtualBoard
    from pytest_h7.twin.fidelity import Fidelity, coverage

    mcu = VirtualBoard().mcu
    entries = coverage([*mcu.peripherals.values(), *mcu.rcc.banks.values()])
    wanted = {name.upper() for name in arguments.peripheral}
    unknown = wanted - {entry.peripheral for entry in entries}
    if unknown:
        raise H7Error(
            f"The chip has no peripheral {', '.join(sorted(unknown))}: names are those of ST's header."
        )
    for fidelity in Fidelity:
        chosen = [
            entry
            for entry in entries
            if entry.fidelity is fidelity and (not wanted or entry.peripheral in wanted)
        ]
        if not chosen:
            continue
        print(f"{fidelity.value}:")
        if fidelity is Fidelity.PARTLY or wanted:
            for entry in chosen:
                stored = ", ".join(entry.stored_only) or "no register"
                modelled = entry.registers - len(entry.stored_only)
                print(
                    f"  {entry.peripheral}: {modelled} of {entry.registers} registers; stored only: {stored}"
                )
        else:
            names = ", ".join(entry.peripheral for entry in chosen)
            print(textwrap.fill(names, 100, initial_indent="  ", subsequent_indent="  "))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code, 1 after an error, 130 after Ctrl-C; ``doctor`` has its own."""
    parser = argparse.ArgumentParser(prog="pytest-h7", description="Boards for pytest-h7.")
    parser.add_argument("--version", action="version", version=f"pytest-h7 {version('pytest-h7')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="show what can be given to --h7-probe")
    listing.add_argument("--probe", metavar="PROBE", help="only those with this in their serial number")
    listing.set_defaults(run=_list_boards)
    twin = commands.add_parser("twin", help="tell about the virtual board")
    twin.add_argument(
        "--fidelity",
        action="store_true",
        required=True,
        help="which peripherals are modelled, partly, or stored",
    )
    twin.add_argument("peripheral", nargs="*", help="only these, with their registers (default: all)")
    twin.set_defaults(run=_describe_twin)
    add_board_commands(commands.add_parser)
    add_doctor_command(commands.add_parser)
    add_flash_command(commands.add_parser)
    add_recover_command(commands.add_parser)
    add_compare_command(commands.add_parser)
    add_summary_command(commands.add_parser)
    add_build_command(commands.add_parser)
    add_serve_command(commands.add_parser)
    parsed = parser.parse_args(arguments)
    make_patient(signal.SIGINT)
    try:
        return parsed.run(parsed) or 0
    except H7Error as error:
        print(f"pytest-h7: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pytest-h7: interrupted", file=sys.stderr)
        return _INTERRUPTED
    finally:
        make_impatient(signal.SIGINT)

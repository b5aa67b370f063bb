"""Finding the debug probe, and opening the connection to the chip through it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.connection import Connection, TransferCounter, translated_errors
from pytest_h7.bench.lease import Lease, probe_folder
from pytest_h7.bench.settings import twin_name
from pytest_h7.errors import H7Error, InfrastructureError, ProbeNotFound

if TYPE_CHECKING:
    from pytest_h7.bench.settings import Settings
    from pytest_h7.chip.boards import BoardDescription
    from pytest_h7.twin.board import VirtualBoard

TARGET = "stm32h755xx"
_MINIMUM_VOLTAGE = 1.6
"""Below this a target counts as unpowered: the STM32H755 needs at least 1.62 V (its data sheet)."""

_NRST_PULSE = 0.01
"""Seconds of NRST low; the chip needs 350 ns (its data sheet), a board's capacitor and supervisor more."""


class Probe:
    """The debug probe, as a test sees it."""

    def __init__(self, driver: Any, counter: TransferCounter) -> None:
        self.driver = driver
        self._counter = counter

    def __repr__(self) -> str:
        return f"<Probe {self.product} {self.serial}>"

    @property
    def serial(self) -> str:
        """Serial number."""
        return str(self.driver.unique_id)

    @property
    def product(self) -> str:
        """Product name as the probe tells it."""
        return str(self.driver.product_name)

    @property
    def firmware(self) -> str:
        """Version of the probe's firmware, empty where it does not tell."""
        link = getattr(self.driver, "_link", None)
        return str(getattr(link, "version_str", "") or "")

    @property
    def voltage(self) -> float | None:
        """Voltage of the target in volts as measured last, None where the probe cannot."""
        link = getattr(self.driver, "_link", None)
        value: float | None = getattr(link, "target_voltage", None)
        return value

    def require_power(self) -> None:
        """Measure the voltage of the board again, where the probe can.

        Raises:
            InfrastructureError: the board has no power, or the probe does not answer.
        """
        measure = getattr(getattr(self.driver, "_link", None), "get_target_voltage", None)
        if measure is not None:
            with translated_errors(f"measure the voltage at probe {self.serial}"):
                measure()
        if self.voltage is not None and self.voltage < _MINIMUM_VOLTAGE:
            raise InfrastructureError(
                f"The board at probe {self.serial} has no power: the probe measures {self.voltage:.2f} V; "
                "plug in its supply and check the power jumper."
            )

    @property
    def is_virtual(self) -> bool:
        """Whether this is the virtual board's probe."""
        return board_behind(self.driver) is not None

    @property
    def transfers(self) -> int:
        """Commands sent over USB so far: what costs time on a real bench."""
        return self._counter.count


def board_behind(driver: Any) -> VirtualBoard | None:
    """Return the virtual board behind a probe, None for a real one."""
    from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

    return driver.virtual_board if isinstance(driver, TwinProbe) else None


def connected_probes() -> list[Any]:
    """Return all probes that pyOCD sees, without opening one."""
    from pyocd.core.helpers import ConnectHelper

    with translated_errors("list the debug probes"):
        return list(ConnectHelper.get_all_connected_probes(blocking=False, print_wait_message=False))


def reserve_probe(settings: Settings, announce: Callable[[str], None]) -> tuple[Any, Lease | None]:
    """Return the probe that the settings name, with the lease of its board; a board of this process needs none.

    Args:
        settings: What the user asked for.
        announce: Tells the user for whom this waits, if it does.

    Raises:
        ProbeNotFound: no probe matches, or several do.
        InfrastructureError: the board is in use and did not become free in time.
    """
    from pytest_h7.twin.board_store import BoardNameError, board_folder

    name = twin_name(settings.probe)
    if name:
        # Its folder is known, so nothing else has to be looked for while this waits.
        try:
            folder = board_folder(name)
        except BoardNameError as error:
            raise ProbeNotFound(str(error)) from None
        lease = Lease(settings.probe, folder, settings.lease_timeout, announce)
        try:
            return _virtual_probe(name, settings.board), lease
        except BaseException:
            lease.release()
            raise
    driver = find_probe(settings.probe, settings.board)
    board = board_behind(driver)
    if board is not None and board.name is None:
        return driver, None
    serial = str(driver.unique_id)
    folder = probe_folder(serial) if board is None else board_folder(board.name or "")
    return driver, Lease(serial, folder, settings.lease_timeout, announce)


def find_probe(selection: str, description: BoardDescription | None = None) -> Any:
    """Return the probe that `selection` names: ``twin``, ``twin:NAME``, a serial number or part of one.

    A virtual board is made as `description` says.

    Raises:
        ProbeNotFound: no probe matches, or several do.
        InfrastructureError: the virtual board is in use by another process.
    """
    name = twin_name(selection)
    if name is not None:
        return _virtual_probe(name, description)
    probes = connected_probes()
    chosen = None
    try:
        chosen = _choose(probes, selection)
    finally:
        _let_go_of_others(probes, chosen)
    return chosen


def _choose(probes: list[Any], selection: str) -> Any:
    matching = [probe for probe in probes if selection.lower() in probe.unique_id.lower()]
    exact = [probe for probe in matching if probe.unique_id.lower() == selection.lower()]
    if len(exact) == 1:
        return exact[0]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ProbeNotFound(
            f"{len(matching)} probes have {selection!r} in their serial number: {_listing(matching)}; "
            "give enough of it to choose one."
        )
    there = f"there are {_listing(probes)}" if probes else "no debug probe is connected"
    raise ProbeNotFound(f"No probe has {selection!r} in its serial number: {there} (or use --h7-probe=twin).")


def _let_go_of_others(probes: list[Any], chosen: Any) -> None:
    """Leave virtual boards to other processes that have only been listed."""
    from pytest_h7.twin.board import give_up

    for probe in probes:
        board = board_behind(probe)
        if board is not None and probe is not chosen and board.stlink.claimed_by is None:
            give_up(board)


def _listing(probes: list[Any]) -> str:
    return ", ".join(f"{probe.unique_id} ({probe.product_name})" for probe in probes)


def _virtual_probe(name: str, description: BoardDescription | None) -> Any:
    from pytest_h7.twin.board_store import BoardInUse, BoardNameError
    from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

    try:
        return TwinProbe.for_board(name or None, description)
    except BoardNameError as error:
        raise ProbeNotFound(str(error)) from None
    except BoardInUse as error:
        raise InfrastructureError(
            f"{str(error).rstrip('.')}: wait until it is free, or use another name."
        ) from None


def open_connection(driver: Any, settings: Settings) -> tuple[Connection, Probe]:
    """Open a pyOCD session on a probe and connect to the chip.

    Raises:
        InfrastructureError: the probe cannot be opened, or there is no powered STM32H755 behind it.
    """
    from pyocd.core.session import Session

    counter = _count_transfers(driver)
    if hasattr(driver, "_board_id"):
        # The target is known. pyOCD would ask the ST-LINK, then look for its drive on the host.
        driver._board_id = ""
    with tempfile.TemporaryDirectory(prefix="pytest-h7-") as nowhere:
        # pyOCD would run a pyocd_user.py of the project directory and change into it.
        here = Path.cwd()
        try:
            session = Session(
                driver,
                options={
                    "target_override": TARGET,
                    "project_dir": nowhere,
                    "no_config": True,
                    "frequency": settings.frequency,
                    "connect_mode": settings.connect.value,
                    "resume_on_disconnect": True,
                    "reset.post_delay": 0.0,
                    "reset.hold_time": _NRST_PULSE,
                    "h7.fixed_topology": True,
                    "h7.low_power_debug": settings.low_power_debug.value,
                },
            )
        finally:
            os.chdir(here)
    probe = Probe(driver, counter)
    try:
        with translated_errors(f"connect through probe {probe.serial}"):
            session.open()
    except BaseException as error:
        try:
            if isinstance(error, H7Error) and driver.is_open:
                probe.require_power()
        finally:
            abandon(session)
        raise
    return Connection(session, counter), probe


def abandon(session: Any) -> None:
    """Let go of a probe whatever state it is in: NRST released, USB interface closed."""
    from pyocd.core import exceptions

    driver = session.probe
    session.context_state.suppress_disconnect_error = True
    for release in (lambda: driver.assert_reset(False), session.close, driver.close, _usb_close(driver)):
        try:
            release()
        except (exceptions.Error, AssertionError, OSError, AttributeError):
            # Whatever could not be released was not held, or the probe is gone.
            continue


def _usb_close(driver: Any) -> Callable[[], None]:
    def close() -> None:
        device = driver._link._device
        if device.is_open:
            device.close()

    return close


def _count_transfers(driver: Any) -> TransferCounter:
    """Count the commands that go over USB, on an ST-LINK; another probe counts as zero."""
    device = getattr(getattr(driver, "_link", None), "_device", None)
    if device is None:
        return TransferCounter()
    counter: TransferCounter | None = getattr(device, "h7_transfer_counter", None)
    if counter is None:
        counter = TransferCounter()
        device.transfer = counter.counted(device.transfer)
        device.h7_transfer_counter = counter
    return counter

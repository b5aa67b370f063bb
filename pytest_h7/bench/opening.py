"""Opening the connection to the chip through a probe, and letting go of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.connection import translated_errors
from pytest_h7.bench.settings import ConnectMode
from pytest_h7.bench.usb_errors import usb_sentence
from pytest_h7.errors import ChipSilent, ConnectionLost, H7Error, InfrastructureError

if TYPE_CHECKING:
    from pyocd.core.session import Session

    from pytest_h7.bench.probes import Probe
    from pytest_h7.bench.settings import Settings

TARGET = "stm32h755xx"

_NRST_PULSE = 0.01
"""Seconds of NRST low; the chip needs 350 ns (its data sheet), a board's capacitor and supervisor more."""

_DEBUG_PINS = "PA13 and PA14"


def open_session(probe: Probe, settings: Settings) -> Session:
    """Open a pyOCD session on a probe and connect to the chip.

    Raises:
        ConnectionLost: the probe, the link or the supply has failed, or the chip keeps the debugger out.
        InfrastructureError: the probe cannot be opened or used, or there is no STM32H755 behind it.
    """
    session = create_session(probe, settings)
    with explained_failure(probe, settings, session):
        session.open()
    return session


def create_session(probe: Probe, settings: Settings) -> Session:
    """Return a pyOCD session on a probe; nothing is opened yet."""
    from pyocd.core.session import Session

    driver = probe.driver
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
    session.delegate = _Inspection(probe)
    return session


@contextmanager
def explained_failure(probe: Probe, settings: Settings, session: Session) -> Iterator[None]:
    """Let go of the probe if what is done in this context fails, and say why that may be."""
    try:
        with translated_errors(f"connect through probe {probe.serial}"):
            yield
    except BaseException as error:
        try:
            if isinstance(error, H7Error):
                raise _explained(error, probe, settings) from error
        finally:
            abandon(session)
        raise


class _Inspection:
    """Looks at the probe when pyOCD has opened it, before anything is asked of the chip."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def will_connect(self, board: object) -> None:  # noqa: ARG002 - a keyword of pyOCD's
        """Raise InfrastructureError if the probe's firmware is too old."""
        self._probe.require_firmware()


def _explained(error: H7Error, probe: Probe, settings: Settings) -> H7Error:
    """Return what keeps the connection from being opened, as far as it can be found out."""
    usb = usb_sentence(error)
    if usb is not None:
        kind = ConnectionLost if probe.usage.has_failed else InfrastructureError
        return kind(f"Could not open probe {probe.serial}: {usb}")
    if probe.driver.is_open:
        try:
            probe.require_power()
        except InfrastructureError as no_power:
            return no_power
    if isinstance(error, InfrastructureError):
        return error
    if not _is_unreachable(error):
        return InfrastructureError(str(error))
    reason = str(error).rstrip(".")
    if settings.connect is ConnectMode.ATTACH:
        return ChipSilent(
            f"{reason}: the board has power, but the chip does not let a debugger attach. Its firmware may use "
            f"{_DEBUG_PINS} for something else, or have put the system into Standby: connect with "
            "--h7-connect=under-reset."
        )
    return ChipSilent(
        f"{reason}, not even under reset, although the board has power: check SWDIO, SWCLK and NRST; "
        "`pytest-h7 recover` tells what else can be done."
    )


def _is_unreachable(error: H7Error) -> bool:
    """Return whether the chip did not answer; else it did, and is not the right one."""
    from pyocd.core.exceptions import TargetSupportError

    return not isinstance(error.__cause__, TargetSupportError)


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

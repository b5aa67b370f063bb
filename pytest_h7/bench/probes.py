"""The debug probe, and how it is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.connection import translated_errors
from pytest_h7.bench.lease import Lease, probe_folder
from pytest_h7.bench.settings import place_name, remote_address, twin_name
from pytest_h7.bench.transfers import Transfers
from pytest_h7.bench.unusable_probes import unusable_stlinks
from pytest_h7.errors import BoardUnpowered, InfrastructureError, ProbeNotFound

if TYPE_CHECKING:
    from pytest_h7.bench.settings import Settings
    from pytest_h7.chip.boards import BoardDescription
    from pytest_h7.remote.link import Link
    from pytest_h7.remote.reservation import RemoteLease
    from pytest_h7.twin.board import VirtualBoard

_MINIMUM_VOLTAGE = 1.6
"""Below this a target counts as unpowered: the STM32H755 needs at least 1.62 V (its data sheet)."""


class Probe:
    """The debug probe, as a test sees it.

    Attributes:
        driver: pyOCD's object for it.
        usage: What goes to it over USB.
    """

    def __init__(self, driver: Any) -> None:
        self.usage = Transfers()
        self.use(driver)

    def use(self, driver: Any) -> None:
        """Go on with this object for the same probe, after it was plugged in again."""
        self.driver = driver
        # Only an ST-LINK's driver has a USB interface to look at.
        device = getattr(getattr(driver, "_link", None), "_device", None)
        if device is not None:
            self.usage.watch(device)

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

    @property
    def usb_location(self) -> str | None:
        """Where it is plugged in, as bus and ports: ``"1-2.3"``; None where that is not known."""
        device: Any = getattr(getattr(getattr(self.driver, "_link", None), "_device", None), "_dev", None)
        ports = getattr(device, "port_numbers", None)
        if not ports:
            return None
        return f"{device.bus}-{'.'.join(str(port) for port in ports)}"

    def require_firmware(self) -> None:
        """Raise InfrastructureError if the firmware of an ST-LINK cannot do what is needed.

        Older ones take no CSW with a memory access, and read behind the CM7's data cache.
        """
        from pyocd.probe.stlink.stlink import STLink

        link = getattr(self.driver, "_link", None)
        if not isinstance(link, STLink):
            return
        needed = STLink.MIN_JTAG_VERSION_MEM_CSW.get(link.hw_version, 0)
        if link.jtag_version < needed:
            raise InfrastructureError(
                f"The firmware {self.firmware} of probe {self.serial} is too old: update it to "
                f"V{link.hw_version}J{needed} or newer with STM32CubeProgrammer (STSW-LINK007)."
            )

    def require_power(self) -> None:
        """Measure the voltage of the board again, where the probe can.

        Raises:
            BoardUnpowered: the board has no power.
            ConnectionLost: the probe does not answer.
        """
        measure = getattr(getattr(self.driver, "_link", None), "get_target_voltage", None)
        if measure is not None:
            with translated_errors(f"measure the voltage at probe {self.serial}"):
                measure()
        if self.voltage is not None and self.voltage < _MINIMUM_VOLTAGE:
            raise BoardUnpowered(
                f"The board at probe {self.serial} has no power: the probe measures {self.voltage:.2f} V; "
                "plug in its supply and check the power jumper."
            )

    @property
    def is_virtual(self) -> bool:
        """Whether this is the virtual board's probe."""
        link = link_to(self.driver)
        return board_behind(self.driver) is not None or (link is not None and link.is_virtual)

    @property
    def transfers(self) -> int:
        """Commands sent over USB so far: what costs time on a real bench."""
        return self.usage.count


def board_behind(driver: Any) -> VirtualBoard | None:
    """Return the virtual board behind a probe, None for a real one."""
    from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

    return driver.virtual_board if isinstance(driver, TwinProbe) else None


def name_behind(driver: Any) -> str | None:
    """Return the name of the virtual board behind a probe, empty for the unnamed one, None for a real one.

    The board is not opened for it.
    """
    from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

    return (driver.board_name or "") if isinstance(driver, TwinProbe) else None


def link_to(driver: Any) -> Link | None:
    """Return the connection to a probe at another machine, None for one at this."""
    from pytest_h7.remote.probe import RemoteProbe

    return driver.link if isinstance(driver, RemoteProbe) else None


def connected_probes() -> list[Any]:
    """Return all probes that pyOCD sees, without opening one."""
    from pyocd.core.helpers import ConnectHelper

    with translated_errors("list the debug probes"):
        return list(ConnectHelper.get_all_connected_probes(blocking=False, print_wait_message=False))


def reserve_probe(
    settings: Settings, announce: Callable[[str], None]
) -> tuple[Any, Lease | RemoteLease | None]:
    """Return the probe that the settings name, with the lease of its board; a board of this process needs none.

    Args:
        settings: What the user asked for.
        announce: Tells the user for whom this waits, if it does.

    Raises:
        ProbeNotFound: no probe matches, or several do.
        InfrastructureError: the board is in use and did not become free in time.
    """
    from pytest_h7.twin.board_store import BoardNameError, board_folder

    address = remote_address(settings.probe)
    if address is not None:
        from pytest_h7.remote.address import parse_address
        from pytest_h7.remote.reservation import reserve

        try:
            where = parse_address(address)
        except ValueError as error:
            raise ProbeNotFound(f"{settings.probe!r} names no board: {error}.") from None
        return reserve(where, settings.lease_timeout, announce)
    place = place_name(settings.probe)
    if place is not None:
        from pytest_h7.remote.reservation import reserve_place

        return reserve_place(place, settings.lease_timeout, announce)
    name = twin_name(settings.probe)
    if name is None:
        driver = _choose(connected_probes(), settings.probe)
        name = name_behind(driver)
        if name is None:
            serial = str(driver.unique_id)
            return driver, Lease(serial, probe_folder(serial), settings.lease_timeout, announce)
    if not name:
        return _virtual_probe(name, settings.board_description), None
    try:
        folder = board_folder(name)
    except BoardNameError as error:
        raise ProbeNotFound(str(error)) from None
    lease = Lease(f"twin:{name}", folder, settings.lease_timeout, announce)
    try:
        return _virtual_probe(name, settings.board_description), lease
    except BaseException:
        lease.release()
        raise


def find_again(driver: Any, settings: Settings) -> Any:
    """Return the probe of the same board after an error: as another USB device, or in a new connection.

    Raises:
        InfrastructureError: it is not there any more.
    """
    if link_to(driver) is not None:
        from pytest_h7.remote.reservation import found_again

        return found_again(driver)
    selection = settings.probe if settings.is_twin else str(driver.unique_id)
    return find_probe(selection, settings.board_description)


def find_probe(selection: str, description: BoardDescription | None = None) -> Any:
    """Return the probe that `selection` names: ``twin``, ``twin:NAME``, a serial number or part of one.

    A virtual board is made as `description` says.

    Raises:
        ProbeNotFound: no probe matches, or several do.
        InfrastructureError: the virtual board is in use by another process.
    """
    name = twin_name(selection)
    if name is None:
        driver = _choose(connected_probes(), selection)
        name = name_behind(driver)
        if name is None:
            return driver
    return _virtual_probe(name, description)


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
    sentences = [
        f"No probe has {selection!r} in its serial number: {there} (or use --h7-probe=twin).",
        *unusable_stlinks(),
    ]
    raise ProbeNotFound(" ".join(sentences))


def _listing(probes: list[Any]) -> str:
    return ", ".join(f"{probe.unique_id} ({probe.product_name})" for probe in probes)


def _virtual_probe(name: str, description: BoardDescription | None) -> Any:
    from pytest_h7.twin.board_store import BoardDamaged, BoardInUse, BoardNameError
    from pytest_h7.twin.pyocd_plugin.probe import TwinProbe

    try:
        return TwinProbe.for_board(name or None, description)
    except BoardDamaged as error:
        raise InfrastructureError(str(error)) from error
    except BoardNameError as error:
        raise ProbeNotFound(str(error)) from None
    except BoardInUse as error:
        raise InfrastructureError(
            f"{str(error).rstrip('.')}: wait until it is free, or use another name."
        ) from None

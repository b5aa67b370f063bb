"""The serial port of an ST-LINK, found among those of the host as a part of the same USB device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_h7.errors import ConsoleUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serial.tools.list_ports_common import ListPortInfo

_ST = 0x0483


def console_of(serial_number: str, usb_location: str | None) -> str:
    """Return the port of the ST-LINK with that serial number, the first of them if it has several.

    Args:
        serial_number: As the probe tells it.
        usb_location: Where the probe is plugged in, as bus and ports, if that is known: ``"1-2.3"``.

    Raises:
        ConsoleUnavailable: there is none.
    """
    port = port_of(serial_number, usb_location)
    if port is None:
        raise ConsoleUnavailable(
            f"The probe {serial_number} has no serial port; choose one with --h7-console=PORT."
        )
    return port


def port_of(serial_number: str, usb_location: str | None) -> str | None:
    """Return what `console_of` does, None if there is none."""
    from serial.tools.list_ports import comports

    ports = [port for port in comports() if port.vid == _ST]
    found = _with_serial(ports, serial_number) or _at(ports, usb_location)
    return str(min(found, key=_order).device) if found else None


def _with_serial(ports: Sequence[ListPortInfo], serial_number: str) -> list[ListPortInfo]:
    """Windows writes serial numbers in upper case."""
    return [port for port in ports if (port.serial_number or "").lower() == serial_number.lower()]


def _at(ports: Sequence[ListPortInfo], usb_location: str | None) -> list[ListPortInfo]:
    """Return the ports at a place of the USB: Windows may tell another serial number for a part of a device.

    The number of a bus is the system's own on Windows, and libusb's there: it decides only between places that
    are alike without.
    """
    if usb_location is None:
        return []
    same = [port for port in ports if _place(port) == usb_location]
    if same:
        return same
    alike = [port for port in ports if _path(_place(port)) == _path(usb_location)]
    return alike if len({_place(port) for port in alike}) == 1 else []


def _place(port: ListPortInfo) -> str:
    """Return ``1-2.3`` for a port of the interface ``1-2.3:1.2``."""
    return (port.location or "").partition(":")[0]


def _path(place: str) -> str:
    """Return ``2.3`` of ``1-2.3``."""
    return place.partition("-")[2]


def _order(port: ListPortInfo) -> list[list[str | int]]:
    """By interface, then by name, as people count: ttyACM2 before ttyACM10."""
    from serial.tools.list_ports_common import numsplit

    interface = (port.location or "").partition(":")[2]
    return [numsplit(interface), numsplit(port.device)]

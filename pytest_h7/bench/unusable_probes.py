"""ST-LINKs that are plugged in and cannot be used, with the reason: pyOCD just does not list them."""

from __future__ import annotations

from typing import Any

from pytest_h7.bench.usb_errors import unreadable_sentence, usb_sentence

_ST = 0x0483
_BOOT_LOADERS = {0x374D: "ST-LINK/V3"}
_TOO_OLD = {0x3744: "ST-LINK/V1"}
"""USB product ids of ST's that pyOCD's driver has not."""


def unusable_stlinks() -> list[str]:
    """Return a sentence for each ST-LINK that is plugged in and that pyOCD cannot list."""
    import usb.core
    from pyocd.probe.stlink.usb import STLinkUSBInterface, usb_find

    try:
        devices = list(usb_find(find_all=True, idVendor=_ST))
    except usb.core.NoBackendError:
        return ["The library libusb is missing: install libusb-1.0."]
    except usb.core.USBError:
        return []
    sentences = []
    for device in devices:
        where = f"at USB bus {device.bus} address {device.address}"
        if device.idProduct in _TOO_OLD:
            sentences.append(f"The {_TOO_OLD[device.idProduct]} {where} is too old to be used.")
        elif device.idProduct in _BOOT_LOADERS:
            sentences.append(
                f"The {_BOOT_LOADERS[device.idProduct]} {where} waits for firmware: finish its update with "
                "STM32CubeProgrammer."
            )
        elif device.idProduct in STLinkUSBInterface.USB_PID_EP_MAP:
            sentences += _why_unusable(device, where)
    return sentences


def _why_unusable(device: Any, where: str) -> list[str]:
    """Read what pyOCD reads of a device to list it."""
    import usb.core
    import usb.util

    try:
        device.get_active_configuration()
        device.serial_number  # noqa: B018 - reads the descriptor
    except (usb.core.USBError, NotImplementedError) as error:
        return [f"The ST-LINK {where} cannot be opened: {usb_sentence(error)}"]
    except ValueError:
        return [f"The ST-LINK {where} cannot be opened: {unreadable_sentence()}"]
    finally:
        usb.util.dispose_resources(device)
    return []

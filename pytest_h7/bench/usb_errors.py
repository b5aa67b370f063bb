"""What an error of libusb means to the person at the desk."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

_ACCESS, _NO_DEVICE, _BUSY, _NOT_SUPPORTED = -3, -4, -6, -12
"""Error codes of libusb (its API documentation, enum libusb_error)."""


_BUSY_SENTENCE = (
    "another program has it; end the debug session of STM32CubeIDE, STM32CubeProgrammer, OpenOCD or pyOCD."
)
_CHECKOUT = Path(__file__).parents[2] / "ci" / "60-stlink.rules"
_UDEV_RULES = _CHECKOUT if _CHECKOUT.is_file() else Path(__file__).with_name(_CHECKOUT.name)
"""A wheel has them beside this module."""

_PERMISSION_SENTENCE = (
    f"this user may not open it; copy {_UDEV_RULES} to /etc/udev/rules.d and plug it in again."
    if sys.platform.startswith("linux")
    else "another program has it, or this user may not open it; end debug sessions of other programs."
)
_NO_DRIVER_SENTENCE = "it has no driver that libusb can use; install ST's driver STSW-LINK009."
_GONE_SENTENCE = "it is not there any more; plug it in again."
_NO_ANSWER_SENTENCE = (
    "it does not answer over USB; plug it in again, with another cable if that does not help."
)

_BY_CODE = {
    _ACCESS: _PERMISSION_SENTENCE,
    _NO_DEVICE: _GONE_SENTENCE,
    _BUSY: _BUSY_SENTENCE,
    _NOT_SUPPORTED: _NO_DRIVER_SENTENCE,
}
_BY_NUMBER = {
    errno.EACCES: _PERMISSION_SENTENCE,
    errno.EPERM: _PERMISSION_SENTENCE,
    errno.ENODEV: _GONE_SENTENCE,
    errno.EBUSY: _BUSY_SENTENCE,
    errno.ENOSYS: _NO_DRIVER_SENTENCE,
}


def usb_sentence(error: BaseException) -> str | None:
    """Return what is wrong with a device and the way out, None if an error has nothing to do with USB.

    Args:
        error: An error that is one of pyusb's or was caused by one.
    """
    import usb.core

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, usb.core.USBError):
        if isinstance(cause, NotImplementedError):
            return _NO_DRIVER_SENTENCE  # libusb's "operation not supported" without a device of its own
        cause = cause.__cause__
    if cause is None:
        return None
    sentence = _BY_CODE.get(cause.backend_error_code or 0) or _BY_NUMBER.get(cause.errno or 0)
    return sentence or _NO_ANSWER_SENTENCE


def unreadable_sentence() -> str:
    """Return what is wrong with a device whose strings cannot be read."""
    return _PERMISSION_SENTENCE

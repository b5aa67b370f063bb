"""Errors at the board's machine, told to the run, where they are raised as if the board were there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_h7 import errors

if TYPE_CHECKING:
    from pytest_h7.remote.protocol import Message


def describe(error: Exception) -> Message:
    """Return an error of a command as a part of an answer."""
    import usb.core

    from pytest_h7.twin.pins import PinContention

    if isinstance(error, PinContention):
        return {"kind": "pin", "pin": error.pin}
    if isinstance(error, usb.core.USBError):
        return {"kind": "usb", "usb": _usb_fields(error)}
    if isinstance(error, errors.H7Error):
        return {"kind": "h7", "name": type(error).__name__, "text": str(error)}
    if isinstance(error, AssertionError):
        return {"kind": "assertion", "text": str(error)}
    cause = error.__cause__
    usb_error = _usb_fields(cause) if isinstance(cause, usb.core.USBError) else None
    return {"kind": "probe", "text": str(error), "usb": usb_error}


def _usb_fields(error: Any) -> list[Any]:
    return [error.strerror or str(error), error.backend_error_code, error.errno]


def rebuilt(description: Message) -> Exception:
    """Return the error that was described."""
    from pyocd.core.exceptions import ProbeError

    from pytest_h7.twin.pins import PinContention

    text = str(description.get("text", ""))
    fields = description.get("usb")
    usb_error = _usb_error(fields) if isinstance(fields, Sequence) else None
    match description.get("kind"):
        case "pin":
            return PinContention(str(description.get("pin")), output=True)
        case "usb" if usb_error is not None:
            return usb_error
        case "h7":
            kind = getattr(errors, str(description.get("name")), errors.H7Error)
            return kind(text)
        case "assertion":
            return AssertionError(text)
    error: Exception = ProbeError(text)
    error.__cause__ = usb_error
    return error


def _usb_error(fields: Sequence[Any]) -> Exception:
    import usb.core

    error: Exception = usb.core.USBError(*fields)
    return error

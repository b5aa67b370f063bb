"""The tree of errors. A report says which class a failure is: the bench or the firmware."""

from __future__ import annotations


class H7Error(Exception):
    """Base of all errors of this package; the message is one sentence for the person at the desk."""


class InfrastructureError(H7Error):
    """The bench failed, not the firmware: probe gone, board unpowered, board in use, port missing."""


class FirmwareError(H7Error):
    """The firmware did something wrong: fault, lockup, broken boot contract, no progress in time."""

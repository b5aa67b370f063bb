"""The tree of errors. A report says which class a failure is: the bench or the firmware.

The message of each is one sentence for the person at the desk: what is wrong, and the way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_h7.board.boot import BootReport


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error; `BaseException.add_note` is not there in Python 3.10."""
    error.__dict__.setdefault("__notes__", []).append(note)


class H7Error(Exception):
    """Base of all errors of this package."""


class InfrastructureError(H7Error):
    """The bench failed, not the firmware: probe gone, board unpowered, board in use, port missing."""


class ConnectionLost(InfrastructureError):
    """The probe, the link to the chip or its supply has failed, which may be over with the next attempt."""


class BoardUnpowered(ConnectionLost):
    """The probe measures no supply of the board."""


class ChipSilent(ConnectionLost):
    """The board has power, and its chip does not answer the probe."""


class BoardInUse(InfrastructureError):
    """Somebody else has the board, and has not given it back in time."""


class UnmodelledRegister(InfrastructureError):
    """With ``--h7-twin-strict``: the firmware relies on a register that the virtual board only stores."""


class ProbeNotFound(InfrastructureError):
    """No probe matches, or more than one does."""


class ConsoleUnavailable(InfrastructureError):
    """The serial port cannot be found or opened."""


class FirmwareError(H7Error):
    """The firmware did something wrong: fault, lockup, broken boot contract, no progress in time."""


class ChipMisused(FirmwareError):
    """With ``--h7-twin-strict``: the firmware runs the chip as silicon would not stand, such as too fast."""


class WaitTimeout(FirmwareError):
    """What a test waited for did not happen in time."""


class CoreFaulted(FirmwareError):
    """A core has recorded a fault, or is locked up, and the test did not expect it; or it did, and none came."""


class ChipReset(FirmwareError):
    """The chip has been reset, and not by the test, which did not expect it; or it did, and none came."""


class ResultOverwritten(FirmwareError):
    """A test in C has written to where the chip's side of such tests keeps their results."""


class BootContractBroken(FirmwareError):
    """The two cores did not start as the boot contract says.

    Attributes:
        report: How far they came, the first stage that was missing, and why; None where nobody has looked.
    """

    def __init__(self, message: str, report: BootReport | None = None) -> None:
        super().__init__(message)
        self.report = report


class CoreUnreachable(FirmwareError):
    """A core cannot be controlled now: its debug registers have no clock, or it is held."""


class TargetAccessError(H7Error):
    """An access through a debug port was refused by the chip."""


class PeripheralUnclocked(TargetAccessError):
    """A register has no bus clock now, so that the chip would answer junk."""


class FigureRegressed(FirmwareError):
    """A figure that a test has measured is worse than the baseline allows."""


class BaselineError(H7Error):
    """A baseline cannot be read or written, or is not one that figures can be compared with."""


class ImageError(H7Error):
    """A firmware image is missing, unreadable, or not one for this chip and core."""


class FlashError(H7Error):
    """Erasing or programming failed, or flash does not hold what was programmed."""


class OptionBytesChanged(H7Error):
    """With ``--h7-option-bytes=check``: a test has left option bytes changed; or one that cannot be put back."""


class SafetyError(H7Error):
    """Refused, because it could lock or damage the board."""

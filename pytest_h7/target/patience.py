"""Accesses to the chip that are made again before an error is believed.

An answer WAIT says that a bus is busy, a parity error that a bit was lost on the wire, and FAULT that this
access or one before has failed. Each may be over with the next attempt. What the chip refuses it refuses again,
which costs one attempt more.

An access that ended in WAIT or FAULT was not made. One with a parity error in the data of a read was: a register
whose reading has an effect is read twice then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyocd.core import exceptions
from pyocd.coresight.dap import (
    ABORT_DAPABORT,
    ABORT_ORUNERRCLR,
    ABORT_STKCMPCLR,
    ABORT_STKERRCLR,
    ABORT_WDERRCLR,
    DP_ABORT,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyocd.coresight.dap import DebugPort

ATTEMPTS_AFTER_WAIT = 3
"""How often an access is made that the chip answers with WAIT."""

ATTEMPTS = 2
"""How often any other access is made."""

_PORT_ACCESSES = (
    "read_memory",
    "write_memory",
    "read_memory_block8",
    "write_memory_block8",
    "read_memory_block32",
    "write_memory_block32",
)
_DEBUG_PORT_ACCESSES = ("read_dp", "write_dp", "read_ap", "write_ap")

_CLEAR_ERRORS = ABORT_ORUNERRCLR | ABORT_WDERRCLR | ABORT_STKERRCLR | ABORT_STKCMPCLR


def make_port_patient(port: Any) -> None:
    """Have memory accesses through an access port made again after an error; does nothing the second time.

    An access that ends in WAIT is aborted, or all later ones, through any port, would wait as well. pyOCD aborts
    by itself only where the probe does not handle memory accesses.
    """
    dp = port.dp

    def recover(error: exceptions.TransferError) -> None:
        if isinstance(error, exceptions.TransferTimeoutError):
            dp.write_dp(DP_ABORT, ABORT_DAPABORT)
        elif not isinstance(error, exceptions.TransferFaultError):  # after that pyOCD has cleared the flags
            dp.write_dp(DP_ABORT, _CLEAR_ERRORS)

    _make_patient(port, _PORT_ACCESSES, recover)


def make_debug_port_patient(dp: DebugPort) -> None:
    """Have accesses to the debug port, and to registers of access ports, made again after an error."""

    def recover(error: exceptions.TransferError) -> None:
        # pyOCD itself aborts after WAIT and clears the flags after FAULT.
        if not isinstance(error, exceptions.TransferTimeoutError | exceptions.TransferFaultError):
            dp.probe.write_dp(DP_ABORT, _CLEAR_ERRORS)

    _make_patient(dp, _DEBUG_PORT_ACCESSES, recover)


def _make_patient(
    accessed: Any, names: tuple[str, ...], recover: Callable[[exceptions.TransferError], None]
) -> None:
    if getattr(accessed, "is_patient", False):
        return

    def patient(access: Callable[..., Any]) -> Callable[..., Any]:
        def insist(*args: Any, **kwargs: Any) -> Any:
            attempts = 0
            while True:
                try:
                    return access(*args, **kwargs)
                except exceptions.TransferError as error:
                    attempts += 1
                    waited = isinstance(error, exceptions.TransferTimeoutError)
                    _recover(recover, error)
                    if attempts >= (ATTEMPTS_AFTER_WAIT if waited else ATTEMPTS):
                        raise

        return insist

    for name in names:
        setattr(accessed, name, patient(getattr(accessed, name)))
    accessed.is_patient = True


def _recover(recover: Callable[[exceptions.TransferError], None], error: exceptions.TransferError) -> None:
    try:
        recover(error)
    except exceptions.TransferError:
        # Not even the debug port answers: the access will say so.
        return
